//! How a client gets a connection to its hub.

use std::future::Future;
use std::io;
use std::pin::Pin;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::address::{Address, ipv6};
use crate::candidates::Candidates;
use crate::hubs::Hubs;
use crate::stream::tune;
use crate::tls::Client;

/// What a client's connection must be able to do.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Transport>>> + Send>>;

/// Makes a client's connections.
///
/// An [`Address`] connects over TCP or a unix socket, and [`Hubs`] to one of several addresses. A closure can do it in any other way:
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

    /// The same for a client that was told [how to make TLS](crate::client::Subscribe::tls). Who makes connections in
    /// another way than by an address does as it likes.
    #[cfg(feature = "_tls")]
    fn connect_with(&mut self, client: &Client) -> Connecting {
        let _ = client;
        self.connect()
    }

    /// How many hubs there are to connect to.
    fn hubs(&self) -> usize {
        1
    }

    /// From now on connections lead to this one of the hubs, counted from 0.
    fn turn_to(&mut self, hub: usize) {
        let _ = hub;
    }

    /// Where the connections lead, for the words of an error; `None` if that has no address.
    fn address(&self) -> Option<Address> {
        None
    }
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
    fn address(&self) -> Option<Address> {
        Some(self.clone())
    }

    fn connect(&mut self) -> Connecting {
        connecting(self.clone(), None)
    }

    #[cfg(feature = "_tls")]
    fn connect_with(&mut self, client: &Client) -> Connecting {
        connecting(self.clone(), Some(client.clone()))
    }
}

impl Connect for Hubs {
    fn hubs(&self) -> usize {
        self.addresses().len()
    }

    fn turn_to(&mut self, hub: usize) {
        Self::turn_to(self, hub);
    }

    fn address(&self) -> Option<Address> {
        Some(self.current().clone())
    }

    fn connect(&mut self) -> Connecting {
        connecting(self.current().clone(), None)
    }

    #[cfg(feature = "_tls")]
    fn connect_with(&mut self, client: &Client) -> Connecting {
        connecting(self.current().clone(), Some(client.clone()))
    }
}

/// Begins to make a connection, with TLS made as the options of a client say.
pub(super) fn begin(connect: &mut dyn Connect, tls: Option<&Client>) -> Connecting {
    #[cfg(feature = "_tls")]
    if let Some(client) = tls {
        return connect.connect_with(client);
    }
    let _ = tls;
    connect.connect()
}

fn connecting(address: Address, client: Option<Client>) -> Connecting {
    Box::pin(async move {
        Ok(match address {
            Address::Tcp { host, port } => Box::new(tcp(&host, port).await?) as Box<dyn Transport>,
            #[cfg(feature = "_tls")]
            Address::Tls { host, port } => tls(&host, port, client).await?,
            #[cfg(not(feature = "_tls"))]
            Address::Tls { .. } => return Err(crate::dial::without_tls(client.as_ref())),
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
        })
    })
}

#[cfg(feature = "_tls")]
async fn tls(host: &str, port: u16, client: Option<Client>) -> io::Result<Box<dyn Transport>> {
    let client = match client {
        Some(client) => client,
        None => Client::of_system().map_err(io::Error::other)?,
    };
    let stream = super::TlsStream::connect_to_hub(host, port, &client).await?;
    Ok(Box::new(stream))
}

pub(super) async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let addresses = match ipv6(host, port) {
        Some(address) => vec![address?],
        None => lookup_host((host, port)).await?.collect(),
    };
    let mut candidates = Candidates::new(addresses);
    while let Some(address) = candidates.next() {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tune(&SockRef::from(&stream));
                return Ok(stream);
            }
            Err(error) => candidates.failed(error),
        }
    }
    Err(candidates.error())
}
