//! Named channels for publishers and subscribers, and the fan-out engine under them: one source of
//! messages, any number of subscribers, no work per message.
//!
//! ```text
//!   source --> Block Block Block Block Block          the tail: a bounded deque of blocks
//!                ^           ^           ^   ^        cursors: one per subscriber
//!             slow one       |           |   caught up, waits for the next block
//!                            connections write from here, 512 KiB at a time
//! ```
//!
//! All subscribers see the same bytes, so nothing is encoded, queued or locked per message or per
//! subscriber: a [`Block`] is the bytes of many whole frames as they are on the wire, the
//! [`Tail`] keeps the newest blocks, a [`Cursor`] is a place in it, and a connection writes the
//! blocks after its cursor in large vectored writes. The engine never looks into a block. It
//! needs to know only that a block ends where a frame ends, so it works with any framing.
//!
//! # Servers
//!
//! - [`Hub`]: channels behind listening sockets, as `docs/hub-protocol.md` says. A [`Port`] is such a
//!   socket, for the protocol or for one channel ([`Plain`], [`Direction`]). [`HubOptions`] are its
//!   limits, [`HubStats`] its numbers, and a [`Pattern`] names the channels that an option is for.
//! - [`Broadcast`]: one tail behind listening sockets. [`Options`] say how it treats its clients,
//!   [`Stats`] are its numbers, and an [`Observer`] is told each [`ClientEvent`].
//!
//! # Guests
//!
//! - [`Serve`], [`Guest`], [`Call`]: servers of other protocols at ports of a hub, and what their clients ask for.
//! - [`Feed`], [`Writing`], [`Form`], [`Encoding`]: a channel's messages for a guest, encoded once for all of a form.
//! - [`Publication`]: a guest's messages for a channel.
//!
//! # The engine
//!
//! - [`Block`], [`Tail`], [`Cursor`]: the newest part of a stream, and places in it. [`WhenSlow`] says
//!   what happens to a subscriber whose place can no longer be kept.
//! - [`Intake`]: from received bytes to blocks.
//!
//! # For servers of other kinds
//!
//! - [`raise_fd_limit`]: what a server with thousands of connections does first.
//! - [`pause_after`], [`ACCEPT_PAUSE`]: what a loop that accepts does after an error.

#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "tenfold-hub runs on Linux only, for now: its log needs preadv2, O_DIRECT and fallocate, and its clients need eventfd"
);

// The engine: blocks, the tail, and its cursors.
mod block;
mod cursor;
mod encoding;
mod encodings;
mod frames;
mod idle;
mod intake;
mod ledger;
mod ready;
mod tail;
mod watch;
mod when_slow;

// Sockets: accepting, and writing to one client what is after its cursor.
mod accepting;
mod acceptor;
mod deliver;
mod delivery;
mod encoded_delivery;
mod fd_limit;

mod file_reads;
mod follow;
mod followed;
mod peer;
mod run;
mod sink;
mod socket;
mod subscriber;
mod tls;
mod tls_session;
mod transport;

// The two servers, their options and numbers.
mod broadcast;
mod doors;
mod hub;
mod hub_options;
mod options;
mod port;
mod starting;
mod stats;

// Channels, and what of them is on disk.
mod admission;
mod appender;
mod audit;
mod channel;
mod claim;
mod deleting;
mod durable;
mod history;
mod holding;
mod news;
mod producers;
mod registry;
mod ticket;

// Connections of a hub: what they ask for, both directions, and what they are told.
mod connection;
mod following;
mod giving_way;
mod handshake;
mod inlet;
mod outlet;
mod pending;
mod place_list;
mod plain_port;
mod protocol_port;
mod publisher;
mod publishing;
mod refusal_log;
mod refusals;
mod reports;
mod request;
mod rest;
mod timing;

// Hubs that have what other hubs have.
mod mirror;
mod upstream;

// Servers of other protocols, and what their clients ask for.
mod call;
mod feed;
mod guest;
mod publication;

// What all of them use.
mod change;
mod clients;
mod deadline;
mod flag;
mod health;
mod live;
mod memory;
mod metrics;
mod mistakes;
mod presence;
mod shared;
mod shares;
mod tally;
mod task;
mod throttle;

#[cfg(test)]
mod simulation;

pub use accepting::{ACCEPT_PAUSE, pause_after};
pub use audit::{Audit, AuditRecord, AuditResult};
pub use block::Block;
pub use broadcast::Broadcast;
pub use call::Call;
pub use channel::{ChannelInfo, ChannelNumbers};
pub use cursor::{Cursor, Look, Start};
pub use encoding::{Encoding, Form, Gap, GapReason};
pub use fd_limit::raise_fd_limit;
pub use feed::{Feed, Remote, Writing};
pub use guest::{Guest, GuestStream, Serve};
pub use health::HubHealth;
pub use hub::Hub;
pub use hub_options::{AllowDelete, HubOptions};
pub use intake::Intake;
pub use metrics::{LogMetrics, Metrics};
pub use options::{Observer, Options};
pub use peer::Peer;
pub use port::{Direction, Plain, Port};
pub use publication::{Publication, Publish};
pub use sink::Sink;
pub use starting::Starting;
pub use stats::{ClientEvent, ClientReport, End, HubStats, Stats};
pub use tail::{Closed, Tail};
pub use tenfold::protocol::{BadPattern, Pattern};
pub use tls::Tls;
pub use upstream::MirrorOptions;
pub use when_slow::WhenSlow;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
