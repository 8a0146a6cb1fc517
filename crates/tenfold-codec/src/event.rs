//! What a decoder yields.

use crate::error::DecodeError;

/// One thing found in the stream, borrowed from where the bytes already are.
///
/// ```
/// use tenfold_codec::{Decoder, Event, Framing};
///
/// let mut decoder = Decoder::connecting(&Framing::default()).with_pieces_above(4);
/// decoder.feed(b"2         hi6         in");
/// assert_eq!(decoder.next_event()?, Some(Event::Message(b"hi")));
/// // Six bytes are more than four, so this message comes in pieces.
/// assert_eq!(decoder.next_event()?, Some(Event::Begin { length: Some(6) }));
/// assert_eq!(decoder.next_event()?, Some(Event::Data(b"in")));
/// decoder.feed(b"deed");
/// assert_eq!(decoder.next_event()?, Some(Event::Data(b"deed")));
/// assert_eq!(decoder.next_event()?, Some(Event::End));
/// # Ok::<(), tenfold_codec::DecodeError>(())
/// ```
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
    /// A message was left out for this reason, and the stream goes on after it (only with
    /// [`Recovery::Skip`]). The caller throws away the pieces that it got of that message.
    Skipped(&'a Skipped),
}

/// A message that was left out, and why: the failure concerns this message only. [`Recovery`] has
/// an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped(pub(crate) DecodeError);

impl Skipped {
    /// The reason, with the place in the stream.
    pub fn reason(&self) -> &DecodeError {
        &self.0
    }
}

/// What a decoder does with a message that it cannot give, where it can still find the next one:
/// a message over the limit, or a broken stuffed frame.
///
/// ```
/// use tenfold_codec::{Decoder, ErrorKind, Event, Framing, Recovery};
///
/// let mut decoder = Decoder::connecting(&Framing::default())
///     .with_limit(4)
///     .with_recovery(Recovery::Skip);
/// decoder.feed(b"6         indeed2         hi");
/// let Some(Event::Skipped(skipped)) = decoder.next_event()? else { unreachable!() };
/// assert!(matches!(skipped.reason().kind(), ErrorKind::TooLarge { declared: Some(6), limit: 4 }));
/// assert_eq!(decoder.next_event()?, Some(Event::Message(b"hi")));
/// # Ok::<(), tenfold_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovery {
    /// It fails, and the stream is over.
    #[default]
    Poison,
    /// It reads past the message, reports [`Event::Skipped`] and goes on. A frame whose end could
    /// be found only by trusting a bad header is still fatal.
    Skip,
}
