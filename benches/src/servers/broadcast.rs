//! The servers with the flags of `tenfold broadcast`: they wait for a number of subscribers, and
//! have one source, which is a file or a socket. No request opens a connection to them.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use super::{Envelope, Server, Setup, kind};
use crate::Result;
use crate::frames::header;
use crate::process::Process;

pub struct Broadcast {
    process: Process,
    subscribers: SocketAddr,
    publisher: SocketAddr,
}

impl Broadcast {
    /// Starts `relay` or `engine` with a socket as its source.
    pub fn start(name: &str, setup: &Setup) -> Result<Self> {
        let mut command = command(name, setup)?;
        let (process, addresses) =
            Process::start_with_port_file(command.arg("--publisher"), &setup.port_file())?;
        let [subscribers, publisher] = addresses[..] else {
            return Err(format!("{name} told {} addresses, not 2", addresses.len()).into());
        };
        Ok(Self {
            process,
            subscribers,
            publisher,
        })
    }
}

impl Server for Broadcast {
    fn process(&self) -> &Process {
        &self.process
    }

    fn subscribe(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.subscribers)?)
    }

    fn publish(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.publisher)?)
    }

    fn sent(&self, size: usize) -> Envelope {
        self.delivered(size)
    }

    fn delivered(&self, size: usize) -> Envelope {
        Envelope {
            before: header(size),
            after: b"",
        }
    }
}

/// Whether a server can send a file.
pub fn sends_files(name: &str) -> bool {
    ["tenfold", "engine", "relay"].contains(&kind(name))
}

/// Starts a server that sends a file once its subscribers are there, and says where they connect.
pub fn start_with_file(name: &str, setup: &Setup, file: &Path) -> Result<(Process, SocketAddr)> {
    let mut command = command(name, setup)?;
    let (process, addresses) =
        Process::start_with_port_file(command.arg(file), &setup.port_file())?;
    let address = *addresses.first().ok_or("the port file is empty")?;
    Ok((process, address))
}

fn command(name: &str, setup: &Setup) -> io::Result<Command> {
    let mut command = if kind(name) == "tenfold" {
        let mut command = Command::new(&setup.tenfold);
        command.args(["broadcast", "--in", "frames", "-q"]);
        command
    } else {
        Command::new(std::env::current_exe()?.with_file_name(kind(name)))
    };
    command
        .args(["--listen", "127.0.0.1:0", "--wait-clients"])
        .arg(setup.clients.to_string())
        .args(setup.args(name));
    Ok(command)
}
