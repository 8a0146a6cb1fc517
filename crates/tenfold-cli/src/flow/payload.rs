//! `--payload`: which format the values in messages have.

use clap::ValueEnum;
use tenfold_payload::{ValueFormat, WritableFormat};

/// A format whose values are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Payload {
    /// JSON, of any number of lines
    Json,
    /// CBOR (RFC 8949)
    Cbor,
    #[value(help = "MessagePack")]
    Msgpack,
    /// Python's pickle; nothing of it is executed
    Pickle,
}

/// A format whose values are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Written {
    /// JSON, without optional spaces
    Json,
    /// CBOR (RFC 8949)
    Cbor,
    #[value(help = "MessagePack")]
    Msgpack,
}

impl Payload {
    pub(crate) fn format(self) -> ValueFormat {
        match self {
            Self::Json => ValueFormat::Json,
            Self::Cbor => ValueFormat::Cbor,
            Self::Msgpack => ValueFormat::Msgpack,
            Self::Pickle => ValueFormat::Pickle,
        }
    }
}

impl Written {
    pub(crate) fn format(self) -> WritableFormat {
        match self {
            Self::Json => WritableFormat::Json,
            Self::Cbor => WritableFormat::Cbor,
            Self::Msgpack => WritableFormat::Msgpack,
        }
    }
}
