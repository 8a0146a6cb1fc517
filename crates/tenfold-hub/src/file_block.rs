//! What was read from a file for one subscriber, as long as not all of it is sent.

use std::time::Duration;

use bytes::Bytes;
use tenfold::native;
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;

/// A block that was read for one subscriber alone: while its task keeps it, it takes memory.
#[derive(Debug)]
pub(crate) struct FileBlock {
    block: Block,
    /// The seq of its first message.
    first: u64,
    /// A place among the blocks from files that may be kept for a while.
    place: Option<OwnedSemaphorePermit>,
}

/// What is left of a block from a file that is not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    /// The rest of the frame that was begun.
    pub(crate) rest: Bytes,
    /// How many messages are sent with it.
    pub(crate) messages: u64,
    /// The seq after it.
    pub(crate) next: u64,
    /// How many bytes that frame has.
    pub(crate) length: usize,
}

/// How long a block from a file is kept for a client that takes nothing: as long as one that is only busy may be,
/// so that little is read twice.
pub(crate) const KEPT_FOR: Duration = Duration::from_millis(200);

impl FileBlock {
    pub(crate) fn new(block: Block, first: u64, place: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            block,
            first,
            place,
        }
    }

    /// How long it may be kept while the client takes nothing.
    pub(crate) fn kept_for(&self) -> Duration {
        match self.place {
            Some(_) => KEPT_FOR,
            None => Duration::ZERO,
        }
    }

    /// Its memory, once it is sent, if it may be kept.
    pub(crate) fn into_memory(self) -> Option<Bytes> {
        let bytes = self.block.into_bytes();
        self.place.map(|_| bytes)
    }

    /// Keeps only the frame that was begun; of the block so many bytes are not sent.
    pub(crate) fn park(&self, unsent: usize) -> Parked {
        let bytes = self.block.bytes();
        let sent = bytes.len().saturating_sub(unsent);
        // A block is whole frames that were checked when they came in.
        let mut frames = native::frames(bytes);
        let (mut messages, mut start) = (0, 0);
        while frames.end() < sent {
            start = frames.end();
            if !matches!(frames.next(), Some(Ok(_))) {
                break;
            }
            messages += 1;
        }
        let end = frames.end();
        let mut rest = bytes.slice(sent.min(end)..end);
        // A small rest must not keep all of it; of a large frame there is nothing else.
        if rest.len() < bytes.len() / 2 {
            rest = Bytes::copy_from_slice(&rest);
        }
        Parked {
            rest,
            messages,
            next: self.first + messages,
            length: end - start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_every_byte_the_frame_that_was_begun_is_kept_and_nothing_else() {
        let payloads = ["", "one", "", "a longer one", "x"];
        let frame = |payload: &&str| format!("{:<10}{payload}", payload.len());
        let stream: String = payloads.iter().map(frame).collect();
        let ends: Vec<usize> = (0..=payloads.len())
            .map(|count| {
                payloads[..count]
                    .iter()
                    .map(|payload| 10 + payload.len())
                    .sum()
            })
            .collect();
        let block = FileBlock::new(Block::new(stream.clone(), 5), 100, None);
        for sent in 0..=stream.len() {
            let parked = block.park(stream.len() - sent);
            let messages = ends.iter().position(|end| *end >= sent).unwrap();
            assert_eq!(parked.messages, messages as u64, "{sent}");
            assert_eq!(parked.next, 100 + messages as u64);
            assert_eq!(parked.rest, stream.as_bytes()[sent..ends[messages]]);
            let start = messages.checked_sub(1).map_or(0, |before| ends[before]);
            assert_eq!(parked.length, ends[messages] - start);
        }
    }
}
