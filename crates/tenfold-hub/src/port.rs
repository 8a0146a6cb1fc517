//! Where clients connect, and what they can do there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tenfold::Listener;
use tenfold::protocol::ChannelName;

use crate::guest::Serve;

/// Where clients connect, and what they can do there.
///
/// ```
/// use std::net::TcpListener;
/// use tenfold_hub::{Direction, Plain, Port};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let protocol = Port::protocol(TcpListener::bind("127.0.0.1:0")?);
/// let plain = Plain::new("ticks".parse()?, Direction::Out).replay(10);
/// let plain = Port::plain(TcpListener::bind("127.0.0.1:0")?, plain);
/// # let _ = (protocol, plain);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Port {
    pub(crate) listener: Listener,
    pub(crate) kind: PortKind,
    pub(crate) is_over_tls: bool,
}

/// What clients can do at a port.
#[derive(Clone, Debug)]
pub(crate) enum PortKind {
    /// Whatever they ask for.
    Protocol,
    /// One thing, without asking.
    Plain(Arc<Plain>),
    /// What a server of another protocol makes of them.
    Guests(Arc<dyn Serve>),
}

/// What a port does that belongs to one channel and needs no request: programs that speak only the
/// framing can use it.
///
/// ```
/// use tenfold_hub::{Direction, Plain};
///
/// // A client gets a greeting, the last three messages of `ticks`, and then what comes.
/// let plain = Plain::new("ticks".parse()?, Direction::Out)
///     .replay(3)
///     .welcome(&b"5         hello"[..]);
/// # let _ = plain;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plain {
    pub(crate) channel: ChannelName,
    pub(crate) direction: Direction,
    pub(crate) replay: Option<u64>,
    pub(crate) welcome: Bytes,
    pub(crate) asks_token: bool,
}

/// Which way messages go at a plain port. Displays as `out`, `in` or `both`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// Out of the channel, to each client.
    #[default]
    Out,
    /// From each client into the channel.
    In,
    /// Both ways.
    Both,
}

impl Port {
    /// A port for the hub's protocol.
    pub fn protocol(listener: impl Into<Listener>) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Protocol,
            is_over_tls: false,
        }
    }

    /// A port that belongs to one channel.
    pub fn plain(listener: impl Into<Listener>, plain: Plain) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Plain(Arc::new(plain)),
            is_over_tls: false,
        }
    }

    /// A port for another protocol, whose server is `host`. The hub accepts the connections, and hands them over.
    pub fn guests(listener: impl Into<Listener>, host: Arc<dyn Serve>) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Guests(host),
            is_over_tls: false,
        }
    }

    /// The same over TLS, as [`HubOptions::tls`](crate::HubOptions::tls) says.
    #[must_use]
    pub fn over_tls(mut self) -> Self {
        self.is_over_tls = true;
        self
    }
}

impl Plain {
    /// A channel, and which way its messages go.
    pub fn new(channel: ChannelName, direction: Direction) -> Self {
        Self {
            channel,
            direction,
            replay: None,
            welcome: Bytes::new(),
            asks_token: false,
        }
    }

    /// Sends each client the last messages of the channel first, at most so many.
    #[must_use]
    pub fn replay(mut self, messages: u64) -> Self {
        self.replay = Some(messages);
        self
    }

    /// Takes the first frame of each client for a token, which says who it is. Otherwise a client is anonymous.
    #[must_use]
    pub fn asking_for_token(mut self) -> Self {
        self.asks_token = true;
        self
    }

    /// Sends each client these whole frames before everything else. They are not in the channel.
    #[must_use]
    pub fn welcome(mut self, frames: impl Into<Bytes>) -> Self {
        self.welcome = frames.into();
        self
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Out => "out",
            Self::In => "in",
            Self::Both => "both",
        })
    }
}
