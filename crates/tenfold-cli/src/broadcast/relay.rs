//! Frames that are sent as they came.

use bytes::{Buf, Bytes, BytesMut};
use tenfold::{Decoder, Event, Side};
use tenfold_hub::Tail;

use super::feed::append;
use crate::failure::Failure;
use crate::input::Input;
use crate::recv::reached;
use crate::source::{Limits, describe};

/// Reads frames, checks them as strictly as any, and appends the range of bytes that holds whole
/// ones as a block: nothing is encoded, and only the frame that a read has cut is copied.
#[derive(Debug)]
pub(super) struct Relay {
    input: Input,
    decoder: Decoder,
    /// What was read and not appended: the start of a frame.
    bytes: BytesMut,
    /// Offset in the input of the first of these bytes.
    base: u64,
    messages: u64,
}

/// How much to read at once, and so how large a block is: enough to make the cost of a system call
/// and of a wake-up vanish.
const CHUNK: usize = 64 * 1024;

impl Relay {
    pub(super) fn new(input: Input, side: &Side, limits: Limits) -> Self {
        Self {
            input,
            // In pieces, so that the bytes of a large message are kept here only.
            decoder: Decoder::new(side)
                .with_limit(limits.max_message)
                .with_pieces_above(CHUNK as u64),
            bytes: BytesMut::new(),
            base: 0,
            messages: 0,
        }
    }

    pub(super) fn run(mut self, tail: &Tail, count: Option<u64>) -> Result<(), Failure> {
        loop {
            let read = self.read()?;
            let before = self.messages;
            let scanned = self.scan(read, count.unwrap_or(u64::MAX));
            let whole = self.whole_frames();
            append(tail, whole, self.messages - before)?;
            scanned?;
            if read == 0 || Some(self.messages) == count {
                return reached(count, self.messages);
            }
        }
    }

    fn read(&mut self) -> Result<usize, Failure> {
        let have = self.bytes.len();
        self.bytes.resize(have + CHUNK, 0);
        let read = self.input.read(&mut self.bytes[have..])?;
        self.bytes.truncate(have + read);
        Ok(read)
    }

    /// Counts the messages that end in the bytes that were just read.
    fn scan(&mut self, read: usize, count: u64) -> Result<(), Failure> {
        if read == 0 {
            self.decoder.finish();
        }
        let new = self.bytes.len() - read;
        let mut chunk = self.decoder.chunk(&self.bytes[new..]);
        while self.messages < count {
            match chunk.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Message(_) | Event::End)) => self.messages += 1,
                Ok(Some(_)) => {}
                Err(error) => {
                    drop(chunk);
                    return Err(describe(&mut self.input, error));
                }
            }
        }
        Ok(())
    }

    /// Takes the whole frames out of what was read.
    fn whole_frames(&mut self) -> Bytes {
        let length = usize::try_from(self.decoder.offset() - self.base).unwrap_or(usize::MAX);
        self.base += length as u64;
        // The tail counts what is in a block, so a small block must not keep a large buffer.
        if length >= self.bytes.capacity() / 2 {
            return self.bytes.split_to(length).freeze();
        }
        let frames = Bytes::copy_from_slice(&self.bytes[..length]);
        self.bytes.advance(length);
        frames
    }
}
