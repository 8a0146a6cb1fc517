//! What the committer, the checkpointer and those who append share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::channel::Channel;
use crate::checkpoint::Checkpoint;
use crate::health::Health;
use crate::journal::JournalFiles;
use crate::names;
use crate::options::Options;
use crate::storage::Storage;
use crate::submission::Submission;
use crate::whole::{uninterrupted, write_all_at};

/// What the committer, the checkpointer and everybody else share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: Options,
    pub(crate) journal_files: JournalFiles,
    queue: Mutex<Queue>,
    channels: Mutex<BTreeMap<Arc<str>, Arc<Channel>>>,
    pub(crate) duties: Mutex<Duties>,
    /// Something has come into the queue, or the end is near.
    work: Condvar,
    /// A checkpoint is done, or has failed.
    pub(crate) freed: Condvar,
    /// There is something for the checkpointer.
    pub(crate) duty: Condvar,
    health: AtomicU8,
    /// All segments are larger than they may be, and retention can delete nothing.
    pub(crate) is_over: AtomicBool,
    pub(crate) counters: Counters,
    _lock: Box<dyn std::fmt::Debug + Send + Sync>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) removed: AtomicU64,
}

/// What waits to be committed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Queued>,
    /// The committer's thread is to look.
    is_called: bool,
    ending: bool,
}

/// Frames on their way into a channel.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) channel: Arc<Channel>,
    pub(crate) submission: Submission,
}

/// What the checkpointer is to do, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    pub(crate) checkpoint: Option<Checkpoint>,
    /// A checkpoint was given and is not done: the older journal file is still needed.
    pub(crate) is_pending: bool,
    /// There was no space for what was tried last.
    pub(crate) has_no_space: bool,
    /// All batches with a smaller number are synced in segments.
    pub(crate) done: u64,
    /// Channels that have begun a new segment.
    pub(crate) retention: BTreeSet<Arc<str>>,
    pub(crate) stage: Stage,
}

/// How near the end is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Running,
    /// What is begun is finished, but what has no space is not waited for.
    Closing,
    /// Nothing more will come.
    Over,
}

impl Common {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        journal_files: JournalFiles,
        channels: impl IntoIterator<Item = Arc<Channel>>,
        lock: Box<dyn std::fmt::Debug + Send + Sync>,
    ) -> Self {
        let named = |channel: Arc<Channel>| (Arc::clone(&channel.name), channel);
        Self {
            storage,
            options,
            journal_files,
            queue: Mutex::default(),
            channels: Mutex::new(channels.into_iter().map(named).collect()),
            duties: Mutex::default(),
            work: Condvar::new(),
            freed: Condvar::new(),
            duty: Condvar::new(),
            health: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
            counters: Counters::default(),
            _lock: lock,
        }
    }

    /// The next frames to be committed together: no further ones beyond `most` bytes.
    pub(crate) fn take(&self, most: usize) -> Vec<Queued> {
        let mut queue = self.lock_queue();
        let mut bytes = 0;
        let mut count = 0;
        for queued in &queue.waiting {
            bytes += queued.submission.frames.len();
            if count > 0 && bytes > most {
                break;
            }
            count += 1;
        }
        queue.waiting.drain(..count).collect()
    }

    /// Waits until there is something for the committer to do. False: nothing will come any more, or
    /// what there is can never be done.
    pub(crate) fn wait_for_work(&self, has_some: bool) -> bool {
        if has_some {
            return self.wait_for_checkpoint();
        }
        let queue = self.lock_queue();
        let mut queue = self
            .work
            .wait_while(queue, |queue| !queue.is_called && !queue.ending)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut queue.is_called) || !queue.waiting.is_empty()
    }

    /// Has the committer's thread look whether there is something to do.
    pub(crate) fn call(&self) {
        self.lock_queue().is_called = true;
        self.work.notify_all();
    }

    /// The same, if there is.
    pub(crate) fn call_if_queued(&self) {
        if !self.lock_queue().waiting.is_empty() {
            self.call();
        }
    }

    /// Waits until the checkpoint that was given is done, or the disk has failed. False: the log is to end,
    /// and there is no space for it.
    pub(crate) fn wait_for_checkpoint(&self) -> bool {
        let is_vain = |duties: &Duties| duties.stage != Stage::Running && duties.has_no_space;
        let is_awaited = |duties: &mut Duties| {
            duties.is_pending && self.health() != Health::ReadOnly && !is_vain(duties)
        };
        let waited = self.freed.wait_while(self.duties(), is_awaited);
        let duties = waited.unwrap_or_else(PoisonError::into_inner);
        !duties.is_pending || !is_vain(&duties)
    }

    /// All batches with a smaller number are synced in segments.
    pub(crate) fn checkpointed(&self, upto: u64) {
        let mut duties = self.duties();
        duties.done = upto;
        duties.is_pending = false;
        drop(duties);
        self.freed.notify_all();
    }

    /// Lets the committer end when it has committed what there is.
    pub(crate) fn end(&self) {
        let mut duties = self.duties();
        duties.stage = Stage::Closing;
        // There may be space by now: it is tried once more.
        duties.has_no_space = false;
        drop(duties);
        self.duty.notify_all();
        self.lock_queue().ending = true;
        self.work.notify_all();
    }

    pub(crate) fn health(&self) -> Health {
        match self.health.load(SeqCst) {
            0 => Health::Ok,
            1 => Health::Full,
            _ => Health::ReadOnly,
        }
    }

    /// The disk has failed. Nothing makes that good.
    pub(crate) fn fail(&self) {
        self.health.store(2, SeqCst);
        // Who is about to wait has looked before, or sees it now.
        drop(self.duties());
        self.freed.notify_all();
    }

    pub(crate) fn set_full(&self, is_full: bool) {
        let (from, to) = if is_full { (0, 1) } else { (1, 0) };
        let _ = self.health.compare_exchange(from, to, SeqCst, SeqCst);
    }

    /// Whether there is space again: as much as a small batch needs is written and removed.
    pub(crate) fn probe(&self) -> bool {
        if self.is_over.load(Relaxed) {
            return false;
        }
        let write = || {
            let file = uninterrupted(|| self.storage.open(names::PROBE, true))?;
            write_all_at(&*file, &[&[0; 4096][..]; 16], 0)
        };
        let written = write();
        let removed = uninterrupted(|| self.storage.remove(names::PROBE));
        written.is_ok() && removed.is_ok()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Channel>> {
        self.channels().values().cloned().collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Channel>> {
        self.channels().get(name).cloned()
    }

    pub(crate) fn channels(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn duties(&self) -> MutexGuard<'_, Duties> {
        self.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
