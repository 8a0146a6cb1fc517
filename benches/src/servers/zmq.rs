//! libzmq's own broker, spoken to in ZMTP 3.0 (mechanism NULL) by hand, so that the load client is
//! the same as everybody's. The broker is the few lines of `zmq_proxy.c`, which are compiled when
//! it is started: a crate that binds libzmq would have to be built by everybody who measures.
//!
//! A message is one frame that begins with the channel, which is what SUB sockets match. Two
//! frames, one for the channel, are as usual, and would cost the broker twice as much.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use super::{CHANNEL, Envelope, Server, Setup};
use crate::Result;
use crate::process::{Process, installed};

const SOURCE: &str = include_str!("zmq_proxy.c");

/// The bits of a frame's first byte.
const LONG: u8 = 2;
const COMMAND: u8 = 4;

pub struct Zmq {
    process: Process,
    subscribers: SocketAddr,
    publishers: SocketAddr,
    /// A publisher that publishes nothing: it is told each subscription that has taken effect.
    watcher: TcpStream,
}

impl Zmq {
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let mut command = Command::new(compile(setup)?);
        command.args(setup.args(name));
        let (process, addresses) = Process::start_with_port_file(&mut command, &setup.port_file())?;
        let [subscribers, publishers] = addresses[..] else {
            return Err("the proxy has not told two addresses".into());
        };
        Ok(Self {
            process,
            subscribers,
            publishers,
            watcher: connect(publishers, "PUB")?,
        })
    }
}

impl Server for Zmq {
    fn process(&self) -> &Process {
        &self.process
    }

    fn subscribe(&self) -> Result<TcpStream> {
        let mut socket = connect(self.subscribers, "SUB")?;
        let subscription = [&[1], CHANNEL.as_bytes()].concat();
        socket.write_all(&frame(0, &subscription))?;
        let (_, told) = read_frame(&self.watcher)?;
        if told != subscription {
            return Err(format!("zmq told the watcher {told:?}").into());
        }
        Ok(socket)
    }

    fn publish(&self) -> Result<TcpStream> {
        Ok(connect(self.publishers, "PUB")?)
    }

    fn sent(&self, size: usize) -> Envelope {
        let mut before = frame_header(0, CHANNEL.len() + size);
        before.extend_from_slice(CHANNEL.as_bytes());
        Envelope { before, after: b"" }
    }

    fn delivered(&self, size: usize) -> Envelope {
        self.sent(size)
    }
}

/// Compiles the proxy, the first time in a run.
fn compile(setup: &Setup) -> Result<PathBuf> {
    let program = setup.file("zmq_proxy");
    if program.exists() {
        return Ok(program);
    }
    let source = setup.file("zmq_proxy.c");
    std::fs::write(&source, SOURCE)?;
    let status = Command::new(installed("cc", "gcc libc6-dev")?)
        .args(["-O2", "-o"])
        .args([&program, &source])
        .arg("-lzmq")
        .status()?;
    if status.success() {
        Ok(program)
    } else {
        Err("the zmq proxy was not compiled; on Debian: apt-get install libzmq3-dev".into())
    }
}

/// Connects and shakes hands as a socket of this type.
fn connect(address: SocketAddr, kind: &str) -> io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(&greeting())?;
    socket.write_all(&frame(COMMAND, &ready(kind)))?;
    let mut theirs = [0; 64];
    socket.read_exact(&mut theirs)?;
    let (flags, command) = read_frame(&socket)?;
    if flags & COMMAND != 0 && command.starts_with(b"\x05READY") {
        Ok(socket)
    } else {
        let text = format!("zmq answered {:?}", String::from_utf8_lossy(&command));
        Err(io::Error::other(text))
    }
}

/// ```text
/// FF 00*8 7F | 03 00   | "NULL" 00*16 | 00        | 00*31
/// signature  | version | mechanism    | as-server | filler
/// ```
fn greeting() -> [u8; 64] {
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// The command that ends the handshake: its name, then one property with its value.
fn ready(kind: &str) -> Vec<u8> {
    let length = (kind.len() as u32).to_be_bytes();
    [b"\x05READY\x0bSocket-Type", &length[..], kind.as_bytes()].concat()
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    [&frame_header(flags, body.len()), body].concat()
}

/// The flags, then the length: in one byte where it fits, else in eight.
fn frame_header(flags: u8, length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(length) => vec![flags, length],
        Err(_) => [&[flags | LONG], &(length as u64).to_be_bytes()[..]].concat(),
    }
}

/// Reads a short frame and not a byte more.
fn read_frame(mut socket: &TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 2];
    socket.read_exact(&mut header)?;
    if header[0] & LONG != 0 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; header[1].into()];
    socket.read_exact(&mut body)?;
    Ok((header[0], body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_over_255_takes_eight_bytes() {
        assert_eq!(frame_header(0, 255), [0, 255]);
        assert_eq!(frame_header(0, 256), [2, 0, 0, 0, 0, 0, 0, 1, 0]);
    }

    #[test]
    fn ready_names_the_type_of_the_socket() {
        assert_eq!(
            frame(COMMAND, &ready("SUB")),
            b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB"
        );
    }
}
