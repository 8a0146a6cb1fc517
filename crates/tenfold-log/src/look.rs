//! Looking at a log's files without changing them, also while a hub uses them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crate::channel::{Channel, ReadableSegment};
use crate::error::OpenError;
use crate::format;
use crate::index::Index;
use crate::names;
use crate::opening::Opening;
use crate::options::{Opens, time};
use crate::recovery::{self, Found, Unwritten};
use crate::storage::{Sharing, Storage};
use crate::whole::{WAITING, uninterrupted};

/// A log as the next start would find it, with what the journal has.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) found: Found,
    /// A hub uses it now.
    pub(crate) is_live: bool,
    /// Keeps a hub from starting on the directory, if none uses it.
    _lock: Option<Box<dyn std::fmt::Debug + Send + Sync>>,
}

/// One channel's numbers, as its files have them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Its name.
    pub name: Arc<str>,
    /// The name of its history; `None` if it is lost: the next start gives it another one.
    pub epoch: Option<u64>,
    /// The oldest seq that is kept.
    pub first: u64,
    /// The seq after the last message.
    pub next: u64,
    /// Bytes of its segments.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: usize,
    /// When the oldest message was committed.
    pub oldest: Option<SystemTime>,
    /// When the newest message was committed.
    pub newest: Option<SystemTime>,
    /// How many producers are known.
    pub producers: usize,
}

/// A log's numbers, as its files have them: what was committed when they were looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The channels by name.
    pub channels: Vec<ChannelStats>,
    /// Batches in the journal that the next start would write to segments.
    pub waiting: u64,
    /// Bytes of their frames.
    pub waiting_bytes: u64,
    /// Whether a hub uses the log now.
    pub is_live: bool,
}

/// The numbers of the log in a directory. Changes nothing.
pub fn stats(storage: &Arc<dyn Storage>) -> Result<Stats, OpenError> {
    let look = Look::at(storage)?;
    let channels = look
        .found
        .channels
        .iter()
        .map(Unwritten::stats)
        .collect::<io::Result<_>>();
    Ok(Stats {
        channels: channels.map_err(OpenError::io("reading the indexes"))?,
        waiting: look.found.report.replayed,
        waiting_bytes: look.found.waiting_bytes,
        is_live: look.is_live,
    })
}

impl Look {
    pub(crate) fn at(storage: &Arc<dyn Storage>) -> Result<Self, OpenError> {
        format::check_whole(&**storage)?;
        let lock = match uninterrupted(|| storage.lock(names::LOCK, Sharing::Exclusive)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => return Err(OpenError::io("locking the directory")(error)),
        };
        let is_live = lock.is_none();
        // While a hub writes, segments are looked at before the journal, which has everything that they have.
        let wait = || wait_for_checkpoint(&**storage);
        let still = is_live.then(wait).transpose();
        let _still = still.map_err(OpenError::io("waiting for a checkpoint"))?;
        let found = recovery::look(storage, Opens::Looks, &Opening::default());
        Ok(Self {
            found: found.map_err(|(doing, error)| OpenError::Io(doing, error))?,
            is_live,
            _lock: lock,
        })
    }
}

/// A checkpoint holds the lock for as long as its syncs take. A reader that has tried so often, with this pause
/// between two tries, gives up.
const TRIES: u32 = 3000;
const PAUSE: Duration = Duration::from_millis(20);

/// Keeps a hub's checkpointer from changing files that are looked at or copied.
pub(crate) fn wait_for_checkpoint(
    storage: &dyn Storage,
) -> io::Result<Box<dyn std::fmt::Debug + Send + Sync>> {
    for _ in 0..TRIES {
        match uninterrupted(|| storage.lock(names::CHECKPOINT, Sharing::Shared)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(PAUSE),
            result => return result,
        }
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "a checkpoint does not end",
    ))
}

impl Unwritten {
    fn stats(&self) -> io::Result<ChannelStats> {
        let channel = &self.channel;
        let segments: Vec<(u64, ReadableSegment)> = channel.segments();
        let mut times = Vec::new();
        for (first, readable) in segments.first().into_iter().chain(segments.last()) {
            let index = index_of(channel, *first, readable)?;
            let oldest = index.partition(|_| true)?.0;
            times.extend(oldest.map(|(_, entry)| time(entry.time)));
            times.extend(index.last()?.map(|(_, entry)| time(entry.time)));
        }
        Ok(ChannelStats {
            name: Arc::clone(&channel.name),
            epoch: (!self.has_new_epoch).then(|| channel.epoch()),
            first: channel.first(),
            next: channel.next(),
            bytes: channel.bytes(),
            segments: segments.len(),
            oldest: times.iter().min().copied(),
            newest: times.iter().max().copied(),
            producers: channel.producers().len(),
        })
    }
}

/// The index of a segment that is not being written to.
pub(crate) fn index_of(
    channel: &Channel,
    first: u64,
    readable: &ReadableSegment,
) -> io::Result<Index> {
    let file = if let Some(files) = readable.files.upgrade() {
        Arc::clone(&files.index)
    } else {
        let path = names::index(channel.name(), first);
        uninterrupted(|| channel.storage.open(&path, false))?
    };
    let (entries, open) = (readable.entries, readable.open);
    Ok(Index::new(file, first, entries, open, WAITING))
}

impl Channel {
    /// Its segments.
    pub(crate) fn segments(&self) -> Vec<(u64, ReadableSegment)> {
        let state = self.state();
        let segments: BTreeMap<u64, ReadableSegment> = state.segments.clone();
        segments.into_iter().collect()
    }
}
