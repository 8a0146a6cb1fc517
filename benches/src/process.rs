//! A server under measurement: a child process, and what it has used.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::server_args::read_port_file;

pub struct Server {
    child: Child,
}

impl Server {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Starts a server that tells its addresses in a port file.
    pub fn start_with_port_file(
        command: &mut Command,
        file: &Path,
    ) -> io::Result<(Self, Vec<SocketAddr>)> {
        let mut server = Self::start(command.arg("--port-file").arg(file))?;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(addresses) = read_port_file(file) {
                return Ok((server, addresses));
            }
            if server.child.try_wait()?.is_some() || Instant::now() > deadline {
                return Err(io::Error::other(format!("{command:?} did not start")));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// User and system time so far, in seconds.
    pub fn cpu(&self) -> io::Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; fields are counted after it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|n| n.parse::<u64>().ok())
            .sum();
        Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Resident memory, in bytes.
    pub fn resident(&self) -> io::Result<usize> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id()))?;
        let pages: usize = statm
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        Ok(pages * rustix::param::page_size())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
