//! A connected socket: TCP, TLS over TCP, or unix.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

#[cfg(feature = "_tls")]
use crate::tls::TlsStream;

/// An idle connection is probed after this time, so that a peer that is gone is noticed although
/// nothing is ever sent to it.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// A connection over TCP (also with TLS) or a unix socket, for blocking readers and writers. A reader and a writer
/// share one with [`try_clone`](Self::try_clone), or by reference: `&Stream` reads and writes, too.
///
/// ```
/// use std::io::{Read, Write};
/// use tenfold::{Address, Stream};
///
/// let listener = "127.0.0.1:0".parse::<Address>()?.listen()?;
/// let client: Stream = listener.local_address()?.connect_blocking(None)?;
/// let server: Stream = listener.accept()?;
/// (&client).write_all(b"hello")?;
/// let mut received = [0; 5];
/// (&server).read_exact(&mut received)?;
/// assert_eq!(&received, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// TCP connections send without delay (the writers make the batches) and are kept alive.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
    /// Over TLS.
    #[cfg(feature = "_tls")]
    Tls(TlsStream),
}

/// Does the same to either kind of socket; what to do to a connection over TLS is said apart.
macro_rules! either {
    ($stream:expr, $inner:ident => $body:expr, tls => $tls:expr) => {
        match $stream {
            Stream::Tcp($inner) => $body,
            Stream::Unix($inner) => $body,
            #[cfg(feature = "_tls")]
            Stream::Tls($inner) => $tls,
        }
    };
}

impl Stream {
    /// The same connection, for another owner.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
            #[cfg(feature = "_tls")]
            Self::Tls(stream) => Self::Tls(stream.try_clone()?),
        })
    }

    /// Bounds the time that a read waits; with `None` it waits forever.
    pub fn set_read_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_read_timeout(time), tls => {
            stream.set_read_timeout(time);
            Ok(())
        })
    }

    /// Bounds the time that a write waits.
    pub fn set_write_timeout(&self, time: Option<Duration>) -> io::Result<()> {
        either!(self, stream => stream.set_write_timeout(time), tls => {
            stream.set_write_timeout(time);
            Ok(())
        })
    }

    /// Makes reads and writes say `WouldBlock` instead of waiting.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        either!(self, stream => stream.set_nonblocking(nonblocking), tls => {
            stream.set_nonblocking(nonblocking);
            Ok(())
        })
    }

    /// Ends one direction, or both. Over TLS the peer is told of the end of what is written; where that would
    /// have to wait and may not, it is `WouldBlock`, and can be done again.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        either!(self, stream => stream.shutdown(how), tls => stream.shutdown(how))
    }

    /// Whether a read gives something although the socket has nothing: over TLS a record is decrypted as a whole.
    /// To be asked before the socket is waited for.
    pub fn is_readable(&self) -> bool {
        either!(self, _stream => false, tls => _stream.is_readable())
    }

    /// Whether something that was written waits until the socket takes it, as it can over TLS: then wait for that,
    /// and flush.
    pub fn owes(&self) -> bool {
        either!(self, _stream => false, tls => _stream.owes())
    }

    /// Ends the connection; over TLS without saying so, which the peer takes for a cut.
    pub fn cut(&self) -> io::Result<()> {
        either!(self, stream => stream.shutdown(Shutdown::Both), tls => stream.cut())
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => (&*stream).read(buffer), tls => stream.receive(buffer))
    }

    /// Without SIGPIPE, which the standard library suppresses for single writes only: a peer that
    /// vanished must not kill a program that has not chosen to ignore the signal.
    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket =
            either!(self, stream => SockRef::from(stream), tls => return stream.send(slices));
        socket.send_vectored_with_flags(slices, libc::MSG_NOSIGNAL)
    }
}

/// Sends without delay, and notices a peer that is gone.
pub(crate) fn tune(socket: &SockRef<'_>) {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL);
    // A failure means that the peer is gone already, which the first read says better.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        tune(&SockRef::from(&stream));
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

#[cfg(feature = "_tls")]
impl From<TlsStream> for Stream {
    fn from(stream: TlsStream) -> Self {
        Self::Tls(stream)
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, _stream => Ok(()), tls => _stream.flush_all())
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, _stream => Ok(()), tls => _stream.flush_all())
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        either!(self, stream => stream.as_fd(), tls => stream.as_fd())
    }
}
