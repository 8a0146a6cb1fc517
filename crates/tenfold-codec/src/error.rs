//! Why a stream cannot be decoded: where, what is wrong, and what the bytes look like.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::looks_like::{Expected, LooksLike};

/// Bytes of a bad frame that are kept to describe it.
pub(crate) const EVIDENCE: usize = 64;

/// A stream that cannot be decoded any further. A decoder that has failed stays failed.
///
/// [`Display`](fmt::Display) says it all in one line for people; programs ask
/// [`kind`](Self::kind).
///
/// ```
/// use tenfold_codec::{Decoder, ErrorKind, Framing, LooksLike};
///
/// let mut decoder = Decoder::listening(&Framing::default());
/// decoder.feed(b"GET / HTTP/1.1\r\n");
/// let error = decoder.next_event().unwrap_err();
/// assert_eq!(*error.kind(), ErrorKind::BadHeader { at: 0 });
/// assert_eq!(error.looks_like(), Some(LooksLike::Http));
/// assert!(error.to_string().ends_with("this looks like HTTP"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError(Box<Detail>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Detail {
    kind: ErrorKind,
    offset: u64,
    index: u64,
    /// Bytes of `evidence` that are the header, or would have been.
    header: usize,
    evidence: Vec<u8>,
    /// Whether the evidence is of the peer's bytes where a header should be.
    describable: bool,
    expected: Expected,
    looks_like: Option<LooksLike>,
}

/// What is wrong with a stream. Offsets count its bytes from 0. [`DecodeError`] and [`Part`] have
/// examples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No legal header begins with these bytes.
    BadHeader {
        /// Offset of the first byte after which no legal header exists.
        at: u64,
    },
    /// The header is legal, and the message longer than the limit.
    TooLarge {
        /// Bytes of the message as announced; `None` where the framing announces none, or the
        /// number is over a u64.
        declared: Option<u64>,
        /// The most bytes that a message may have.
        limit: u64,
    },
    /// The number counts fewer bytes than those that it always counts.
    TooSmall {
        /// The number in the header.
        number: u64,
        /// The smallest that would be legal.
        minimum: u64,
    },
    /// The constant after the message (`close=`) is not there.
    BadClose {
        /// Offset of the first byte that differs.
        at: u64,
    },
    /// The number counts characters, and the payload is not UTF-8.
    BadUtf8 {
        /// Offset of the first byte that is not UTF-8 there.
        at: u64,
    },
    /// A stuffed frame that no encoder makes.
    BrokenFrame {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The stream ended inside a frame.
    Truncated {
        /// In which part of it.
        part: Part,
        /// Bytes of that part that were there.
        have: u64,
        /// Bytes of that part that were missing, where the framing tells.
        missing: Option<u64>,
    },
}

/// A part of a frame.
///
/// ```
/// use tenfold_codec::{Decoder, ErrorKind, Framing, Part};
///
/// let mut decoder = Decoder::connecting(&Framing::default());
/// decoder.feed(b"5         hel");
/// decoder.finish();
/// let error = decoder.next_event().unwrap_err();
/// let cut = ErrorKind::Truncated { part: Part::Payload, have: 3, missing: Some(2) };
/// assert_eq!(*error.kind(), cut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// What comes before the payload.
    Header,
    /// The message itself.
    Payload,
    /// The constant after the message (`close=`).
    Close,
}

impl DecodeError {
    /// An error at the frame that begins at `offset`, of message `index`. `seen` are the bytes from
    /// there on, as far as they are at hand, and the first `header` of them the frame's header.
    pub(crate) fn new(
        kind: ErrorKind,
        (offset, index): (u64, u64),
        seen: &[u8],
        header: usize,
        expected: Expected,
    ) -> Self {
        let evidence = seen[..seen.len().min(EVIDENCE)].to_vec();
        let describable = matches!(
            kind,
            ErrorKind::BadHeader { .. } | ErrorKind::TooLarge { .. } | ErrorKind::TooSmall { .. }
        ) && header > 0;
        let mut error = Self(Box::new(Detail {
            kind,
            offset,
            index,
            header: header.min(EVIDENCE),
            evidence,
            describable,
            expected,
            looks_like: None,
        }));
        error.describe();
        error
    }

    /// What is wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Offset in the stream at which the frame begins, from 0.
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// Index of the message, from 0.
    pub fn index(&self) -> u64 {
        self.0.index
    }

    /// The bytes where the header stands or should stand, as far as they were there.
    pub fn header(&self) -> &[u8] {
        &self.0.evidence[..self.0.header.min(self.0.evidence.len())]
    }

    /// The stream's bytes from the start of the frame, as far as they were described.
    pub(crate) fn evidence(&self) -> &[u8] {
        &self.0.evidence
    }

    /// What the bytes look like, if they look like anything known.
    pub fn looks_like(&self) -> Option<LooksLike> {
        self.0.looks_like
    }

    /// Whether this is the end of the stream inside a frame.
    pub fn is_truncated(&self) -> bool {
        matches!(self.0.kind, ErrorKind::Truncated { .. })
    }

    /// How many more bytes of the stream would make the description better; the verdict stands.
    /// The owner of the transport hands over the bytes that it has, or gets within a moment, with
    /// [`with_evidence`](Self::with_evidence).
    pub fn wants_evidence(&self) -> usize {
        if self.0.describable {
            EVIDENCE - self.0.evidence.len()
        } else {
            0
        }
    }

    /// The same error, described with the bytes that followed.
    #[must_use]
    pub fn with_evidence(mut self, bytes: &[u8]) -> Self {
        let wanted = self.wants_evidence().min(bytes.len());
        self.0.evidence.extend_from_slice(&bytes[..wanted]);
        self.describe();
        self
    }

    fn describe(&mut self) {
        if self.0.describable {
            self.0.looks_like = LooksLike::guess(&self.0.evidence, self.0.index, self.0.expected);
        }
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecodeError({self}; {:?})", self.0)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format_args!("offset {} (message {})", self.0.offset, self.0.index);
        let header = self.header().escape_ascii();
        match &self.0.kind {
            ErrorKind::BadHeader { at } => {
                write!(f, "bad header at {place}: \"{header}\" is not a length")?;
                if *at > self.0.offset {
                    write!(f, ", first wrong at offset {at}")?;
                }
            }
            ErrorKind::TooLarge {
                declared: Some(declared),
                limit,
            } => write!(
                f,
                "message too large at {place}: {declared} bytes, the limit is {limit}"
            )?,
            ErrorKind::TooLarge {
                declared: None,
                limit,
            } => write!(f, "message too large at {place}: more than {limit} bytes")?,
            ErrorKind::TooSmall { number, minimum } => write!(
                f,
                "bad header at {place}: the number {number} counts itself, so it is at least {minimum}"
            )?,
            ErrorKind::BadClose { at } => write!(
                f,
                "bad end of the frame at {place}: the bytes that close it are missing at offset {at}"
            )?,
            ErrorKind::BadUtf8 { at } => write!(
                f,
                "bad text in the frame at {place}: no UTF-8 at offset {at}, so its characters cannot be counted"
            )?,
            ErrorKind::BrokenFrame { problem } => write!(f, "broken frame at {place}: {problem}")?,
            ErrorKind::Truncated {
                part,
                have,
                missing,
            } => {
                let part = match part {
                    Part::Header => "header",
                    Part::Payload => "payload",
                    Part::Close => "end",
                };
                write!(
                    f,
                    "the stream ended inside the {part} of the frame at {place}: {} there, ",
                    Counted(*have)
                )?;
                match missing {
                    Some(missing) => write!(f, "{} missing", Counted(*missing))?,
                    None => f.write_str("its end was missing")?,
                }
            }
        }
        match self.0.looks_like {
            Some(guess) => write!(f, "; {guess}"),
            None => Ok(()),
        }
    }
}

/// "1 byte was" or "2 bytes were".
struct Counted(u64);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 byte was"),
            count => write!(f, "{count} bytes were"),
        }
    }
}

impl core::error::Error for DecodeError {}
