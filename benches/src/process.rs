//! A server under measurement: a child process, and what it has used.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::server_args::read_port_file;

pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        match command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => Ok(Self { child }),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("failed to start {:?}: {error}", command.get_program()),
            )),
        }
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
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Connects to a server that has just been started, as soon as it listens.
    pub fn connect(&mut self, address: SocketAddr) -> io::Result<TcpStream> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match TcpStream::connect(address) {
                Ok(socket) => return Ok(socket),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "the server for {address} has ended: {status}"
                )));
            }
        }
    }

    /// User and system time so far, in seconds.
    pub fn cpu(&self) -> io::Result<f64> {
        cpu_of(&self.child.id().to_string())
    }

    /// Lets it end by itself, and waits for that.
    pub fn stop(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(io::Error::other("the server does not end"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Lets `peak` begin again at what is resident now.
    pub fn reset_peak(&self) -> io::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
    }

    /// The most resident memory that there was, in bytes.
    pub fn peak(&self) -> io::Result<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
        kib.map(|kib| kib * 1024)
            .ok_or_else(|| io::Error::other("/proc tells no VmHWM"))
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process so far, in seconds; `self` is this one.
pub fn cpu_of(process: &str) -> io::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
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

/// Where a program of a Debian package is, or an error that names the package.
pub fn installed(program: &str, package: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps some servers where only root looks.
    let sbin = PathBuf::from("/usr/sbin");
    std::env::split_paths(&path)
        .chain([sbin])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("{program} is not installed; on Debian: apt-get install {package}"),
            )
        })
}

/// An address for a server that cannot choose one by itself.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}
