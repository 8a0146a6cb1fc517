//! A slice of the stream, decoded where it is.

use super::Decoder;
use super::batch::Batch;
use super::body::Body;
use super::buffer::CHUNK;
use super::fast::{self, Reach};
use super::head::head_size;
use super::stage::Stage;
use crate::error::DecodeError;
use crate::event::Event;
use crate::framing::{Shape, Step};

/// A slice of the stream, decoded without a copy of the messages that are complete in it. Made by
/// [`Decoder::chunk`].
///
/// What is left of the slice when this is dropped (the start of an incomplete frame, messages that
/// were not asked for) the decoder keeps, and gives later.
///
/// ```
/// use tenfold_codec::{Decoder, Event, Framing};
///
/// let mut decoder = Decoder::connecting(&Framing::default());
/// let mut chunk = decoder.chunk(b"2         hi5         hel");
/// assert_eq!(chunk.next_event()?, Some(Event::Message(b"hi")));
/// assert_eq!(chunk.next_event()?, None);
/// drop(chunk);
/// let mut chunk = decoder.chunk(b"lo");
/// assert_eq!(chunk.next_event()?, Some(Event::Message(b"hello")));
/// # Ok::<(), tenfold_codec::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Chunk<'a> {
    decoder: &'a mut Decoder,
    bytes: &'a [u8],
    /// Bytes of the slice that the decoder has taken; the batch is of those after them.
    read: usize,
    batch: Batch,
}

impl<'a> Chunk<'a> {
    pub(crate) fn new(decoder: &'a mut Decoder, bytes: &'a [u8]) -> Self {
        Self {
            decoder,
            bytes,
            read: 0,
            batch: Batch::new(),
        }
    }

    /// The next thing in the stream, as [`Decoder::next_event`]. `None`: the slice is used up, and
    /// the decoder holds what is left of it.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        if let Some((start, len)) = self.batch.pop() {
            let start = self.read + start;
            return Ok(Some(Event::Message(&self.bytes[start..start + len])));
        }
        self.find_event()
    }

    /// Passes over messages that are complete in the slice, without giving them: at most `most`.
    /// Returns how many, which may be none where there are some: [`next_event`](Self::next_event)
    /// then goes on. For programs that pass frames on as they are and only have to know that the
    /// frames are right: in the native framing it is more than twice as fast as events, and in the
    /// others it does nothing.
    pub fn pass(&mut self, most: usize) -> usize {
        if self.batch.remaining() > 0 || self.decoder.batch.remaining() > 0 {
            return 0;
        }
        self.end_batch();
        let rest = &self.bytes[self.read..];
        let idle = self.decoder.buffer.len() == self.decoder.spent && self.decoder.failed.is_none();
        let Some(limit) = self.decoder.fast_limit(Reach::Slice).filter(|_| idle) else {
            return 0;
        };
        self.decoder.settle();
        let step = self.decoder.side.step(self.decoder.step);
        let (count, bytes) = fast::tally(step, rest, limit, most);
        self.decoder.passed(count, bytes);
        self.decoder.base += bytes as u64;
        self.read += bytes;
        count
    }

    fn find_event(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        self.end_batch();
        loop {
            if let Some((start, len)) = self.decoder.pop() {
                let window = self.decoder.buffer.window();
                return Ok(Some(Event::Message(&window[start..start + len])));
            }
            // What the decoder holds comes first; then whole frames, from where they are.
            if let Some(found) = self.decoder.find()? {
                return Ok(Some(self.decoder.event(found)));
            }
            let rest = &self.bytes[self.read..];
            if rest.is_empty() {
                self.decoder.buffer.relax();
                return Ok(None);
            }
            if let Some((start, len)) = self.scan(rest) {
                let start = self.read + start;
                return Ok(Some(Event::Message(&self.bytes[start..start + len])));
            }
            let wanted = self.decoder.wanted_of(rest);
            self.decoder.feed(&rest[..wanted]);
            self.read += wanted;
        }
    }

    /// Finds the complete frames at the start of `rest`, which is what the decoder lacks.
    fn scan(&mut self, rest: &[u8]) -> Option<(usize, usize)> {
        if self.decoder.buffer.len() > 0 {
            return None;
        }
        let limit = self.decoder.fast_limit(Reach::Slice)?;
        let step = self.decoder.side.step(self.decoder.step);
        fast::scan(step, rest, limit, &mut self.batch);
        #[cfg(test)]
        {
            self.decoder.examined += self.batch.in_vain;
        }
        let (count, bytes) = (self.batch.remaining(), self.batch.scanned);
        self.decoder.passed(count, bytes);
        self.decoder.base += bytes as u64;
        self.batch.pop()
    }

    /// The batch is used up: goes on after it.
    fn end_batch(&mut self) {
        self.read += self.batch.scanned;
        self.batch.clear();
    }
}

impl Drop for Chunk<'_> {
    fn drop(&mut self) {
        let left = self.batch.remaining();
        if left > 0 {
            // The messages that were not given have not passed after all.
            let step = self.decoder.side.step(self.decoder.step);
            let trailer = fast::trailer(step);
            let last = self.batch.last();
            let behind = last.map_or(0, |(start, len)| start + len + trailer);
            self.decoder.take_back(left, self.batch.scanned - behind);
            self.read += behind;
        } else {
            self.end_batch();
        }
        if self.read < self.bytes.len() {
            self.decoder.feed(&self.bytes[self.read..]);
        }
    }
}

impl Decoder {
    /// Undoes what `passed` and a chunk counted.
    fn take_back(&mut self, messages: usize, bytes: usize) {
        self.index -= messages as u64;
        self.step -= messages;
        self.frame -= bytes as u64;
        self.base -= bytes as u64;
    }

    /// How much of `rest` to copy: what completes the frame under way, where that is known, so
    /// that the next can be found in the slice again.
    fn wanted_of(&self, rest: &[u8]) -> usize {
        let step = self.side.step(self.step);
        let wanted = match &self.stage {
            Stage::Head(head) if head.is_fresh() || fast::reach(step) != Reach::Slice => CHUNK,
            Stage::Head(head) => head_size(step).map_or(1, |size| size - head.read),
            Stage::Body(body, _) => match self.stage.missing_of_whole(self.pieces_above) {
                Some(missing) => missing.saturating_add(step.close.len() - body.closed),
                None => wanted_of_body(body, step, rest),
            },
        };
        wanted.clamp(1, rest.len())
    }
}

/// As much as may be held of a message that is not collected, or whose end is not known.
fn wanted_of_body(body: &Body, step: &Step, rest: &[u8]) -> usize {
    let near = &rest[..rest.len().min(CHUNK)];
    match (&step.shape, body.left()) {
        (_, Some(left)) => usize::try_from(left)
            .unwrap_or(usize::MAX)
            .saturating_add(step.close.len() - body.closed)
            .min(CHUNK),
        (Shape::Delim(delim), None) => delim
            .last()
            .and_then(|last| memchr::memchr(*last, near))
            .map_or(CHUNK, |at| at + 1),
        _ => CHUNK,
    }
}
