//! What the readers have in common: a decoder, and what its events mean to a caller that wants messages.

use std::time::Duration;

use tenfold_codec::{DecodeError, Decoder, Event};

use crate::error::ReadError;

/// How long a reader waits for the bytes after a bad header, once its `with_patience` was called.
/// Those bytes only make the words of the error better, so the wait is short.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// The half of a reader that does no I/O.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) decoder: Decoder,
    /// The transport is at its end.
    pub(crate) ended: bool,
}

impl Inbox {
    pub(crate) fn new(decoder: Decoder) -> Self {
        Self {
            decoder,
            ended: false,
        }
    }

    /// Goes on to the next event. Whether bytes must be read before there is one.
    #[inline]
    pub(crate) fn is_short(&mut self) -> Result<bool, DecodeError> {
        Ok(self.decoder.next_event()?.is_none() && !self.ended)
    }

    /// The event that `is_short` came to; `None` at the end of the stream.
    #[inline]
    pub(crate) fn event(&self) -> Option<Event<'_>> {
        self.decoder.last_event()
    }

    /// Whether what `is_short` came to is what a caller for whole messages waits for: a message, or
    /// the end.
    #[inline]
    pub(crate) fn is_message_or_end(&self) -> Result<bool, ReadError> {
        match self.event() {
            Some(Event::Message(_)) | None => Ok(true),
            Some(Event::Begin { .. } | Event::Data(_) | Event::End) => Err(ReadError::InPieces),
            Some(_) => Ok(false),
        }
    }

    #[inline]
    pub(crate) fn message(&self) -> Option<&[u8]> {
        match self.event() {
            Some(Event::Message(message)) => Some(message),
            _ => None,
        }
    }

    pub(crate) fn take_message(&mut self) -> Option<Vec<u8>> {
        self.decoder.take_message()
    }

    /// `n` bytes were read into the decoder's space; none is the end.
    pub(crate) fn advance(&mut self, n: usize) {
        if n == 0 {
            self.ended = true;
            self.decoder.finish();
        } else {
            self.decoder.advance(n);
        }
    }

    /// Goes on with another decoder, which gets what is left of this one's bytes.
    pub(crate) fn switch_to(&mut self, mut decoder: Decoder) {
        decoder.feed(self.decoder.rest());
        if self.ended {
            decoder.finish();
        }
        self.decoder = decoder;
    }
}
