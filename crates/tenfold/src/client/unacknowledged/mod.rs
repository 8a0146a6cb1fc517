//! Messages that were accepted and are not acknowledged, as frames.

use std::collections::VecDeque;
use std::sync::Arc;

use tenfold_codec::{EncodeError, Encoder, native};

use super::subscription::new_encoder;

/// A segment that has so many bytes is not appended to any more: from there on a larger write is
/// no cheaper.
const SEGMENT: usize = 64 * 1024;

/// Messages in the order of their numbers, which count from 0, as frames in segments:
///
/// ```text
///   released            written                            accepted
///      v                   v                                  v
///      [frame frame frame][frame frame frame frame][frame frame
///                           ^ cursor: bytes that this connection has taken
/// ```
///
/// A segment is written as it is, and by reference, so that the caller can add messages while
/// the connection's side writes. Where the frames in a segment begin is found by walking over their headers, which is needed
/// only when a number falls into its middle.
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    /// Segments that are complete. The first may be released in part.
    segments: VecDeque<Segment>,
    /// Segments that were released before the first.
    gone: u64,
    /// The segment that is appended to.
    open: Vec<u8>,
    /// Messages in it.
    open_messages: u64,
    encoder: Encoder,
    released: u64,
    accepted: u64,
    /// Bytes of frames that are kept.
    bytes: usize,
    cursor: Cursor,
    /// The most messages that were ever written whole.
    sent: u64,
}

/// Invariant: `messages` whole frames begin at `start`, of which the first has number `first`.
#[derive(Debug)]
struct Segment {
    bytes: Arc<Vec<u8>>,
    start: usize,
    first: u64,
    messages: u64,
}

/// What is written next: a segment, counted from the first there ever was, and an offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cursor {
    segment: u64,
    offset: usize,
}

/// Bytes to write.
#[derive(Clone, Debug)]
pub struct Unwritten {
    bytes: Arc<Vec<u8>>,
    written: usize,
}

impl Unacknowledged {
    pub(crate) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            gone: 0,
            open: Vec::new(),
            open_messages: 0,
            encoder: new_encoder(),
            released: 0,
            accepted: 0,
            bytes: 0,
            cursor: Cursor::default(),
            sent: 0,
        }
    }

    /// The number of the first message that is kept, or would be.
    pub(crate) fn released(&self) -> u64 {
        self.released
    }

    /// The number of the next message.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// The most messages that were ever written whole.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.released == self.accepted
    }

    /// Bytes of frames that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a message.
    #[inline]
    pub(crate) fn accept(&mut self, message: &[u8]) -> Result<(), EncodeError> {
        if self.open.len() >= SEGMENT {
            self.seal();
        }
        let before = self.open.len();
        self.encoder.encode(message, &mut self.open)?;
        self.bytes += self.open.len() - before;
        self.open_messages += 1;
        self.accepted += 1;
        Ok(())
    }

    /// The hub has messages that were never here. There must be none here yet.
    pub(crate) fn begin_at(&mut self, number: u64) {
        debug_assert_eq!(self.accepted, 0);
        (self.released, self.accepted, self.sent) = (number, number, number);
    }

    /// What is to be written next; what is written of it is told to [`wrote`](Self::wrote).
    pub(crate) fn unwritten(&mut self) -> Option<Unwritten> {
        if self.index() == self.segments.len() {
            self.seal();
        }
        let segment = self.segments.get(self.index())?;
        Some(Unwritten {
            bytes: Arc::clone(&segment.bytes),
            written: self.cursor.offset,
        })
    }

    /// The connection has taken the next `n` bytes.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.cursor.offset += n;
        let Some(segment) = self.segments.get(self.index()) else {
            return;
        };
        if self.cursor.offset >= segment.bytes.len() {
            self.cursor.segment += 1;
            self.cursor.offset = 0;
        }
    }

    /// How many messages come before the first that this connection has not taken whole.
    pub(crate) fn written(&self) -> u64 {
        let Some(segment) = self.segments.get(self.index()) else {
            return self.accepted - self.open_messages;
        };
        let taken = segment.bytes.get(segment.start..self.cursor.offset);
        let whole = native::frames(taken.unwrap_or_default()).take_while(Result::is_ok);
        segment.first + whole.count() as u64
    }

    /// Whether this connection has taken `number` messages whole. Walks only if it must.
    pub(crate) fn has_written(&self, number: u64) -> bool {
        let segment = self.segments.get(self.index());
        let sure = segment.map_or(0, |segment| segment.first);
        number <= sure || number <= self.written()
    }

    /// Whether this connection has taken whole the first message that is kept.
    pub(crate) fn has_written_the_first(&self) -> bool {
        let first = self.segments.front().filter(|first| first.messages > 0);
        first.is_some_and(|segment| {
            self.cursor.segment > self.gone
                || self.cursor.offset >= segment.offset_of(segment.first + 1)
        })
    }

    /// The connection is gone: what it took counts as sent.
    pub(crate) fn note_sent(&mut self) {
        self.sent = self.sent.max(self.written());
    }

    /// Another connection goes on with message `number`, which is kept or the next to come.
    pub(crate) fn rewind(&mut self, number: u64) {
        self.seal();
        let behind = |segment: &Segment| segment.first + segment.messages <= number;
        let index = self.segments.partition_point(behind);
        let offset = self.segments.get(index).map_or(0, |s| s.offset_of(number));
        self.cursor = Cursor {
            segment: self.gone + index as u64,
            offset,
        };
    }

    /// Lets go of the messages before `number`, all of which were written by this connection or an
    /// earlier one.
    pub(crate) fn release(&mut self, number: u64) {
        while let Some(segment) = self.segments.front_mut() {
            if segment.first + segment.messages > number {
                self.bytes -= segment.release(number);
                break;
            }
            self.bytes -= segment.bytes.len() - segment.start;
            self.segments.pop_front();
            self.gone += 1;
        }
        self.released = self.released.max(number);
        if self.cursor.segment < self.gone {
            self.cursor = Cursor {
                segment: self.gone,
                offset: 0,
            };
        }
    }

    /// The cursor's place among the segments that are kept.
    fn index(&self) -> usize {
        usize::try_from(self.cursor.segment - self.gone).unwrap_or(usize::MAX)
    }

    /// Completes the segment that is appended to.
    fn seal(&mut self) {
        if self.open_messages == 0 {
            return;
        }
        // As much is expected again; a segment of one large message was an exception.
        let expected = self.open.len().min(SEGMENT);
        let bytes = std::mem::replace(&mut self.open, Vec::with_capacity(expected));
        self.segments.push_back(Segment {
            bytes: Arc::new(bytes),
            start: 0,
            first: self.accepted - self.open_messages,
            messages: self.open_messages,
        });
        self.open_messages = 0;
    }
}

impl Segment {
    /// Where the frame of message `number` begins.
    fn offset_of(&self, number: u64) -> usize {
        let frames = native::frames(&self.bytes[self.start..]);
        self.start + frames.end_after(number - self.first)
    }

    /// Lets go of the messages before `number`. How many bytes they had.
    fn release(&mut self, number: u64) -> usize {
        if number <= self.first {
            return 0;
        }
        let start = self.offset_of(number);
        let released = start - self.start;
        self.messages -= number - self.first;
        (self.first, self.start) = (number, start);
        released
    }
}

impl Unwritten {
    /// Bytes of their own, such as a request.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Arc::new(bytes),
            written: 0,
        }
    }

    /// What is left of it.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The first `n` bytes of the rest are written.
    pub fn wrote(&mut self, n: usize) {
        self.written += n;
    }
}

#[cfg(test)]
mod tests;
