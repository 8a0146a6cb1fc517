//! A listener inside the runtime.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tenfold::{Listener, SocketFile};
use tokio::net::{TcpListener, UnixListener};

use crate::peer::Peer;
use crate::transport::Transport;

/// A listener, and whether what connects there speaks TLS.
#[derive(Debug)]
pub(crate) struct Acceptor {
    listening: Listening,
    is_over_tls: bool,
    /// With what, if the listener says.
    config: Option<Arc<ServerConfig>>,
}

#[derive(Debug)]
enum Listening {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "held for its drop")] Option<SocketFile>,
    ),
    #[cfg(test)]
    Link(tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<crate::simulation::Link>>),
}

impl Acceptor {
    /// To be called inside a runtime with I/O.
    pub(crate) fn new(listener: Listener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self::of(match listener {
            #[cfg(feature = "_tls")]
            Listener::Tls(listener, server) => {
                let listening = Listening::Tcp(TcpListener::from_std(listener)?);
                return Ok(Self {
                    listening,
                    is_over_tls: true,
                    config: Some(Arc::clone(server.config())),
                });
            }
            Listener::Tcp(listener) => Listening::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener, file) => {
                Listening::Unix(UnixListener::from_std(listener)?, file)
            }
            _ => {
                let words = "a hub listens on TCP and on unix sockets only";
                return Err(io::Error::new(io::ErrorKind::Unsupported, words));
            }
        }))
    }

    fn of(listening: Listening) -> Self {
        Self {
            listening,
            is_over_tls: false,
            config: None,
        }
    }

    /// The same for clients that speak TLS, if the listener does not say so by itself.
    pub(crate) fn over_tls(mut self, is_over_tls: bool) -> Self {
        self.is_over_tls |= is_over_tls;
        self
    }

    pub(crate) fn is_over_tls(&self) -> bool {
        self.is_over_tls
    }

    /// With what TLS is spoken here, if the listener says.
    pub(crate) fn config(&self) -> Option<&Arc<ServerConfig>> {
        self.config.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn link(
        links: tokio::sync::mpsc::UnboundedReceiver<crate::simulation::Link>,
    ) -> Arc<Self> {
        Arc::new(Self::of(Listening::Link(links.into())))
    }

    pub(crate) async fn accept(&self) -> io::Result<(Transport, Peer)> {
        match &self.listening {
            Listening::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Transport::Tcp(stream), Peer::Tcp(address)))
            }
            Listening::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
                Ok((Transport::Unix(stream), Peer::Unix(process)))
            }
            #[cfg(test)]
            Listening::Link(links) => match links.lock().await.recv().await {
                Some(link) => Ok((Transport::Link(link), Peer::Unix(None))),
                None => std::future::pending().await,
            },
        }
    }
}
