//! From received bytes to blocks.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use tenfold::native::HEADER;
use tenfold::{DecodeError, Decoder, Event, Side};

use crate::block::Block;

/// Finds the whole frames in a stream of bytes, and gives them as blocks as they are: nothing is
/// encoded, and only the frame that a read has cut is copied.
///
/// To drive it: receive into [`space`](Self::space) (or [`finish`](Self::finish) at the end of the
/// stream), [`scan`](Self::scan), then [`take_block`](Self::take_block). After an error the frames
/// before the bad one can still be taken, and nothing else ever will be.
///
/// ```
/// use tenfold::Framing;
/// use tenfold_hub::Intake;
///
/// let mut intake = Intake::new(Framing::default().client(), 1 << 20);
/// intake.space().extend_from_slice(b"5         hello3         ab");
/// assert_eq!(intake.scan(u64::MAX)?, 1);
/// assert_eq!(&intake.take_block().bytes()[..], b"5         hello");
/// // The frame that was cut stays until the rest of it comes.
/// assert_eq!(intake.held(), 12);
/// # Ok::<(), tenfold::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Intake {
    decoder: Decoder,
    /// What was received and not given: whole frames, and the start of one.
    bytes: BytesMut,
    /// How many of these the decoder has seen.
    scanned: usize,
    /// Offset in the stream of the first of these bytes.
    base: u64,
    /// Offset in the stream at which the decoder has begun.
    origin: u64,
    /// Messages that end in these bytes.
    messages: u64,
    /// The length of the message that is being received, where it is a large one.
    large: Option<u64>,
    /// How much to receive at once.
    room: usize,
    /// The size of the buffer in which the bytes stand, less what blocks have been given of it.
    buffer: usize,
    ended: bool,
}

impl Intake {
    /// How many bytes a connection gets room for to begin with. A stream that fills its space gets more.
    pub const FIRST_ROOM: usize = 4 * 1024;
    /// The most that is received at once: enough to make the cost of a system call and of a wake-up
    /// vanish. A block is about as large, if no frame in it is larger.
    pub const MAX_ROOM: usize = 256 * 1024;
    /// A message of more bytes than this is a large one: its length is told while it is being received.
    pub const LARGE: u64 = 64 * 1024;

    /// An intake of frames of this side, with messages of at most `limit` bytes.
    pub fn new(side: &Side, limit: u64) -> Self {
        Self {
            // In pieces, so that the bytes of a large message are kept here only.
            decoder: Decoder::new(side)
                .with_limit(limit)
                .with_pieces_above(Self::LARGE),
            bytes: BytesMut::new(),
            scanned: 0,
            base: 0,
            origin: 0,
            messages: 0,
            large: None,
            room: Self::FIRST_ROOM,
            buffer: 0,
            ended: false,
        }
    }

    /// Goes on after what was taken in another framing, or with another limit. What was received
    /// and not taken is looked at again by the next [`scan`](Self::scan).
    #[must_use]
    pub fn switch_to(self, side: &Side, limit: u64) -> Self {
        Self {
            decoder: Self::new(side, limit).decoder,
            scanned: 0,
            origin: self.base,
            messages: 0,
            large: None,
            ..self
        }
    }

    /// Where to receive into, after what is there already: [`room`](Self::room) bytes, or the rest of a
    /// message that is larger. What is beyond what was asked for, must not be received.
    pub fn space(&mut self) -> &mut BytesMut {
        let more = self.wanted();
        let spare = self.bytes.capacity() - self.bytes.len();
        if spare < more && !self.bytes.try_reclaim(more) {
            // Of exactly this size, because what is too much would be kept as long as the messages are.
            let mut larger = BytesMut::with_capacity(self.bytes.len() + more);
            larger.extend_from_slice(&self.bytes);
            self.bytes = larger;
            self.buffer = self.bytes.capacity();
        }
        &mut self.bytes
    }

    /// How much space there has to be. It grows with what was received, not with the length that was
    /// announced; but a large message ends where its buffer ends.
    fn wanted(&self) -> usize {
        let held = self.bytes.len();
        let length = self.large.and_then(|length| usize::try_from(length).ok());
        match length.filter(|length| *length > self.room) {
            None => self.room,
            Some(length) => {
                let missing = length.saturating_add(HEADER).saturating_sub(held);
                // Other framings have larger headers.
                let missing = if missing == 0 {
                    Self::FIRST_ROOM
                } else {
                    missing
                };
                missing.min(held.max(self.room))
            }
        }
    }

    /// How much to receive at once.
    pub fn room(&self) -> usize {
        self.room
    }

    /// Says that the stream has ended.
    pub fn finish(&mut self) {
        self.ended = true;
    }

    /// Looks at what was received since the last call, for at most `count` messages. Returns how
    /// many messages have ended in it. The offset and the index of an error count from where the
    /// framing has begun, which is at [`origin`](Self::origin).
    pub fn scan(&mut self, count: u64) -> Result<u64, DecodeError> {
        let received = self.bytes.len() - self.scanned;
        if received >= self.room {
            self.room = (self.room * 4).min(Self::MAX_ROOM);
        }
        let mut found = 0;
        let mut chunk = self.decoder.chunk(&self.bytes[self.scanned..]);
        self.scanned = self.bytes.len();
        let result = loop {
            // Most frames need only be counted.
            let most = usize::try_from(count - found).unwrap_or(usize::MAX);
            found += chunk.pass(most) as u64;
            if found == count {
                break Ok(());
            }
            match chunk.next_event() {
                Ok(None) => break Ok(()),
                Ok(Some(Event::Message(_))) => found += 1,
                Ok(Some(Event::Begin { length })) => self.large = length,
                Ok(Some(Event::End)) => {
                    self.large = None;
                    found += 1;
                }
                Ok(Some(_)) => {}
                Err(error) => break Err(error),
            }
        };
        drop(chunk);
        self.messages += found;
        match result {
            Ok(()) if self.ended && found < count => self.check_end().map(|()| found),
            Ok(()) => Ok(found),
            // The bytes after a bad header say what it looks like; now the decoder has them.
            Err(error) => Err(self.decoder.next_event().err().unwrap_or(error)),
        }
    }

    /// The decoder has seen all there is, and given all that is whole.
    fn check_end(&mut self) -> Result<(), DecodeError> {
        self.decoder.finish();
        self.decoder.next_event().map(|_| ())
    }

    /// The whole frames that were found and not taken; without bytes if there are none.
    pub fn take_block(&mut self) -> Block {
        let length = self.origin + self.decoder.offset() - self.base;
        let length = usize::try_from(length).map_or(self.bytes.len(), |n| n.min(self.bytes.len()));
        self.base += length as u64;
        self.scanned -= length;
        let messages = mem::take(&mut self.messages);
        // A small block must not keep a large buffer, and a large one counts for all that it keeps.
        if length >= self.buffer / 2 {
            let buffer = mem::replace(&mut self.buffer, self.bytes.capacity() - length);
            let frames = self.bytes.split_to(length).freeze();
            Block::new(frames, messages).in_buffer(buffer)
        } else {
            let frames = Bytes::copy_from_slice(&self.bytes[..length]);
            self.bytes.advance(length);
            Block::new(frames, messages)
        }
    }

    /// Gives memory back while nothing comes: an idle intake holds none, and the start of a frame does
    /// not keep the buffer of those before it.
    pub fn rest(&mut self) {
        if self.bytes.len() < Self::FIRST_ROOM && self.bytes.capacity() > Self::FIRST_ROOM {
            self.bytes = BytesMut::from(&self.bytes[..]);
            self.buffer = self.bytes.capacity();
        }
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
            self.buffer = 0;
            self.room = (self.room / 4).max(Self::FIRST_ROOM);
            self.decoder.release();
        }
    }

    /// What was received and not taken.
    pub(crate) fn into_rest(self) -> BytesMut {
        self.bytes
    }

    /// Bytes that were received and not taken.
    pub fn held(&self) -> usize {
        self.bytes.len()
    }

    /// The length of the message that is being received, if it is a large one.
    pub fn large(&self) -> Option<u64> {
        self.large
    }

    /// Offset in the stream at which the framing has begun.
    pub fn origin(&self) -> u64 {
        self.origin
    }
}
