#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! - [`blocking`]: readers and writers over [`std::io::Read`] and [`std::io::Write`], and clients of
//!   a hub, whose calls a [`Stopper`](blocking::Stopper) or a time can end.
//! - [`asynchronous`] (feature `tokio`, on by default): the same over `AsyncRead` and `AsyncWrite`.
//! - [`codec_traits`] (feature `tokio-util`): the same as codecs of `tokio_util::codec::Framed`.
//! - [`Address`], [`Stream`], [`Listener`]: TCP and unix sockets under one name.
//! - [`client`]: what a hub's clients are told and tell.
//! - [`protocol`]: what a hub and its clients say to each other.
//! - `tls` (feature `tls`): certificates, keys and CAs, for addresses such as `tls://hub.example:10010`.
//! - [`text`]: what a terminal would do with the text of others.
//! - [`closing`]: an end that does not destroy what is still on its way.
//! - [`Framing`], [`Decoder`], [`Encoder`] and what belongs to them: the codec, for any transport.

#![forbid(unsafe_code)]

#[cfg(not(target_os = "linux"))]
compile_error!(
    "tenfold runs on Linux only, for now: it needs eventfd, to wait for a socket and for another thread at once, and MSG_NOSIGNAL"
);

// Readers, writers and clients.
#[cfg(feature = "tokio")]
pub mod asynchronous;
pub mod blocking;
#[cfg(feature = "tokio-util")]
pub mod codec_traits;

// The halves of readers and writers that do no I/O.
mod error;
mod inbox;
mod outbox;
mod pending;

// Clients of a hub without I/O, and what they and a hub say.
pub mod client;
pub mod protocol;

// Who a peer is, and that nobody else reads along.
#[cfg(not(feature = "_tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "_tls")]
pub mod tls;

// What people read.
pub mod text;

// Sockets: where they lead, how they are made, how they end.
mod address;
mod candidates;
pub mod closing;
pub mod deadline;
mod dial;
mod hubs;
mod listener;
mod readiness;
mod stream;

pub use address::{Address, AddressError};
pub use error::{ReadError, WriteError};
pub use hubs::Hubs;
pub use inbox::PATIENCE;
pub use listener::{Listener, SocketFile};
pub use outbox::HIGH_WATER;
pub use stream::Stream;
pub use tenfold_codec::{
    Base, ByteOrder, Chunk, DEFAULT_LIMIT, DecodeError, Decoder, EncodeError, Encoder, ErrorKind,
    Event, Frame, Framing, FramingError, LooksLike, Number, PRESETS, Pad, Part, Preset, Recovery,
    Shape, Side, Skipped, Step, Stuffing, native,
};

/// The README's programs are compiled and run with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The programs of the page about the hub.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/hub.md")]
struct HubPage;
