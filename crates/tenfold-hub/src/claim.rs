//! One connection's leave to append.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tenfold_log::Refused;
use tokio::sync::Notify;

use crate::change::Change;

/// One connection's leave to append. It is checked and counted under the lock under which blocks
/// are appended, which is what makes fencing exact.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    fenced: AtomicBool,
    /// Why something that was accepted is not kept. Nothing that follows it is, either.
    refused: OnceLock<Refused>,
    committed: AtomicU64,
    /// Bytes of the frames of this claim that are committed, for people.
    committed_bytes: AtomicU64,
    /// Messages that are committed or on their way.
    accepted: AtomicU64,
    /// Blocks on their way to the disk.
    in_flight: AtomicUsize,
    /// The producer's last claim that could append, as long as it is not known where that has ended.
    /// It waits for none itself, so there is no chain that connections could lengthen.
    before: Mutex<Option<Arc<Self>>>,
    /// Wakes the publisher's task, which waits for its progress; and the tasks of later connections
    /// of the producer, which wait until nothing of this one is on its way.
    changed: Notify,
    landed: Change,
    /// Its task waits for its end: until nothing is on its way.
    is_ending: AtomicBool,
}

/// How far a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClaimProgress {
    /// Nothing is on its way.
    pub(crate) is_settled: bool,
    /// Messages that are committed.
    pub(crate) committed: u64,
    /// Messages that are committed or on their way.
    pub(crate) accepted: u64,
    /// Why something is not kept.
    pub(crate) refused: Option<Refused>,
    /// Another connection has the claim.
    pub(crate) is_fenced: bool,
}

/// The claim has passed to another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fenced;

impl fmt::Display for Fenced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another connection publishes as this producer now")
    }
}

impl Claim {
    /// A producer's claim that follows another one, which is fenced.
    pub(crate) fn after(before: &Arc<Self>) -> Self {
        // A claim that has not taken over has appended nothing, and is fenced: it waits for the same.
        let waited_for = before.before().clone();
        let before = waited_for.unwrap_or_else(|| Arc::clone(before));
        Self {
            before: Mutex::new(Some(before)),
            ..Self::default()
        }
    }

    /// Whether it still holds.
    pub(crate) fn check(&self) -> Result<(), Fenced> {
        if self.fenced.load(SeqCst) {
            Err(Fenced)
        } else {
            Ok(())
        }
    }

    /// Counts messages that are committed.
    pub(crate) fn commit(&self, messages: u64) {
        self.committed.fetch_add(messages, SeqCst);
        self.changed.notify_one();
    }

    /// Counts the bytes of frames that are about to be counted as committed.
    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.committed_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// How many bytes of this connection's frames are committed.
    pub(crate) fn committed_bytes(&self) -> u64 {
        self.committed_bytes.load(Relaxed)
    }

    /// How many messages are committed: the producer's, or this connection's.
    pub(crate) fn committed(&self) -> u64 {
        self.committed.load(SeqCst)
    }

    /// Notes that a block is on its way. To be called under the lock.
    pub(crate) fn departs(&self, messages: u64) {
        self.accepted.fetch_add(messages, SeqCst);
        self.in_flight.fetch_add(1, SeqCst);
    }

    /// How many blocks are on their way to the disk.
    pub(crate) fn on_their_way(&self) -> usize {
        self.in_flight.load(SeqCst)
    }

    /// Notes that a block is where it was going to, or was refused.
    pub(crate) fn arrives(&self) {
        if self.in_flight.fetch_sub(1, SeqCst) == 1 {
            self.landed.tell();
            // A publisher that goes on is not woken for this: it was told of the commit.
            if self.is_ending.load(SeqCst) {
                self.changed.notify_one();
            }
        }
    }

    /// Nothing that follows is kept, because of this.
    pub(crate) fn refuse(&self, why: Refused) {
        // What was refused after it was refused because of it.
        let _ = self.refused.set(why);
        self.changed.notify_one();
    }

    /// Why nothing is kept any more.
    pub(crate) fn refused(&self) -> Option<Refused> {
        self.refused.get().copied()
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> ClaimProgress {
        // In this order: once nothing is on its way, the rest does not change.
        let is_settled = self.in_flight.load(SeqCst) == 0;
        let committed = self.committed();
        ClaimProgress {
            is_settled,
            committed,
            accepted: self.accepted.load(SeqCst).max(committed),
            refused: self.refused(),
            is_fenced: self.check().is_err(),
        }
    }

    /// Whether nothing is on its way, neither of this claim nor of the one before it.
    pub(crate) fn is_settled(&self) -> bool {
        self.take_over();
        self.before().is_none() && self.in_flight.load(SeqCst) == 0
    }

    /// Waits until what the producer's claim before had on its way has arrived, and counts from
    /// there.
    pub(crate) async fn settled(&self) {
        let before = self.before().clone();
        if let Some(before) = before {
            before.landed().await;
            self.take_over();
        }
    }

    /// Waits until nothing is on its way. To be called when nothing more can come.
    async fn landed(&self) {
        let is_empty = || self.in_flight.load(SeqCst) == 0;
        self.landed.until(is_empty).await;
    }

    /// Counts from where the claim before has ended, if that is known.
    pub(crate) fn take_over(&self) {
        let mut slot = self.before();
        if let Some(before) = &*slot
            && before.in_flight.load(SeqCst) == 0
        {
            let committed = before.committed();
            self.committed.store(committed, SeqCst);
            self.accepted.store(committed, SeqCst);
            *slot = None;
        }
    }

    fn before(&self) -> MutexGuard<'_, Option<Arc<Self>>> {
        self.before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it. To be called under the lock.
    pub(crate) fn fence(&self) {
        self.fenced.store(true, SeqCst);
        self.changed.notify_one();
    }

    /// Waits until it has ended.
    pub(crate) async fn fenced(&self) {
        self.until(|claim| claim.check().is_err()).await;
    }

    /// Waits until it is further than this. Whether something is still on its way counts only for a
    /// publisher that is `ending`.
    pub(crate) async fn moved(&self, seen: ClaimProgress, ending: bool) {
        self.is_ending.store(ending, SeqCst);
        self.until(|claim| {
            let mut progress = claim.progress();
            if !ending {
                progress.is_settled = seen.is_settled;
            }
            progress != seen
        })
        .await;
    }

    /// One task waits for a claim, and for one thing at a time; `notify_one` leaves a permit if it comes
    /// later.
    async fn until(&self, met: impl Fn(&Self) -> bool) {
        while !met(self) {
            self.changed.notified().await;
        }
    }
}
