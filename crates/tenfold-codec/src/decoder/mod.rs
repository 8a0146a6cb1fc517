//! From bytes to messages.

mod batch;
mod body;
mod buffer;
mod chunk;
mod content_length;
mod fast;
mod head;
mod stage;
mod walk;
#[cfg(test)]
mod work_tests;

use alloc::vec::Vec;

pub(crate) use body::BodyTurn;
pub use chunk::Chunk;

use batch::Batch;
use buffer::{Buffer, CHUNK};
use stage::Stage;

use crate::error::DecodeError;
use crate::event::{Event, Recovery, Skipped};
use crate::framing::{Framing, Side};

/// The largest message a decoder accepts unless it is told otherwise: 16 MiB.
pub const DEFAULT_LIMIT: u64 = 16 * 1024 * 1024;

/// Finds the messages in the bytes of one side of a connection.
///
/// It does no I/O. Drive it like this, again and again:
///
/// 1. take events with [`next_event`](Self::next_event) until it says `None`, *not enough yet*;
/// 2. read into [`space`](Self::space) and say with [`advance`](Self::advance) how much came, or
///    hand over a slice with [`feed`](Self::feed);
/// 3. at the end of the stream call [`finish`](Self::finish) and take the last events: `None` is
///    now a clean end.
///
/// Events borrow from the decoder's buffer. A caller that has the bytes in a slice anyway takes
/// the messages from there without a copy, with [`chunk`](Self::chunk).
///
/// ```
/// use tenfold_codec::{Decoder, Event, Framing};
///
/// let mut decoder = Decoder::new(Framing::default().server());
/// decoder.feed(b"5         hello3         ab");
/// assert_eq!(decoder.next_event()?, Some(Event::Message(b"hello")));
/// assert_eq!(decoder.next_event()?, None);
/// decoder.feed(b"c");
/// decoder.finish();
/// assert_eq!(decoder.next_event()?, Some(Event::Message(b"abc")));
/// assert_eq!(decoder.next_event()?, None);
/// # Ok::<(), tenfold_codec::DecodeError>(())
/// ```
///
/// Memory grows with the bytes received, never with those announced; a decoder between bursts of
/// traffic holds none. Work is linear in the bytes, however they are cut.
#[derive(Debug)]
pub struct Decoder {
    pub(crate) side: Side,
    pub(crate) limit: u64,
    pub(crate) pieces_above: Option<u64>,
    pub(crate) recovery: Recovery,
    pub(crate) buffer: Buffer,
    /// Complete messages found in the window and not yet given.
    pub(crate) batch: Batch,
    /// The messages of the batch stand in two parts, around their numbers. Each is put together
    /// when it is given.
    pub(crate) joins: bool,
    /// Bytes at the start of the window that no later event needs.
    pub(crate) spent: usize,
    /// The last event, if it was in no batch.
    pub(crate) given: Option<Found>,
    /// The frame under way, which begins after the batch.
    pub(crate) stage: Stage,
    /// Offset in the stream of the window's start.
    pub(crate) base: u64,
    /// Offset of the frame under way.
    pub(crate) frame: u64,
    /// Messages found so far, those in the batch included.
    pub(crate) index: u64,
    /// Messages and marks so far, for the steps.
    pub(crate) step: usize,
    /// HDLC: a flag was seen, so that frames can be told from noise.
    pub(crate) flagged: bool,
    /// What the last event reported as left out.
    pub(crate) skipped: Option<Skipped>,
    pub(crate) finished: bool,
    pub(crate) failed: Option<DecodeError>,
    /// Bytes examined, for the test that counts the work.
    #[cfg(test)]
    pub(crate) examined: usize,
}

/// An event, by where it is in the window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    Message(usize, usize),
    Mark(u64),
    Begin(Option<u64>),
    Data(usize, usize),
    End,
    Skipped,
}

/// The constructors make a decoder of whole messages of at most [`DEFAULT_LIMIT`] bytes.
impl Decoder {
    /// For a program that connected: decodes the server's bytes.
    pub fn connecting(framing: &Framing) -> Self {
        Self::new(framing.server())
    }

    /// For a program that listened: decodes the client's bytes.
    pub fn listening(framing: &Framing) -> Self {
        Self::new(framing.client())
    }

    /// A decoder of the bytes of one side, of a file or a pipe.
    pub fn new(side: &Side) -> Self {
        Self {
            side: side.clone(),
            limit: DEFAULT_LIMIT,
            pieces_above: None,
            recovery: Recovery::Poison,
            buffer: Buffer::default(),
            batch: Batch::new(),
            joins: false,
            spent: 0,
            given: None,
            stage: Stage::default(),
            base: 0,
            frame: 0,
            index: 0,
            step: 0,
            flagged: false,
            skipped: None,
            finished: false,
            failed: None,
            #[cfg(test)]
            examined: 0,
        }
    }

    /// Refuses messages of more than this many bytes, whole or in pieces.
    #[must_use]
    pub fn with_limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// Gives messages of more than this many bytes in pieces, as they arrive, in constant memory;
    /// smaller ones come whole. The limit holds all the same.
    #[must_use]
    pub fn with_pieces_above(mut self, bytes: u64) -> Self {
        self.pieces_above = Some(bytes);
        self
    }

    /// Chooses what happens to a message that cannot be decoded, or is over the limit.
    #[must_use]
    pub fn with_recovery(mut self, recovery: Recovery) -> Self {
        self.recovery = recovery;
        self
    }

    /// Room to read the stream's next bytes into: never empty, and of a large message no more than
    /// what is missing of it.
    pub fn space(&mut self) -> &mut [u8] {
        self.settle();
        let wanted = self.wanted();
        self.buffer.space(wanted)
    }

    /// Says that `n` bytes were read into the [`space`](Self::space) that was lent.
    ///
    /// # Panics
    ///
    /// If that is more than was lent.
    pub fn advance(&mut self, n: usize) {
        self.buffer.advance(n);
        self.finished &= n == 0;
    }

    /// Takes a copy of the stream's next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.settle();
        self.buffer.extend(bytes);
        self.finished &= bytes.is_empty();
    }

    /// Says that the stream ended after the bytes that the decoder was given. More bytes (of a file that grows)
    /// take that back.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next thing in the stream. `None` is *not enough yet*, and after
    /// [`finish`](Self::finish) a clean end. An error stays: the decoder is poisoned, and bytes that
    /// it gets after a bad header only make the description better.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<Event<'_>>, DecodeError> {
        if let Some((start, len)) = self.pop() {
            return Ok(Some(Event::Message(
                &self.buffer.window()[start..start + len],
            )));
        }
        let found = self.find()?;
        if found.is_none() {
            self.buffer.relax();
        }
        Ok(found.map(|found| self.event(found)))
    }

    /// The event that [`next_event`](Self::next_event) gave last, once more, until anything else is
    /// asked of the decoder. (A reader that reads until there is an event cannot lend the one it
    /// has seen in its loop.)
    #[inline]
    pub fn last_event(&self) -> Option<Event<'_>> {
        match self.batch.last() {
            Some((start, len)) => Some(Event::Message(&self.buffer.window()[start..start + len])),
            None => self.given.map(|found| self.event(found)),
        }
    }

    /// The message that [`next_event`](Self::next_event) gave last, owned; without a copy if it is
    /// a large one. `None` if the last event was not a whole message. Call it at once after the
    /// event, and once: any other call lets go of the message.
    ///
    /// ```
    /// use tenfold_codec::{Decoder, Framing};
    ///
    /// let mut decoder = Decoder::connecting(&Framing::default());
    /// decoder.feed(b"3         abc");
    /// decoder.next_event()?;
    /// assert_eq!(decoder.take_message(), Some(b"abc".to_vec()));
    /// decoder.next_event()?;
    /// assert_eq!(decoder.take_message(), None);
    /// # Ok::<(), tenfold_codec::DecodeError>(())
    /// ```
    pub fn take_message(&mut self) -> Option<Vec<u8>> {
        let given = match self.given.take() {
            Some(Found::Message(start, len)) => Some((start, len)),
            _ => None,
        };
        let (start, len) = self.batch.last().or(given)?;
        if start == 0 && self.batch.remaining() == 0 && self.buffer.is_filled_by(len, self.spent) {
            self.base += self.spent as u64;
            self.spent = 0;
            self.batch.clear();
            return Some(self.buffer.take(len));
        }
        Some(self.buffer.window()[start..start + len].to_vec())
    }

    /// Goes on in a slice, without copying the messages that are complete in it.
    pub fn chunk<'a>(&'a mut self, bytes: &'a [u8]) -> Chunk<'a> {
        Chunk::new(self, bytes)
    }

    /// Whether the decoder stands between two frames and holds no byte: the stream could end here.
    pub fn is_idle(&self) -> bool {
        self.batch.remaining() == 0
            && self.spent == self.buffer.len()
            && self.failed.is_none()
            && self.stage.is_between_frames()
    }

    /// Offset in the stream of the first byte after the messages given so far.
    pub fn offset(&self) -> u64 {
        match self.batch.remaining() {
            0 => self.frame,
            _ => self.base + self.behind_given() as u64,
        }
    }

    /// Messages given so far, and messages left out.
    pub fn index(&self) -> u64 {
        self.index - self.batch.remaining() as u64
    }

    /// The bytes that were received and are in no event given so far: what to hand over when the
    /// stream changes its framing, or a last line without its end. (Inside a frame, once its header
    /// was read: what is there of the message, without the header; of one that comes in pieces or is
    /// being unstuffed, what is left of it.)
    pub fn rest(&self) -> &[u8] {
        let window = self.buffer.window();
        match (&self.stage, self.batch.remaining()) {
            (_, 1..) => &window[self.behind_given()..],
            (Stage::Head(_), 0) => &window[self.spent..],
            (Stage::Body(body, _), 0) => &window[body.start.max(self.spent)..],
        }
    }

    /// Where the frame after the message given last begins in the window, while there are more in
    /// the batch.
    fn behind_given(&self) -> usize {
        let trailer = fast::trailer(self.side.step(self.step));
        self.batch
            .last()
            .map_or(0, |(start, len)| start + len + trailer)
    }

    /// Memory held for the stream's bytes.
    pub fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Gives the buffer's memory back if it is empty: before a long wait.
    pub fn release(&mut self) {
        self.settle();
        self.buffer.release();
    }

    /// How much to read at once: all that is missing of a large message, so that it ends where the
    /// read does, or as much as is usual.
    fn wanted(&self) -> usize {
        self.stage
            .missing_of_whole(self.pieces_above)
            .filter(|missing| *missing > CHUNK / 2)
            .unwrap_or(CHUNK)
    }

    /// The batch's next message, as a place in the window.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(usize, usize)> {
        if self.joins {
            return self.pop_joined();
        }
        self.batch.pop()
    }

    fn pop_joined(&mut self) -> Option<(usize, usize)> {
        let frame = self.behind_given();
        let (start, len) = self.batch.pop()?;
        let step = self.side.step(self.step);
        fast::join(step, self.buffer.window_mut(), frame, start);
        Some((start, len))
    }

    /// Lets go of the bytes that the last event borrowed.
    pub(crate) fn settle(&mut self) {
        self.given = None;
        if self.batch.remaining() > 0 {
            return;
        }
        self.batch.clear();
        if self.spent > 0 {
            self.buffer.consume(self.spent);
            self.base += self.spent as u64;
            if let Stage::Body(body, _) = &mut self.stage {
                body.shift(self.spent);
            }
            self.spent = 0;
        }
    }

    pub(crate) fn event(&self, found: Found) -> Event<'_> {
        let piece = |start: usize, len: usize| &self.buffer.window()[start..start + len];
        match (found, &self.skipped) {
            (Found::Message(start, len), _) => Event::Message(piece(start, len)),
            (Found::Mark(number), _) => Event::Mark(number),
            (Found::Begin(length), _) => Event::Begin { length },
            (Found::Data(start, len), _) => Event::Data(piece(start, len)),
            (Found::Skipped, Some(skipped)) => Event::Skipped(skipped),
            (Found::End | Found::Skipped, _) => Event::End,
        }
    }
}
