//! Why a client gives up, or its connection broke.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use tenfold_codec::{DecodeError, EncodeError};

use super::Gap;
use crate::address::Address;
use crate::protocol::{ChannelName, Epoch, ProducerId, Refusal};

/// Why a client gives up, or why its connection broke.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system has no thread or no descriptor left for the client.
    Start(Arc<io::Error>),
    /// No connection could be made.
    Connect {
        /// Where to, if that has an address.
        address: Option<Address>,
        /// Why not.
        error: Arc<io::Error>,
    },
    /// The connection broke.
    Io(Arc<io::Error>),
    /// The hub closed the connection.
    Closed,
    /// The connection over TLS ended, and nobody has said so: the hub has gone, or somebody on the way has cut it.
    Cut,
    /// The hub did not answer in time, or did not end when it was time.
    NoAnswer {
        /// How long the client has waited.
        waited: Duration,
    },
    /// The hub has what was sent, and acknowledges nothing of it, while there is another hub to go to.
    NoAck {
        /// How long the client has waited.
        waited: Duration,
    },
    /// The hub's own words, and their code.
    Refused(Refusal),
    /// What the hub sends is not a sequence of frames, or ends inside one.
    Frame(DecodeError),
    /// The peer says what a hub cannot say: it is not a hub, is a later version, or has a bug.
    Protocol(String),
    /// Messages that were asked for cannot be had, and the subscriber was told to stop then.
    Gap(Gap),
    /// What went wrong with one channel of a follower.
    InChannel {
        /// The channel.
        channel: ChannelName,
        /// What it is.
        error: Box<Self>,
    },
    /// A message is larger than the subscriber's limit.
    TooLarge {
        /// The message.
        seq: u64,
        /// Its length; `None` if that is over a u64.
        length: Option<u64>,
        /// The limit.
        limit: u64,
    },
    /// The hub has not what this producer has published, or more than that.
    History(HistoryMismatch),
    /// Messages were written, and the connection broke before the hub had committed them; with
    /// `acks=none` they are not kept, and cannot be sent again.
    Lost {
        /// The number of the first of them.
        first: u64,
        /// The number of the first message after them.
        next: u64,
    },
    /// At the end not all messages are known to have arrived; with `acks=none` only.
    Unacknowledged {
        /// How many of them are known to have arrived.
        acknowledged: u64,
        /// How many were sent.
        sent: u64,
    },
    /// The message cannot be framed.
    Encode(EncodeError),
    /// It went on failing for as long as the client was to try ([`Retry::For`](super::Retry::For)).
    GaveUp {
        /// For how long it had failed.
        after: Duration,
        /// What went wrong last.
        last: Box<Self>,
    },
    /// A call took longer than a [`set_timeout`](crate::blocking::Subscriber::set_timeout) allows.
    /// It has done nothing, nothing is lost, and it can be made again. (Every other error ends the
    /// client.)
    TimedOut {
        /// How long the call has waited.
        waited: Duration,
    },
    /// A [`Stopper`](crate::blocking::Stopper) has stopped the client.
    Stopped,
    /// The client has ended: it was closed, or its background task is gone.
    Ended,
}

/// A hub's count of a producer's messages that cannot be, seen from the producer.
///
/// Numbers are counts of the producer's messages over all its connections.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryMismatch {
    /// The producer.
    pub producer: ProducerId,
    /// How many messages the hub says are committed.
    pub committed: u64,
    /// How many messages the hub has acknowledged before.
    pub acknowledged: u64,
    /// How many messages were sent.
    pub sent: u64,
    /// The epoch in which those were acknowledged, if there was a connection before.
    pub known: Option<Epoch>,
    /// The hub's epoch now.
    pub epoch: Epoch,
}

impl Error {
    pub(crate) fn protocol(words: impl Into<String>) -> Self {
        Self::Protocol(words.into())
    }

    pub(crate) fn connect(address: Option<Address>, error: io::Error) -> Self {
        let error = Arc::new(error);
        Self::Connect { address, error }
    }

    pub(crate) fn start(error: io::Error) -> Self {
        Self::Start(Arc::new(error))
    }

    pub(crate) fn io(error: io::Error) -> Self {
        // Only TLS knows an end that is not one.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Cut;
        }
        Self::Io(Arc::new(error))
    }

    pub(crate) fn in_channel(self, channel: ChannelName) -> Self {
        let error = Box::new(self);
        Self::InChannel { channel, error }
    }

    /// What went wrong, where the client has [given up](Self::GaveUp) after trying for some time;
    /// else the error itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenfold::client::Error;
    ///
    /// let error = Error::GaveUp {
    ///     after: Duration::from_secs(3),
    ///     last: Box::new(Error::Closed),
    /// };
    /// assert!(matches!(error.root(), Error::Closed));
    /// ```
    pub fn root(&self) -> &Self {
        match self {
            Self::GaveUp { last, .. } => last.root(),
            error => error,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "the client could not be started: {error}"),
            Self::Connect { address, error } => {
                f.write_str("could not connect")?;
                if let Some(address) = address {
                    write!(f, " to {address}")?;
                }
                write!(f, ": {error}")
            }
            Self::Io(error) => write!(f, "the connection broke: {error}"),
            Self::Closed => f.write_str("the hub closed the connection"),
            Self::Cut => f.write_str(
                "the connection was cut: it ended without the close_notify that ends a stream over TLS",
            ),
            Self::NoAnswer { waited } => {
                write!(f, "the hub did not answer within {waited:?}")
            }
            Self::NoAck { waited } => {
                write!(f, "the hub has acknowledged nothing for {waited:?}")
            }
            Self::Refused(refusal) => write!(f, "the hub says: {refusal}"),
            Self::Frame(error) => error.fmt(f),
            Self::Protocol(words) => write!(f, "this is not a hub that can be understood: {words}"),
            Self::Gap(gap) => gap.fmt(f),
            Self::InChannel { channel, error } => write!(f, "channel {channel}: {error}"),
            Self::TooLarge { seq, length, limit } => {
                write!(f, "message {seq} ")?;
                match length {
                    Some(length) => write!(f, "has {length} bytes, and ")?,
                    None => f.write_str("is larger than can be said, and ")?,
                }
                write!(f, "the limit is {limit}")
            }
            Self::History(mismatch) => mismatch.fmt(f),
            Self::Lost { first, next } => write!(
                f,
                "messages {first} to {} were lost with the connection (acks=none keeps none)",
                next.saturating_sub(1)
            ),
            Self::Unacknowledged { acknowledged, sent } => write!(
                f,
                "only {acknowledged} of {sent} messages are known to have arrived"
            ),
            Self::Encode(error) => error.fmt(f),
            Self::GaveUp { after, last } => {
                write!(f, "{last}; gave up after {:.1} s", after.as_secs_f64())
            }
            Self::TimedOut { waited } => write!(f, "the call took longer than {waited:?}"),
            Self::Stopped => f.write_str("the client was stopped"),
            Self::Ended => f.write_str("the client has ended"),
        }
    }
}

impl fmt::Display for HistoryMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            producer,
            committed,
            acknowledged,
            sent,
            epoch,
            ..
        } = self;
        write!(
            f,
            "the hub has {committed} messages of producer {producer}, and it was to have "
        )?;
        if acknowledged == sent {
            write!(f, "{sent}")?;
        } else {
            write!(f, "{acknowledged} to {sent}")?;
        }
        f.write_str(": another program has used this name, or the hub has lost its history")?;
        match self.known {
            Some(known) if known != *epoch => write!(f, " (its epoch was {known}, and is {epoch})"),
            _ => write!(f, " (its epoch is {epoch})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What is printed as this error's own words is not its source as well.
        match self {
            Self::Start(error) | Self::Connect { error, .. } | Self::Io(error) => error.source(),
            Self::GaveUp { last: error, .. } | Self::InChannel { error, .. } => error.source(),
            _ => None,
        }
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}
