//! One connection's leave to append to a channel.

use std::sync::Arc;
use std::time::SystemTime;

use tenfold::protocol::{ProducerId, Refusal};
use tenfold_log::Submission;

use crate::block::Block;
use crate::channel::Channel;
use crate::claim::{Claim, ClaimProgress, Fenced};
use crate::history::History;
use crate::ledger::Count;
use crate::registry::Visit;
use crate::tail::NotAppended;
use crate::ticket::{Counted, Ticket};

/// A channel, and a claim to append to it. The producer's goes on to its next connection.
#[derive(Debug)]
pub(crate) struct Appender {
    visit: Arc<Visit>,
    claim: Arc<Claim>,
    producer: Option<ProducerId>,
    /// The producer, as the log has its name.
    counted: Option<Arc<str>>,
    clock: fn() -> SystemTime,
}

impl Appender {
    pub(crate) fn new(
        visit: Visit,
        producer: Option<ProducerId>,
        clock: fn() -> SystemTime,
    ) -> Result<Self, Refusal> {
        let claim = visit.claim(producer.as_ref(), clock())?;
        Ok(Self {
            visit: Arc::new(visit),
            claim,
            counted: producer.as_ref().map(|id| id.as_str().into()),
            producer,
            clock,
        })
    }

    /// Waits until everything is committed or refused that was accepted from the producer's earlier
    /// connections. To be called before it is used.
    pub(crate) async fn settled(&self) -> Result<(), Fenced> {
        tokio::select! {
            biased;
            () = self.claim.fenced() => Err(Fenced),
            () = self.claim.settled() => Ok(()),
        }
    }

    /// Commits a block, or, on a channel with a log, accepts it: what becomes of it is seen in
    /// [`progress`](Self::progress).
    ///
    /// Cancel-safe: a call that is dropped before it is ready has appended nothing.
    pub(crate) async fn append(&self, block: Block) -> Result<(), NotAppended> {
        tokio::select! {
            biased;
            () = self.claim.fenced() => Err(NotAppended::Fenced),
            // Before the block: of a channel that stays after all, nothing may be there that followed what was not
            // appended.
            () = self.channel().deletion().raised() => Err(NotAppended::Deleted),
            appended = self.enter(block) => appended,
        }
    }

    /// Waits until nothing is on its way any more.
    pub(crate) async fn landed(&self) {
        let mut progress = self.progress();
        while !progress.is_settled {
            self.moved(progress, true).await;
            progress = self.progress();
        }
    }

    /// Leaves a channel that is being deleted, for nothing more is appended, and waits until it is known what has become
    /// of that. Returns what the publisher is told.
    pub(crate) async fn outlast_deletion(&self) -> Refusal {
        self.landed().await;
        self.visit.leave_early();
        self.channel().deletion_ended().await
    }

    async fn enter(&self, block: Block) -> Result<(), NotAppended> {
        let Some(history) = self.channel().history() else {
            let appended = self
                .channel()
                .append(&self.claim, block, (self.clock)())
                .await;
            self.visit.enforce_total();
            return appended;
        };
        let counted = Counted::Here(self.counted.clone());
        self.submit(history, block, counted, |submission| match &self.counted {
            Some(id) => submission.by(Arc::clone(id)),
            None => submission,
        })
        .await
    }

    /// Accepts a block of a channel with a log as another hub has committed it: at this time, after which producers have
    /// these counts.
    pub(crate) async fn append_given(
        &self,
        block: Block,
        time: SystemTime,
        counts: Box<[Count]>,
    ) -> Result<(), NotAppended> {
        let Some(history) = self.channel().history() else {
            return Err(NotAppended::Closed);
        };
        let given = counts.to_vec();
        let counted = Counted::Elsewhere(counts);
        self.submit(history, block, counted, |submission| {
            submission.committed_elsewhere(time, given)
        })
        .await
    }

    async fn submit(
        &self,
        history: &History,
        block: Block,
        counted: Counted,
        as_whose: impl FnOnce(Submission) -> Submission,
    ) -> Result<(), NotAppended> {
        let room = history.room(&self.claim, block.bytes().len()).await;
        let receipt = || {
            let (visit, claim) = (Arc::clone(&self.visit), Arc::clone(&self.claim));
            Ticket::new(visit, claim, (block.clone(), counted), room)
        };
        history.submit(&self.claim, &block, receipt, as_whose)
    }

    /// Brings what was appended, the last block of so many bytes, to the subscribers that wait for
    /// it. To be called after [`append`](Self::append), when its success was told.
    pub(crate) fn deliver(&self, bytes: usize) {
        if self.channel().history().is_none() {
            self.channel().tail().deliver(bytes);
        }
    }

    /// The claim.
    pub(crate) fn claim(&self) -> Arc<Claim> {
        Arc::clone(&self.claim)
    }

    /// How many messages are committed: the producer's, or this connection's.
    pub(crate) fn committed(&self) -> u64 {
        self.claim.committed()
    }

    /// How far what was appended is.
    pub(crate) fn progress(&self) -> ClaimProgress {
        self.claim.progress()
    }

    /// Waits until it is further than this. For a publisher that is `ending`, the moment at which
    /// nothing is on its way any more counts as well.
    pub(crate) async fn moved(&self, seen: ClaimProgress, ending: bool) {
        self.claim.moved(seen, ending).await;
    }

    /// Whether its producer was made up for one run.
    pub(crate) fn is_temporary(&self) -> bool {
        self.producer.as_ref().is_some_and(ProducerId::is_temporary)
    }

    /// Forgets a temporary producer: everything is told, and its side knows it.
    pub(crate) fn finish(self) {
        if let Some(producer) = &self.producer {
            self.channel().finish(producer, &self.claim);
        }
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        self.visit.channel()
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        if let Some(producer) = &self.producer {
            let now = (self.clock)();
            self.visit.leave(producer, &self.claim, now);
        }
    }
}
