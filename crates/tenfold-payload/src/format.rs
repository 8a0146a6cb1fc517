//! The formats, and the way to each of them.

use crate::Problem;
#[cfg(feature = "cbor")]
use crate::cbor;
#[cfg(feature = "json")]
use crate::json;
#[cfg(feature = "msgpack")]
use crate::msgpack;
#[cfg(any(feature = "cbor", feature = "msgpack"))]
use crate::parse;
#[cfg(feature = "pickle")]
use crate::pickle;

/// A format that messages are read in. Each has a cargo feature of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueFormat {
    /// JSON, of any number of lines.
    #[cfg(feature = "json")]
    Json,
    /// CBOR (RFC 8949).
    #[cfg(feature = "cbor")]
    Cbor,
    /// `MessagePack`.
    #[cfg(feature = "msgpack")]
    Msgpack,
    /// Python's pickle. Nothing in it is executed.
    #[cfg(feature = "pickle")]
    Pickle,
}

/// A format that messages are written in: each of [`ValueFormat`] but pickle.
#[cfg(any(feature = "json", feature = "cbor", feature = "msgpack"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WritableFormat {
    /// JSON, without optional spaces.
    #[cfg(feature = "json")]
    Json,
    /// CBOR (RFC 8949).
    #[cfg(feature = "cbor")]
    Cbor,
    /// `MessagePack`.
    #[cfg(feature = "msgpack")]
    Msgpack,
}

/// The one value in a message, as JSON on one line, without the newline.
pub fn to_json(format: ValueFormat, message: &[u8]) -> Result<String, Problem> {
    match format {
        #[cfg(feature = "json")]
        ValueFormat::Json => json::show(message),
        #[cfg(feature = "cbor")]
        ValueFormat::Cbor => cbor::read(message)?.to_json(),
        #[cfg(feature = "msgpack")]
        ValueFormat::Msgpack => msgpack::read(message)?.to_json(),
        #[cfg(feature = "pickle")]
        ValueFormat::Pickle => pickle::show(message),
    }
}

/// The message for a value that is given as JSON.
#[cfg(any(feature = "json", feature = "cbor", feature = "msgpack"))]
pub fn from_json(format: WritableFormat, text: &[u8]) -> Result<Vec<u8>, Problem> {
    match format {
        #[cfg(feature = "json")]
        WritableFormat::Json => json::compact(text).map(String::into_bytes),
        #[cfg(feature = "cbor")]
        WritableFormat::Cbor => cbor::write(&parse::read(text)?),
        #[cfg(feature = "msgpack")]
        WritableFormat::Msgpack => msgpack::write(&parse::read(text)?),
    }
}
