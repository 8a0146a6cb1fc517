//! Whole messages over plain sockets.
//!
//! TCP delivers bytes; programs want messages. This crate puts the framings of [`tenfold_codec`]
//! (all of which it re-exports) on transports:
//!
//! - [`blocking`]: readers and writers over [`std::io::Read`] and [`std::io::Write`];
//! - `asynchronous` (feature `tokio`, on by default): the same over `AsyncRead` and `AsyncWrite`, cancel-safe;
//! - `codec_traits` (feature `tokio-util`): the same as codecs of `tokio_util::codec::Framed`;
//! - [`Address`], [`Stream`], [`Listener`]: TCP and unix sockets under one name;
//! - [`client`]: clients of a hub, which reconnect and go on where they were;
//! - [`protocol`]: what a hub and its clients say to each other;
//! - [`closing`]: an end that does not destroy what is still on its way.
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use tenfold::{Framing, blocking};
//!
//! let framing = Framing::default(); // ten characters of length, then the message
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let socket = TcpStream::connect(listener.local_addr()?)?;
//! let mut writer = blocking::Writer::connecting(socket, &framing);
//! writer.write(b"hello")?;
//! writer.write(b"")?;
//! writer.flush()?;
//! drop(writer);
//!
//! let mut reader = blocking::Reader::listening(listener.accept()?.0, &framing);
//! assert_eq!(reader.message()?, Some(&b"hello"[..]));
//! assert_eq!(reader.message()?, Some(&b""[..]));
//! assert_eq!(reader.message()?, None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod address;
#[cfg(feature = "tokio")]
pub mod asynchronous;
pub mod blocking;
mod candidates;
pub mod client;
pub mod closing;
#[cfg(feature = "tokio-util")]
pub mod codec_traits;
mod dial;
mod error;
mod inbox;
mod listener;
mod outbox;
mod pending;
pub mod protocol;
mod readiness;
mod stream;

pub use address::{Address, AddressError};
pub use error::{ReadError, WriteError};
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
