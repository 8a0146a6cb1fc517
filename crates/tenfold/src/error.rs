//! Why a message did not come, or was not taken.

use std::{fmt, io};

use tenfold_codec::{DecodeError, EncodeError};

/// Why a reader has no next message.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The transport failed. After a time-out (see [`is_time_out`](Self::is_time_out)) nothing is
    /// lost, and the next call goes on.
    Io(io::Error),
    /// The peer's bytes are not a sequence of frames, or end inside one.
    Decode(DecodeError),
    /// A whole message was asked for, and the decoder was told to give this one in pieces.
    InPieces,
}

/// Why a message was not accepted, or could not be sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum WriteError {
    /// The transport failed. After a time-out (see [`is_time_out`](Self::is_time_out)) nothing is
    /// lost, and the same call can be made again; after anything else the writer stays failed.
    Io(io::Error),
    /// The framing has no frame for this message. The stream is not harmed.
    Encode(EncodeError),
}

impl ReadError {
    /// Whether the transport only had nothing in time.
    pub fn is_time_out(&self) -> bool {
        matches!(self, Self::Io(error) if is_time_out(error))
    }
}

impl WriteError {
    /// Whether the transport only took nothing in time.
    pub fn is_time_out(&self) -> bool {
        matches!(self, Self::Io(error) if is_time_out(error))
    }
}

/// A socket with a time-out says `WouldBlock` on Unix, and other transports say `TimedOut`.
pub(crate) fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Decode(error) => error.fmt(f),
            Self::InPieces => f.write_str("the message comes in pieces, and was asked for whole"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What is printed as this error's own words is not its source as well.
        match self {
            Self::Io(error) => error.source(),
            Self::Decode(_) | Self::InPieces => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for ReadError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Encode(_) => None,
        }
    }
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<EncodeError> for WriteError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}
