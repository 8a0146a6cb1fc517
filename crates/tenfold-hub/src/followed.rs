//! One channel of a follower: its place there, and what comes next.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, Weak};

use tenfold::protocol::{Heading, HeadingKind};

use crate::block::Block;
use crate::channel::{Begun, Channel, Role};
use crate::cursor::{Cursor, Look};
use crate::frames::{after, first};
use crate::history::History;
use crate::holding::NextSeq;
use crate::idle::Idle;
use crate::ready::Mark;

/// The most of one channel that is sent before another one has its turn, in bytes: what one read from a
/// publisher brings, so that most blocks pass whole.
pub(crate) const RUN: usize = 256 * 1024;
/// The same where no other one waits: what one write takes.
pub(crate) const LONE_RUN: usize = 512 * 1024;

/// A place in one channel.
#[derive(Debug)]
pub(crate) struct Followed {
    pub(crate) channel: Arc<Channel>,
    cursor: Cursor,
    /// So many messages of the cursor's block come before the place.
    skip: u64,
    mark: Arc<Mark>,
    /// What is kept for it, if publishers wait for slow subscribers.
    held: Option<NextSeq>,
    /// What is to be said before anything else.
    pub(crate) notice: Option<HeadingKind>,
    pub(crate) told: Told,
    /// It has its turn, now or later.
    pub(crate) has_turn: bool,
    /// The client has been told that its place cannot be read.
    pub(crate) is_unreadable: bool,
}

/// Whether the client has heard of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    No,
    /// Its place is to be said at the beginning.
    Promised,
    Yes,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing yet: it is on the list of the channel's tail.
    Nothing,
    Notice(HeadingKind),
    /// Blocks of the tail.
    Blocks(Vec<Block>),
    /// What is in the channel's files only.
    InFiles(Arc<History>),
}

/// How far something of the tail is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    /// The seq of its first message, and how many there are.
    pub(crate) from: u64,
    pub(crate) messages: u64,
    /// Blocks that end in it, and their messages.
    blocks: usize,
    of_blocks: u64,
    /// How many messages of the block after these belong to it, or come before the place.
    skip: u64,
}

impl Followed {
    pub(crate) fn new(channel: Arc<Channel>, begun: Begun, mark: Mark) -> Self {
        channel.count(Role::Follower).fetch_add(1, Relaxed);
        let Begun {
            cursor, skip, gap, ..
        } = begun;
        let history = channel.history();
        Self {
            held: history.and_then(|history| history.enter(cursor.seq() + skip, cursor.holds())),
            channel,
            cursor,
            skip,
            mark: Arc::new(mark),
            notice: gap,
            told: Told::No,
            has_turn: false,
            is_unreadable: false,
        }
    }

    /// The seq of the next message.
    pub(crate) fn seq(&self) -> u64 {
        self.cursor.seq() + self.skip
    }

    /// Looks for what comes next: at most so many bytes of it, or one larger block.
    pub(crate) fn look(&mut self, most: usize) -> Found {
        let mut blocks = Vec::new();
        loop {
            if let Some(notice) = self.notice {
                return Found::Notice(notice);
            }
            match self.cursor.peek_within(&mut blocks, most) {
                Look::Blocks => return Found::Blocks(blocks),
                // A block that comes after this look finds it on the list.
                Look::CaughtUp if self.mark.lists() => {
                    let idle: Weak<Mark> = Arc::downgrade(&self.mark);
                    let idle: Weak<dyn Idle> = idle;
                    self.cursor.tail().enlist(idle);
                }
                Look::CaughtUp | Look::Ended => return Found::Nothing,
                Look::Passed => {
                    if let Some(history) = self.passed() {
                        return Found::InFiles(history);
                    }
                }
            }
        }
    }

    /// The tail has passed it: goes on where it has the next message, or notes that this is gone. The files,
    /// if it is only there.
    fn passed(&mut self) -> Option<Arc<History>> {
        let seq = self.seq();
        if let Some(skip) = self.cursor.rejoin_at(seq) {
            self.skip = skip;
            return None;
        }
        let Some(history) = self.channel.history() else {
            let first = self.cursor.restart();
            self.skip = 0;
            self.notice = Some(HeadingKind::Trimmed { first });
            return None;
        };
        let first = history.channel.first();
        if seq < first {
            self.gap_to(first, HeadingKind::Trimmed { first });
            return None;
        }
        Some(Arc::clone(history))
    }

    /// Goes on after what is not there, of a channel with files.
    pub(crate) fn gap_to(&mut self, seq: u64, notice: HeadingKind) {
        self.go_to(seq);
        self.notice = Some(notice);
    }

    /// Goes on at a seq that is in the files.
    pub(crate) fn go_to(&mut self, seq: u64) {
        self.cursor.go_to(seq);
        self.skip = 0;
        self.note_place();
    }

    /// Makes of the blocks that a look has found what comes next: at most so many messages. How far that is.
    pub(crate) fn cut(&self, blocks: &mut Vec<Block>, most: u64) -> Step {
        let mut step = Step {
            from: self.seq(),
            skip: self.skip,
            ..Step::default()
        };
        for index in 0..blocks.len() {
            let all = blocks[index].messages();
            let before = std::mem::take(&mut step.skip);
            if before > 0 {
                blocks[index] = after(&blocks[index], before);
            }
            let left = most - step.messages;
            if all - before > left {
                blocks[index] = first(&blocks[index], left);
                step.messages += left;
                step.skip = before + left;
                blocks.truncate(index + 1);
                return step;
            }
            step.messages += all - before;
            step.blocks += 1;
            step.of_blocks += all;
        }
        step
    }

    /// Moves on by messages of the tail.
    pub(crate) fn advance(&mut self, step: Step) {
        self.cursor.advance_by(step.blocks, step.of_blocks);
        self.skip = step.skip;
        self.note_place();
    }

    /// The line before so many messages from a seq on.
    pub(crate) fn heading(&self, from: u64, messages: u64) -> String {
        self.line(HeadingKind::run(self.channel.epoch(), from, messages))
    }

    /// The line that says where it is.
    pub(crate) fn place(&self) -> String {
        let next = self.channel.tail().next_seq();
        self.line(HeadingKind::place(self.channel.epoch(), self.seq(), next))
    }

    /// A line about this channel.
    pub(crate) fn line(&self, kind: HeadingKind) -> String {
        Heading::new(self.channel.name(), kind).to_string()
    }

    /// Messages and bytes that are committed after the place.
    pub(crate) fn lag(&self) -> (u64, u64) {
        let next = self.channel.tail().next_seq();
        (
            next.saturating_sub(self.seq()),
            self.channel.bytes_from(self.cursor.seq()),
        )
    }

    /// Whether what comes before the place is no longer kept.
    pub(crate) fn is_passed(&mut self) -> bool {
        match self.channel.history() {
            Some(history) => history.channel.first() > self.seq(),
            None => self.is_passed_by_tail(),
        }
    }

    /// Whether the tail has passed the place, so that it does not keep what comes before it either.
    pub(crate) fn is_passed_by_tail(&mut self) -> bool {
        self.cursor.peek(&mut Vec::new()) == Look::Passed
    }

    /// Waits until that is so.
    pub(crate) fn passed_by_tail(&self) -> impl Future<Output = ()> + Send + use<> {
        self.cursor.passed()
    }

    /// Waits until what comes before the place is no longer kept, or the channel is closed.
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let history = self.channel.history().cloned();
        let (passed, seq) = (self.cursor.ending(), self.seq());
        async move {
            match history {
                Some(history) => history.trimmed(seq).await,
                None => passed.await,
            }
        }
    }

    fn note_place(&self) {
        if let Some(held) = &self.held {
            held.store(self.seq(), SeqCst);
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.channel.count(Role::Follower).fetch_sub(1, Relaxed);
    }
}
