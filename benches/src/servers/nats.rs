//! NATS core, in its text protocol. Its limits on slow subscribers are raised so far that none is
//! cut: the load client's own limit is what bounds the server's buffers.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use super::{CHANNEL, Envelope, Server, Setup};
use crate::Result;
use crate::process::{Process, free_address, installed};

/// `max_pending` is per connection. The file is read once at the start.
const CONFIG: &str = "\
max_pending: 268435456
write_deadline: \"60s\"
max_connections: 65536
ping_interval: \"10m\"
";

pub struct Nats {
    process: Process,
    address: SocketAddr,
}

impl Nats {
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let address = free_address()?;
        let config = setup.file("nats.conf");
        std::fs::write(&config, CONFIG)?;
        let mut command = Command::new(installed("nats-server", "nats-server")?);
        command
            .args(["-a", "127.0.0.1", "-p", &address.port().to_string(), "-c"])
            .arg(config)
            .arg("-l")
            .arg(setup.file("nats.log"))
            .args(setup.args(name));
        let mut process = Process::start(&mut command)?;
        process.connect(address)?;
        Ok(Self { process, address })
    }
}

impl Server for Nats {
    fn process(&self) -> &Process {
        &self.process
    }

    fn subscribe(&self) -> Result<TcpStream> {
        connect(self.address, &format!("SUB {CHANNEL} 1\r\n"))
    }

    fn publish(&self) -> Result<TcpStream> {
        connect(self.address, "")
    }

    fn sent(&self, size: usize) -> Envelope {
        Envelope {
            before: format!("PUB {CHANNEL} {size}\r\n").into_bytes(),
            after: b"\r\n",
        }
    }

    fn delivered(&self, size: usize) -> Envelope {
        Envelope {
            before: format!("MSG {CHANNEL} 1 {size}\r\n").into_bytes(),
            after: b"\r\n",
        }
    }

    /// Two seconds after it has accepted a connection, NATS measures its round-trip time, whatever
    /// the interval; unanswered, that is one of the two that it allows.
    fn interjection(&self) -> &'static [u8] {
        b"PING\r\n"
    }
}

/// Connects, and sends this as its first commands; returns when they have taken effect.
pub fn connect(address: SocketAddr, commands: &str) -> Result<TcpStream> {
    let mut socket = TcpStream::connect(address)?;
    read_line(&socket)?;
    let hello = r#"CONNECT {"verbose":false,"pedantic":false}"#;
    socket.write_all(format!("{hello}\r\n{commands}PING\r\n").as_bytes())?;
    let answer = read_line(&socket)?;
    if answer == "PONG\r\n" {
        Ok(socket)
    } else {
        Err(format!("nats answered {answer:?}").into())
    }
}

/// One byte at a time: what follows the line must stay in the socket.
pub fn read_line(socket: &TcpStream) -> io::Result<String> {
    let mut line = String::new();
    BufReader::with_capacity(1, socket).read_line(&mut line)?;
    Ok(line)
}
