//! Repairs what can be repaired without guessing.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::channel::{Channel, ReadableSegment};
use crate::directory::sync_dir;
use crate::entry::{self, Entry};
use crate::error::OpenError;
use crate::frames::{self, Frames};
use crate::look::index_of;
use crate::names;
use crate::open::open;
use crate::options::Options;
use crate::plausible::can_be_frames;
use crate::report::Report;
use crate::segment::{Files, Segment};
use crate::storage::Storage;
use crate::whole::{WAITING, read_exact_at, uninterrupted};

/// Recovers a log that no hub uses, as the next start would. Then makes damaged entries of the indexes
/// again where the frames between their neighbours are exactly the messages that are missing. What cannot
/// be repaired stays damaged: readers get an error for it, and the rest. Nothing is deleted, whatever the
/// options say of limits.
pub fn repair(storage: &Arc<dyn Storage>, options: Options) -> Result<Report, OpenError> {
    let opened = open(Arc::clone(storage), options.keeping_everything())?;
    let mut report = opened.report.clone();
    for channel in opened.log.channels() {
        for (first, readable, next) in segments(&channel) {
            fill(&channel, first, &readable, next, &mut report)
                .map_err(OpenError::io("repairing an index"))?;
        }
    }
    if !opened.stop() {
        let error = io::Error::other("the log could not be closed");
        return Err(OpenError::Io("repairing", error));
    }
    Ok(report)
}

/// The segments, each with the seq after its last message.
fn segments(channel: &Channel) -> Vec<(u64, ReadableSegment, u64)> {
    let segments = channel.segments();
    let after = segments.iter().skip(1).map(|(first, _)| *first);
    let nexts: Vec<u64> = after.chain([channel.next()]).collect();
    let segments = segments.into_iter().zip(nexts);
    segments
        .map(|((first, readable), next)| (first, readable, next))
        .collect()
}

/// Fills the holes of a segment's index.
fn fill(
    channel: &Arc<Channel>,
    first: u64,
    readable: &ReadableSegment,
    next: u64,
    report: &mut Report,
) -> io::Result<()> {
    let index = index_of(channel, first, readable)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut number = 0;
    while number < index.len() {
        let some = index.some(number, 64)?;
        number += some.len() as u64;
        entries.extend(some.into_iter().flatten());
    }
    let storage = &*channel.storage;
    let old = Files::open(storage, channel.name(), first, false)?;
    let end = (next, readable.length);
    let mut at = (first, 0);
    let mut filled: Vec<(Frames, u64)> = Vec::new();
    let mut all: Vec<(Entry, bool)> = Vec::new();
    for (to, entry) in entries
        .iter()
        .map(|entry| ((entry.first, entry.offset), Some(entry)))
        .chain([(end, None)])
    {
        if at.0 < to.0 && at.1 < to.1 {
            let time = entry.map(|entry| entry.time).or(readable.time).unwrap_or(0);
            let found = exactly(&old, at.1, to.1 - at.1, to.0 - at.0)?;
            let mut from = at;
            for some in found.into_iter().flatten() {
                let entry = Entry {
                    first: from.0,
                    offset: from.1,
                    length: some.bytes.len() as u64,
                    time,
                    messages: u32::try_from(some.messages).unwrap_or(u32::MAX),
                    crc: some.crc(),
                    is_unproven: true,
                };
                from = (entry.next(), entry.end());
                all.push((entry, true));
                filled.push((some, time));
            }
        }
        if let Some(entry) = entry {
            all.push((*entry, false));
            at = (entry.next(), entry.end());
        }
    }
    if filled.is_empty() {
        return Ok(());
    }
    write(channel, first, &old, &all)?;
    for (entry, _) in all.iter().filter(|(_, is_new)| *is_new) {
        let text = "their entry was made again from the frames, which nothing else proves";
        report.push(
            false,
            Some(&channel.name),
            Some((entry.first, entry.next())),
            text,
        );
    }
    Ok(())
}

/// The largest gap in an index that is filled from the frames, in bytes; they are read at once.
const MOST_FILLED: u64 = 1 << 30;

/// The frames in a range of the file, if they are exactly so many messages.
fn exactly(
    files: &Files,
    offset: u64,
    length: u64,
    messages: u64,
) -> io::Result<Option<Vec<Frames>>> {
    if uninterrupted(|| files.frames.length())? < offset + length
        || !can_be_frames(length, messages)
        || length > MOST_FILLED
    {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    read_exact_at(&*files.frames, &mut bytes, offset, WAITING)?;
    if !frames::are(&bytes, messages) {
        return Ok(None);
    }
    Ok(Some(Frames::cut(Bytes::from(bytes), messages, entry::MOST)))
}

/// Puts an index with these entries in the place of the one that is there.
fn write(channel: &Channel, first: u64, old: &Files, entries: &[(Entry, bool)]) -> io::Result<()> {
    let storage = &*channel.storage;
    let path = names::index(channel.name(), first);
    let new = names::new(&path);
    let index = uninterrupted(|| storage.open(&new, true))?;
    let files = Files::new(Arc::clone(&old.frames), index);
    let mut fresh = Segment::begin(Arc::new(files), first);
    fresh.empty_index()?;
    for (entry, _) in entries {
        fresh.take(*entry)?;
    }
    fresh.complete()?;
    fresh.files.index.sync()?;
    uninterrupted(|| storage.rename(&new, &path))?;
    sync_dir(storage, &names::channel(channel.name()))?;
    // The committer goes on in the newest segment, so it has to know the new index.
    let mut newest = channel.newest();
    if let Some(newest) = newest.as_mut().filter(|newest| newest.first == first) {
        fresh.files.note_synced(fresh.extent());
        fresh.time = newest.time;
        *newest = fresh;
    }
    let mut state = channel.state();
    if let Some(readable) = state.segments.get_mut(&first) {
        readable.entries = entries.len() as u64;
        readable.files = std::sync::Weak::new();
    }
    Ok(())
}
