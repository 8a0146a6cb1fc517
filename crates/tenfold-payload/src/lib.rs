//! The values in messages as JSON, and back. Bytes in, text out: no files, no sockets.
//!
//! ```
//! # #[cfg(feature = "cbor")] {
//! use tenfold_payload::{ValueFormat, WritableFormat, from_json, to_json};
//!
//! let message = from_json(WritableFormat::Cbor, br#"{"name": "a", "raw": {"$base64": "AP8="}}"#)?;
//! assert_eq!(
//!     to_json(ValueFormat::Cbor, &message)?,
//!     r#"{"name":"a","raw":{"$base64":"AP8="}}"#
//! );
//! // A message that is not a value says why.
//! assert!(to_json(ValueFormat::Cbor, &message[1..]).is_err());
//! # }
//! # Ok::<(), tenfold_payload::Problem>(())
//! ```
//!
//! What JSON cannot say is an object with a key that begins with `$`:
//!
//! | in the message | as JSON |
//! |---|---|
//! | bytes; text that is not UTF-8 | `{"$base64": "AP8="}` |
//! | a float that is not a number, or infinite | `{"$float": "nan"}`, `"inf"`, `"-inf"` |
//! | an integer of more than 64 bits | `{"$int": "18446744073709551616"}` |
//! | a map with keys that are not text, come twice, or begin with `$` | `{"$map": [[1, "one"]]}` |
//! | a tag of CBOR | `{"$tag": [1, 1700000000]}` |
//! | an extension of `MessagePack` | `{"$ext": [5, "AP8="]}` |
//! | a tuple of a pickle | as a list |
//! | a set of a pickle | `{"$set": [1, 2]}`, `{"$frozenset": [1, 2]}` |
//! | a name that a pickle would import | `{"$global": "os.system"}` |
//! | a call that a pickle would make | `{"$call": "os.system", "args": ["true"]}` |
//!
//! The first six can be read back, and those of pickle are only shown. `NaN`, `Infinity` and `-Infinity` in JSON, which
//! are not JSON but are often written, are shown as such floats, too.
//!
//! # Cargo features
//!
//! `json`, `cbor`, `msgpack` and `pickle`, a feature for each format, all by default. Without any of
//! them there is only [`Problem`].
//!
//! # Hostile messages
//!
//! No message makes this crate panic or execute anything. Values may be nested [`MAX_DEPTH`] deep, and a
//! message has at most [`MAX_VALUES`] of them. What a message announces and does not have takes no memory. A
//! pickle, whose values may be used again and again, makes a bounded text: at most 64 MiB, and at most a
//! mebibyte and 256 times its own length.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(
        feature = "json",
        feature = "cbor",
        feature = "msgpack",
        feature = "pickle"
    )),
    allow(
        dead_code,
        reason = "each format uses a part of what all of them share"
    )
)]

// Formats.
#[cfg(feature = "cbor")]
mod cbor;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "msgpack")]
mod msgpack;
#[cfg(feature = "pickle")]
mod pickle;

// A value, and its JSON in both directions.
#[cfg(any(feature = "cbor", feature = "msgpack"))]
mod parse;
#[cfg(any(feature = "cbor", feature = "msgpack"))]
mod value;
#[cfg(any(feature = "cbor", feature = "msgpack", feature = "pickle"))]
mod write;

#[cfg(any(
    feature = "json",
    feature = "cbor",
    feature = "msgpack",
    feature = "pickle"
))]
mod format;
mod problem;

#[cfg(any(
    feature = "json",
    feature = "cbor",
    feature = "msgpack",
    feature = "pickle"
))]
pub use format::{ValueFormat, to_json};
#[cfg(any(feature = "json", feature = "cbor", feature = "msgpack"))]
pub use format::{WritableFormat, from_json};
pub use problem::Problem;

/// Values are nested no deeper than this: functions that call themselves read and write them.
pub const MAX_DEPTH: usize = 128;

/// A message has at most so many values: one of a byte in the message takes some 70 bytes in memory.
pub const MAX_VALUES: usize = 1 << 22;

/// The example of the README.
#[cfg(all(doctest, feature = "msgpack"))]
#[doc = include_str!("../README.md")]
struct Readme;
