//! Redis Streams with `appendfsync always`: what one turn of its event loop has read is written to
//! the append-only file and synced once, before any of it is answered.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::{Store, is_in_memory};
use crate::Result;
use crate::acks::{Answer, Parse, line, refusal};
use crate::process::{Process, free_address, installed};
use crate::servers::redis::{exchange, request};
use crate::servers::{Envelope, Setup};

pub struct Redis {
    process: Process,
    address: SocketAddr,
}

impl Redis {
    pub fn start(name: &str, setup: &Setup, data: &Path) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(installed("redis-server", "redis-server")?);
        command
            .args(["--bind", "127.0.0.1", "--port", &address.port().to_string()])
            .args(["--save", "", "--daemonize", "no"])
            .args([
                "--appendonly",
                if is_in_memory(name) { "no" } else { "yes" },
            ])
            .args(["--appendfsync", "always"])
            // Rewriting the file while it is measured would be work that nobody else does.
            .args(["--auto-aof-rewrite-percentage", "0"])
            .args(["--maxclients", "15000", "--tcp-backlog", "4096", "--dir"])
            .arg(data)
            .arg("--logfile")
            .arg(setup.file("redis.log"))
            .args(setup.args(name));
        let mut process = Process::start(&mut command)?;
        let mut socket = process.connect(address)?;
        exchange(&mut socket, &request(&["PING"]), b"+PONG\r\n")?;
        Ok(Self { process, address })
    }
}

impl Store for Redis {
    fn process(&self) -> &Process {
        &self.process
    }

    fn publish(&self, _: &str) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.address)?)
    }

    /// `XADD channel * m PAYLOAD`, as an array of five strings.
    fn sent(&self, channel: &str, size: usize) -> Envelope {
        let mut before = request(&["XADD", channel, "*", "m"]);
        // One string more is in the array: the payload.
        before[1] = b'5';
        before.extend_from_slice(format!("${size}\r\n").as_bytes());
        Envelope {
            before,
            after: b"\r\n",
        }
    }

    fn acks(&self) -> Parse {
        parse
    }
}

/// A string with the message's ID, or an error.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, Answer)>> {
    let Some((text, end)) = line(bytes) else {
        return Ok(None);
    };
    let length = text.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
    let length = length.ok_or_else(|| refusal("redis", text.as_bytes()))?;
    let whole = end + length + 2;
    Ok((bytes.len() >= whole).then_some((whole, Answer::One)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_a_string() {
        let ack = b"$15\r\n1700000000000-0\r\n";
        assert_eq!(parse(ack).unwrap(), Some((22, Answer::One)));
        assert_eq!(parse(&ack[..21]).unwrap(), None);
        assert!(parse(b"-ERR unknown command\r\n").is_err());
        assert!(parse(b"$-1\r\n").is_err());
    }
}
