//! Connections that speak another protocol, and the server that speaks it with them.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use tenfold::protocol::Token;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::UnixStream;

use crate::call::Call;
use crate::clients::Via;
use crate::connection::{Connection, Seat};
use crate::peer::Peer;
use crate::pending::PendingPlace;
use crate::shared::Shared;
use crate::socket::Socket;
use crate::task::spawn;
use crate::transport::Transport;

/// A server of another protocol, at a port of a hub.
///
/// The hub accepts its connections, within its limits and with TLS where the port speaks that, and hands each over as a
/// [`Guest`]. What the client asks for is then a [`Call`].
///
/// ```
/// use std::net::TcpListener;
/// use std::pin::Pin;
/// use std::sync::Arc;
///
/// use tenfold_hub::{Guest, Hub, HubOptions, Port, Serve};
/// use tokio::io::AsyncWriteExt;
///
/// /// Says how the hub is, and closes.
/// #[derive(Debug)]
/// struct Status;
///
/// impl Serve for Status {
///     fn serve(self: Arc<Self>, guest: Guest) -> Pin<Box<dyn Future<Output = ()> + Send>> {
///         Box::pin(async move {
///             let health = guest.call("status", None).health().await;
///             let line = health.map_or_else(|no| no.to_string(), |health| health.to_string());
///             let mut stream = guest.stream();
///             let _ = stream.write_all(line.as_bytes()).await;
///             let _ = stream.shutdown().await;
///         })
///     }
/// }
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let hub = Hub::start([Port::guests(listener, Arc::new(Status))], HubOptions::default())?;
/// let mut client = tokio::net::TcpStream::connect(address).await?;
/// let mut line = String::new();
/// tokio::io::AsyncReadExt::read_to_string(&mut client, &mut line).await?;
/// assert!(line.starts_with("OK status=ok"));
/// # hub.drain().await;
/// # Ok(())
/// # }
/// ```
pub trait Serve: fmt::Debug + Send + Sync + 'static {
    /// Serves one connection to its end. What goes on longer than what this has in memory is worth, such as a
    /// [`Writing`](crate::Writing), is better a task of its own.
    fn serve(self: Arc<Self>, guest: Guest) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// What it speaks over TLS, by the names of ALPN, the best first. A client that offers other names is refused; one that
    /// offers none is served. By default it is what the hub's [`Tls`](crate::Tls) says.
    fn protocols(&self) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

/// A connection that speaks another protocol than the hub's. Clones are handles to the same connection.
///
/// It is one of the hub's connections until the last handle has gone, with its [streams](Self::stream) and
/// [calls](Self::call); [`Hub::drain`](crate::Hub::drain) waits for it. While it neither publishes nor subscribes it may
/// have to give way to another guest, when there are too many: then what serves it is dropped.
#[derive(Clone)]
pub struct Guest {
    shared: Arc<Shared>,
    socket: Arc<Socket>,
    peer: Peer,
    seat: Arc<Seat>,
    /// Something was received from it.
    heard: Arc<AtomicBool>,
}

impl Guest {
    pub(crate) fn new(shared: Arc<Shared>, socket: Arc<Socket>, peer: Peer) -> Self {
        Self {
            seat: Seat::new(&shared, true),
            shared,
            socket,
            peer,
            heard: Arc::default(),
        }
    }

    /// Begins TLS, where the port speaks that, and leaves the rest to its host. `pending` is its place among the guests that
    /// neither publish nor subscribe yet; whoever has one may have to give way to another.
    pub(crate) async fn come_in(self, host: Arc<dyn Serve>, pending: PendingPlace) {
        let (seat, heard, socket) = (
            Arc::clone(&self.seat),
            Arc::clone(&self.heard),
            Arc::clone(&self.socket),
        );
        let mut serving = Box::pin(async move {
            let connection = self.connection("handshake");
            match connection.shake_hands_in_time().await {
                Ok(None) => {
                    drop(connection);
                    host.serve(self).await;
                }
                Ok(Some(refusal)) => connection.note(&refusal, "TLS"),
                // It was told by TLS, or has gone.
                Err(_) => {}
            }
        });
        tokio::select! {
            biased;
            () = &mut serving => return,
            () = seat.begun() => {}
            () = pending.gives_way(|| heard.load(Relaxed) || socket.has_received()) => return,
        }
        drop((pending, seat, heard, socket));
        serving.await;
    }

    /// The client.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// The address at which the client has arrived; a unix socket has none.
    pub fn arrived_at(&self) -> Option<SocketAddr> {
        self.socket.local_address()
    }

    /// The protocol on which client and hub have agreed for what is within TLS (ALPN), if they have.
    pub fn protocol(&self) -> Option<Vec<u8>> {
        self.socket.protocol()
    }

    /// The same client, for one of several requests that go on beside each other on its connection. What it publishes or
    /// subscribes to takes a place of its own.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            seat: self.seat.beside(),
            ..self.clone()
        }
    }

    /// Whether the connection is encrypted.
    pub fn is_over_tls(&self) -> bool {
        self.socket.is_over_tls()
    }

    /// Whoever shows a client certificate may not need a token: [`call`](Self::call) looks at both.
    pub fn has_certificate(&self) -> bool {
        self.socket.certificates().is_some()
    }

    /// The largest message that the hub receives, in bytes.
    pub fn max_message(&self) -> u64 {
        self.shared.options.now().max_message
    }

    /// Waits until the hub ends: then nothing more is received, and what was begun is finished.
    pub async fn draining(&self) {
        self.shared.draining.raised().await;
    }

    /// What is received from the client and written to it. Several handles are the same stream.
    pub fn stream(&self) -> GuestStream {
        GuestStream {
            guest: self.clone(),
            readable: None,
            writable: None,
            ending: None,
        }
    }

    /// A request of the client, which has shown this token or none. `kind` is what `CLIENTS` says that it is, for as long
    /// as what comes of the call goes on.
    pub fn call(&self, kind: &'static str, token: Option<Token>) -> Call {
        Call::new(self.connection(kind), token)
    }

    /// The hub's own protocol, for this client: what is written to the stream is what a client of a hub's port sends, and
    /// what is read is what it gets, under the same rules and with the guest's certificate. To be called by whoever carries
    /// the bytes in another protocol, and has begun with that.
    pub fn tunnel(&self) -> io::Result<UnixStream> {
        let (outer, inner) = UnixStream::pair()?;
        let socket =
            Socket::from(Transport::Unix(inner)).with_certificates(self.socket.certificates());
        let connections = self.shared.connections.count();
        socket.prepare(Some(self.shared.options.now().send_buffer(connections)));
        let connection = Connection::at(
            Arc::clone(&self.seat),
            Arc::clone(&self.shared),
            Arc::new(socket),
            self.peer,
            Via::Protocol,
        );
        drop(spawn(
            connection.serve(self.shared.pending.enter(self.peer)),
        ));
        Ok(outer)
    }

    fn connection(&self, kind: &'static str) -> Connection {
        Connection::at(
            Arc::clone(&self.seat),
            Arc::clone(&self.shared),
            Arc::clone(&self.socket),
            self.peer,
            Via::Guest(kind),
        )
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guest").field(&self.peer).finish()
    }
}

type Readiness = Pin<Box<dyn Future<Output = io::Result<Ready>> + Send>>;

/// A [`Guest`]'s stream, for libraries that read and write.
///
/// To shut it down says that it is the end, and waits a moment for the client to do the same, so that what was written
/// arrives.
pub struct GuestStream {
    guest: Guest,
    /// What is waited for.
    readable: Option<Readiness>,
    writable: Option<Readiness>,
    ending: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl GuestStream {
    /// The connection.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Tries again whenever the socket is ready.
    fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        interest: Interest,
        mut attempt: impl FnMut(&Socket) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let waiting = if interest.is_readable() {
            &mut self.readable
        } else {
            &mut self.writable
        };
        loop {
            if let Some(ready) = waiting {
                let ready = ready!(ready.as_mut().poll(cx));
                *waiting = None;
                ready?;
            }
            match attempt(&self.guest.socket) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    let socket = Arc::clone(&self.guest.socket);
                    *waiting = Some(Box::pin(async move { socket.ready(interest).await }));
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return Poll::Ready(result),
            }
        }
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = |socket: &Socket| socket.try_read_into(into).map(drop);
        let read = self.poll_with(cx, Interest::READABLE, read);
        if let Poll::Ready(Ok(())) = read {
            self.guest.heard.store(true, Relaxed);
        }
        read
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, Interest::WRITABLE, |socket| socket.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_with(cx, Interest::WRITABLE, |socket| {
            socket.try_write_vectored(slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_with(cx, Interest::WRITABLE, |socket| {
            let is_flushed = socket.flush()?;
            is_flushed
                .then_some(())
                .ok_or_else(|| io::ErrorKind::WouldBlock.into())
        })
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Arc::clone(&self.guest.socket);
        let ending = self
            .ending
            .get_or_insert_with(|| Box::pin(async move { socket.finish(false).await }));
        ending.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for GuestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GuestStream")
            .field(&self.guest.peer)
            .finish()
    }
}
