//! A connection over TLS, for programs that wait.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use socket2::SockRef;

use super::server::Server;
use super::session::Session;
use crate::closing;
use crate::readiness;
use crate::stream::tune;

/// How long both sides may take to agree.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// A connection over TLS and TCP, for blocking readers and writers. All that a TCP connection does it does as
/// well; its end is said by `close_notify`, and an end of TCP without that is an error
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
///
/// Of a connection that was accepted, the first read or write makes the handshake, which has five seconds.
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    shared: Arc<Shared>,
}

/// What all owners of a connection have in common.
#[derive(Debug)]
struct Shared {
    /// It is locked for as long as it computes, and never while somebody waits for the peer.
    session: Arc<Mutex<Session>>,
    manner: Mutex<Manner>,
    /// Whoever holds this makes the handshake.
    agreeing: Mutex<()>,
    /// By when both sides must have agreed.
    handshake_by: Instant,
}

/// How reads and writes wait.
#[derive(Clone, Copy, Debug, Default)]
struct Manner {
    is_nonblocking: bool,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl TlsStream {
    /// The client's side, on a connection that was made. The handshake is still to come.
    pub(crate) fn connecting(
        socket: TcpStream,
        config: &Arc<ClientConfig>,
        host: &str,
    ) -> io::Result<Self> {
        Ok(Self::new(socket, Session::connecting(config, host)?))
    }

    /// The server's side, on a connection that was accepted. The handshake is part of the first read or write.
    pub fn accept(socket: TcpStream, server: &Server) -> io::Result<Self> {
        tune(&SockRef::from(&socket));
        Ok(Self::new(socket, Session::accepting(server.config())?))
    }

    /// The socket, and the session of all its owners.
    #[cfg(feature = "tokio")]
    pub(crate) fn into_parts(self) -> (TcpStream, Arc<Mutex<Session>>) {
        (self.socket, Arc::clone(&self.shared.session))
    }

    fn new(socket: TcpStream, session: Session) -> Self {
        let shared = Shared {
            session: Arc::new(Mutex::new(session)),
            manner: Mutex::default(),
            agreeing: Mutex::default(),
            handshake_by: Instant::now() + HANDSHAKE_TIME,
        };
        Self {
            socket,
            shared: Arc::new(shared),
        }
    }

    /// The same connection, for another owner.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            socket: self.socket.try_clone()?,
            shared: Arc::clone(&self.shared),
        })
    }

    /// Waits until both sides have agreed.
    pub fn shake_hands(&self) -> io::Result<()> {
        if !self.session().is_handshaking() {
            return Ok(());
        }
        if self.manner().is_nonblocking {
            let is_done = self.try_to_agree()?;
            return is_done
                .then_some(())
                .ok_or_else(|| io::ErrorKind::WouldBlock.into());
        }
        // One owner does it. Another would wait for bytes that the first has read.
        let _turn = lock(&self.shared.agreeing);
        loop {
            match self.try_to_agree() {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => {
                    self.let_alert_arrive();
                    return Err(error);
                }
            }
            let mut asked = [PollFd::new(&self.socket, self.wanted())];
            readiness::wait(&mut asked, Some(self.shared.handshake_by))?;
        }
    }

    /// The peer is told by an alert what was wrong. A socket that is closed with input in it would destroy that, so
    /// what comes is thrown away until the peer ends, but not for long.
    fn let_alert_arrive(&self) {
        if self.socket.shutdown(Shutdown::Write).is_err() {
            return;
        }
        let until = Instant::now() + closing::WAIT;
        let (mut buffer, mut discarded) = ([0; 4096], 0);
        while discarded < closing::DISCARD && Instant::now() < until {
            match Unwaiting(&self.socket).read(&mut buffer) {
                Ok(n) if n > 0 => discarded += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut asked = [PollFd::new(&self.socket, PollFlags::IN)];
                    if readiness::wait(&mut asked, Some(until)).is_err() {
                        return;
                    }
                }
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// The certificate that the peer has shown, and those of its issuers; `None` before the handshake, and if it
    /// has shown none.
    pub fn peer_certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.session().certificates()
    }

    pub(crate) fn handshake_by(&self) -> Instant {
        self.shared.handshake_by
    }

    /// Waits, as a read does, until the peer has sent something; `false` if it has ended instead. A read gives it
    /// all the same.
    pub fn peek(&self) -> io::Result<bool> {
        let time = self.manner().read_timeout;
        self.peek_in(time)
    }

    /// The same, but no longer than this; then it is `WouldBlock`.
    pub fn peek_within(&self, time: Duration) -> io::Result<bool> {
        self.peek_in(Some(time))
    }

    fn peek_in(&self, time: Option<Duration>) -> io::Result<bool> {
        self.until_done(PollFlags::IN, time, |session, socket| session.peek(socket))
    }

    /// Ends the connection without saying so, for who has to pass on a cut: the peer takes it for one.
    pub fn cut(&self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Both)
    }

    /// The address of the peer.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// Whether a read would give something although the socket has nothing: it was decrypted already.
    pub fn is_readable(&self) -> bool {
        self.session().is_readable()
    }

    /// Whether something that was written waits until the socket takes it: to be [flushed](Write::flush) then.
    pub fn owes(&self) -> bool {
        self.session().owes()
    }

    pub(crate) fn set_read_timeout(&self, time: Option<Duration>) {
        self.manner().read_timeout = time;
    }

    pub(crate) fn set_write_timeout(&self, time: Option<Duration>) {
        self.manner().write_timeout = time;
    }

    pub(crate) fn set_nonblocking(&self, is_nonblocking: bool) {
        self.manner().is_nonblocking = is_nonblocking;
    }

    /// Ends one direction, or both. The end of writing is said to the peer by `close_notify`.
    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.end_writing()?;
        }
        self.socket.shutdown(how)
    }

    fn end_writing(&self) -> io::Result<()> {
        let time = self.manner().write_timeout;
        self.until_done(PollFlags::OUT, time, |session, socket| {
            session.end();
            session.flush(socket)
        })
    }

    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let time = self.manner().read_timeout;
        self.until_done(PollFlags::IN, time, |session, socket| {
            session.read(socket, buffer)
        })
    }

    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let time = self.manner().write_timeout;
        let written = self.until_done(PollFlags::OUT, time, |session, socket| {
            session.write(socket, slices)
        })?;
        if !self.manner().is_nonblocking {
            // It was accepted. What is wrong is met again.
            let _ = self.flush_all();
        }
        Ok(written)
    }

    pub(crate) fn flush_all(&self) -> io::Result<()> {
        let time = self.manner().write_timeout;
        self.until_done(PollFlags::OUT, time, |session, socket| {
            session.flush(socket)
        })
    }

    /// Does something again and again until it does not have to wait for the peer, or the time is over; in between
    /// it waits for this.
    fn until_done<T>(
        &self,
        wanted: PollFlags,
        time: Option<Duration>,
        mut attempt: impl FnMut(&mut Session, &mut Unwaiting<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        self.shake_hands()?;
        let deadline = time.and_then(readiness::after);
        loop {
            let mut session = self.session();
            match attempt(&mut session, &mut Unwaiting(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let owes = session.owes();
            drop(session);
            let is_over = deadline.is_some_and(|at| Instant::now() >= at);
            if is_over || self.manner().is_nonblocking {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut wanted = wanted;
            wanted.set(PollFlags::OUT, owes || wanted.contains(PollFlags::OUT));
            let mut asked = [PollFd::new(&self.socket, wanted)];
            readiness::wait(&mut asked, deadline)?;
        }
    }

    /// Goes on with the handshake, as far as it goes now. Whether it is done.
    fn try_to_agree(&self) -> io::Result<bool> {
        let mut session = self.session();
        match session.shake_hands(&mut Unwaiting(&self.socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done.map(|()| true),
        }
        if Instant::now() < self.shared.handshake_by {
            return Ok(false);
        }
        Err(late_handshake())
    }

    /// What the handshake waits for.
    pub(crate) fn wanted(&self) -> PollFlags {
        let mut wanted = PollFlags::IN;
        wanted.set(PollFlags::OUT, self.owes());
        wanted
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        lock(&self.shared.session)
    }

    fn manner(&self) -> MutexGuard<'_, Manner> {
        lock(&self.shared.manner)
    }
}

pub(crate) fn late_handshake() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        format!("the handshake of TLS was not done within {HANDSHAKE_TIME:?}"),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A socket of which no call waits, whatever others have set on it.
struct Unwaiting<'a>(&'a TcpStream);

impl Read for Unwaiting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (n, _) = recv(self.0, buffer, RecvFlags::DONTWAIT)?;
        Ok(n)
    }
}

impl Write for Unwaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(
            self.0,
            bytes,
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL,
        )?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for TlsStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
