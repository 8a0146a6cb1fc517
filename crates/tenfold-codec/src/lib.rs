//! Whole messages out of byte streams, and back.
//!
//! TCP delivers bytes; programs want messages. This crate finds the messages in the bytes, for
//! nearly every framing in use: lengths in characters or binary, delimiters, byte stuffing. One
//! line of text names the framing, [`Framing`] is that line understood, and from it come a
//! [`Decoder`] and an [`Encoder`]. There is no I/O here and no clock; the caller owns both.
//!
//! ```
//! use tenfold_codec::{Decoder, Encoder, Event, Framing};
//!
//! let framing: Framing = "u32be".parse()?;
//! let mut wire = Vec::new();
//! Encoder::connecting(&framing).encode(b"hello", &mut wire)?;
//! assert_eq!(wire, b"\0\0\0\x05hello");
//!
//! let mut decoder = Decoder::listening(&framing);
//! decoder.feed(&wire);
//! assert_eq!(decoder.next_event()?, Some(Event::Message(b"hello")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | to                                     | use                                                  |
//! |----------------------------------------|------------------------------------------------------|
//! | say how messages are framed            | [`Framing`]: a line of text, or its constructors     |
//! | ask what a framing is                  | [`Side`], [`Step`], [`Shape`], [`Number`]            |
//! | find messages in what was received     | [`Decoder`], [`Event`]; of a slice, [`Chunk`]        |
//! | frame messages                         | [`Encoder`]; for `writev`, [`Frame`]                 |
//! | tell a person what is wrong            | [`DecodeError`], [`LooksLike`], [`EncodeError`]      |
//! | walk over frames of `decimal:10`       | [`native`]                                           |
//!
//! Hostile input never panics, never makes the decoder allocate what is only announced, and never
//! costs more than linear work. The bytes on the wire are defined in `docs/wire-format.md` of the
//! repository.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod decoder;
mod encoder;
mod error;
mod event;
mod framing;
mod looks_like;
pub mod native;
mod number;
mod stuffing;

pub use decoder::{Chunk, DEFAULT_LIMIT, Decoder};
pub use encoder::{EncodeError, Encoder, Frame};
pub use error::{DecodeError, ErrorKind, Part};
pub use event::{Event, Recovery, Skipped};
pub use framing::{Framing, FramingError, PRESETS, Preset, Shape, Side, Step, Stuffing};
pub use looks_like::LooksLike;
pub use number::{Base, ByteOrder, Number, Pad};

/// The README's program is compiled and run with the documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
