//! What a decoder yields.

use crate::error::DecodeError;

/// One thing found in the stream, borrowed from where the bytes already are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole message.
    Message(&'a [u8]),
    /// A number too small to be a length, in a framing with `marks`: not a message.
    Mark(u64),
    /// A message begins that comes in pieces: any number of [`Event::Data`], then
    /// [`Event::End`].
    Begin {
        /// Bytes of the whole message, where the framing announces them.
        length: Option<u64>,
    },
    /// The next bytes of a message that comes in pieces; never empty.
    Data(&'a [u8]),
    /// The message that came in pieces is complete.
    End,
    /// A message was left out for this reason, and the stream goes on behind it (only with
    /// [`Recovery::Skip`]). If it had begun in pieces, they are to be thrown away.
    Skipped(&'a Skipped),
}

/// A message that was left out, and why: the failure concerns this message only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped(pub(crate) DecodeError);

impl Skipped {
    /// The reason, with the place in the stream.
    pub fn reason(&self) -> &DecodeError {
        &self.0
    }
}

/// What a decoder does with a message that cannot be had, where the next one can still be found:
/// one over the limit, or a broken stuffed frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// It fails, and the stream is over.
    #[default]
    Poison,
    /// It reads past the message, reports [`Event::Skipped`] and goes on. What has no end that can
    /// be found without trusting a bad header is still fatal.
    Skip,
}
