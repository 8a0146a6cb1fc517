//! The bookkeeping of a tail, without locks, clocks or wake-ups: which blocks are kept, where the
//! cursors stand, and what must be done about it.
//!
//! ```text
//!   index       7     8     9    10          (end = 11)
//!   block     [....][....][....][....]
//!   standing     1     0     2     0    at_end: 5
//! ```
//!
//! A cursor stands at the first block it has not begun to send. Each block counts the cursors that
//! stand at it, so the slowest one is found by looking at the front, whatever the number of
//! cursors, and moving one is two additions. Invariant: the counts of all blocks plus `at_end` are
//! the number of live cursors that were not passed.

use std::collections::VecDeque;

use crate::{Block, WhenSlow};

/// A cursor's place: the index of its next block, and the seq of its next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: u64,
    pub(crate) seq: u64,
}

/// What is to be done after a change, once the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Blocks to be dropped: returning a large one to the system takes time.
    pub(crate) freed: Vec<Block>,
    /// There is a new block and somebody may be waiting for it.
    pub(crate) appended: bool,
    /// A cursor was passed or the tail was closed.
    pub(crate) ending: bool,
    /// An append that was refused can be tried again.
    pub(crate) room: bool,
}

#[derive(Debug)]
struct Entry {
    block: Block,
    first_seq: u64,
    standing: usize,
}

#[derive(Debug)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// Index of the front block, counted over all blocks ever appended.
    first: u64,
    next_seq: u64,
    at_end: usize,
    cost: usize,
    capacity: usize,
    when_slow: WhenSlow,
    wants_room: bool,
    closed: bool,
    effects: Effects,
}

impl Window {
    pub(crate) fn new(capacity: usize, when_slow: WhenSlow) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            next_seq: 0,
            at_end: 0,
            cost: 0,
            capacity,
            when_slow,
            wants_room: false,
            closed: false,
            effects: Effects::default(),
        }
    }

    /// Adds a block and returns the seq of its first message, or gives it back if a cursor stands
    /// in the way, the policy is to wait for it, and the caller is still `patient`. A block without
    /// bytes is no block: nothing could ever be written for it.
    pub(crate) fn append(&mut self, block: Block, patient: bool) -> Result<u64, Block> {
        if block.bytes().is_empty() {
            return Ok(self.next_seq);
        }
        let hold = patient && matches!(self.when_slow, WhenSlow::Wait(_));
        while !self.fits(&block) {
            if hold && self.entries[0].standing > 0 {
                self.wants_room = true;
                return Err(block);
            }
            self.pass_front();
        }
        let first_seq = self.next_seq;
        self.next_seq += block.messages();
        self.cost += block.cost();
        self.effects.appended |= self.at_end > 0;
        self.entries.push_back(Entry {
            block,
            first_seq,
            standing: std::mem::take(&mut self.at_end),
        });
        self.free_read();
        Ok(first_seq)
    }

    /// Whether a block can be added as things are. Any block fits into an empty tail: one that is
    /// larger than the capacity stands alone.
    fn fits(&self, block: &Block) -> bool {
        self.entries.is_empty() || self.cost.saturating_add(block.cost()) <= self.capacity
    }

    /// Retention, the half that is forced: drops the front block under the cursors that stand at
    /// it. Those who may skip go on at the block behind it, the others are told to end.
    fn pass_front(&mut self) {
        let passed = self.pop_front();
        if passed == 0 {
            return;
        }
        match self.when_slow {
            WhenSlow::Skip => match self.entries.front_mut() {
                Some(next) => next.standing += passed,
                None => self.at_end += passed,
            },
            WhenSlow::Wait(_) | WhenSlow::Close => self.effects.ending = true,
        }
    }

    /// Retention, the half that is free: a broadcast has no use for a block that all have sent, and
    /// a small window stays in the processor's cache. A tail that keeps blocks for replay differs
    /// from this one in this function only.
    fn free_read(&mut self) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.standing == 0)
        {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) -> usize {
        let Some(entry) = self.entries.pop_front() else {
            return 0;
        };
        self.first += 1;
        self.cost -= entry.block.cost();
        self.effects.freed.push(entry.block);
        self.effects.room |= std::mem::take(&mut self.wants_room);
        entry.standing
    }

    /// A new cursor's place: at the end, or at the first kept block.
    pub(crate) fn enter(&mut self, at_first: bool) -> Place {
        let place = if at_first {
            Place {
                index: self.first,
                seq: self.first_seq(),
            }
        } else {
            Place {
                index: self.first + self.entries.len() as u64,
                seq: self.next_seq,
            }
        };
        if let Some(count) = self.standing_at(place.index) {
            *count += 1;
        }
        place
    }

    pub(crate) fn leave(&mut self, place: Place) {
        if let Some(count) = self.standing_at(place.index) {
            *count -= 1;
        }
        self.free_read();
    }

    /// Moves a cursor on by the blocks it has begun to send. It may have got them before retention
    /// passed it: if the next block is still kept, it has lost nothing.
    pub(crate) fn advance(&mut self, place: &mut Place, begun: &[Block]) {
        if let Some(count) = self.standing_at(place.index) {
            *count -= 1;
        }
        place.index += begun.len() as u64;
        place.seq += begun.iter().map(Block::messages).sum::<u64>();
        if let Some(count) = self.standing_at(place.index) {
            *count += 1;
        }
        self.free_read();
    }

    /// Where a cursor with this place is counted; nowhere if it was passed and may not skip.
    fn standing_at(&mut self, index: u64) -> Option<&mut usize> {
        let index = match self.when_slow {
            WhenSlow::Skip => index.max(self.first),
            WhenSlow::Wait(_) | WhenSlow::Close => index,
        };
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        Some(match self.entries.get_mut(offset) {
            Some(entry) => &mut entry.standing,
            None => &mut self.at_end,
        })
    }

    /// Lets a cursor that was passed skip to the first kept block, if that is the policy. Returns
    /// how many messages it has lost.
    pub(crate) fn skip(&self, place: &mut Place) -> u64 {
        if self.when_slow != WhenSlow::Skip || place.index >= self.first {
            return 0;
        }
        let lost = self.first_seq() - place.seq;
        place.index = self.first;
        place.seq += lost;
        lost
    }

    /// The kept blocks from a place on.
    pub(crate) fn blocks_from(&self, place: Place) -> impl Iterator<Item = &Block> {
        let offset = place.index.saturating_sub(self.first);
        let offset =
            usize::try_from(offset).map_or(self.entries.len(), |n| n.min(self.entries.len()));
        self.entries.range(offset..).map(|entry| &entry.block)
    }

    /// Whether retention has passed this place for good.
    pub(crate) fn has_passed(&self, place: Place) -> bool {
        self.when_slow != WhenSlow::Skip && place.index < self.first
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.effects.appended = true;
        self.effects.ending = true;
        self.effects.room = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    pub(crate) fn when_slow(&self) -> WhenSlow {
        self.when_slow
    }

    /// What the changes since the last call ask for.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    fn first_seq(&self) -> u64 {
        self.entries
            .front()
            .map_or(self.next_seq, |entry| entry.first_seq)
    }
}
