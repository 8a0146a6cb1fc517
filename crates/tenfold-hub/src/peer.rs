//! The client at the other end of a connection.

use std::fmt;
use std::net::SocketAddr;

/// The client at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of a unix socket, and its process where the system tells.
    Unix(Option<i32>),
}

impl Peer {
    /// Whether it is on this machine, as far as its address tells.
    pub(crate) fn is_local(self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(Some(process)) => write!(f, "unix:process {process}"),
            Self::Unix(None) => f.write_str("unix"),
        }
    }
}
