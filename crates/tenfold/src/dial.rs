//! A connection that is being made, without waiting for it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::{Address, unix_address};
use crate::candidates::Candidates;
use crate::deadline::Deadline;
use crate::readiness::{self, earlier};
use crate::stream::Stream;

/// A unix listener with a full backlog refuses a connection that does not wait. So it is tried
/// again after this time.
const BACKLOG_PAUSE: Duration = Duration::from_millis(10);

/// A connection that is being made. The caller waits, so it can also wait for other things, stop,
/// and go on later:
///
/// 1. [`poll`](Self::poll) does what can be done now, and gives the connection once there is one;
/// 2. otherwise wait until the [`socket`](Self::socket) can be written to or
///    [`wake_at`](Self::wake_at) is reached, and begin again at 1.
#[derive(Debug)]
pub(crate) struct Dial {
    target: Target,
    deadline: Option<Deadline>,
}

#[derive(Debug)]
enum Target {
    /// The addresses of a name, and the attempt at one of them that is under way.
    Tcp(Candidates, Option<Socket>),
    /// A path, and when to try it again.
    Unix(SockAddr, Option<Instant>),
}

impl Dial {
    /// Looks up the name, which is the one thing here that waits.
    pub(crate) fn begin(address: &Address, deadline: Option<Deadline>) -> io::Result<Self> {
        let target = match address {
            Address::Tcp { .. } => Target::Tcp(Candidates::new(address.resolve()?), None),
            Address::Tls { .. } => return Err(io::ErrorKind::Unsupported.into()),
            Address::Unix(path) => Target::Unix(unix_address(path)?, None),
        };
        Ok(Self { target, deadline })
    }

    /// The connection, if it is there; it does not block.
    pub(crate) fn poll(&mut self) -> io::Result<Option<Stream>> {
        let made = match &mut self.target {
            Target::Tcp(candidates, attempt) => poll_tcp(candidates, attempt)?,
            Target::Unix(address, retry_at) => poll_unix(address, retry_at)?,
        };
        if made.is_none() && self.deadline.as_mut().is_some_and(Deadline::is_over) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(made)
    }

    /// What to wait for until it can be written to.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.target {
            Target::Tcp(_, attempt) => attempt.as_ref().map(AsFd::as_fd),
            Target::Unix(..) => None,
        }
    }

    /// When to go on even if the socket cannot be written to.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let deadline = self.deadline.as_ref().map(Deadline::wake_at);
        match self.target {
            Target::Tcp(..) => deadline,
            Target::Unix(_, retry_at) => earlier(retry_at, deadline),
        }
    }

    /// Waits until there is a connection.
    pub(crate) fn wait(mut self) -> io::Result<Stream> {
        loop {
            if let Some(stream) = self.poll()? {
                return Ok(stream);
            }
            match self.socket() {
                Some(socket) => {
                    let mut asked = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
                    readiness::wait(&mut asked, self.wake_at())?;
                }
                None => readiness::wait(&mut [], self.wake_at())?,
            }
        }
    }
}

fn poll_tcp(
    candidates: &mut Candidates,
    attempt: &mut Option<Socket>,
) -> io::Result<Option<Stream>> {
    loop {
        let socket = match attempt.take() {
            Some(socket) => Ok(socket),
            None => match candidates.next() {
                Some(address) => begin_tcp(address),
                None => return Err(candidates.error()),
            },
        };
        let connected = socket.and_then(|socket| Ok((is_connected(&socket)?, socket)));
        match connected {
            Ok((true, socket)) => return Ok(Some(TcpStream::from(socket).into())),
            Ok((false, socket)) => {
                *attempt = Some(socket);
                return Ok(None);
            }
            Err(error) => candidates.failed(error),
        }
    }
}

fn begin_tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        connected => connected.map(|()| socket),
    }
}

/// Whether an attempt has succeeded; `false` while that is not known.
fn is_connected(socket: &Socket) -> io::Result<bool> {
    let mut asked = [PollFd::new(socket, PollFlags::OUT)];
    readiness::wait(&mut asked, Some(Instant::now()))?;
    if asked[0].revents().is_empty() {
        return Ok(false);
    }
    socket.take_error()?.map_or(Ok(true), Err)
}

fn poll_unix(address: &SockAddr, retry_at: &mut Option<Instant>) -> io::Result<Option<Stream>> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            *retry_at = readiness::after(BACKLOG_PAUSE);
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(()) => Ok(Some(UnixStream::from(socket).into())),
    }
}
