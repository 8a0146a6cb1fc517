//! What the committer, the checkpointer and the handles of a log have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::channel::Channel;
use crate::checkpoint::Checkpoint;
use crate::condition::Condition;
use crate::deletion::Deletion;
use crate::error::Refused;
use crate::fault::Fault;
use crate::health::Health;
use crate::journal::JournalFiles;
use crate::names;
use crate::options::{Notice, Options};
use crate::queue::{Queue, Queued};
use crate::shut::Shut;
use crate::starts::Starts;
use crate::storage::Storage;
use crate::sync_times::SyncCounters;
use crate::whole::{uninterrupted, write_all_at};

/// What the committer, the checkpointer and the handles of a log have in common.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: Options,
    journal_files: Mutex<JournalFiles>,
    starts: Mutex<Arc<Starts>>,
    /// Held while it is written down that channels are trimmed, until they are.
    trimming: Mutex<()>,
    queue: Mutex<Queue>,
    channels: Mutex<BTreeMap<Arc<str>, Arc<Channel>>>,
    pub(crate) duties: Mutex<Duties>,
    /// Wakes the committer's thread: there is something in the queue, or the log ends.
    work: Condvar,
    condition: Mutex<Condition>,
    shut: Mutex<Shut>,
    pub(crate) listener: Mutex<Option<Listener>>,
    /// Wakes threads that wait for a checkpoint: it is done, or was tried in vain.
    pub(crate) freed: Condvar,
    /// Wakes the checkpointer: there is something to do.
    pub(crate) duty: Condvar,
    health: AtomicU8,
    /// What all channels may take on disk together.
    max_disk: AtomicU64,
    /// About how many bytes all channels take on disk. Retention counts them again.
    pub(crate) disk: AtomicU64,
    /// All channels take more than they may, and retention has found nothing that it may delete.
    pub(crate) is_stuck: AtomicBool,
    /// It was said that the clock is behind; said again when it was not for a while.
    is_behind: AtomicBool,
    pub(crate) counters: Counters,
    _lock: Box<dyn std::fmt::Debug + Send + Sync>,
}

/// Is told of each fault.
#[derive(Clone)]
pub(crate) struct Listener(pub(crate) Arc<dyn Fn(&Fault) + Send + Sync>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) batches: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) removed: AtomicU64,
    /// Channels that could be read only after the start.
    pub(crate) late: AtomicU64,
    /// How long batches took to be written to the journal and synced.
    pub(crate) syncs: SyncCounters,
}

/// What a probe writes, in bytes.
const PROBED: u64 = 64 * 1024;

/// What the checkpointer has to do, and how far it is.
#[derive(Debug, Default)]
pub(crate) struct Duties {
    pub(crate) checkpoint: Option<Checkpoint>,
    /// A checkpoint was given and is not done: the older journal file is still needed.
    pub(crate) is_pending: bool,
    /// What was tried last could not be done, and is tried again. This is what frames are refused with
    /// that have to wait for it.
    pub(crate) obstacle: Option<Refused>,
    /// All batches with a smaller number are synced in segments.
    pub(crate) done: u64,
    /// Channels that retention has to look at now: they have begun a new segment.
    pub(crate) retention: BTreeSet<Arc<str>>,
    /// Newest segments that retention wants to delete, by the names of their channels: the committer has to
    /// end them first.
    pub(crate) ends: BTreeMap<Arc<str>, u64>,
    /// Channels that are to be deleted.
    pub(crate) deletions: Vec<Deletion>,
    pub(crate) stage: Stage,
}

/// Whether the log runs or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stage {
    #[default]
    Running,
    /// What was queued is committed, and one more checkpoint is made; space is not waited for.
    Closing,
    /// The committer has ended.
    Over,
}

impl Duties {
    /// Whether the checkpointer has something to do, whatever time it is.
    pub(crate) fn has_any_for_checkpointer(&self) -> bool {
        self.checkpoint.is_some()
            || !self.retention.is_empty()
            || self.deletions.iter().any(Deletion::is_forgotten)
    }
}

impl Common {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: Options,
        journal_files: JournalFiles,
        starts: Arc<Starts>,
        channels: impl IntoIterator<Item = Arc<Channel>>,
        lock: Box<dyn std::fmt::Debug + Send + Sync>,
    ) -> Self {
        let named = |channel: Arc<Channel>| (Arc::clone(&channel.name), channel);
        Self {
            storage,
            max_disk: AtomicU64::new(options.max_disk),
            options,
            journal_files: Mutex::new(journal_files),
            starts: Mutex::new(starts),
            trimming: Mutex::default(),
            queue: Mutex::default(),
            channels: Mutex::new(channels.into_iter().map(named).collect()),
            duties: Mutex::default(),
            work: Condvar::new(),
            freed: Condvar::new(),
            duty: Condvar::new(),
            condition: Mutex::default(),
            shut: Mutex::default(),
            listener: Mutex::default(),
            health: AtomicU8::new(0),
            disk: AtomicU64::new(0),
            is_stuck: AtomicBool::new(false),
            is_behind: AtomicBool::new(false),
            counters: Counters::default(),
            _lock: lock,
        }
    }

    /// The files of the journal.
    pub(crate) fn journal_files(&self) -> JournalFiles {
        let files = self.journal_files.lock();
        files.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with other files of the journal.
    pub(crate) fn set_journal_files(&self, files: JournalFiles) {
        let now = self.journal_files.lock();
        *now.unwrap_or_else(PoisonError::into_inner) = files;
    }

    /// The starts of the log.
    pub(crate) fn starts(&self) -> Arc<Starts> {
        let starts = self.starts.lock();
        Arc::clone(&starts.unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until no snapshot says that a channel is trimmed before it is.
    pub(crate) fn trimming(&self) -> MutexGuard<'_, ()> {
        self.trimming.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with other starts.
    pub(crate) fn set_starts(&self, starts: Arc<Starts>) {
        *self.starts.lock().unwrap_or_else(PoisonError::into_inner) = starts;
    }

    /// Takes the next submissions to be committed together: the first one, and more up to so many bytes, for up
    /// to so many channels.
    pub(crate) fn take(&self, most_bytes: usize, most_channels: usize) -> Vec<Queued> {
        self.lock_queue().take(most_bytes, most_channels)
    }

    /// Waits until there is something for the committer to do; `has_some`: it has submissions that wait for
    /// a checkpoint. False: the log ends, and nothing more can be committed.
    pub(crate) fn wait_for_work(&self, has_some: bool) -> bool {
        if has_some {
            return self.wait_for_checkpoint_or(|duties| !duties.ends.is_empty());
        }
        let queue = self.lock_queue();
        let mut queue = self
            .work
            .wait_while(queue, |queue| !queue.is_called && !queue.ending)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut queue.is_called) || !queue.is_empty()
    }

    /// Wakes the committer's thread, which looks whether there is something to commit.
    pub(crate) fn call(&self) {
        self.lock_queue().is_called = true;
        self.work.notify_all();
    }

    /// The same, if something is queued.
    pub(crate) fn call_if_queued(&self) {
        if !self.lock_queue().is_empty() {
            self.call();
        }
    }

    /// Waits until the checkpoint that was given is done or cannot be done now, or the disk has failed.
    /// False: the log ends, and the checkpoint cannot be done.
    pub(crate) fn wait_for_checkpoint(&self) -> bool {
        self.wait_for_checkpoint_or(|_| false)
    }

    /// The same, or until something else is to be done.
    fn wait_for_checkpoint_or(&self, is_called: impl Fn(&Duties) -> bool) -> bool {
        let is_awaited = |duties: &mut Duties| {
            duties.is_pending
                && self.health() != Health::ReadOnly
                && duties.obstacle.is_none()
                && !is_called(duties)
        };
        let waited = self.freed.wait_while(self.duties(), is_awaited);
        let duties = waited.unwrap_or_else(PoisonError::into_inner);
        let is_vain = duties.is_pending && duties.obstacle.is_some();
        !is_vain || duties.stage == Stage::Running
    }

    /// Asks retention to look at some channels.
    pub(crate) fn call_retention(&self, names: impl IntoIterator<Item = Arc<str>>) {
        self.duties().retention.extend(names);
        self.duty.notify_all();
    }

    /// Asks the committer to end some channels' newest segments, which begin with these seqs.
    pub(crate) fn call_for_ends(&self, ends: BTreeMap<Arc<str>, u64>) {
        if ends.is_empty() {
            return;
        }
        self.duties().ends.extend(ends);
        self.freed.notify_all();
        self.call();
    }

    /// Says once by how many milliseconds the clock is behind the newest message of a channel.
    pub(crate) fn clock_is_behind(&self, by: u64) {
        if !self.is_behind.swap(true, Relaxed) {
            (self.options.notice)(&Notice::ClockIsBehind(Duration::from_millis(by)));
        }
    }

    /// The clock is not behind any channel.
    pub(crate) fn clock_is_right(&self) {
        self.is_behind.store(false, Relaxed);
    }

    /// Notes that channels take so many bytes more on disk.
    pub(crate) fn took(&self, more: i64) {
        self.disk.fetch_add(more.cast_unsigned(), Relaxed);
    }

    /// Whether all channels take more than they may, and retention can change that.
    pub(crate) fn is_over(&self) -> bool {
        // Retention may have counted a bit less than was added: then it is below zero.
        let disk = self.disk.load(Relaxed).cast_signed().max(0).cast_unsigned();
        disk > self.max_disk() && !self.is_stuck.load(Relaxed)
    }

    /// What all channels may take on disk together.
    pub(crate) fn max_disk(&self) -> u64 {
        self.max_disk.load(Relaxed)
    }

    /// Changes that. Retention looks soon.
    pub(crate) fn set_max_disk(&self, bytes: u64) {
        self.max_disk.store(bytes, Relaxed);
        self.is_stuck.store(false, Relaxed);
    }

    /// All batches with a smaller number are synced in segments.
    pub(crate) fn checkpointed(&self, upto: u64) {
        let mut duties = self.duties();
        duties.done = upto;
        duties.is_pending = false;
        self.checkpoint_was_tried(duties);
    }

    /// Wakes whoever waits for a checkpoint: it is done, or cannot be done now.
    fn checkpoint_was_tried(&self, duties: MutexGuard<'_, Duties>) {
        let has_deletions = !duties.deletions.is_empty();
        drop(duties);
        self.freed.notify_all();
        if has_deletions {
            self.call();
        }
    }

    /// Asks for the end of a channel.
    pub(crate) fn call_for_deletion(&self, deletion: Deletion) {
        self.duties().deletions.push(deletion);
        self.call();
    }

    /// Asks the committer to end when it has committed what is queued.
    pub(crate) fn end(&self) {
        let mut duties = self.duties();
        duties.stage = Stage::Closing;
        // There may be space by now: it is tried once more.
        duties.obstacle = None;
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

    /// The disk has failed. The log stays read-only until it is opened again.
    pub(crate) fn fail(&self, error: &io::Error) {
        let fault = self.fault(error, Refused::Storage);
        let is_first = self.condition().fatal.is_none();
        if is_first {
            self.condition().fatal = Some(fault.clone());
        }
        self.health.store(2, SeqCst);
        if is_first {
            self.tell(&fault);
        }
        // A thread that is about to wait for a checkpoint holds this lock from its look at the health until it
        // waits. So it has seen the failure, or is woken.
        self.checkpoint_was_tried(self.duties());
    }

    /// There is no space.
    pub(crate) fn fill(&self, error: &io::Error) {
        if self.health.compare_exchange(0, 1, SeqCst, SeqCst).is_ok() {
            let fault = self.fault(error, Refused::Full);
            self.condition().full = Some(fault.clone());
            self.tell(&fault);
        }
    }

    /// There is space, as far as no checkpoint waits for some.
    pub(crate) fn unfill(&self) {
        let duties = self.duties();
        if duties.obstacle.is_none() {
            let _ = self.health.compare_exchange(1, 0, SeqCst, SeqCst);
        }
    }

    /// What is due cannot be done now. It is tried again; frames that have to wait for it are refused.
    pub(crate) fn hinder(&self, error: &io::Error, refused: Refused) {
        if refused == Refused::Full {
            self.fill(error);
        } else {
            let fault = self.fault(error, refused);
            let known = self.condition().hindrance.replace(fault.clone());
            if !known.is_some_and(|known| known.is_like(&fault)) {
                self.tell(&fault);
            }
        }
        let mut duties = self.duties();
        if duties.is_pending || refused == Refused::Full {
            duties.obstacle = Some(refused);
        }
        if refused == Refused::Full {
            // A batch that was committed since the fault was told has found space for itself.
            let _ = self.health.compare_exchange(0, 1, SeqCst, SeqCst);
        }
        self.checkpoint_was_tried(duties);
    }

    /// Tells of a fault, before what it concerns is refused.
    pub(crate) fn tell(&self, fault: &Fault) {
        let listener = self.listener.lock();
        let listener = listener.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Listener(hears)) = listener {
            hears(fault);
        }
    }

    pub(crate) fn fault(&self, error: &io::Error, refused: Refused) -> Fault {
        Fault::new(error, refused, (self.options.clock)())
    }

    /// Now, to see how long something takes.
    pub(crate) fn instant(&self) -> Instant {
        (self.options.timer)()
    }

    pub(crate) fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is space again: as much as a small batch needs is written and removed.
    pub(crate) fn probe(&self) -> bool {
        if self.duties().obstacle.is_some() {
            return false;
        }
        let write = || {
            self.storage.has_space(PROBED)?;
            let file = uninterrupted(|| self.storage.open(names::PROBE, true))?;
            write_all_at(&*file, &[&[0; 4096][..]; 16], 0)
        };
        let written = write();
        let removed = crate::directory::remove(&*self.storage, names::PROBE);
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

    pub(crate) fn shut_ones(&self) -> MutexGuard<'_, Shut> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn duties(&self) -> MutexGuard<'_, Duties> {
        self.duties.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock_queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
