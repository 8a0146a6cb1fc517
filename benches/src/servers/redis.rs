//! Redis pub/sub, in RESP. Nothing is kept on disk, and no subscriber is cut for being slow: the
//! load client's own limit is what bounds the server's buffers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::{CHANNEL, Envelope, Server, Setup};
use crate::Result;
use crate::process::{Process, free_address, installed};

pub struct Redis {
    process: Process,
    address: SocketAddr,
}

impl Redis {
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(installed("redis-server", "redis-server")?);
        command
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .args(["--client-output-buffer-limit", "pubsub", "0", "0", "0"])
            .args(["--maxclients", "15000", "--tcp-backlog", "4096", "--dir"])
            .arg(&setup.place)
            .arg("--logfile")
            .arg(setup.file("redis.log"))
            .args(setup.args(name));
        let mut process = Process::start(&mut command)?;
        let mut socket = process.connect(address)?;
        exchange(&mut socket, &request(&["PING"]), b"+PONG\r\n")?;
        Ok(Self { process, address })
    }
}

impl Server for Redis {
    fn process(&self) -> &Process {
        &self.process
    }

    fn subscribe(&self) -> Result<TcpStream> {
        let mut socket = TcpStream::connect(self.address)?;
        let answer = format!(
            "*3\r\n$9\r\nsubscribe\r\n${}\r\n{CHANNEL}\r\n:1\r\n",
            CHANNEL.len()
        );
        exchange(
            &mut socket,
            &request(&["SUBSCRIBE", CHANNEL]),
            answer.as_bytes(),
        )?;
        Ok(socket)
    }

    fn publish(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.address)?)
    }

    fn sent(&self, size: usize) -> Envelope {
        around_last("PUBLISH", size)
    }

    fn delivered(&self, size: usize) -> Envelope {
        around_last("message", size)
    }
}

/// An array of strings.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut text = format!("*{}\r\n", words.len());
    for word in words {
        text += &format!("${}\r\n{word}\r\n", word.len());
    }
    text.into_bytes()
}

/// What is around the last of three strings, which is the payload: messages go in and out in
/// the same form.
fn around_last(word: &str, size: usize) -> Envelope {
    let before = format!(
        "*3\r\n${}\r\n{word}\r\n${}\r\n{CHANNEL}\r\n${size}\r\n",
        word.len(),
        CHANNEL.len()
    );
    Envelope {
        before: before.into_bytes(),
        after: b"\r\n",
    }
}

pub fn exchange(socket: &mut TcpStream, request: &[u8], expected: &[u8]) -> Result<()> {
    socket.write_all(request)?;
    let mut answer = vec![0; expected.len()];
    socket.read_exact(&mut answer)?;
    if answer == expected {
        Ok(())
    } else {
        let answer = String::from_utf8_lossy(&answer);
        Err(format!("redis answered {answer:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_arrays_of_three_strings() {
        assert_eq!(
            around_last("PUBLISH", 3).around(b"abc"),
            request(&["PUBLISH", "ticks", "abc"])
        );
        assert_eq!(
            request(&["PUBLISH", "ticks", "abc"]),
            b"*3\r\n$7\r\nPUBLISH\r\n$5\r\nticks\r\n$3\r\nabc\r\n"
        );
    }
}
