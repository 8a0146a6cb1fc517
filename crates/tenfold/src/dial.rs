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
use crate::tls::Client;
#[cfg(feature = "_tls")]
use crate::tls::TlsStream;

/// A unix listener with a full backlog refuses a connection that does not wait. So it is tried
/// again after this time.
const BACKLOG_PAUSE: Duration = Duration::from_millis(10);

/// A connection that is being made. The caller waits, so it can also wait for other things, stop,
/// and go on later:
///
/// 1. [`poll`](Self::poll) does what can be done now, and gives the connection once there is one;
/// 2. otherwise wait until the [`socket`](Self::socket) is ready or [`wake_at`](Self::wake_at) is reached, and
///    begin again at 1.
///
/// Over TLS the handshake belongs to it.
#[derive(Debug)]
pub(crate) struct Dial {
    target: Target,
    deadline: Option<Deadline>,
    #[cfg(feature = "_tls")]
    secure: Option<Secure>,
}

/// What a connection is for: a client of a hub offers the hub's protocol in the handshake of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Stream,
    Hub,
}

/// How TLS begins once there is a connection.
#[cfg(feature = "_tls")]
#[derive(Debug)]
struct Secure {
    client: Client,
    host: String,
    purpose: Purpose,
}

#[derive(Debug)]
enum Target {
    /// The addresses of a name, and the attempt at one of them that is under way.
    Tcp(Candidates, Option<Socket>),
    /// A path, and when to try it again.
    Unix(SockAddr, Option<Instant>),
    /// A connection, whose two sides do not agree on TLS yet.
    #[cfg(feature = "_tls")]
    Tls(TlsStream),
}

impl Dial {
    /// Looks up the name, which is the one thing here that waits. TLS is made as the client says, or else with the
    /// CAs of the system.
    pub(crate) fn begin(
        address: &Address,
        tls: Option<&Client>,
        purpose: Purpose,
        time_out: Option<Duration>,
    ) -> io::Result<Self> {
        #[cfg(feature = "_tls")]
        let secure = Secure::new(address, tls, purpose)?;
        #[cfg(not(feature = "_tls"))]
        if address.is_tls() || tls.is_some() {
            let _ = purpose;
            return Err(without_tls(tls));
        }
        let deadline = time_out.and_then(Deadline::after);
        let target = match address {
            Address::Tcp { .. } | Address::Tls { .. } => {
                Target::Tcp(Candidates::new(address.resolve()?), None)
            }
            Address::Unix(path) => Target::Unix(unix_address(path)?, None),
        };
        Ok(Self {
            target,
            deadline,
            #[cfg(feature = "_tls")]
            secure,
        })
    }

    /// The connection, if it is there; it does not block.
    pub(crate) fn poll(&mut self) -> io::Result<Option<Stream>> {
        let made = self.go_on()?;
        if made.is_none() && self.deadline.as_mut().is_some_and(Deadline::is_over) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(made)
    }

    fn go_on(&mut self) -> io::Result<Option<Stream>> {
        let made = match &mut self.target {
            Target::Tcp(candidates, attempt) => poll_tcp(candidates, attempt)?,
            Target::Unix(address, retry_at) => poll_unix(address, retry_at)?,
            #[cfg(feature = "_tls")]
            Target::Tls(stream) => return agreed(stream),
        };
        #[cfg(feature = "_tls")]
        if let Some(secure) = &self.secure
            && let Some(Stream::Tcp(socket)) = made
        {
            let stream = secure.begin(socket)?;
            let agreed = agreed(&stream);
            self.target = Target::Tls(stream);
            return agreed;
        }
        Ok(made)
    }

    /// What to wait for, and until it is ready for what.
    pub(crate) fn socket(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.target {
            Target::Tcp(_, attempt) => Some((attempt.as_ref()?.as_fd(), PollFlags::OUT)),
            Target::Unix(..) => None,
            #[cfg(feature = "_tls")]
            Target::Tls(stream) => Some((stream.as_fd(), stream.wanted())),
        }
    }

    /// When to go on even if the socket is not ready.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        let deadline = self.deadline.as_ref().map(Deadline::wake_at);
        match &self.target {
            Target::Tcp(..) => deadline,
            Target::Unix(_, retry_at) => earlier(*retry_at, deadline),
            #[cfg(feature = "_tls")]
            Target::Tls(stream) => earlier(Some(stream.handshake_by()), deadline),
        }
    }

    /// Waits until there is a connection.
    pub(crate) fn wait(mut self) -> io::Result<Stream> {
        loop {
            if let Some(stream) = self.poll()? {
                return Ok(stream);
            }
            match self.socket() {
                Some((socket, wanted)) => {
                    let mut asked = [PollFd::from_borrowed_fd(socket, wanted)];
                    readiness::wait(&mut asked, self.wake_at())?;
                }
                None => readiness::wait(&mut [], self.wake_at())?,
            }
        }
    }
}

#[cfg(feature = "_tls")]
impl Secure {
    fn new(
        address: &Address,
        client: Option<&Client>,
        purpose: Purpose,
    ) -> io::Result<Option<Self>> {
        let Address::Tls { host, .. } = address else {
            return Ok(None);
        };
        let client = match client {
            Some(client) => client.clone(),
            None => Client::of_system().map_err(io::Error::other)?,
        };
        Ok(Some(Self {
            client,
            host: host.clone(),
            purpose,
        }))
    }

    fn begin(&self, socket: TcpStream) -> io::Result<TlsStream> {
        let config = match self.purpose {
            Purpose::Hub => self.client.hub_config(),
            Purpose::Stream => self.client.config(),
        };
        let stream = TlsStream::connecting(socket, config, &self.host)?;
        stream.set_nonblocking(true);
        Ok(stream)
    }
}

/// The connection, once both sides agree.
#[cfg(feature = "_tls")]
fn agreed(stream: &TlsStream) -> io::Result<Option<Stream>> {
    match stream.shake_hands() {
        Ok(()) => Ok(Some(stream.try_clone()?.into())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is said of an address over TLS; nobody has a client for that here.
#[cfg(not(feature = "_tls"))]
pub(crate) fn without_tls(client: Option<&Client>) -> io::Error {
    if let Some(client) = client {
        match *client {}
    }
    io::Error::new(
        io::ErrorKind::Unsupported,
        "this program was built without TLS (feature tls of crate tenfold)",
    )
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
