//! How a client gets a connection to its hub.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::address::Address;
use crate::stream::tune;

/// What a client's connection must be able to do.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send>>;

/// Makes a client's connections.
///
/// An [`Address`] connects over TCP or a unix socket. A closure can do it in any other way:
///
/// ```
/// use tenfold::client::Subscribe;
/// use tenfold::asynchronous::{Subscriber, Transport};
///
/// let connect = || async {
///     let (hub, client) = tokio::io::duplex(1024);
///     # drop(hub);
///     Ok(Box::new(client) as Box<dyn Transport>)
/// };
/// let subscriber = Subscriber::new(connect, Subscribe::new("ticks".parse()?));
/// # Ok::<(), tenfold::protocol::BadName>(())
/// ```
pub trait Connect: Send {
    /// Begins to make a connection. The client bounds the time that it takes.
    fn connect(&mut self) -> Connecting;
}

impl<F, C> Connect for F
where
    F: FnMut() -> C + Send,
    C: Future<Output = io::Result<Box<dyn Transport>>> + Send + 'static,
{
    fn connect(&mut self) -> Connecting {
        Box::pin(self())
    }
}

impl Connect for Address {
    fn connect(&mut self) -> Connecting {
        let address = self.clone();
        Box::pin(async move {
            Ok(match address {
                Self::Tcp { host, port } => Box::new(tcp(&host, port).await?) as Box<dyn Transport>,
                Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            })
        })
    }
}

/// Connects to the addresses of a name in turn.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failed = None;
    for address in resolve(host, port).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tune(&SockRef::from(&stream));
                return Ok(stream);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if host.contains(':') {
        let address = format!("[{host}]:{port}").parse();
        return Ok(vec![address.map_err(io::Error::other)?]);
    }
    Ok(lookup_host((host, port)).await?.collect())
}
