//! The server, as a hub sees it.

use std::pin::Pin;
use std::sync::Arc;

use tenfold_hub::{Guest, Serve};

use crate::desk::Desk;
use crate::http2;
use crate::session::Session;
use crate::tickets::Tickets;

/// The names of what is spoken, as clients offer them in TLS (ALPN).
const HTTP_2: &[u8] = b"h2";
const HTTP_11: &[u8] = b"http/1.1";

/// A hub's HTTP server, for [`Port::guests`](tenfold_hub::Port::guests).
///
/// ```
/// use std::net::TcpListener;
/// use std::sync::Arc;
///
/// use tenfold_http::Http;
/// use tenfold_hub::{Hub, HubOptions, Port};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let http = Arc::new(Http::default());
/// let hub = Hub::start([Port::guests(listener, http)], HubOptions::default())?;
///
/// let mut client = tokio::net::TcpStream::connect(address).await?;
/// let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// client.write_all(request.as_bytes()).await?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer).await?;
/// assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
/// # hub.drain().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Http {
    pub(crate) names: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) has_only_numbers: bool,
    pub(crate) tickets: Tickets,
}

impl Http {
    /// Other names than `localhost` and its addresses by which clients know the hub, without a port.
    #[must_use]
    pub fn names(mut self, names: impl IntoIterator<Item = String>) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase());
        self.names.extend(names);
        self
    }

    /// Origins whose pages may use the hub, as browsers write them: `https://app.example`.
    #[must_use]
    pub fn origins(mut self, origins: impl IntoIterator<Item = String>) -> Self {
        self.origins.extend(origins);
        self
    }

    /// Has nothing but `/metrics` and `/health`.
    #[must_use]
    pub fn only_numbers(mut self) -> Self {
        self.has_only_numbers = true;
        self
    }
}

impl Serve for Http {
    fn serve(self: Arc<Self>, guest: Guest) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if guest.protocol().as_deref() == Some(HTTP_2) {
            return Box::pin(http2::serve(Desk::new(self, guest)));
        }
        Box::pin(Session::new(self, guest).run())
    }

    fn protocols(&self) -> Vec<Vec<u8>> {
        [HTTP_2, HTTP_11].map(<[u8]>::to_vec).into()
    }
}
