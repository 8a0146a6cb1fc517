//! One channel's history on disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::SystemTime;

use crate::chain::{Chain, Lineage};
use crate::entry::{Entry, RECORD};
use crate::names;
use crate::options::{milliseconds, time};
use crate::segment::{BLOCK, Files, Segment, on_disk};
use crate::snapshot::{Count, Snapshot};
use crate::storage::Storage;

/// A channel of a log: what is committed and written to its segments.
#[derive(Debug)]
pub struct Channel {
    pub(crate) name: Arc<str>,
    /// It changes where the log has the histories of another one.
    chain: RwLock<Chain>,
    /// The snapshot does not have it yet.
    pub(crate) chain_is_due: AtomicBool,
    /// Held while the snapshot is written.
    saving: Mutex<()>,
    pub(crate) storage: Arc<dyn Storage>,
    state: Mutex<State>,
    /// The newest segment. A thread that needs this lock and that of the state takes this one first:
    /// otherwise two threads could wait for each other.
    pub(crate) newest: Mutex<Option<Segment>>,
    hold: AtomicU64,
    is_held: AtomicBool,
    /// Nothing is taken for it: something of it is in the journal alone, because its files fail.
    pub(crate) is_shut: AtomicBool,
    /// Batches of the journal with a smaller number have nothing of it. They may have frames of a channel of the same
    /// name that was deleted.
    pub(crate) born: u64,
}

/// A producer that has named itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Producer {
    /// Its ID.
    pub id: Arc<str>,
    /// How many of its messages are committed.
    pub messages: u64,
    /// When the last of them was committed.
    pub time: SystemTime,
}

/// What readers look at. It changes in short steps, and no file is touched while it is locked.
#[derive(Debug)]
pub(crate) struct State {
    /// The oldest seq that is kept.
    pub(crate) first: u64,
    /// The seq after the last message that is in the segments.
    pub(crate) next: u64,
    /// The segments by the seq of their first message.
    pub(crate) segments: BTreeMap<u64, ReadableSegment>,
    pub(crate) producers: BTreeMap<Arc<str>, Count>,
    /// When the newest message was committed.
    pub(crate) time: u64,
    /// Something of the snapshot has changed since it was saved.
    pub(crate) snapshot_is_due: bool,
}

/// One segment, as it can be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReadableSegment {
    pub(crate) length: u64,
    /// Complete entries of its index.
    pub(crate) entries: u64,
    pub(crate) open: Option<Entry>,
    /// How far space is reserved, in frames and in index.
    pub(crate) reserved: [u64; 2],
    /// When its newest message was committed, as far as it is known.
    pub(crate) time: Option<u64>,
    /// Its files, if the committer or a reader has them open.
    pub(crate) files: Weak<Files>,
}

impl ReadableSegment {
    pub(crate) fn of(segment: &Segment) -> Self {
        Self {
            length: segment.length,
            entries: segment.entries,
            open: segment.open,
            reserved: segment.reserved,
            time: Some(segment.time),
            files: Arc::downgrade(&segment.files),
        }
    }

    /// Bytes that its two files take on disk.
    pub(crate) fn disk(&self) -> u64 {
        let index = (self.entries + 1) * RECORD as u64;
        let [frames_reserved, index_reserved] = self.reserved;
        on_disk(self.length, frames_reserved) + on_disk(index, index_reserved)
    }
}

impl Channel {
    pub(crate) fn new(
        name: Arc<str>,
        chain: Chain,
        storage: Arc<dyn Storage>,
        state: State,
        newest: Option<Segment>,
    ) -> Self {
        Self {
            name,
            chain: RwLock::new(chain),
            chain_is_due: AtomicBool::new(false),
            saving: Mutex::default(),
            storage,
            state: Mutex::new(state),
            newest: Mutex::new(newest),
            hold: AtomicU64::new(u64::MAX),
            is_held: AtomicBool::new(false),
            is_shut: AtomicBool::new(false),
            born: 0,
        }
    }

    /// The same, as one of which batches with a smaller number have nothing.
    pub(crate) fn born(self, number: u64) -> Self {
        Self {
            born: number,
            ..self
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number that names its history: another one in each start.
    pub fn epoch(&self) -> u64 {
        self.chain().epoch()
    }

    /// How far an epoch goes: whoever was told it, and then saw messages up to this seq at the most, has seen
    /// those of this history. `None`: it is not one of this channel's, or is forgotten.
    pub fn end_of(&self, epoch: u64) -> Option<u64> {
        self.chain().end_of(epoch)
    }

    /// What its epochs are made of.
    pub fn lineage(&self) -> Lineage {
        self.chain().lineage()
    }

    /// The oldest seq that is kept.
    pub fn first(&self) -> u64 {
        self.state().first
    }

    /// The seq after the last message that can be read from its files.
    pub fn next(&self) -> u64 {
        self.state().next
    }

    /// When the newest message that can be read from its files was committed; the beginning of 1970 without one.
    pub fn last_time(&self) -> SystemTime {
        time(self.state().time)
    }

    /// Bytes of its segments.
    pub fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// Bytes that its segments take on disk, with their indexes and with what is reserved for them.
    pub fn disk(&self) -> u64 {
        self.state().disk()
    }

    /// The seq after the last message that can be read, and the bytes of the segments up to there.
    pub fn extent(&self) -> (u64, u64) {
        let state = self.state();
        (state.next, state.bytes())
    }

    /// The producers that have named themselves and are not forgotten.
    pub fn producers(&self) -> Vec<Producer> {
        let state = self.state();
        let told = |(id, count): (&Arc<str>, &Count)| Producer {
            id: Arc::clone(id),
            messages: count.total,
            time: time(count.time),
        };
        state.producers.iter().map(told).collect()
    }

    /// Forgets a producer. After a crash before the next checkpoint it may be known again.
    pub fn forget_producer(&self, id: &str) {
        let mut state = self.state();
        state.producers.remove(id);
        state.snapshot_is_due = true;
    }

    /// Notes how many messages of a producer are committed, as another log has counted them. After a crash before the next
    /// checkpoint it may be as it was before.
    ///
    /// # Panics
    ///
    /// If a producer cannot have the ID.
    pub fn count_producer(&self, id: &Arc<str>, messages: u64, time: SystemTime) {
        assert!(
            names::is_producer(id),
            "a producer cannot have this ID: {id:?}"
        );
        let count = Count {
            total: messages,
            time: milliseconds(time),
        };
        let mut state = self.state();
        state.producers.insert(Arc::clone(id), count);
        state.snapshot_is_due = true;
    }

    /// Keeps everything from a seq on, whatever retention says, until it is called again. `u64::MAX`
    /// holds nothing.
    pub fn hold(&self, seq: u64) {
        self.hold.store(seq, Relaxed);
        if seq == u64::MAX {
            self.is_held.store(false, Relaxed);
        }
    }

    /// Whether retention would have deleted something that is held.
    pub fn is_held(&self) -> bool {
        self.is_held.load(Relaxed)
    }

    pub(crate) fn held(&self) -> u64 {
        self.hold.load(Relaxed)
    }

    pub(crate) fn note_held(&self, is_held: bool) {
        self.is_held.store(is_held, Relaxed);
    }

    /// What a snapshot says now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let chain = self.chain().clone();
        let state = self.state();
        Snapshot {
            channel: self.name.to_string(),
            birth: chain.birth(),
            first: state.first,
            next: state.next,
            links: chain.links_at(state.next),
            producers: state.producers.clone(),
        }
    }

    /// Lets readers see how far a segment is. Returns how many bytes more than before it takes on disk.
    pub(crate) fn publish(&self, segment: &Segment) -> i64 {
        let mut state = self.state();
        let readable = ReadableSegment::of(segment);
        let disk = readable.disk();
        let before = state.segments.insert(segment.first, readable);
        if segment.next >= state.next {
            (state.next, state.time) = (segment.next, segment.time);
        }
        disk.wrapping_sub(before.map_or(0, |before| before.disk()))
            .cast_signed()
    }

    fn chain(&self) -> RwLockReadGuard<'_, Chain> {
        self.chain.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with another chain, which the next snapshot has.
    pub(crate) fn set_chain(&self, chain: Chain) {
        *self.chain.write().unwrap_or_else(PoisonError::into_inner) = chain;
        self.chain_is_due.store(true, SeqCst);
        self.state().snapshot_is_due = true;
    }

    /// Waits until nobody writes the snapshot. Nobody else does as long as this is kept.
    pub(crate) fn saving(&self) -> MutexGuard<'_, ()> {
        self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic while the lock is held is a bug in the bookkeeping; other channels are better served by
    /// going on than by panicking too.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn newest(&self) -> MutexGuard<'_, Option<Segment>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a channel takes beside its segments, in bytes: a block for its directory, and one for its snapshot.
pub(crate) const BESIDE: u64 = 2 * BLOCK;

impl State {
    pub(crate) fn empty() -> Self {
        Self {
            first: 0,
            next: 0,
            segments: BTreeMap::new(),
            producers: BTreeMap::new(),
            time: 0,
            snapshot_is_due: true,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.segments.values().map(|readable| readable.length).sum()
    }

    /// Bytes of its segments on disk.
    pub(crate) fn disk(&self) -> u64 {
        self.segments.values().map(ReadableSegment::disk).sum()
    }

    /// Whether retention has left a segment, which need not be published yet.
    pub(crate) fn keeps(&self, segment: u64) -> bool {
        segment >= self.first || self.segments.contains_key(&segment)
    }

    /// The segment that has a seq, and the seq of the first message of the one after it.
    pub(crate) fn segment_of(&self, seq: u64) -> Option<(u64, &ReadableSegment, Option<u64>)> {
        let (&segment, readable) = self.segments.range(..=seq).next_back()?;
        Some((segment, readable, self.after(segment)))
    }

    /// The segment after another.
    pub(crate) fn after(&self, segment: u64) -> Option<u64> {
        let above = (
            std::ops::Bound::Excluded(segment),
            std::ops::Bound::Unbounded,
        );
        self.segments.range(above).next().map(|(first, _)| *first)
    }
}
