//! A block on its way to the disk.

use std::sync::Arc;

use tenfold_log::{Commit, Receipt, Refused};

use crate::block::Block;
use crate::claim::Claim;
use crate::ledger::Count;
use crate::memory::Room;
use crate::registry::Visit;
#[cfg(test)]
use crate::simulation::planted::{self, Mistake};

/// What is to be done when a block has arrived. Until it is dropped, the channel is
/// not forgotten, and the producer's next connection waits.
#[derive(Debug)]
pub(crate) struct Ticket {
    visit: Arc<Visit>,
    claim: Arc<Claim>,
    block: Block,
    counted: Counted,
    /// The seq after the block, once it has one.
    end: u64,
    #[expect(dead_code, reason = "held for its drop")]
    room: Room,
}

/// Whose messages a block has.
#[derive(Clone, Debug)]
pub(crate) enum Counted {
    /// Those of a producer that the log counts, or of none.
    Here(Option<Arc<str>>),
    /// Another hub has counted them.
    Elsewhere(Box<[Count]>),
}

impl Counted {
    /// The counts after a commit.
    fn after(self, commit: &Commit) -> Box<[Count]> {
        match self {
            Self::Here(None) => Box::default(),
            Self::Here(Some(producer)) => Box::new([(producer, commit.total)]),
            Self::Elsewhere(counts) => counts,
        }
    }
}

impl Ticket {
    pub(crate) fn new(
        visit: Arc<Visit>,
        claim: Arc<Claim>,
        (block, counted): (Block, Counted),
        room: Room,
    ) -> Self {
        Self {
            visit,
            claim,
            block,
            counted,
            end: 0,
            room,
        }
    }
}

impl Receipt for Ticket {
    /// A client that has seen the acknowledgement finds the messages: they are shown before they are
    /// counted.
    fn committed(&mut self, commit: Commit) {
        let block = std::mem::take(&mut self.block);
        let messages = block.messages();
        self.end = commit.first + messages;
        let tail = self.visit.channel().tail();
        self.claim.count_bytes(block.bytes().len());
        #[cfg(test)]
        if planted::is(Mistake::AckBeforeVisible) {
            self.block = block;
            return self.claim.commit(messages);
        }
        let counted = std::mem::replace(&mut self.counted, Counted::Here(None));
        tail.show(block, commit.time, counted.after(&commit));
        self.claim.commit(messages);
        tail.wake();
    }

    fn written(self: Box<Self>) {
        #[cfg(test)]
        if planted::is(Mistake::AckBeforeVisible) {
            let tail = self.visit.channel().tail();
            tail.show(self.block.clone(), std::time::UNIX_EPOCH, Box::default());
            tail.wake();
        }
        self.visit.channel().tail().written(self.end);
        self.visit.enforce_total();
    }

    fn refused(self: Box<Self>, why: Refused) {
        #[cfg(test)]
        if planted::is(Mistake::CountRefused) {
            let tail = self.visit.channel().tail();
            tail.show(self.block.clone(), std::time::UNIX_EPOCH, Box::default());
        }
        self.claim.refuse(why);
    }

    fn must_follow(&self) -> Option<Refused> {
        #[cfg(test)]
        if planted::is(Mistake::CommitBehindRefused) {
            return None;
        }
        self.claim.refused()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.claim.arrives();
    }
}
