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
//! subscriber: a [`Block`] is the bytes of many whole frames as they stand on the wire, the
//! [`Tail`] keeps the newest blocks, a [`Cursor`] is a place in it, and a connection writes the
//! blocks after its cursor in large vectored writes. The engine never looks into a block. It
//! needs to know only that a block ends where a frame ends, so it works with any framing.
//!
//! - [`Block`], [`Tail`], [`Cursor`]: the memory tail, and [`WhenSlow`], what happens to a
//!   subscriber whose place it can no longer keep;
//! - [`Broadcast`]: a tail behind listening sockets, and its [`Options`];
//! - [`Hub`]: channels behind listening sockets ([`Port`]), as `docs/hub-protocol.md` says, and its
//!   [`HubOptions`]; an [`Intake`] finds the frames in what publishers send;
//! - [`Stats`], [`Event`]: what it is doing, for people;
//! - [`raise_fd_limit`]: what a server with thousands of connections does first.

#![forbid(unsafe_code)]

mod accepting;
mod acceptor;
mod appender;
mod block;
mod broadcast;
mod change;
mod channel;
mod connection;
mod cursor;
mod delivery;
mod draining;
mod durable;
mod fd_limit;
mod frames;
mod history;
mod holding;
mod hub;
mod hub_options;
mod idle;
mod inlet;
mod intake;
mod memory;
mod options;
mod outlet;
mod plain_port;
mod port;
mod portion;
mod presence;
mod producers;
mod protocol_port;
mod publisher;
mod publishing;
mod refusals;
mod registry;
mod reports;
mod request;
mod shared;
#[cfg(test)]
mod simulation;
mod socket;
mod stats;
mod subscriber;
mod tail;
mod ticket;
mod when_slow;
mod window;

pub use block::Block;
pub use broadcast::Broadcast;
pub use cursor::{Cursor, Look, Start};
pub use fd_limit::raise_fd_limit;
pub use hub::Hub;
pub use hub_options::{BadPattern, HubOptions, Pattern};
pub use intake::Intake;
pub use options::{Observer, Options};
pub use port::{Direction, Plain, Port};
pub use socket::Peer;
pub use stats::{ClientReport, End, Event, HubStats, Stats};
pub use tail::{Closed, Tail};
pub use when_slow::WhenSlow;
