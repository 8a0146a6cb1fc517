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
//! cursors, and moving one is two additions. Cursors for which appending never waits are counted apart. Invariant: the counts of all blocks plus `at_end` are
//! the number of live cursors that were not passed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tenfold::protocol::Position;

use crate::block::Block;
use crate::encodings::Encodings;
use crate::frames::{after, first};
use crate::when_slow::WhenSlow;

/// A cursor's place: the index of its next block, and the seq of its next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) index: u64,
    pub(crate) seq: u64,
    /// Whether appending may have to wait for the cursor.
    pub(crate) holds: bool,
}

/// How many cursors stand somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Standing {
    holding: usize,
    others: usize,
}

impl Standing {
    fn is_none(self) -> bool {
        self == Self::default()
    }

    fn of(&mut self, place: Spot) -> &mut usize {
        if place.holds {
            &mut self.holding
        } else {
            &mut self.others
        }
    }

    fn add(&mut self, more: Self) {
        self.holding += more.holding;
        self.others += more.others;
    }
}

/// Which blocks are kept when there is room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Those that some cursor has yet to send: a broadcast has no use for the others, and a small
    /// ledger stays in the processor's cache.
    Unsent,
    /// All of them, for subscribers to come.
    All,
}

/// Where a subscription starts.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The seq of its first message.
    pub(crate) from: u64,
    pub(crate) place: Spot,
    /// The block before the place, if some of its last messages come first, and how many of its
    /// messages do not.
    pub(crate) head: Option<(Block, u64)>,
}

/// Why a position cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotThere {
    /// It is before the first message that is kept.
    Trimmed,
    /// It is after the next message.
    Future,
}

/// What is to be done after a change, once the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Blocks to be dropped: returning a large one to the system takes time.
    pub(crate) freed: Vec<Block>,
    pub(crate) freed_encodings: Vec<Arc<Encodings>>,
    /// There is a new block, and a cursor may be waiting for it.
    pub(crate) appended: bool,
    /// A cursor was passed or the tail was closed.
    pub(crate) ending: bool,
    /// An append that was refused can be tried again.
    pub(crate) room: bool,
    /// By how much the cost of what is kept has changed, in bytes.
    pub(crate) cost: isize,
}

/// One of so many parts of the capacity is for encodings.
const ENCODED_SHARE: usize = 8;

#[derive(Debug)]
struct Kept {
    block: Block,
    first_seq: u64,
    /// How many bytes were appended before it.
    first_byte: u64,
    /// When it was appended. Never earlier than the block before it.
    time: SystemTime,
    standing: Standing,
    /// The producers that have messages in it, and how many each has then.
    counts: Box<[Count]>,
    /// For clients that do not take frames, and what that takes in bytes.
    encodings: Option<Arc<Encodings>>,
    encoded: usize,
}

/// How many messages of a producer are committed.
pub(crate) type Count = (Arc<str>, u64);

/// Blocks that were committed at one time.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) blocks: Vec<Block>,
    pub(crate) messages: u64,
    pub(crate) time: SystemTime,
    /// The producers whose counts the blocks have changed.
    pub(crate) counts: Vec<Count>,
}

/// A block as clients see it that do not take frames.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) block: Block,
    /// The seq of its first message.
    pub(crate) first: u64,
    /// Its index in the ledger.
    pub(crate) index: u64,
    pub(crate) encodings: Arc<Encodings>,
}

impl Kept {
    /// What it takes from the capacity, in bytes.
    fn cost(&self) -> usize {
        self.block.cost() + self.encoded
    }

    /// The seq after its last message.
    fn end_seq(&self) -> u64 {
        self.first_seq + self.block.messages()
    }
}

#[derive(Debug)]
pub(crate) struct Ledger {
    blocks: VecDeque<Kept>,
    /// Index of the front block, counted over all blocks ever appended.
    first: u64,
    next_seq: u64,
    /// How many bytes were ever appended.
    next_byte: u64,
    /// The seq of the first message that was ever appended.
    base: u64,
    /// Blocks up to this seq may be dropped. A block after it is on its way to the channel's files, and
    /// until it is there it cannot be read elsewhere.
    written: u64,
    at_end: Standing,
    cost: usize,
    /// What of this the encodings take, and which is the first block that may have some.
    encoded: usize,
    first_encoded: u64,
    capacity: usize,
    when_slow: WhenSlow,
    keep: Keep,
    /// How many messages of each producer are committed, on a channel with a log.
    counts: BTreeMap<Arc<str>, u64>,
    /// When the newest block was appended, and the newest of those that are not kept any more.
    newest: SystemTime,
    trimmed: Option<SystemTime>,
    wants_room: bool,
    /// Somebody without a cursor waits for the next block.
    is_awaited: bool,
    closed: bool,
    effects: Effects,
}

impl Ledger {
    pub(crate) fn new(capacity: usize, when_slow: WhenSlow, keep: Keep) -> Self {
        Self {
            blocks: VecDeque::new(),
            first: 0,
            next_seq: 0,
            next_byte: 0,
            base: 0,
            written: u64::MAX,
            at_end: Standing::default(),
            cost: 0,
            encoded: 0,
            first_encoded: 0,
            capacity,
            when_slow,
            keep,
            counts: BTreeMap::new(),
            newest: UNIX_EPOCH,
            trimmed: None,
            wants_room: false,
            is_awaited: false,
            closed: false,
            effects: Effects::default(),
        }
    }

    /// Goes on after messages that are kept elsewhere, the last of which was appended at `newest`.
    pub(crate) fn begin_at(&mut self, seq: u64, newest: SystemTime) {
        self.next_seq = seq;
        self.base = seq;
        self.written = seq;
        // A place with the index 0 is before everything that will ever be here.
        self.first = 1;
        self.newest = newest;
        self.trimmed = (seq > 0).then_some(newest);
    }

    /// A spot before everything that is kept here, for a cursor that reads elsewhere.
    pub(crate) fn outside(seq: u64) -> Spot {
        Spot {
            index: 0,
            seq,
            holds: true,
        }
    }

    /// Adds a block and returns the seq of its first message, or gives it back if a cursor stands
    /// in the way, the policy is to wait for it, and the caller is still `patient`. A block without
    /// bytes is left out: nothing could ever be written for it.
    pub(crate) fn append(
        &mut self,
        block: Block,
        time: SystemTime,
        patient: bool,
    ) -> Result<u64, Block> {
        if block.bytes().is_empty() {
            return Ok(self.next_seq);
        }
        let hold = patient && matches!(self.when_slow, WhenSlow::Wait(_));
        while !self.fits(&block) && self.may_drop_front() {
            if hold && self.blocks[0].standing.holding > 0 {
                self.wants_room = true;
                return Err(block);
            }
            self.pass_front();
        }
        let first_seq = self.next_seq;
        self.next_seq += block.messages();
        let first_byte = self.next_byte;
        self.next_byte += block.bytes().len() as u64;
        self.cost += block.cost();
        self.effects.cost += block.cost().cast_signed();
        self.effects.appended |= !self.at_end.is_none() || std::mem::take(&mut self.is_awaited);
        // The clock may have been set back.
        self.newest = self.newest.max(time);
        self.blocks.push_back(Kept {
            block,
            first_seq,
            first_byte,
            time: self.newest,
            standing: std::mem::take(&mut self.at_end),
            counts: Box::default(),
            encodings: None,
            encoded: 0,
        });
        self.free_read();
        Ok(first_seq)
    }

    /// The counts of these producers are as the newest block has made them.
    pub(crate) fn note_counts(&mut self, counts: Box<[Count]>) {
        for (id, count) in &counts {
            self.count(id, *count);
        }
        if let Some(newest) = self.blocks.back_mut() {
            newest.counts = counts;
        }
    }

    /// So many messages of a producer are committed.
    pub(crate) fn count(&mut self, producer: &Arc<str>, count: u64) {
        self.counts.insert(Arc::clone(producer), count);
    }

    /// How many messages of each producer are committed now.
    pub(crate) fn counts(&self) -> Vec<Count> {
        let counts = self.counts.iter();
        counts.map(|(id, count)| (Arc::clone(id), *count)).collect()
    }

    /// A producer is not known any more.
    pub(crate) fn forget(&mut self, producer: &str) {
        self.counts.remove(producer);
    }

    /// What was committed at one time, from a seq on and before another one: about `most` bytes at the most; without
    /// messages if there are none. `None` if that is before what is kept here.
    pub(crate) fn piece(&self, seq: u64, before: u64, most: usize) -> Option<Piece> {
        if seq < self.first_seq() {
            return None;
        }
        let mut piece = Piece {
            blocks: Vec::new(),
            messages: 0,
            time: self.newest,
            counts: Vec::new(),
        };
        let mut bytes = 0;
        let index = self.blocks.partition_point(|kept| kept.end_seq() <= seq);
        for kept in self.blocks.range(index..) {
            let from = kept.first_seq.max(seq);
            let is_first = piece.blocks.is_empty();
            let is_apart = kept.time != piece.time || bytes + kept.block.bytes().len() > most;
            if from >= before || !is_first && is_apart {
                break;
            }
            piece.time = kept.time;
            let mut block = after(&kept.block, from - kept.first_seq);
            if kept.end_seq() > before {
                block = first(&block, before - from);
            } else {
                piece.counts.extend(kept.counts.iter().cloned());
            }
            bytes += block.bytes().len();
            piece.messages += block.messages();
            piece.blocks.push(block);
        }
        Some(piece)
    }

    /// Notes that the channel's files have the messages up to a seq. What was kept only for them may go.
    pub(crate) fn written(&mut self, seq: u64) {
        self.written = self.written.max(seq);
        while self.cost > self.capacity && self.blocks.len() > 1 && self.may_drop_front() {
            self.pass_front();
        }
    }

    fn may_drop_front(&self) -> bool {
        self.blocks
            .front()
            .is_some_and(|kept| kept.end_seq() <= self.written)
    }

    /// Whether a block can be added as things are. Any block fits into an empty tail: one that is
    /// larger than the capacity stands alone.
    fn fits(&self, block: &Block) -> bool {
        self.blocks.is_empty() || self.cost.saturating_add(block.cost()) <= self.capacity
    }

    /// Retention, the half that is forced: drops the front block under the cursors that stand at
    /// it. With `skip` they go on at the next block, otherwise they are told to end.
    fn pass_front(&mut self) {
        let passed = self.pop_front();
        if passed.is_none() {
            return;
        }
        match self.when_slow {
            WhenSlow::Skip => match self.blocks.front_mut() {
                Some(next) => next.standing.add(passed),
                None => self.at_end.add(passed),
            },
            WhenSlow::Wait(_) | WhenSlow::Close => self.effects.ending = true,
        }
    }

    /// Frees at least so many bytes of the oldest blocks, as far as there are any that may go, under
    /// whatever cursors stand at them.
    pub(crate) fn trim(&mut self, bytes: usize) {
        let target = self.cost.saturating_sub(bytes);
        while self.cost > target && self.may_drop_front() {
            self.pass_front();
        }
    }

    /// How much [`trim`](Self::trim) could free, in bytes.
    pub(crate) fn trimmable(&self) -> usize {
        let held = self.blocks.iter().rev();
        let held = held.take_while(|kept| kept.end_seq() > self.written);
        self.cost - held.map(Kept::cost).sum::<usize>()
    }

    /// Retention, the half that is free: what is not worth keeping, once no cursor stands at it
    /// any more.
    fn free_read(&mut self) {
        let front = self.blocks.front();
        if self.wants_room && front.is_none_or(|kept| kept.standing.holding == 0) {
            self.wants_room = false;
            self.effects.room = true;
        }
        while self.keep == Keep::Unsent
            && self
                .blocks
                .front()
                .is_some_and(|kept| kept.standing.is_none())
        {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) -> Standing {
        let Some(kept) = self.blocks.pop_front() else {
            return Standing::default();
        };
        self.first += 1;
        self.cost -= kept.cost();
        self.encoded -= kept.encoded;
        self.effects.cost -= kept.cost().cast_signed();
        self.trimmed = Some(kept.time);
        self.effects.freed.push(kept.block);
        self.effects.freed_encodings.extend(kept.encodings);
        self.effects.room |= std::mem::take(&mut self.wants_room);
        kept.standing
    }

    /// Where a subscription from this position starts. Nothing is entered yet.
    pub(crate) fn find(&self, from: Position) -> Result<Entry, NotThere> {
        let (first, next) = (self.first_seq(), self.next_seq);
        let at_time = |time| self.seq_at(time).ok_or(NotThere::Trimmed);
        let seq = from.seq(first, next, at_time)?;
        if seq < first {
            return Err(NotThere::Trimmed);
        }
        if seq > next {
            return Err(NotThere::Future);
        }
        Ok(self.entry(seq))
    }

    /// The seq of the first message that was appended at or after a time; `None` if that may have been
    /// before what is kept here.
    pub(crate) fn seq_at(&self, time: SystemTime) -> Option<u64> {
        if self.trimmed.is_some_and(|trimmed| time <= trimmed) {
            return None;
        }
        let index = self.blocks.partition_point(|kept| kept.time < time);
        let found = self.blocks.get(index);
        Some(found.map_or(self.next_seq, |kept| kept.first_seq))
    }

    /// When messages from a seq on were appended, of at most so many blocks: a seq, how many messages follow from
    /// it on, and their time. `None` if that is before what is kept here.
    pub(crate) fn times(&self, seq: u64, most: usize) -> Option<Vec<(u64, u64, SystemTime)>> {
        if seq < self.first_seq() {
            return None;
        }
        let index = self.blocks.partition_point(|kept| kept.end_seq() <= seq);
        let blocks = self.blocks.range(index..).take(most);
        let time = |kept: &Kept| {
            let from = kept.first_seq.max(seq);
            (from, kept.end_seq() - from, kept.time)
        };
        Some(blocks.map(time).collect())
    }

    /// Whether there is a message from a seq on, or the end; if not, the next block is told to those that wait.
    pub(crate) fn has_after(&mut self, seq: u64) -> bool {
        let has = self.next_seq > seq || self.closed;
        self.is_awaited |= !has;
        has
    }

    /// Where a seq that is kept, or the next one, is.
    pub(crate) fn entry(&self, from: u64) -> Entry {
        let index = self.blocks.partition_point(|kept| kept.end_seq() <= from);
        let mut place = Spot {
            index: self.first + index as u64,
            seq: from,
            holds: true,
        };
        let mut head = None;
        if let Some(kept) = self.blocks.get(index)
            && kept.first_seq < from
        {
            place.index += 1;
            place.seq = kept.end_seq();
            head = Some((kept.block.clone(), from - kept.first_seq));
        }
        Entry { from, place, head }
    }

    /// The block that a seq is in, for a seq that is kept or the next one, and how many of its messages come
    /// before that.
    pub(crate) fn spot(&self, seq: u64) -> (Spot, u64) {
        match self.entry(seq) {
            Entry {
                place,
                head: Some((_, skip)),
                ..
            } => {
                let spot = Spot {
                    index: place.index - 1,
                    seq: seq - skip,
                    holds: true,
                };
                (spot, skip)
            }
            Entry { place, .. } => (place, 0),
        }
    }

    /// Enters a cursor at a place that was found under the same lock.
    pub(crate) fn enter_at(&mut self, place: Spot) {
        if let Some(standing) = self.standing_at(place.index) {
            *standing.of(place) += 1;
        }
    }

    /// From now on appending does not wait for a cursor.
    pub(crate) fn hold_no_more(&mut self, place: &mut Spot) {
        let before = *place;
        place.holds = false;
        self.enter_at(*place);
        self.leave(before);
    }

    /// A new cursor's place: at the end, or at the first kept block.
    pub(crate) fn enter(&mut self, at_first: bool) -> Spot {
        let place = if at_first {
            Spot {
                index: self.first,
                seq: self.first_seq(),
                holds: true,
            }
        } else {
            Spot {
                index: self.first + self.blocks.len() as u64,
                seq: self.next_seq,
                holds: true,
            }
        };
        self.enter_at(place);
        place
    }

    pub(crate) fn leave(&mut self, place: Spot) {
        if let Some(standing) = self.standing_at(place.index) {
            *standing.of(place) -= 1;
        }
        self.free_read();
    }

    /// Moves a cursor on by the blocks it has begun to send. It may have got them before retention
    /// passed it: if the next block is still kept, it has lost nothing.
    pub(crate) fn advance(&mut self, place: &mut Spot, begun: &[Block]) {
        self.advance_by(place, begun.len(), begun.iter().map(Block::messages).sum());
    }

    /// [`advance`](Self::advance) by so many blocks, which have so many messages.
    pub(crate) fn advance_by(&mut self, place: &mut Spot, blocks: usize, messages: u64) {
        if let Some(standing) = self.standing_at(place.index) {
            *standing.of(*place) -= 1;
        }
        place.index += blocks as u64;
        place.seq += messages;
        if let Some(standing) = self.standing_at(place.index) {
            *standing.of(*place) += 1;
        }
        self.free_read();
    }

    /// Where a cursor with this place is counted; nowhere if it was passed and may not skip.
    fn standing_at(&mut self, index: u64) -> Option<&mut Standing> {
        let index = match self.when_slow {
            WhenSlow::Skip => index.max(self.first),
            WhenSlow::Wait(_) | WhenSlow::Close => index,
        };
        let offset = usize::try_from(index.checked_sub(self.first)?).ok()?;
        Some(match self.blocks.get_mut(offset) {
            Some(kept) => &mut kept.standing,
            None => &mut self.at_end,
        })
    }

    /// Lets a cursor that was passed skip to the first kept block, if that is the policy. Returns
    /// how many messages it has lost.
    pub(crate) fn skip(&self, place: &mut Spot) -> u64 {
        if self.when_slow != WhenSlow::Skip || place.index >= self.first {
            return 0;
        }
        let lost = self.first_seq() - place.seq;
        place.index = self.first;
        place.seq += lost;
        lost
    }

    /// The kept blocks from a place on.
    pub(crate) fn blocks_from(&self, place: Spot) -> impl Iterator<Item = &Block> {
        let offset = place.index.saturating_sub(self.first);
        let offset =
            usize::try_from(offset).map_or(self.blocks.len(), |n| n.min(self.blocks.len()));
        self.blocks.range(offset..).map(|kept| &kept.block)
    }

    /// The kept blocks from a place on, for clients that do not take frames.
    pub(crate) fn shown_from(&mut self, place: Spot) -> impl Iterator<Item = Shown> {
        let from = place.index.max(self.first);
        let offset = usize::try_from(from - self.first);
        let offset = offset.map_or(self.blocks.len(), |n| n.min(self.blocks.len()));
        let blocks = self.blocks.range_mut(offset..);
        blocks.zip(from..).map(|(kept, index)| Shown {
            block: kept.block.clone(),
            first: kept.first_seq,
            index,
            encodings: Arc::clone(kept.encodings.get_or_insert_default()),
        })
    }

    /// Notes that encodings of a block take so many bytes more. All of them together get a part of the capacity, at the
    /// blocks' expense; beyond it the oldest are dropped, but for those of one block. So they are there where many clients
    /// are, at the end, and a client that reads what is old takes nothing from the channel.
    pub(crate) fn has_encoded(&mut self, shown: &Shown, bytes: usize) {
        let offset = shown.index.checked_sub(self.first);
        let offset = offset.and_then(|offset| usize::try_from(offset).ok());
        let Some(kept) = offset.and_then(|offset| self.blocks.get_mut(offset)) else {
            return;
        };
        let is_kept = |encodings: &Arc<Encodings>| Arc::ptr_eq(encodings, &shown.encodings);
        if !kept.encodings.as_ref().is_some_and(is_kept) {
            return;
        }
        kept.encoded += bytes;
        self.encoded += bytes;
        self.cost += bytes;
        self.effects.cost += bytes.cast_signed();
        self.first_encoded = self.first_encoded.min(shown.index);
        self.drop_encodings();
    }

    fn drop_encodings(&mut self) {
        let most = self.capacity / ENCODED_SHARE;
        while self.encoded > most {
            self.first_encoded = self.first_encoded.max(self.first);
            let offset = usize::try_from(self.first_encoded - self.first);
            let Some(kept) = offset.ok().and_then(|offset| self.blocks.get_mut(offset)) else {
                return;
            };
            if kept.encoded == self.encoded {
                // It is the only one.
                return;
            }
            let bytes = std::mem::take(&mut kept.encoded);
            self.effects.freed_encodings.extend(kept.encodings.take());
            self.encoded -= bytes;
            self.cost -= bytes;
            self.effects.cost -= bytes.cast_signed();
            self.first_encoded += 1;
        }
    }

    /// Whether retention has passed this place for good.
    pub(crate) fn has_passed(&self, place: Spot) -> bool {
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

    /// The index after the newest block.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// How many messages were ever appended.
    pub(crate) fn appended(&self) -> u64 {
        self.next_seq - self.base
    }

    /// How many bytes of frames were ever appended.
    pub(crate) fn appended_bytes(&self) -> u64 {
        self.next_byte
    }

    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Bytes of the frames that are kept.
    pub(crate) fn bytes(&self) -> u64 {
        let front = self.blocks.front();
        self.next_byte - front.map_or(self.next_byte, |kept| kept.first_byte)
    }

    /// Bytes of the frames from a seq on, which is where a block begins.
    pub(crate) fn bytes_from(&self, seq: u64) -> u64 {
        let index = self.blocks.partition_point(|kept| kept.first_seq < seq);
        let from = self.blocks.get(index);
        self.next_byte - from.map_or(self.next_byte, |kept| kept.first_byte)
    }

    pub(crate) fn when_slow(&self) -> WhenSlow {
        self.when_slow
    }

    /// What the changes since the last call ask for.
    pub(crate) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The seq of the first message that is kept.
    pub(crate) fn first_seq(&self) -> u64 {
        self.blocks
            .front()
            .map_or(self.next_seq, |kept| kept.first_seq)
    }
}

#[cfg(test)]
mod tests;
