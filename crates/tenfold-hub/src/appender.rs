//! One connection's leave to append to a channel.

use std::sync::Arc;
use std::time::SystemTime;

use tenfold::protocol::{ProducerId, Refusal};

use crate::Block;
use crate::channel::Channel;
use crate::producers::Claim;
use crate::registry::Visit;
use crate::tail::NotAppended;

/// A channel, and a claim to append to it. The producer's goes on to its next connection.
#[derive(Debug)]
pub(crate) struct Appender {
    visit: Visit,
    claim: Arc<Claim>,
    producer: Option<ProducerId>,
    clock: fn() -> SystemTime,
}

impl Appender {
    pub(crate) fn new(
        visit: Visit,
        producer: Option<ProducerId>,
        clock: fn() -> SystemTime,
    ) -> Result<Self, Refusal> {
        let claim = visit.channel().claim(producer.as_ref(), clock())?;
        Ok(Self {
            visit,
            claim,
            producer,
            clock,
        })
    }

    /// Commits a block.
    ///
    /// Cancel-safe: a call that is dropped before it is ready has appended nothing.
    pub(crate) async fn append(&self, block: Block) -> Result<(), NotAppended> {
        let time = (self.clock)();
        tokio::select! {
            biased;
            () = self.claim.fenced() => Err(NotAppended::Fenced),
            appended = self.channel().append(&self.claim, block, time) => {
                self.visit.enforce_total();
                appended
            }
        }
    }

    /// Brings what was appended, the last block of so many bytes, to the subscribers that wait for
    /// it. To be called after [`append`](Self::append), when its success was told.
    pub(crate) fn deliver(&self, bytes: usize) {
        self.channel().tail().deliver(bytes);
    }

    /// How many messages are committed: the producer's, or this connection's.
    pub(crate) fn committed(&self) -> u64 {
        self.claim.committed()
    }

    /// Waits until another connection has the producer's claim.
    pub(crate) async fn fenced(&self) {
        self.claim.fenced().await;
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        self.visit.channel()
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Some(producer) = &self.producer {
            let now = (self.clock)();
            self.visit.channel().leave(producer, &self.claim, now);
        }
    }
}
