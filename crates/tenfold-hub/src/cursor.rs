//! A subscriber's place in the tail.

use crate::block::Block;
use crate::frames::first;
use crate::ledger::{Entry, Ledger, Shown, Spot};
use crate::tail::Tail;

/// Where a new cursor starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// At the next message to be appended.
    #[default]
    Next,
    /// At the first message that is kept.
    First,
}

/// What a look at the tail has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// Blocks to be sent.
    Blocks,
    /// Nothing yet: wait with [`Cursor::ready`].
    CaughtUp,
    /// Nothing ever: the tail is closed and everything was taken.
    Ended,
    /// Retention has passed this cursor: its next message is no longer kept.
    Passed,
}

/// A place in a tail, between the blocks that a subscriber has begun to send and the next.
///
/// To drive it: [`peek`](Self::peek) to get the next blocks, send what the socket takes,
/// [`advance`](Self::advance) by the blocks of which at least one byte was sent (the sender keeps
/// the rest of the last one), and again; [`ready`](Self::ready) when caught up. The blocks that
/// were not begun are dropped and got again later, so a subscriber that waits for its socket holds
/// nothing but its cursor and at most one block, whose frames it must finish. [`Tail`] has an example.
#[derive(Debug)]
pub struct Cursor {
    tail: Tail,
    place: Spot,
    skipped: u64,
}

impl Cursor {
    /// The most that one peek gives: a vectored write that is large enough to make the cost of a
    /// system call vanish, and small enough that one subscriber does not keep a thread for long.
    const MAX_BYTES: usize = 512 * 1024;
    /// The most blocks that one peek gives.
    pub(crate) const MAX_BLOCKS: usize = 64;

    pub(crate) fn new(tail: Tail, start: Start) -> Self {
        let place = tail.with(|ledger| ledger.enter(start == Start::First));
        Self::entered(tail, place)
    }

    /// A cursor at a place that was entered.
    pub(crate) fn entered(tail: Tail, place: Spot) -> Self {
        Self {
            tail,
            place,
            skipped: 0,
        }
    }

    /// Puts the next blocks into `blocks` (which is cleared), without moving: at most 64, and no
    /// further one once they are 512 KiB.
    pub fn peek(&mut self, blocks: &mut Vec<Block>) -> Look {
        self.peek_while(blocks, |bytes, _| bytes < Self::MAX_BYTES)
    }

    /// [`peek`](Self::peek) of at most so many bytes, or of one block.
    pub(crate) fn peek_within(&mut self, blocks: &mut Vec<Block>, most: usize) -> Look {
        self.peek_while(blocks, |bytes, next| bytes + next <= most)
    }

    /// Puts the next block into `blocks`, and others for as long as `more` wants to have one of so many bytes
    /// after so many.
    fn peek_while(&mut self, blocks: &mut Vec<Block>, more: impl Fn(usize, usize) -> bool) -> Look {
        blocks.clear();
        let Self {
            tail,
            place,
            skipped,
        } = self;
        tail.with(|ledger| {
            *skipped += ledger.skip(place);
            if ledger.has_passed(*place) {
                return Look::Passed;
            }
            let mut bytes = 0;
            for block in ledger.blocks_from(*place).take(Self::MAX_BLOCKS) {
                if bytes > 0 && !more(bytes, block.bytes().len()) {
                    break;
                }
                bytes += block.bytes().len();
                blocks.push(block.clone());
            }
            match (blocks.is_empty(), ledger.is_closed()) {
                (false, _) => Look::Blocks,
                (true, false) => Look::CaughtUp,
                (true, true) => Look::Ended,
            }
        })
    }

    /// [`peek`](Self::peek), for a client that does not take frames: no further block once they are so many bytes.
    pub(crate) fn peek_shown(&mut self, most: usize) -> (Look, Vec<Shown>) {
        let place = self.place;
        self.tail.with(|ledger| {
            if ledger.has_passed(place) {
                return (Look::Passed, Vec::new());
            }
            let mut bytes = 0;
            let within = |shown: &Shown| {
                let is_within = bytes < most;
                bytes += shown.block.bytes().len();
                is_within
            };
            let shown = ledger.shown_from(place).take(Self::MAX_BLOCKS);
            let shown: Vec<_> = shown.take_while(within).collect();
            match (shown.is_empty(), ledger.is_closed()) {
                (false, _) => (Look::Blocks, shown),
                (true, false) => (Look::CaughtUp, shown),
                (true, true) => (Look::Ended, shown),
            }
        })
    }

    /// Moves on by blocks that the last [`peek`](Self::peek) gave, from its first on.
    pub fn advance(&mut self, begun: &[Block]) {
        if !begun.is_empty() {
            let Self { tail, place, .. } = self;
            tail.with(|ledger| ledger.advance(place, begun));
        }
    }

    /// [`advance`](Self::advance) by so many blocks, which have so many messages.
    pub(crate) fn advance_by(&mut self, blocks: usize, messages: u64) {
        if blocks > 0 {
            let Self { tail, place, .. } = self;
            tail.with(|ledger| ledger.advance_by(place, blocks, messages));
        }
    }

    /// Waits until there is something new to see: a block, or the end.
    pub async fn ready(&self) {
        let place = self.place;
        self.tail
            .until_appended(|ledger| {
                ledger.is_closed()
                    || ledger.has_passed(place)
                    || ledger.blocks_from(place).next().is_some()
            })
            .await;
    }

    /// Waits until this cursor has an end in sight: retention has passed it, or the tail is closed.
    pub fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let (tail, place) = (self.tail.clone(), self.place);
        async move {
            tail.until_ending(|ledger| ledger.is_closed() || ledger.has_passed(place))
                .await;
        }
    }

    /// Waits until retention has passed this cursor, so that the tail does not keep the block before it either.
    pub(crate) fn passed(&self) -> impl Future<Output = ()> + Send + use<> {
        let (tail, place) = (self.tail.clone(), self.place);
        async move { tail.until_ending(|ledger| ledger.has_passed(place)).await }
    }

    /// Goes on in the tail, if that has its next message; returns what comes before the place there.
    pub(crate) fn rejoin(&mut self) -> Option<Entry> {
        let Self { tail, place, .. } = self;
        tail.with(|ledger| {
            if place.seq < ledger.first_seq() || place.seq > ledger.next_seq() {
                return None;
            }
            let mut entry = ledger.entry(place.seq);
            entry.place.holds = place.holds;
            ledger.enter_at(entry.place);
            *place = entry.place;
            Some(entry)
        })
    }

    /// Goes on in the tail at a seq, if that is kept there or is the next one: at the block that it is in.
    /// How many of the block's messages come before it.
    pub(crate) fn rejoin_at(&mut self, seq: u64) -> Option<u64> {
        let Self { tail, place, .. } = self;
        tail.with(|ledger| {
            if seq < ledger.first_seq() || seq > ledger.next_seq() {
                return None;
            }
            let (mut spot, skip) = ledger.spot(seq);
            spot.holds = place.holds;
            ledger.enter_at(spot);
            *place = spot;
            Some(skip)
        })
    }

    /// Goes on at the first message that is kept; its seq. Only for a cursor that was passed.
    pub(crate) fn restart(&mut self) -> u64 {
        let Self { tail, place, .. } = self;
        let holds = place.holds;
        *place = tail.with(|ledger| {
            let mut place = ledger.enter(true);
            if !holds {
                ledger.hold_no_more(&mut place);
            }
            place
        });
        place.seq
    }

    /// Moves on by messages that were found elsewhere.
    pub(crate) fn pass(&mut self, messages: u64) {
        self.go_to(self.place.seq + messages);
    }

    /// Goes back to a seq. How many messages of the block that it stands at come before that; outside, none do.
    pub(crate) fn go_back(&mut self, seq: u64) -> u64 {
        let before = self.place;
        if let Some(skip) = self.rejoin_at(seq) {
            self.tail.with(|ledger| ledger.leave(before));
            return skip;
        }
        self.tail.with(|ledger| ledger.leave(before));
        self.go_to(seq);
        0
    }

    /// Goes on at a seq that is to be found elsewhere. Only for a cursor that is there already.
    pub(crate) fn go_to(&mut self, seq: u64) {
        let holds = self.place.holds;
        self.place = Spot {
            holds,
            ..Ledger::outside(seq)
        };
    }

    /// Waits until the tail is closed.
    pub(crate) fn closing(&self) -> impl Future<Output = ()> + Send + use<> {
        let tail = self.tail.clone();
        async move { tail.until_ending(Ledger::is_closed).await }
    }

    /// Has appending never wait for this cursor.
    pub(crate) fn hold_no_more(&mut self) {
        let Self { tail, place, .. } = self;
        tail.with(|ledger| ledger.hold_no_more(place));
    }

    /// Whether appending may have to wait for it.
    pub(crate) fn holds(&self) -> bool {
        self.place.holds
    }

    /// The tail that it is a place in.
    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Of a block that was read at its place, what comes before the end of the tail: one that is closed ends before what is
    /// still committed then.
    pub(crate) fn up_to_the_end(&self, block: Block) -> Block {
        let most = self.tail.next_seq().saturating_sub(self.seq());
        if block.messages() > most {
            first(&block, most)
        } else {
            block
        }
    }

    /// The seq of the next message.
    pub fn seq(&self) -> u64 {
        self.place.seq
    }

    /// How many messages were dropped for this cursor, as far as it has looked.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

impl Tail {
    /// A new cursor.
    pub fn cursor(&self, start: Start) -> Cursor {
        Cursor::new(self.clone(), start)
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let place = self.place;
        self.tail.with(|ledger| ledger.leave(place));
    }
}
