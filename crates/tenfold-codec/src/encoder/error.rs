//! Why a message cannot be framed.

use core::fmt;

/// Why a message cannot be framed.
///
/// ```
/// use tenfold_codec::{EncodeError, Encoder, Framing};
///
/// let mut out = Vec::new();
/// let error = Encoder::connecting(&Framing::lines()).encode(b"two\nlines", &mut out);
/// assert_eq!(error, Err(EncodeError::Delimiter { at: 3 }));
/// assert!(out.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The length does not fit the framing's number.
    TooLong {
        /// Bytes (or characters) of the message.
        length: u64,
    },
    /// The message is shorter than the part of it that stands before the number.
    TooShort {
        /// Bytes of the message.
        length: u64,
        /// The fewest that it must have.
        minimum: u64,
    },
    /// Every message has the same size, and this one has another.
    WrongSize {
        /// Bytes of the message.
        length: u64,
        /// Bytes that it must have.
        size: u64,
    },
    /// The delimiter would be found before the message's end.
    Delimiter {
        /// Where in the message it would be found.
        at: u64,
    },
    /// The framing has no frame for an empty message.
    Empty,
    /// The bits in which the length goes are in use.
    LengthBits,
    /// The number counts characters, and the message is not UTF-8.
    NotUtf8 {
        /// Where in the message UTF-8 ends.
        at: u64,
    },
    /// The framing has no marks, or this number is a length.
    NotAMark {
        /// The number.
        number: u64,
    },
    /// The frame begins with the length, and it was not given.
    LengthUnknown,
    /// The pieces are not as many bytes as were announced.
    Pieces {
        /// Bytes that are missing; 0 where there were too many.
        missing: u64,
    },
    /// A call that does not belong here: a piece outside of `begin` and `end`, or a message
    /// between them.
    OutOfOrder,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(
                    f,
                    "a message of {length} does not fit the framing's length field"
                )
            }
            Self::TooShort { length, minimum } => write!(
                f,
                "a message of {length} bytes is too short: the framing needs at least {minimum}"
            ),
            Self::WrongSize { length, size } => write!(
                f,
                "a message of {length} bytes does not fit: every message has {size}"
            ),
            Self::Delimiter { at } => write!(
                f,
                "the message holds the delimiter (at its byte {at}), so it would be cut there"
            ),
            Self::Empty => f.write_str("the framing has no empty messages"),
            Self::LengthBits => f.write_str("the message has bits set where the length goes"),
            Self::NotUtf8 { at } => write!(
                f,
                "the message is not UTF-8 (at its byte {at}), so its characters cannot be counted"
            ),
            Self::NotAMark { number } => write!(f, "{number} is not a mark in this framing"),
            Self::LengthUnknown => {
                f.write_str("the frame begins with the length, which must be known before")
            }
            Self::Pieces { missing: 0 } => f.write_str("more bytes came than were announced"),
            Self::Pieces { missing } => {
                write!(f, "{missing} bytes that were announced did not come")
            }
            Self::OutOfOrder => {
                f.write_str("a message in pieces is begun, continued and ended in order")
            }
        }
    }
}

impl core::error::Error for EncodeError {}
