//! What is left of a block that was begun to be sent to one client, and whose memory that is.
//!
//! ```text
//!   what is kept       whose memory that is              while the client takes nothing
//!   a block            the tail's                        kept until the tail has let it go, then only its begun frame
//!   a block            the client's, read from a file    kept for a moment, then only its begun frame
//!   a begun frame      counted, if there is some left    kept; if there is none left, the frame is read again
//! ```

use std::time::Duration;

use bytes::Bytes;
use tenfold::native;
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;
use crate::deliver::{COSTLY, take};
use crate::durable::READ_SIZE;
use crate::memory::Rests;

/// What is left of a block that was begun, or a block that comes next.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    /// What is left, and the messages that end with it: all of the block's, until nothing is left.
    left: Block,
    /// The block, if its messages can be found again.
    whole: Option<Whole>,
    /// How many bytes the frame has that was begun, once nothing else is kept.
    frame: Option<usize>,
    /// The memory that is taken for it, of what all slow clients may hold.
    kept: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
struct Whole {
    block: Block,
    /// The seq of its first message.
    first: u64,
    owner: Owner,
}

/// Whose memory a block is.
#[derive(Debug)]
enum Owner {
    Tail,
    /// The client's, for whom it was read, with the memory that is taken for that, if there was some.
    Client(Option<OwnedSemaphorePermit>),
}

/// How far a block was sent of which only the begun frame is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LetGo {
    /// How many of its messages are sent.
    pub(crate) sent: u64,
    /// The seq of the message after the frame that was begun.
    pub(crate) next: u64,
    /// How many messages come from there on.
    pub(crate) unbegun: u64,
}

/// How long a block from a file is kept for a client that takes nothing: as long as one that is only busy may be,
/// so that little is read twice.
pub(crate) const KEPT_FOR: Duration = Duration::from_millis(200);
/// The same of a large message, for whose memory others may be waiting: about as long as it takes to read it again.
const LARGE_KEPT_FOR: Duration = Duration::from_millis(10);

/// How long so many bytes from a file may be kept while the client takes nothing, with the memory that is taken for them.
pub(crate) fn kept_for(bytes: usize, memory: Option<&OwnedSemaphorePermit>) -> Duration {
    match memory {
        Some(_) if bytes > READ_SIZE => LARGE_KEPT_FOR,
        Some(_) => KEPT_FOR,
        None => Duration::ZERO,
    }
}

impl Rest {
    /// What cannot be had again: a line, or messages that no tail has and no file.
    pub(crate) fn only(left: Block) -> Self {
        Self {
            left,
            ..Self::default()
        }
    }

    /// A block of a tail, and the seq of its first message.
    pub(crate) fn of_tail(block: Block, first: u64) -> Self {
        Self::only(block.clone()).found_in(block, first, Owner::Tail)
    }

    /// A block that was read from a file, the seq of its first message, and the memory that is taken for it.
    pub(crate) fn of_file(block: Block, first: u64, memory: Option<OwnedSemaphorePermit>) -> Self {
        Self::only(block.clone()).found_in(block, first, Owner::Client(memory))
    }

    /// Says that it ends with a block of a tail.
    pub(crate) fn ends_with(self, block: Block, first: u64) -> Self {
        self.found_in(block, first, Owner::Tail)
    }

    fn found_in(mut self, block: Block, first: u64, owner: Owner) -> Self {
        self.whole = Some(Whole {
            block,
            first,
            owner,
        });
        self
    }

    /// The same after so many bytes, which are sent.
    pub(crate) fn after(mut self, sent: usize) -> Self {
        self.take(sent);
        self
    }

    /// What is left.
    pub(crate) fn bytes(&self) -> &Bytes {
        self.left.bytes()
    }

    pub(crate) fn len(&self) -> usize {
        self.left.bytes().len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages that end with it.
    pub(crate) fn messages(&self) -> u64 {
        self.left.messages()
    }

    /// Takes up to so many bytes from its front; how many, and its messages if that was all of it.
    pub(crate) fn take(&mut self, bytes: usize) -> (usize, u64) {
        take(&mut self.left, bytes)
    }

    /// The memory of a small block from a file, once it is sent, if it is counted.
    pub(crate) fn into_memory(self) -> Option<Bytes> {
        let Self { left, whole, .. } = self;
        drop(left);
        let Whole { block, owner, .. } = whole?;
        let is_counted = matches!(owner, Owner::Client(Some(_)));
        (is_counted && block.bytes().len() <= READ_SIZE).then(|| block.into_bytes())
    }

    /// How long it may be kept while the client takes nothing, if it was read from a file.
    pub(crate) fn kept_for(&self) -> Option<Duration> {
        let whole = self.whole.as_ref()?;
        match &whole.owner {
            Owner::Client(memory) => Some(kept_for(whole.block.bytes().len(), memory.as_ref())),
            Owner::Tail => None,
        }
    }

    /// Says what memory is taken for a block that was read from a file.
    pub(crate) fn set_memory(&mut self, taken: Option<OwnedSemaphorePermit>) {
        if let Some(Whole {
            owner: Owner::Client(memory),
            ..
        }) = &mut self.whole
        {
            *memory = taken;
        }
    }

    /// Has it kept whole, because it cannot be had again.
    pub(crate) fn keep_whole(&mut self) {
        self.whole = None;
    }

    /// Whether nothing is left, or memory is taken for what is.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_empty() || self.kept.is_some()
    }

    /// Keeps only the frame that was begun, if the others can be found again.
    pub(crate) fn let_go(&mut self) -> Option<LetGo> {
        let Whole { block, first, .. } = self.whole.take()?;
        let bytes = block.bytes();
        // What comes before the block may not be sent yet.
        let sent = bytes.len().checked_sub(self.len())?;
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
        let begun = u64::from(sent < end);
        self.frame = (begun > 0).then_some(end - start);
        self.left = Block::new(bytes.slice(sent.min(end)..end), begun);
        Some(LetGo {
            sent: messages - begun,
            next: first + messages,
            unbegun: block.messages().saturating_sub(messages),
        })
    }

    /// Takes memory for it. False: there is none.
    pub(crate) fn keep(&mut self, rests: &Rests) -> bool {
        if self.is_kept() {
            return true;
        }
        // A part of a block or of a large message keeps all of it in memory, so it is copied. A message or a block is
        // not of which most is left.
        let left = self.left.bytes();
        let (bytes, is_copied) = match self.frame {
            Some(frame) if frame > READ_SIZE && left.len() > frame / 2 => (frame, false),
            None if left.len() > COSTLY => (left.len(), false),
            _ => (left.len(), true),
        };
        self.kept = rests.take(bytes);
        if self.kept.is_none() {
            return false;
        }
        if is_copied {
            self.left = Block::new(Bytes::copy_from_slice(left), self.left.messages());
        }
        self.whole = None;
        true
    }

    /// Keeps nothing of a frame that was begun and is read again: so many bytes of it are sent. None if it cannot be
    /// had again.
    pub(crate) fn forget(&mut self) -> Option<usize> {
        let sent = self.frame?.checked_sub(self.len())?;
        *self = Self::default();
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOADS: [&str; 5] = ["", "one", "", "a longer one", "x"];

    fn stream() -> String {
        let frame = |payload: &&str| format!("{:<10}{payload}", payload.len());
        PAYLOADS.iter().map(frame).collect()
    }

    /// Where the first messages end.
    fn ends() -> Vec<usize> {
        let lengths = |count: usize| PAYLOADS[..count].iter().map(|payload| 10 + payload.len());
        (0..=PAYLOADS.len())
            .map(|count| lengths(count).sum())
            .collect()
    }

    #[test]
    fn at_every_byte_the_frame_that_was_begun_is_kept_and_nothing_else() {
        let (stream, ends) = (stream(), ends());
        for sent in 0..stream.len() {
            let mut rest = Rest::of_tail(Block::new(stream.clone(), 5), 100).after(sent);
            let let_go = rest.let_go().unwrap();
            let end = ends.iter().position(|end| *end >= sent).unwrap();
            let begun = u64::from(ends[end] > sent);
            assert_eq!(rest.bytes(), &stream.as_bytes()[sent..ends[end]]);
            assert_eq!(rest.messages(), begun);
            assert_eq!(let_go.sent, end as u64 - begun, "{sent}");
            assert_eq!(let_go.next, 100 + end as u64);
            assert_eq!(let_go.unbegun, 5 - end as u64);
        }
    }

    #[test]
    fn a_frame_without_memory_is_found_again_at_its_next_byte() {
        let (stream, ends) = (stream(), ends());
        for sent in ends[3] + 1..ends[4] {
            let mut rest = Rest::of_tail(Block::new(stream.clone(), 5), 100).after(sent);
            assert_eq!(rest.let_go().unwrap().next, 104);
            assert_eq!(rest.forget(), Some(sent - ends[3]));
            assert!(rest.is_empty() && rest.is_kept());
        }
        let mut line = Rest::only(Block::new(stream, 0)).after(15);
        assert_eq!((line.let_go(), line.forget()), (None, None));
        assert!(!line.is_empty());
    }

    #[test]
    fn memory_is_counted_until_the_rest_is_gone() {
        let rests = Rests::new(1 << 20);
        let block = || Block::new(format!("{:<10}{}", 700_000, "x".repeat(700_000)), 1);
        let mut first = Rest::of_file(block(), 0, None).after(5);
        let mut second = Rest::of_file(block(), 0, None).after(5);
        assert_eq!(first.let_go(), second.let_go());
        assert!(first.keep(&rests) && rests.taken() >= 690_000);
        assert!(!second.keep(&rests));
        drop(first);
        assert_eq!(rests.taken(), 0);
        assert!(second.keep(&rests));
    }
}
