//! What fills the tail.

use bytes::Bytes;
use tenfold::Side;
use tenfold_hub::{Block, Tail};

use super::relay::Relay;
use crate::failure::Failure;
use crate::flow::format::Format;
use crate::flow::goal::Goal;
use crate::flow::output::Output;
use crate::flow::pump::{BATCH, Sink, pump};
use crate::flow::source::Source;
use crate::words::Words;

/// The source of a broadcast.
pub(super) enum Feed {
    /// Frames that are passed on as they are.
    Relay(Box<Relay>),
    /// Messages that are put into frames.
    Messages(Box<dyn Source + Send>, Box<Format>),
}

impl Feed {
    pub(super) fn messages(source: Box<dyn Source + Send>, side: &Side) -> Self {
        Self::Messages(source, Box::new(Format::frames(side)))
    }

    /// Fills the tail until the source ends. Blocks the thread.
    pub(super) fn run(self, tail: &Tail, goal: &Goal, words: &Words) -> Result<(), Failure> {
        match self {
            Self::Relay(relay) => relay.run(tail, goal),
            Self::Messages(mut source, format) => {
                let mut sink = Sink::new(*format, Blocks(tail.clone()), words);
                pump(&mut *source, &mut sink, goal, words)?;
                goal.check("the stream")
            }
        }
    }
}

/// Makes blocks of batches.
struct Blocks(Tail);

impl Output for Blocks {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        // The tail counts what is in a block, so a small batch must not keep a large buffer.
        let block = if bytes.len() >= bytes.capacity() / 2 {
            let room = bytes.len().min(BATCH);
            Bytes::from(std::mem::replace(bytes, Vec::with_capacity(room)))
        } else {
            let block = Bytes::copy_from_slice(bytes);
            bytes.clear();
            block
        };
        append(&self.0, Block::new(block, messages))
    }
}

/// Waits for slow clients, if that is wanted.
pub(super) fn append(tail: &Tail, block: Block) -> Result<(), Failure> {
    match tail.append_blocking(block) {
        Ok(_) => Ok(()),
        // Only a signal closes a tail that is still being filled.
        Err(_) => Err(Failure::Interrupted),
    }
}
