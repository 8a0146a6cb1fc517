//! A block on its way to the disk.

use std::sync::Arc;
use std::time::SystemTime;

use tenfold_log::{Receipt, Refused};

use crate::Block;
use crate::history::Room;
use crate::producers::Claim;
use crate::registry::Visit;

/// What is to be done when a block has arrived. As long as it is there, somebody waits for the block:
/// the channel is not forgotten, and the producer's next connection waits.
#[derive(Debug)]
pub(crate) struct Ticket {
    visit: Arc<Visit>,
    claim: Arc<Claim>,
    block: Block,
    #[expect(dead_code, reason = "held for its drop")]
    room: Room,
}

impl Ticket {
    pub(crate) fn new(visit: Arc<Visit>, claim: Arc<Claim>, block: Block, room: Room) -> Self {
        Self {
            visit,
            claim,
            block,
            room,
        }
    }
}

impl Receipt for Ticket {
    fn committed(&mut self, _first: u64, _total: u64) {
        self.claim.commit(self.block.messages());
    }

    fn visible(mut self: Box<Self>, time: SystemTime) {
        let block = std::mem::take(&mut self.block);
        self.visit.channel().tail().show(block, time);
        self.visit.enforce_total();
    }

    fn refused(self: Box<Self>, why: Refused) {
        self.claim.refuse(why);
    }

    fn must_follow(&self) -> Option<Refused> {
        self.claim.refused()
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.claim.arrives();
    }
}
