//! NATS JetStream with file storage, in the text protocol. It acknowledges a message when it has
//! written it to the file, and syncs every two minutes; `jetstream:sync` has
//! `sync_interval: always`, which servers know since 2.10.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Store;
use crate::Result;
use crate::acks::{Answer, Parse, line, refusal};
use crate::process::{Process, free_address, installed};
use crate::servers::nats::{connect, read_line};
use crate::servers::{Envelope, Setup};

/// Where answers go.
const INBOX: &str = "_INBOX.bench";

/// All channels of all measurements are in one stream, without a limit.
const STREAM: &str = r#"{"name":"bench","subjects":["ticks","c.*"],"storage":"file","retention":"limits","discard":"old","num_replicas":1}"#;

pub struct JetStream {
    process: Process,
    address: SocketAddr,
}

impl JetStream {
    pub fn start(name: &str, setup: &Setup, data: &Path) -> Result<Self> {
        let address = free_address()?;
        let file = setup.file("jetstream.conf");
        std::fs::write(&file, config(data, name.ends_with(":sync")))?;
        let mut command = Command::new(installed("nats-server", "nats-server")?);
        command
            .args(["-a", "127.0.0.1", "-p", &address.port().to_string(), "-c"])
            .arg(file)
            .arg("-l")
            .arg(setup.file("jetstream.log"))
            .args(setup.args(name));
        let mut process = Process::start(&mut command)?;
        process.connect(address)?;
        let server = Self { process, address };
        server.ask("STREAM.CREATE.bench", STREAM)?;
        Ok(server)
    }

    /// A connection at which all messages of the stream arrive from the first on: pushed, without
    /// acknowledgements and without flow control. No two may have the same number.
    pub fn replay(&self, number: usize) -> Result<TcpStream> {
        let inbox = format!("_INBOX.replay.{number}");
        let socket = connect(self.address, &format!("SUB {inbox} 1\r\n"))?;
        let consumer = format!(
            r#"{{"stream_name":"bench","config":{{"deliver_subject":"{inbox}","deliver_policy":"all","ack_policy":"none","replay_policy":"instant","max_deliver":1,"mem_storage":true}}}}"#
        );
        self.ask("CONSUMER.CREATE.bench", &consumer)?;
        Ok(socket)
    }

    fn ask(&self, what: &str, request: &str) -> Result<()> {
        let mut socket = connect(self.address, &format!("SUB {INBOX} 1\r\n"))?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        let length = request.len();
        let command = format!("PUB $JS.API.{what} {INBOX} {length}\r\n{request}\r\n");
        socket.write_all(command.as_bytes())?;
        let head = read_line(&socket)?;
        let length = head
            .trim_end()
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse().ok());
        let mut answer = vec![0; length.ok_or_else(|| refusal("nats", head.as_bytes()))?];
        socket.read_exact(&mut answer)?;
        if has(&answer, br#""error""#) {
            return Err(refusal("jetstream", &answer).into());
        }
        Ok(())
    }
}

impl Store for JetStream {
    fn process(&self) -> &Process {
        &self.process
    }

    fn publish(&self, _: &str) -> Result<TcpStream> {
        connect(self.address, &format!("SUB {INBOX} 1\r\n"))
    }

    fn sent(&self, channel: &str, size: usize) -> Envelope {
        Envelope {
            before: format!("PUB {channel} {INBOX} {size}\r\n").into_bytes(),
            after: b"\r\n",
        }
    }

    fn acks(&self) -> Parse {
        parse
    }
}

/// Whether the installed server knows `sync_interval: always`.
pub fn knows_sync(setup: &Setup) -> Result<bool> {
    let file = setup.file("check.conf");
    std::fs::write(&file, config(&setup.place, true))?;
    let mut command = Command::new(installed("nats-server", "nats-server")?);
    Ok(command
        .arg("-t")
        .arg("-c")
        .arg(file)
        .output()?
        .status
        .success())
}

/// Which version is installed.
pub fn version() -> Result<String> {
    let output = Command::new(installed("nats-server", "nats-server")?)
        .arg("--version")
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `max_pending` is what a subscriber may be behind before it is cut.
fn config(data: &Path, sync: bool) -> String {
    let always = if sync { ", sync_interval: always" } else { "" };
    let data = data.display();
    format!(
        "max_pending: 1073741824\nwrite_deadline: \"60s\"\nmax_connections: 65536\n\
         ping_interval: \"10m\"\njetstream {{ store_dir: \"{data}\"{always} }}\n"
    )
}

/// A message in the inbox, or in the replay, whose payload is looked at only if it is an answer.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, Answer)>> {
    let Some((text, end)) = line(bytes) else {
        return Ok(None);
    };
    if !text.starts_with("MSG ") {
        return match text {
            "PING" | "PONG" | "+OK" => Ok(Some((end, Answer::Other))),
            _ => Err(refusal("nats", text.as_bytes())),
        };
    }
    let length = text
        .rsplit(' ')
        .next()
        .and_then(|n| n.parse::<usize>().ok());
    let length = length.ok_or_else(|| refusal("nats", text.as_bytes()))?;
    let Some(payload) = bytes.get(end..end + length + 2) else {
        return Ok(None);
    };
    if text[4..].starts_with(INBOX) && !has(payload, br#""seq":"#) {
        return Err(refusal("jetstream", payload));
    }
    Ok(Some((end + length + 2, Answer::One)))
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(bytes, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_a_message_with_a_seq() {
        let ack = b"MSG _INBOX.bench 1 28\r\n{\"stream\":\"bench\", \"seq\":17}\r\n";
        assert_eq!(parse(ack).unwrap(), Some((53, Answer::One)));
        assert_eq!(parse(&ack[..52]).unwrap(), None);
        assert_eq!(parse(b"PING\r\n").unwrap(), Some((6, Answer::Other)));
        let refused = b"MSG _INBOX.bench 1 14\r\n{\"error\":\"no\"}\r\n";
        assert!(parse(refused).is_err());
        assert!(parse(b"-ERR 'Slow Consumer'\r\n").is_err());
    }

    #[test]
    fn what_is_replayed_may_be_anything() {
        let message = b"MSG _INBOX.replay.0 1 $JS.ACK.bench.x.1.1.1.17.0 3\r\nabc\r\n";
        assert_eq!(parse(message).unwrap(), Some((57, Answer::One)));
    }
}
