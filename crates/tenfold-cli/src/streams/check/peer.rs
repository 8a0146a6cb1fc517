//! The other side: whether it connects or is connected to, and whether it is started here.

use std::ffi::OsString;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tenfold::{Address, Framing, Listener, Side, Stream};

use super::program::Program;
use super::watch::Watch;
use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::input::is_ready_within;
use crate::flow::options::Retry;
use crate::words::{Color, Level, Words};

/// How long a program that was just started may take until it connects or listens.
const START: Duration = Duration::from_secs(30);

/// Who the program under test is.
#[derive(Debug)]
pub(super) enum Role {
    /// It connects.
    Client(Listener),
    /// It listens.
    Server,
}

/// The program under test, as a place that gives connections.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) role: Role,
    /// Where it connects to, or listens.
    pub(super) address: Address,
    /// How it is started, unless a person does that.
    pub(super) command: Vec<OsString>,
    pub(super) program: Option<Program>,
    /// It sends what comes from stdin.
    pub(super) passes_stdin: bool,
    pub(super) watch: Arc<Watch>,
    pub(super) words: Words,
}

impl Peer {
    /// "the client" or "the server".
    pub(super) fn name(&self) -> &'static str {
        match self.role {
            Role::Client(_) => "client",
            Role::Server => "server",
        }
    }

    pub(super) fn is_server(&self) -> bool {
        matches!(self.role, Role::Server)
    }

    pub(super) fn is_started_here(&self) -> bool {
        !self.command.is_empty()
    }

    /// Whether each case can have a connection of its own without a person's help.
    pub(super) fn gives_many(&self) -> bool {
        self.is_started_here() || matches!(self.role, Role::Server)
    }

    /// What we write, and what we read.
    pub(super) fn sides<'a>(&self, framing: &'a Framing) -> (&'a Side, &'a Side) {
        match self.role {
            Role::Client(_) => (framing.server(), framing.client()),
            Role::Server => (framing.client(), framing.server()),
        }
    }

    /// A new connection. A client that is started here is started again for each; a server stays.
    pub(super) fn connection(&mut self) -> Result<Stream, Failure> {
        let is_client = matches!(self.role, Role::Client(_));
        let has_ended = self
            .program
            .as_mut()
            .is_some_and(|program| program.ended_within(Duration::ZERO).is_some());
        if is_client || has_ended {
            self.program = None;
        }
        if self.is_started_here() && self.program.is_none() {
            let stdin = if self.passes_stdin {
                Stdio::inherit()
            } else {
                Stdio::null()
            };
            let program = Program::start(&self.command, &self.address, stdin, &self.watch)?;
            self.program = Some(program);
        }
        match &self.role {
            Role::Client(listener) => accept(listener, self.program.as_mut(), &self.words),
            Role::Server => {
                let retry = self.program.is_some().then_some(Retry::For(START));
                let quiet = Words::new(Level::Quiet, Color::Never);
                connect::connect_patiently(&self.address, None, retry, None, &quiet)
            }
        }
    }
}

/// Waits for the client. One that was started here gets a limited time, and is not waited for after its end.
fn accept(
    listener: &Listener,
    mut program: Option<&mut Program>,
    words: &Words,
) -> Result<Stream, Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(format!("cannot accept a connection: {error}"));
    let end = Instant::now() + START;
    while !is_ready_within(listener.as_fd(), Duration::from_millis(50)).map_err(failed)? {
        let Some(program) = &mut program else {
            continue;
        };
        if program.ended_within(Duration::ZERO).is_some()
            && !is_ready_within(listener.as_fd(), Duration::ZERO).map_err(failed)?
        {
            let why = program
                .last_words()
                .map(|words| format!(": {words}"))
                .unwrap_or_default();
            return Err(Failure::Other(format!(
                "the client ended, and had not connected{why}"
            )));
        }
        if Instant::now() >= end {
            return Err(Failure::TimedOut(format!(
                "the client did not connect within {START:?}"
            )));
        }
    }
    connect::accept(listener, None, words).map(|(stream, _)| stream)
}

/// Waits until the program has received everything that was written, so that the next write is the next
/// `recv`. The system's table of sockets says that for a peer on this machine; for another one it takes a
/// moment, and nothing is known. False if the program takes nothing for as long as `patience`.
pub(super) fn until_received(stream: &Stream, patience: Duration) -> Option<bool> {
    const MOMENT: Duration = Duration::from_millis(50);
    let (mut last, mut since) = (0, Instant::now());
    loop {
        match unread(stream) {
            Some(0) => return Some(true),
            Some(bytes) if bytes != last => (last, since) = (bytes, Instant::now()),
            Some(_) if since.elapsed() < patience => {}
            Some(_) => return Some(false),
            None => {
                thread::sleep(MOMENT);
                return None;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// How many bytes are on their way to the peer's program; nothing is known of one on another machine.
fn unread(stream: &Stream) -> Option<u64> {
    let Stream::Tcp(stream) = stream else {
        return None;
    };
    let ours = hex(stream.local_addr().ok()?);
    let peer = hex(stream.peer_addr().ok()?);
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let (_, unread) = queues(&tables, &peer, &ours)?;
    let (unsent, _) = queues(&tables, &ours, &peer)?;
    Some(unsent + unread)
}

/// How many bytes the socket between these addresses has to send, and how many its program has not read.
fn queues(tables: &[std::io::Result<String>], from: &str, to: &str) -> Option<(u64, u64)> {
    let mut lines = tables.iter().flatten().flat_map(|table| table.lines());
    lines.find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let is_it = fields.next()? == from && fields.next()? == to;
        let (sending, reading) = fields.nth(1)?.split_once(':')?;
        let bytes = |queue| u64::from_str_radix(queue, 16).ok();
        is_it.then_some((bytes(sending)?, bytes(reading)?))
    })
}

/// An address as `/proc/net/tcp` has it: the words of the number as this machine keeps them.
fn hex(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = bytes.chunks(4).map(|word| {
        let word = <[u8; 4]>::try_from(word).map_or(0, u32::from_ne_bytes);
        format!("{word:08X}")
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_a_peer_on_this_machine_has_not_received_is_known() {
        let listener = Address::parse("127.0.0.1:0").unwrap().listen().unwrap();
        let mut ours = listener
            .local_address()
            .unwrap()
            .connect_blocking(None)
            .unwrap();
        let mut peer = listener.accept().unwrap();
        assert_eq!(unread(&ours), Some(0));
        ours.write_all(b"hello").unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        while unread(&ours) != Some(5) {
            assert!(Instant::now() < end, "five bytes are never there");
        }
        peer.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(unread(&ours), Some(0));
    }
}
