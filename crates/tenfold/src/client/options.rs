//! What a client is told when it is made.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tenfold_codec::DEFAULT_LIMIT;

use super::Notice;
use crate::protocol::{Acks, ChannelName, Epoch, Pattern, Place, Position, ProducerId, Token};
use crate::tls::Client;

/// How long to go on trying without success.
///
/// A connection was a success when it brought something or lasted a second. After one, the next is
/// tried at once, and so is each other one of several [hubs](crate::Hubs); then after 50 ms and twice as long each time, up to 5 s, somewhat less by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Not at all: the first failure is the client's error; of several [hubs](crate::Hubs) each is tried once.
    Never,
    /// For this long, counted from the first attempt that failed; the last one ends when it is over.
    For(Duration),
    /// Forever.
    Forever,
}

/// What a subscriber does when messages that it asks for cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnGap {
    /// Ends with [`Error::Gap`](super::Error::Gap).
    #[default]
    Stop,
    /// Reports [`SubscriberEvent::Gap`](super::SubscriberEvent::Gap) and goes on with the first message that there is:
    /// the oldest that is kept, or the first after the damage.
    Continue,
}

/// Which of a producer's messages is the first that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The next after those that the hub has, whatever those were. `committed()` tells how many
    /// they are.
    #[default]
    Append,
    /// The producer's first: what is sent is its whole history, from the beginning. As many as the
    /// hub has already are not sent again. So a program that reads a file can simply be started
    /// again.
    History,
    /// The producer's first, and the hub must have none.
    Fresh,
}

/// What to subscribe to, and how.
///
/// ```
/// use tenfold::client::{OnGap, Retry, Subscribe};
/// use tenfold::protocol::Position;
///
/// let options = Subscribe::new("ticks".parse()?)
///     .from(Position::First)
///     .on_gap(OnGap::Continue)
///     .until_connected(Retry::Forever);
/// # Ok::<(), tenfold::protocol::BadName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Subscribe {
    pub(crate) channel: ChannelName,
    pub(crate) from: Position,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) on_gap: OnGap,
    pub(crate) limit: u64,
    pub(crate) until_end: bool,
    pub(crate) common: Common,
}

/// Which channels to follow, and how.
///
/// ```
/// use tenfold::client::{Follow, OnGap};
///
/// let options = Follow::new(["quotes.*".parse()?, "ticks".parse()?]).on_gap(OnGap::Continue);
/// # Ok::<(), tenfold::protocol::BadPattern>(())
/// ```
#[derive(Clone, Debug)]
pub struct Follow {
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) from: Position,
    pub(crate) places: Option<Vec<Place>>,
    pub(crate) on_gap: OnGap,
    pub(crate) limit: u64,
    pub(crate) until_end: bool,
    pub(crate) common: Common,
}

/// Where to publish to, and how.
///
/// ```
/// use tenfold::client::{Publish, Start};
///
/// let options = Publish::new("ticks".parse()?)
///     .producer("meter7".parse()?)
///     .start(Start::History)
///     .observer(|notice| eprintln!("{notice:?}"));
/// # Ok::<(), tenfold::protocol::BadName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Publish {
    pub(crate) channel: ChannelName,
    pub(crate) producer: Option<ProducerId>,
    pub(crate) acks: Option<Acks>,
    pub(crate) start: Start,
    pub(crate) window_bytes: usize,
    pub(crate) window_messages: u64,
    pub(crate) observer: Option<Observer>,
    pub(crate) common: Common,
}

/// Whose times to ask for.
///
/// ```
/// use tenfold::client::Times;
///
/// let options = Times::new("ticks".parse()?);
/// # Ok::<(), tenfold::protocol::BadName>(())
/// ```
#[derive(Clone, Debug)]
pub struct Times {
    pub(crate) channel: ChannelName,
    pub(crate) epoch: Option<Epoch>,
    pub(crate) common: Common,
}

/// What all clients have.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) until_connected: Retry,
    pub(crate) once_connected: Retry,
    pub(crate) connect_timeout: Duration,
    pub(crate) answer_timeout: Duration,
    pub(crate) token: Option<Token>,
    pub(crate) tls: Option<Client>,
    seed: Option<u64>,
}

/// A function of the program's that is told what happens to a publisher.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(&Notice) + Send + Sync>);

impl Subscribe {
    /// The channel's messages from now on.
    pub fn new(channel: ChannelName) -> Self {
        Self {
            channel,
            from: Position::Next,
            epoch: None,
            on_gap: OnGap::default(),
            limit: DEFAULT_LIMIT,
            until_end: false,
            common: Common::default(),
        }
    }

    /// Where to start.
    #[must_use]
    pub fn from(mut self, position: Position) -> Self {
        self.from = position;
        self
    }

    /// The history that the position is in, as `epoch()` told when it was reached. If the hub's history does not
    /// go on from there, there is a [`Gap`](super::Gap).
    #[must_use]
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// Ends before the message that the hub was going to commit next when it answered: what was
    /// there then is given, and no more.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }
}

impl Follow {
    /// The messages from now on of all channels that fit a pattern, also of those that appear later. At least
    /// one pattern, and at most [`MAX_PATTERNS`](crate::protocol::MAX_PATTERNS).
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> Self {
        Self {
            patterns: patterns.into_iter().collect(),
            from: Position::Next,
            places: None,
            on_gap: OnGap::default(),
            limit: DEFAULT_LIMIT,
            until_end: false,
            common: Common::default(),
        }
    }

    /// Where to start in the channels that there are at the beginning. Not a seq: many channels have none in
    /// common, and a hub refuses it.
    #[must_use]
    pub fn from(mut self, position: Position) -> Self {
        self.from = position;
        self
    }

    /// Goes on where an earlier follower of the same patterns was, as its `places()` told. Channels that are
    /// not among these have appeared since, and come from their first message on.
    #[must_use]
    pub fn resume(mut self, places: impl IntoIterator<Item = Place>) -> Self {
        self.places = Some(places.into_iter().collect());
        self
    }

    /// Ends when everything is given that the channels had when the hub answered first, and gives no more.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }
}

impl Publish {
    /// Messages for the channel, under a name that is made up for this run.
    pub fn new(channel: ChannelName) -> Self {
        Self {
            channel,
            producer: None,
            acks: None,
            start: Start::default(),
            window_bytes: 8 * 1024 * 1024,
            window_messages: 256 * 1024,
            observer: None,
            common: Common::default(),
        }
    }

    /// Publishes under this name, which outlives the program: each of the producer's messages is
    /// stored once, whenever they are sent.
    #[must_use]
    pub fn producer(mut self, id: ProducerId) -> Self {
        self.producer = Some(id);
        self
    }

    /// With which of the producer's messages the program begins. Means nothing without a
    /// [`producer`](Self::producer).
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// What an acknowledgement is to mean; the channel's default if it is not said.
    ///
    /// With [`Acks::None`] messages are let go as soon as the system has taken them. Those that
    /// were on their way when a connection broke are lost; nothing is known before `close()`.
    #[must_use]
    pub fn acks(mut self, acks: Acks) -> Self {
        self.acks = Some(acks);
        self
    }

    /// How much is kept that is not acknowledged, in bytes of frames and in messages; `send` waits
    /// for room. 8 MiB and 262,144 messages if it is not said. One message is always taken.
    #[must_use]
    pub fn window(mut self, bytes: usize, messages: u64) -> Self {
        self.window_bytes = bytes;
        self.window_messages = messages.max(1);
        self
    }

    /// A function that is told of connections that are made and that break. The publisher's thread
    /// or task calls it, and waits until it returns.
    #[must_use]
    pub fn observer(mut self, observer: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer(Arc::new(observer)));
        self
    }
}

impl Times {
    /// Those of the channel's messages.
    pub fn new(channel: ChannelName) -> Self {
        Self {
            channel,
            epoch: None,
            common: Common::default(),
        }
    }

    /// The history that the messages are of, as a subscriber's `epoch()` tells it.
    #[must_use]
    pub fn epoch(mut self, epoch: Epoch) -> Self {
        self.epoch = Some(epoch);
        self
    }

    /// How long the hub may take to tell a time; 5 s if it is not said.
    #[must_use]
    pub fn answer_timeout(mut self, time: Duration) -> Self {
        self.common.answer_timeout = time;
        self
    }
}

/// The options that clients have that receive.
macro_rules! receiving_options {
    ($($client:ident)*) => {$(
        impl $client {
            /// What to do when messages of a channel cannot be had.
            #[must_use]
            pub fn on_gap(mut self, on_gap: OnGap) -> Self {
                self.on_gap = on_gap;
                self
            }

            /// Refuses messages of more than this many bytes; 16 MiB if it is not said.
            #[must_use]
            pub fn limit(mut self, bytes: u64) -> Self {
                self.limit = bytes;
                self
            }
        }
    )*};
}

receiving_options!(Subscribe Follow);

/// The options that say how a connection is made.
macro_rules! connecting_options {
    ($($client:ident)*) => {$(
        impl $client {
            /// How long connecting may take; 5 s if it is not said.
            #[must_use]
            pub fn connect_timeout(mut self, time: Duration) -> Self {
                self.common.connect_timeout = time;
                self
            }

            /// Says who the client is, to a hub that asks.
            #[must_use]
            pub fn token(mut self, token: impl Into<Option<Token>>) -> Self {
                self.common.token = token.into();
                self
            }

            /// Whom to trust, and what to show, where the address is one over TLS; the CAs of the system and
            /// nothing if it is not said.
            #[cfg(feature = "_tls")]
            #[must_use]
            pub fn tls(mut self, client: impl Into<Option<Client>>) -> Self {
                self.common.tls = client.into();
                self
            }
        }
    )*};
}

connecting_options!(Subscribe Follow Publish Times);

/// The options that all clients have that go on by themselves.
macro_rules! common_options {
    ($($client:ident)*) => {$(
        impl $client {
            /// How long to try for the first connection; [`Retry::Never`] if it is not said.
            #[must_use]
            pub fn until_connected(mut self, retry: Retry) -> Self {
                self.common.until_connected = retry;
                self
            }

            /// How long to try for another one when a connection has broken; [`Retry::Forever`] if
            /// it is not said.
            #[must_use]
            pub fn once_connected(mut self, retry: Retry) -> Self {
                self.common.once_connected = retry;
                self
            }

            /// How long the hub's answer may take; 5 s if it is not said.
            #[must_use]
            pub fn answer_timeout(mut self, time: Duration) -> Self {
                self.common.answer_timeout = time;
                self
            }

            /// Where chance comes from (pauses, made-up names), for tests that repeat.
            #[must_use]
            pub fn seed(mut self, seed: u64) -> Self {
                self.common.seed = Some(seed);
                self
            }
        }
    )*};
}

common_options!(Subscribe Follow Publish);

impl Common {
    /// The seed that was given, or one that cannot be guessed.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
            .unwrap_or_else(|| RandomState::new().hash_one(0_u8))
    }
}

impl Default for Common {
    fn default() -> Self {
        Self {
            until_connected: Retry::Never,
            once_connected: Retry::Forever,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(5),
            token: None,
            tls: None,
            seed: None,
        }
    }
}

impl Observer {
    pub(crate) fn tell_all(&self, notices: &[Notice]) {
        for notice in notices {
            (self.0)(notice);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
