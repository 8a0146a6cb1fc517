//! How much of an encoding was sent to a client.

use std::sync::Arc;

use crate::block::Block;
use crate::encoding::Encoded;
use crate::sink::Part;

/// An encoding, and how much of it was sent to one client: whole pieces. What is left of a piece that was begun is apart.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    encoded: Arc<Encoded>,
    /// Where the first piece begins that was not begun, and how many messages come before it.
    offset: usize,
    done: u64,
}

impl Run {
    /// Nothing was sent.
    pub(crate) fn new(encoded: Arc<Encoded>) -> Self {
        Self {
            encoded,
            offset: 0,
            done: 0,
        }
    }

    /// The first messages are not to be sent; `None`: no piece begins after them.
    pub(crate) fn after(encoded: Arc<Encoded>, messages: u64) -> Option<Self> {
        let offset = encoded.offset_after(messages)?;
        Some(Self {
            encoded,
            offset,
            done: messages,
        })
    }

    /// The pieces that were not begun.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.encoded.bytes[self.offset..]
    }

    /// The same, as a part of what all clients of the form share.
    pub(crate) fn part(&self) -> Part {
        Part {
            bytes: self.encoded.bytes.slice(self.offset..),
            of: self.encoded.bytes.len(),
        }
    }

    /// How many bytes were not begun.
    pub(crate) fn left(&self) -> usize {
        self.bytes().len()
    }

    /// How many messages were begun.
    pub(crate) fn done(&self) -> u64 {
        self.done
    }

    /// So many bytes were sent, or all there are. Returns how many, the messages of the pieces that are sent whole, and what
    /// is left of the last one.
    pub(crate) fn take(&mut self, bytes: usize) -> (usize, u64, Block) {
        let taken = bytes.min(self.left());
        let sent = self.offset + taken;
        let Some(piece) = self.encoded.piece_at(sent).filter(|_| taken > 0) else {
            return (0, 0, Block::default());
        };
        let before = self.done;
        self.offset = piece.end;
        self.done = piece.messages;
        if sent == piece.end {
            return (taken, piece.messages - before, Block::default());
        }
        let whole = self.encoded.messages_before(piece.end).max(before);
        let rest = self.encoded.bytes.slice(sent..piece.end);
        let rest = Block::new(rest, piece.messages - whole);
        (taken, whole - before, rest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tenfold::protocol::Epoch;

    use super::*;
    use crate::encoding::{Encoding, Form};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn at_every_byte_a_run_says_what_was_begun_and_what_is_left_of_it(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..6000), 1..12),
        writes in prop::collection::vec(1_usize..9000, 1..40),
    ) {
        let frames = messages.iter().map(|message| [format!("{:<10}", message.len()).as_bytes(), message].concat());
        let block = Block::new(frames.collect::<Vec<_>>().concat(), messages.len() as u64);
        let form = Form::of(Encoding::JsonLines).chunked();
        let encoded = Arc::new(form.encoded(Epoch(7), 0, &block));
        let mut run = Run::new(Arc::clone(&encoded));
        let (mut sent, mut whole) = (Vec::new(), 0);
        for write in writes {
            if run.left() == 0 {
                break;
            }
            let before = run.bytes().to_vec();
            let (taken, messages, rest) = run.take(write);
            prop_assert_eq!(taken, write.min(before.len()));
            sent.extend_from_slice(&before[..taken]);
            sent.extend_from_slice(rest.bytes());
            whole += messages + rest.messages();
            prop_assert_eq!(whole, run.done());
        }
        sent.extend_from_slice(run.bytes());
        prop_assert_eq!(&sent[..], &encoded.bytes[..]);
    }
    }
}
