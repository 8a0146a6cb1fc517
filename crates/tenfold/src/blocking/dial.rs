//! Connecting in a way that can be broken off.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use socket2::{Domain, SockAddr, Socket, Type};

use super::bell::Bell;
use crate::address::Address;
use crate::stream::Stream;

/// A unix listener with a full backlog refuses who does not wait; so that is tried again.
const BACKLOG_PAUSE: Duration = Duration::from_millis(10);

/// Connects before the deadline, to a name's addresses in turn, unless `stopped`: the bell makes it
/// look. The stream does not block. (Only looking up a name cannot be broken off.)
pub(super) fn dial(
    address: &Address,
    deadline: Instant,
    bell: &Bell,
    stopped: impl Fn() -> bool,
) -> io::Result<Stream> {
    let dialling = Dialling {
        deadline,
        bell,
        stopped,
    };
    match address {
        Address::Tcp { .. } => {
            let mut failed = None;
            for address in address.resolve()? {
                match dialling.tcp(address) {
                    Ok(socket) => return Ok(std::net::TcpStream::from(socket).into()),
                    Err(error) => failed = Some(error),
                }
            }
            Err(failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
        }
        Address::Unix(path) => {
            let socket = dialling.unix(&SockAddr::unix(path)?)?;
            Ok(std::os::unix::net::UnixStream::from(socket).into())
        }
    }
}

struct Dialling<'a, F> {
    deadline: Instant,
    bell: &'a Bell,
    stopped: F,
}

impl<F: Fn() -> bool> Dialling<'_, F> {
    fn tcp(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            connected => return connected.map(|()| socket),
        }
        loop {
            let ready = self.wait(Some(&socket), self.deadline)?;
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            if ready {
                return Ok(socket);
            }
        }
    }

    fn unix(&self, address: &SockAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        loop {
            match socket.connect(address) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let pause = Instant::now() + BACKLOG_PAUSE;
                    self.wait(None, pause.min(self.deadline))?;
                }
                connected => return connected.map(|()| socket),
            }
        }
    }

    /// Whether the socket can be written to before this time.
    fn wait(&self, socket: Option<&Socket>, until: Instant) -> io::Result<bool> {
        let socket = socket.map(|socket| (socket.as_fd(), PollFlags::OUT));
        let ready = !self.bell.wait(socket, Some(until))?.is_empty();
        if (self.stopped)() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if !ready && Instant::now() >= self.deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(ready)
    }
}
