//! Looking at a log's files without changing them, also while a hub uses them.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::channel::{Channel, ReadableSegment, State};
use crate::error::OpenError;
use crate::format;
use crate::index::{self, Index};
use crate::names;
use crate::options::time;
use crate::scan::{Scan, scan};
use crate::snapshot::Snapshot;
use crate::storage::{Sharing, Storage};
use crate::whole::{WAITING, read_all, uninterrupted};

/// A log as its files show it. What is only in the journal is not in its channels.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) channels: Vec<Looked>,
    pub(crate) journal: [Scan; 2],
    /// A hub uses it now.
    pub(crate) is_live: bool,
    /// Keeps a hub from starting on the directory, if none uses it.
    _lock: Option<Box<dyn std::fmt::Debug + Send + Sync>>,
}

/// A channel as its files show it.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(crate) channel: Arc<Channel>,
    /// `None`: there is no snapshot, or it is damaged.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) has_snapshot: bool,
}

/// One channel's numbers, as its files have them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Its name.
    pub name: Arc<str>,
    /// The name of its history; `None` as long as it is in the journal alone.
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

/// A log's numbers, as its files have them.
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
        .channels
        .iter()
        .map(Looked::stats)
        .collect::<io::Result<_>>();
    let (waiting, waiting_bytes) = look.waiting();
    Ok(Stats {
        channels: channels.map_err(OpenError::io("reading the indexes"))?,
        waiting,
        waiting_bytes,
        is_live: look.is_live,
    })
}

impl Look {
    pub(crate) fn at(storage: &Arc<dyn Storage>) -> Result<Self, OpenError> {
        if !format::check(&**storage)? {
            return Err(OpenError::NotALog);
        }
        let lock = match uninterrupted(|| storage.lock(names::LOCK, Sharing::Exclusive)) {
            Ok(lock) => Some(lock),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => return Err(OpenError::io("locking the directory")(error)),
        };
        let read = || {
            let mut channels = Vec::new();
            for name in uninterrupted(|| storage.list(names::CHANNELS))? {
                if names::is_channel(&name) {
                    channels.push(Looked::at(storage, &name.into())?);
                }
            }
            let mut journal = [Scan::default(), Scan::default()];
            for (found, path) in journal.iter_mut().zip(names::JOURNALS) {
                match uninterrupted(|| storage.open(path, false)) {
                    Ok(file) => *found = scan(&file)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(Self {
                channels,
                journal,
                is_live: lock.is_none(),
                _lock: lock,
            })
        };
        read().map_err(OpenError::io("reading the directory"))
    }

    /// Batches that are not known to be in synced segments, and the bytes of their frames.
    pub(crate) fn waiting(&self) -> (u64, u64) {
        let checkpointed = self
            .journal
            .iter()
            .map(Scan::checkpointed)
            .max()
            .unwrap_or(0);
        let batches = self.journal.iter().flat_map(|scan| &scan.batches);
        let heads = batches.map(|found| found.batch.head);
        let waiting = heads.filter(|head| head.number >= checkpointed && head.records > 0);
        waiting.fold((0, 0), |(count, bytes), head| {
            (count + 1, bytes + head.frames)
        })
    }
}

impl Looked {
    fn at(storage: &Arc<dyn Storage>, name: &Arc<str>) -> io::Result<Self> {
        let files = uninterrupted(|| storage.list(&names::channel(name)))?;
        let has_snapshot = files.iter().any(|file| file == "snapshot");
        let snapshot = if has_snapshot {
            let file = uninterrupted(|| storage.open(&names::snapshot(name), false))?;
            let bytes = read_all(&*file, WAITING)?;
            Snapshot::decode(&bytes).filter(|snapshot| *snapshot.channel == **name)
        } else {
            None
        };
        let known = snapshot.clone().unwrap_or_default();
        let mut state = State {
            next: known.next,
            producers: known.producers,
            ..State::empty()
        };
        let firsts = files
            .iter()
            .filter_map(|file| names::segment_of(file, names::FRAMES_ENDING));
        for first in firsts {
            match readable(&**storage, name, first) {
                Ok((readable, next)) => {
                    state.next = state.next.max(next);
                    state.segments.insert(first, readable);
                }
                // Retention has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let oldest = state.segments.keys().next().copied().unwrap_or(0);
        state.first = snapshot.as_ref().map_or(oldest, |snapshot| snapshot.first);
        let channel = Channel::new(
            Arc::clone(name),
            known.epoch,
            Arc::clone(storage),
            state,
            None,
        );
        Ok(Self {
            channel: Arc::new(channel),
            snapshot,
            has_snapshot,
        })
    }

    fn stats(&self) -> io::Result<ChannelStats> {
        let channel = &self.channel;
        let segments: Vec<(u64, ReadableSegment)> = channel.segments();
        let mut times = Vec::new();
        for (first, readable) in segments.first().into_iter().chain(segments.last()) {
            let index = index_of(channel, *first, readable)?;
            times.extend(
                index
                    .partition(|_| true)?
                    .0
                    .map(|(_, entry)| time(entry.time)),
            );
            times.extend(index.last()?.map(|(_, entry)| time(entry.time)));
        }
        Ok(ChannelStats {
            name: Arc::clone(&channel.name),
            epoch: self.snapshot.as_ref().map(|snapshot| snapshot.epoch),
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

/// A segment as its files are, and the seq after its last entry.
fn readable(storage: &dyn Storage, name: &str, first: u64) -> io::Result<(ReadableSegment, u64)> {
    // The index first: what it has then is in the frames.
    let mut readable = ReadableSegment::default();
    let mut next = first;
    match uninterrupted(|| storage.open(&names::index(name, first), false)) {
        Ok(file) => {
            readable.entries = index::count(uninterrupted(|| file.length())?);
            let index = Index::new(file, first, readable.entries, None, WAITING);
            if let Some((_, last)) = index.last()? {
                (next, readable.time) = (last.next(), Some(last.time));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let file = uninterrupted(|| storage.open(&names::frames(name, first), false))?;
    readable.length = uninterrupted(|| file.length())?;
    Ok((readable, next))
}

/// The index of a segment that is not being written to.
pub(crate) fn index_of(
    channel: &Channel,
    first: u64,
    readable: &ReadableSegment,
) -> io::Result<Index> {
    let path = names::index(channel.name(), first);
    let file = uninterrupted(|| channel.storage.open(&path, false))?;
    Ok(Index::new(file, first, readable.entries, None, WAITING))
}

impl Channel {
    /// Its segments.
    pub(crate) fn segments(&self) -> Vec<(u64, ReadableSegment)> {
        let state = self.state();
        let segments: BTreeMap<u64, ReadableSegment> = state.segments.clone();
        segments.into_iter().collect()
    }
}
