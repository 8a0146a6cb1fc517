//! A listener inside the runtime.

use std::io;

use tenfold::{Listener, SocketFile};
use tokio::net::{TcpListener, UnixListener};

use crate::peer::Peer;
use crate::socket::Socket;

#[derive(Debug)]
pub(crate) enum Acceptor {
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
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener, file) => Self::Unix(UnixListener::from_std(listener)?, file),
            _ => {
                let words = "a hub listens on TCP and on unix sockets only";
                return Err(io::Error::new(io::ErrorKind::Unsupported, words));
            }
        })
    }

    #[cfg(test)]
    pub(crate) fn link(
        links: tokio::sync::mpsc::UnboundedReceiver<crate::simulation::Link>,
    ) -> Self {
        Self::Link(links.into())
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Socket::Tcp(stream), Peer::Tcp(address)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let process = stream.peer_cred().ok().and_then(|peer| peer.pid());
                Ok((Socket::Unix(stream), Peer::Unix(process)))
            }
            #[cfg(test)]
            Self::Link(links) => match links.lock().await.recv().await {
                Some(link) => Ok((Socket::Link(link), Peer::Unix(None))),
                None => std::future::pending().await,
            },
        }
    }
}
