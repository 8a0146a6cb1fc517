//! Where clients connect, and what they can do there.

use std::sync::Arc;

use bytes::Bytes;
use tenfold::Listener;
use tenfold::protocol::ChannelName;

/// Where clients connect, and what they can do there.
#[derive(Debug)]
pub struct Port {
    pub(crate) listener: Listener,
    pub(crate) kind: PortKind,
}

/// What clients can do at a port.
#[derive(Clone, Debug)]
pub(crate) enum PortKind {
    /// Whatever they ask for.
    Protocol,
    /// One thing, without asking.
    Plain(Arc<Plain>),
}

/// A port that belongs to one channel and needs no request.
#[derive(Clone, Debug)]
pub struct Plain {
    /// The channel.
    pub channel: ChannelName,
    /// Who gets messages.
    pub direction: Direction,
    /// How many of the last messages who connects gets first.
    pub replay: Option<u64>,
    /// Whole frames that come before everything else; they are not in the channel.
    pub welcome: Bytes,
}

/// Who gets messages at a plain port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Who connects.
    #[default]
    Out,
    /// The channel.
    In,
    /// Both.
    Both,
}

impl Port {
    /// A port for the hub's protocol.
    pub fn protocol(listener: impl Into<Listener>) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Protocol,
        }
    }

    /// A port that belongs to one channel.
    pub fn plain(listener: impl Into<Listener>, plain: Plain) -> Self {
        Self {
            listener: listener.into(),
            kind: PortKind::Plain(Arc::new(plain)),
        }
    }
}
