//! Clients of a hub: a subscriber that reconnects and resumes, a publisher that resends exactly
//! what is missing. `docs/hub-protocol.md` says what goes over the wire.
//!
//! This module has what both kinds of client are told and tell; the clients themselves are
//! [`blocking::Subscriber`](crate::blocking::Subscriber) and
//! [`blocking::Publisher`](crate::blocking::Publisher), [`blocking::Follower`](crate::blocking::Follower) for
//! many channels on one connection, and the same three in `tenfold::asynchronous`:
//!
//! | | `blocking` | `asynchronous` |
//! |---|---|---|
//! | made of | an [`Address`](crate::Address) and [`Subscribe`] or [`Publish`] | an `impl Connect` (an `Address` is one) and the same |
//! | subscriber, events lent | `next_event()`, `buffered_event()` | `next_event().await`, `buffered_event()` |
//! | subscriber, messages lent | `message()` | `message().await` |
//! | subscriber, messages owned | `Iterator` | `futures_core::Stream` |
//! | subscriber, where it is | `next_seq()`, `epoch()`, `end()` | the same |
//! | follower, of many channels | `Follower`, made of [`Follow`]: as a subscriber, and each message has its channel | the same |
//! | follower, where it is | `places()` | the same |
//! | timekeeper, made of [`Times`]: when messages were committed | `Timekeeper`, `of(seq)` | the same, `.await` |
//! | publisher | `send(&[u8])`, `flush()`, `close()`, `committed()` | the same, `.await` |
//! | publisher, how far it is | `sent()`, `acknowledged()` | the same |
//!
//! Nothing is connected before the first call that needs it: a subscriber connects when it is first
//! asked for an event, a publisher in the background from the start. By default a first connection
//! that fails is an error at once, and a connection that breaks later is made again, forever:
//! [`Retry`].
//!
//! ```no_run
//! use tenfold::blocking::{Publisher, Subscriber};
//! use tenfold::client::{Publish, Subscribe};
//! use tenfold::protocol::Position;
//!
//! let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
//! let mut publisher = Publisher::new(&hub, Publish::new("ticks".parse()?))?;
//! publisher.send(b"17.25")?;
//! publisher.close()?; // all of it has arrived
//!
//! let options = Subscribe::new("ticks".parse()?).from(Position::First);
//! let mut subscriber = Subscriber::new(&hub, options)?;
//! while let Some(message) = subscriber.message()? {
//!     println!("{} {}", message.seq, message.bytes.escape_ascii());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Several hubs** that have the same channels, a hub and its mirrors, are [`Hubs`](crate::Hubs) in the place of the
//! address. A client goes to the next one after each failure, and all that it promises goes on: each message once and in
//! order. A publisher also goes to the next one when the hub has acknowledged nothing for 5 s of what it was sent.
//!
//! **Inside.** What is said and decided is in types that do no I/O and read no clock, one for each kind of client:
//! [`core`]. Blocking and tokio only move their bytes and wait until the times that they name.
//! So both behave alike, and are tested at every cut. A program with an event loop of its own drives them as well.

mod backoff;
pub mod core;
mod error;
mod event;
mod following;
mod options;
mod publication;
mod subscription;
mod times;
mod unacknowledged;

pub use error::{Error, HistoryMismatch};
pub use event::{
    ChannelMessage, Disconnected, FollowerEvent, Gap, GapReason, Message, Notice, SubscriberEvent,
};
pub use options::{Follow, OnGap, Publish, Retry, Start, Subscribe, Times};

pub(crate) use core::{
    Advance, Core, Following, Outgoing, Patience, Publication, Subscription, Unwritten,
};
pub(crate) use times::{Timeline, answered};
