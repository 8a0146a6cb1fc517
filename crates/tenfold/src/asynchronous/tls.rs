//! A connection over TLS, for programs with a runtime.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use rustls::pki_types::CertificateDer;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::deadline::within;
use crate::tls::{self, Client, HANDSHAKE_TIME, Server, Session};

/// A connection over TLS and TCP. Its end is said by `close_notify`, with
/// [`shutdown`](tokio::io::AsyncWriteExt::shutdown); an end of TCP without that is an error
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)).
///
/// A write can leave a part of a record, of at most 16 KiB, which goes with the next write or with a flush.
///
/// ```no_run
/// use tenfold::asynchronous::{Reader, TlsStream};
/// use tenfold::tls::ClientOptions;
/// use tenfold::{Address, Framing};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = ClientOptions::new().ca("ca.pem").load()?;
/// let address: Address = "tls://sensors.example:7000".parse()?;
/// let stream = TlsStream::connect(&address, &client).await?;
/// let mut reader = Reader::connecting(stream, &Framing::default());
/// while let Some(message) = reader.message().await? {
///     println!("{}", message.escape_ascii());
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct TlsStream {
    socket: TcpStream,
    session: Arc<Mutex<Session>>,
    /// Who waits for the handshake, which may be one task that reads and one that writes: the socket wakes only the
    /// one that has asked last.
    waiting: Mutex<Vec<Waker>>,
}

impl TlsStream {
    /// Connects to an address over TLS.
    pub async fn connect(address: &Address, client: &Client) -> io::Result<Self> {
        let Address::Tls { host, port } = address else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{address} is not an address over TLS: tls://HOST:PORT is one"),
            ));
        };
        let socket = super::connect::tcp(host, *port).await?;
        Self::begin(socket, Session::connecting(client.config(), host)?).await
    }

    /// The same to a hub, whose protocol is offered.
    pub(super) async fn connect_to_hub(host: &str, port: u16, client: &Client) -> io::Result<Self> {
        let socket = super::connect::tcp(host, port).await?;
        Self::begin(socket, Session::connecting(client.hub_config(), host)?).await
    }

    /// Begins TLS on a connection that was accepted. The peer has five seconds for its part.
    pub async fn accept(socket: TcpStream, server: &Server) -> io::Result<Self> {
        Self::begin(socket, Session::accepting(server.config())?).await
    }

    /// Goes on in the runtime with a connection over TLS of which there is no other owner. The handshake, if it is still
    /// to come, is part of the first read or write, however long it takes.
    pub fn from_blocking(stream: tls::TlsStream) -> io::Result<Self> {
        let (socket, session) = stream.into_parts();
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: TcpStream::from_std(socket)?,
            session,
            waiting: Mutex::default(),
        })
    }

    async fn begin(socket: TcpStream, session: Session) -> io::Result<Self> {
        let stream = Self {
            socket,
            session: Arc::new(Mutex::new(session)),
            waiting: Mutex::default(),
        };
        let agreed = within(HANDSHAKE_TIME, poll_fn(|cx| stream.poll_agree(cx))).await;
        agreed.unwrap_or_else(|| Err(tls::late_handshake()))?;
        Ok(stream)
    }

    /// The address of the peer.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The certificate that the peer has shown, and those of its issuers; `None` if it has shown none.
    pub fn peer_certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        self.session().certificates()
    }

    fn poll_agree(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let owes = {
                let mut session = self.session();
                match session.shake_hands(&mut Trying(&self.socket)) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
                session.owes()
            };
            // Whichever comes first.
            if owes && self.socket.poll_write_ready(cx)?.is_ready() {
                continue;
            }
            ready!(self.socket.poll_read_ready(cx))?;
        }
    }

    fn poll_send(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_agreed(cx))?;
        loop {
            match self.session().write(&mut Trying(&self.socket), slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.socket.poll_write_ready(cx))?;
        }
    }

    fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.session().flush(&mut Trying(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(self.socket.poll_write_ready(cx))?;
        }
    }

    /// Makes the handshake before the first read or write.
    fn poll_agreed(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.session().is_handshaking() {
            return Poll::Ready(Ok(()));
        }
        {
            let mut waiting = self.waiting();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        let agreed = ready!(self.poll_agree(cx));
        for waker in self.waiting().drain(..) {
            waker.wake();
        }
        Poll::Ready(agreed)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_agreed(cx))?;
        loop {
            let space = buffer.initialize_unfilled();
            match self.session().read(&mut Trying(&self.socket), space) {
                Ok(n) => {
                    buffer.advance(n);
                    return Poll::Ready(Ok(()));
                }
                // It has received enough for one turn, and there may be more.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            // What is still to be written is not waited for here: another task may wait for that.
            ready!(self.socket.poll_read_ready(cx))?;
        }
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushed(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_agreed(cx))?;
        self.session().end();
        ready!(self.poll_flushed(cx))?;
        match SockRef::from(&self.socket).shutdown(Shutdown::Write) {
            // It has ended already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            done => Poll::Ready(done),
        }
    }
}

/// A socket of the runtime of which no call waits.
struct Trying<'a>(&'a TcpStream);

impl Read for Trying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
