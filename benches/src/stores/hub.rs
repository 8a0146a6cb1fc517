//! `tenfold serve --data`, and the bare log, which speaks as much of the hub's protocol as this
//! needs.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::Store;
use crate::Result;
use crate::acks::{Answer, Parse, refusal};
use crate::frames::{header, length};
use crate::process::Process;
use crate::servers::hub::{answer_to, number_in};
use crate::servers::{Envelope, Setup};

pub struct Hub {
    process: Process,
    address: SocketAddr,
    /// What an acknowledgement is to mean.
    acks: &'static str,
}

impl Hub {
    /// Starts `tenfold serve` on a directory, which may have a log.
    pub fn start(name: &str, setup: &Setup, data: &Path) -> Result<Self> {
        Self::start_keeping(name, setup, data, &[])
    }

    /// What lets a hub delete nothing as long as its log has no more than this.
    pub fn keeping(bytes: u64) -> [String; 4] {
        let retain = format!("max-bytes={bytes}");
        [
            "--retain".to_owned(),
            retain,
            "--max-disk".to_owned(),
            bytes.to_string(),
        ]
    }

    /// The same with further arguments, which `--args-NAME` can add to.
    pub fn start_keeping(name: &str, setup: &Setup, data: &Path, keep: &[String]) -> Result<Self> {
        let mut command = Command::new(&setup.tenfold);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "-q", "--data"])
            .arg(data)
            .args(keep)
            .args(setup.args(name));
        Self::begin(command, setup, "durable")
            .map_err(|error| format!("{error}; --tenfold-bin says where `tenfold` is").into())
    }

    /// Starts `tenfold serve` without a log.
    pub fn start_in_memory(name: &str, setup: &Setup) -> Result<Self> {
        let mut command = Command::new(&setup.tenfold);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "-q"])
            .args(setup.args(name));
        Self::begin(command, setup, "memory")
            .map_err(|error| format!("{error}; --tenfold-bin says where `tenfold` is").into())
    }

    /// Starts `bare_log`.
    pub fn start_bare(name: &str, setup: &Setup, data: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?.with_file_name("bare_log"));
        command.arg("--data").arg(data).args(setup.args(name));
        Self::begin(command, setup, "durable")
    }

    fn begin(mut command: Command, setup: &Setup, acks: &'static str) -> Result<Self> {
        let (process, addresses) = Process::start_with_port_file(&mut command, &setup.port_file())?;
        let address = *addresses.first().ok_or("the port file is empty")?;
        Ok(Self {
            process,
            address,
            acks,
        })
    }

    /// Ends it in the ordinary way.
    pub fn stop(self) -> io::Result<()> {
        self.process.stop()
    }

    /// A connection at which all messages of a channel arrive from the first that is kept.
    pub fn replay(&self, channel: &str) -> Result<TcpStream> {
        let request = format!("SUBSCRIBE {channel} from=first");
        Ok(answer_to(self.address, &request)?.1)
    }

    /// The seq behind the newest message of a channel.
    pub fn next(&self, channel: &str) -> Result<u64> {
        let request = format!("SUBSCRIBE {channel} from=next");
        let (answer, _) = answer_to(self.address, &request)?;
        number_in(&answer, "next").ok_or_else(|| format!("no next in {answer:?}").into())
    }

    /// A number that `HEALTH` tells, if it does.
    pub fn health(&self, key: &str) -> Result<Option<u64>> {
        let (answer, _) = answer_to(self.address, "HEALTH")?;
        Ok(number_in(&answer, key))
    }
}

impl Store for Hub {
    fn process(&self) -> &Process {
        &self.process
    }

    fn publish(&self, channel: &str) -> Result<TcpStream> {
        let request = format!("PUBLISH {channel} acks={}", self.acks);
        Ok(answer_to(self.address, &request)?.1)
    }

    fn sent(&self, _: &str, size: usize) -> Envelope {
        Envelope {
            before: header(size),
            after: b"",
        }
    }

    fn acks(&self) -> Parse {
        parse
    }

    fn batches(&self) -> Result<Option<u64>> {
        self.health("batches")
    }
}

/// A frame with `ACK n`, or with an error.
fn parse(bytes: &[u8]) -> io::Result<Option<(usize, Answer)>> {
    let Some((header, rest)) = bytes.split_at_checked(10) else {
        return Ok(None);
    };
    let length = length(header).ok_or_else(|| refusal("the hub", bytes))?;
    let Some(answer) = rest.get(..length) else {
        return Ok(None);
    };
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let number = text.strip_prefix("ACK ").and_then(|n| n.parse().ok());
    let number = number.ok_or_else(|| refusal("the hub", answer))?;
    Ok(Some((10 + length, Answer::Upto(number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_is_a_frame_with_a_number() {
        let ack = b"6         ACK 12";
        assert_eq!(parse(ack).unwrap(), Some((16, Answer::Upto(12))));
        assert_eq!(parse(&ack[..15]).unwrap(), None);
        assert!(parse(b"10        ERROR FULL").is_err());
        assert!(parse(b"+PONG\r\n      ").is_err());
    }
}
