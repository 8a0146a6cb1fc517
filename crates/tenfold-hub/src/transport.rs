//! What a connection is carried by: the system's socket, TCP or unix, or one of several streams of a guest's connection.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{SockRef, TcpKeepalive};
use tenfold::closing;
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::sink::Branch;

/// What a connection is carried by.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// It is only written to.
    Branch(Branch),
    /// A simulated socket.
    #[cfg(test)]
    Link(crate::simulation::Link),
}

/// Does the same to either kind of stream, and something else to a branch.
macro_rules! either {
    ($socket:expr, $stream:ident => $body:expr, $branch:ident => $else:expr) => {
        match $socket {
            Transport::Tcp($stream) => $body,
            Transport::Unix($stream) => $body,
            Transport::Branch($branch) => $else,
            #[cfg(test)]
            Transport::Link($stream) => $body,
        }
    };
}

/// An idle connection is probed after this time, so that a peer that is gone is noticed although
/// nothing is ever sent to it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// How long a TCP peer may acknowledge nothing, or keep its window shut, before the system ends the
/// connection. The system takes this time for idle peers as well, in the place of a number of probes.
const VANISHED: Duration = Duration::from_secs(120);
/// The same while the peer is known to be slow: it may have vanished, but it may also be only stopped. This is much longer than
/// any pause of a client worth keeping.
const STOPPED: Duration = Duration::from_secs(600);

/// The usual cap of a socket's send buffer, in bytes: one vectored write.
pub(crate) const SEND_BUFFER: usize = 512 * 1024;

/// Input is thrown away a little at a time, so that a client that sends without end gets no more than
/// its turn.
pub(crate) const INPUT_PER_TURN: usize = 64 * 1024;

impl Transport {
    /// Sets the options of a connection. A failure means that the peer is gone already, which the
    /// first write will say better.
    pub(crate) fn prepare(&self, send_buffer: Option<usize>) {
        let Some(socket) = self.raw() else {
            return;
        };
        if let Some(bytes) = send_buffer {
            self.set_send_buffer(bytes);
        }
        if let Self::Tcp(_) = self {
            let keepalive = TcpKeepalive::new()
                .with_time(KEEPALIVE_IDLE)
                .with_interval(KEEPALIVE_INTERVAL);
            let _ = socket.set_tcp_nodelay(true);
            let _ = socket.set_tcp_keepalive(&keepalive);
            let _ = socket.set_tcp_user_timeout(Some(VANISHED));
        }
    }

    /// Gives a peer that acknowledges nothing more time, or no more than others have.
    pub(crate) fn be_patient(&self, patient: bool) {
        if let Self::Tcp(stream) = self {
            let time = if patient { STOPPED } else { VANISHED };
            let _ = SockRef::from(stream).set_tcp_user_timeout(Some(time));
        }
    }

    /// Sets how many bytes the system holds for the peer.
    pub(crate) fn set_send_buffer(&self, bytes: usize) {
        if let Some(socket) = self.raw() {
            let _ = socket.set_send_buffer_size(bytes);
        }
    }

    /// How many bytes the system takes now for certain, with one write; 0 if it does not say.
    pub(crate) fn room(&self) -> usize {
        match self.raw() {
            // Linux calls a socket writable while a third of its buffer is free or more, and counts twice what was asked for,
            // because what it keeps beside the bytes can be as much again.
            Some(socket) if self.events(PollFlags::OUT).contains(PollFlags::OUT) => {
                socket.send_buffer_size().unwrap_or(0) / 6
            }
            _ => 0,
        }
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(self, stream => stream.ready(interest).await, branch => branch.ready(interest).await)
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.try_write_vectored(slices), branch => branch.try_write_vectored(slices))
    }

    /// Writes a few bytes.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_write(bytes), branch => {
            branch.try_write_vectored(&[IoSlice::new(bytes)])
        })
    }

    /// Reads into a slice.
    pub(crate) fn try_read_slice(&self, into: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.try_read(into), _branch => Err(nothing_comes()))
    }

    /// Reads into the space of a buffer. What nothing has come for is not touched, so that it takes no memory.
    pub(crate) fn try_read_into(&self, into: &mut ReadBuf<'_>) -> io::Result<usize> {
        either!(self, stream => stream.try_read_buf(into), _branch => Err(nothing_comes()))
    }

    /// Reads at most `limit` bytes after what is there, as far as that has room.
    pub(crate) fn try_read(&self, into: &mut BytesMut, limit: usize) -> io::Result<usize> {
        let mut into = into.limit(limit);
        either!(self, stream => stream.try_read_buf(&mut into), _branch => Err(nothing_comes()))
    }

    /// Whether something that was written, or the end, is still on its way to the peer. To be asked when
    /// both sides have ended.
    pub(crate) fn has_unacknowledged(&self) -> bool {
        match self {
            // The system knows a peer's address until the peer has acknowledged the end.
            Self::Tcp(stream) => stream.peer_addr().is_ok(),
            // What was written is in the peer's hands.
            Self::Unix(_) | Self::Branch(_) => false,
            #[cfg(test)]
            Self::Link(link) => link.has_unacknowledged(),
        }
    }

    /// Reads what has arrived and throws it away, but not more than `limit` (rounded up to a
    /// buffer) at once.
    pub(crate) fn discard(&self, limit: usize) -> io::Result<Discarded> {
        let mut buffer = [0; 8 * 1024];
        let mut total = 0;
        while total < limit {
            match self.try_read_slice(&mut buffer) {
                // The end is met again by the next call.
                Ok(0) if total > 0 => break,
                Ok(0) => return Ok(Discarded::End),
                Ok(n) => total += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Discarded::Bytes(total))
    }

    pub(crate) fn shut_down_writing(&self) -> io::Result<()> {
        match self {
            Self::Branch(branch) => {
                branch.end();
                Ok(())
            }
            #[cfg(test)]
            Self::Link(link) => link.shut_down_writing(),
            _ => self
                .raw()
                .map_or(Ok(()), |socket| socket.shutdown(Shutdown::Write)),
        }
    }

    /// Makes the coming close a reset where there is such a thing, so that the peer cannot take a
    /// torn stream for one that has ended.
    pub(crate) fn reset_on_close(&self) {
        match self {
            Self::Tcp(stream) => {
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Self::Unix(_) => {}
            Self::Branch(branch) => branch.cut(),
            #[cfg(test)]
            Self::Link(link) => link.reset(),
        }
    }

    /// The address of this side; a unix socket has none.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Unix(_) | Self::Branch(_) => None,
            #[cfg(test)]
            Self::Link(_) => None,
        }
    }

    /// The error that the system has noted on the socket, if any.
    pub(crate) fn noted_error(&self) -> Option<io::Error> {
        match self {
            #[cfg(test)]
            Self::Link(link) => link.noted_error(),
            _ => self.raw()?.take_error().unwrap_or_else(Some),
        }
    }

    /// Whether neither side can receive any more.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.events(PollFlags::empty()).contains(PollFlags::HUP)
    }

    /// Whether there is something to read, or an end.
    pub(crate) fn has_input(&self) -> bool {
        self.events(PollFlags::IN).contains(PollFlags::IN)
    }

    /// What there is of these events. The system is asked directly: the runtime knows only what it was told so far.
    fn events(&self, asked: PollFlags) -> PollFlags {
        let socket = match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Branch(_) => return PollFlags::empty(),
            #[cfg(test)]
            Self::Link(_) => return PollFlags::empty(),
        };
        let mut asked = [PollFd::new(&socket, asked)];
        match poll(&mut asked, Some(&Timespec::default())) {
            Ok(_) => asked[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// The stream of a guest's connection, if it is one of several.
    pub(crate) fn branch(&self) -> Option<&Branch> {
        match self {
            Self::Branch(branch) => Some(branch),
            _ => None,
        }
    }

    /// The system's socket, if this is one.
    fn raw(&self) -> Option<SockRef<'_>> {
        match self {
            Self::Tcp(stream) => Some(SockRef::from(stream)),
            Self::Unix(stream) => Some(SockRef::from(stream)),
            Self::Branch(_) => None,
            #[cfg(test)]
            Self::Link(_) => None,
        }
    }
}

/// A stream that is only written to has nothing to read.
fn nothing_comes() -> io::Error {
    io::ErrorKind::WouldBlock.into()
}

impl closing::Discard for &Transport {
    async fn discard(&mut self) -> io::Result<Option<usize>> {
        self.ready(Interest::READABLE).await?;
        Ok(match Transport::discard(self, INPUT_PER_TURN)? {
            Discarded::Bytes(bytes) => Some(bytes),
            Discarded::End => None,
        })
    }
}

/// What [`Transport::discard`] has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discarded {
    Bytes(usize),
    /// The peer will send nothing more. It may well go on receiving.
    End,
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The system counts keepalive's time by the user timeout, if there is one.
    #[tokio::test]
    async fn a_peer_that_has_vanished_is_given_two_minutes_and_one_that_is_slow_ten() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await;
        let transport = Transport::Tcp(stream.unwrap());
        let time = || transport.raw().unwrap().tcp_user_timeout().unwrap();
        transport.prepare(None);
        assert_eq!(time(), Some(Duration::from_secs(120)));
        transport.be_patient(true);
        assert_eq!(time(), Some(Duration::from_secs(600)));
        transport.be_patient(false);
        assert_eq!(time(), Some(Duration::from_secs(120)));
    }
}
