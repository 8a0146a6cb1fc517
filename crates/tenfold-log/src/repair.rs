//! Making good what can be made good without guessing.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::channel::{Channel, Part};
use crate::directory::sync_dir;
use crate::entry::{self, Entry};
use crate::error::OpenError;
use crate::frames;
use crate::look::index_of;
use crate::names;
use crate::open::open;
use crate::options::Options;
use crate::report::Report;
use crate::segment::{Files, Piece, Segment};
use crate::storage::Storage;
use crate::whole::{read_exact_at, uninterrupted};

/// Recovers a log that no hub uses, as the next start would; then makes entries of indexes anew that are
/// damaged, where the frames between their neighbours are exactly the messages that are missing. What is
/// left is damaged: it is told to those who read it, and the rest is served. Nothing is deleted, whatever
/// the options say of limits.
pub fn repair(storage: &Arc<dyn Storage>, options: Options) -> Result<Report, OpenError> {
    let opened = open(Arc::clone(storage), options.keeping_everything())?;
    let mut report = opened.report.clone();
    for channel in opened.log.channels() {
        for (first, part, next) in segments(&channel) {
            fill(&channel, first, &part, next, &mut report)
                .map_err(OpenError::io("repairing an index"))?;
        }
    }
    if !opened.stop() {
        let error = io::Error::other("the log could not be closed");
        return Err(OpenError::Io("repairing", error));
    }
    Ok(report)
}

/// The segments, each with the seq behind its last message.
fn segments(channel: &Channel) -> Vec<(u64, Part, u64)> {
    let parts = channel.parts();
    let behind = parts.iter().skip(1).map(|(first, _)| *first);
    let nexts: Vec<u64> = behind.chain([channel.next()]).collect();
    let segments = parts.into_iter().zip(nexts);
    segments
        .map(|((first, part), next)| (first, part, next))
        .collect()
}

/// Fills the holes of a segment's index.
fn fill(
    channel: &Arc<Channel>,
    first: u64,
    part: &Part,
    next: u64,
    report: &mut Report,
) -> io::Result<()> {
    let index = index_of(channel, first, part)?;
    let mut entries: Vec<Entry> = Vec::new();
    let mut number = 0;
    while number < index.len() {
        let some = index.some(number, 64)?;
        number += some.len() as u64;
        entries.extend(some.into_iter().flatten());
    }
    let storage = &*channel.storage;
    let old = Files::open(storage, channel.name(), first, false)?;
    let end = (next, part.length);
    let mut at = (first, 0);
    let mut filled: Vec<(Piece, u64)> = Vec::new();
    let mut all: Vec<(Entry, bool)> = Vec::new();
    for (to, entry) in entries
        .iter()
        .map(|entry| ((entry.first, entry.offset), Some(entry)))
        .chain([(end, None)])
    {
        if at.0 < to.0 && at.1 < to.1 {
            let time = entry.map(|entry| entry.time).or(part.time).unwrap_or(0);
            let pieces = exactly(&old, at.1, to.1 - at.1, to.0 - at.0)?;
            let mut place = at;
            for piece in pieces.into_iter().flatten() {
                let entry = Entry {
                    first: place.0,
                    offset: place.1,
                    length: piece.frames.len() as u64,
                    time,
                    messages: u32::try_from(piece.messages).unwrap_or(u32::MAX),
                    crc: piece.crc(),
                    is_unproven: true,
                };
                place = (entry.next(), entry.end());
                all.push((entry, true));
                filled.push((piece, time));
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
        let text = "their entry was made anew from the frames, which nothing else proves";
        report.push(
            false,
            Some(&channel.name),
            Some((entry.first, entry.next())),
            text,
        );
    }
    Ok(())
}

/// What stands in a range, if it is exactly so many whole frames.
fn exactly(
    files: &Files,
    offset: u64,
    length: u64,
    messages: u64,
) -> io::Result<Option<Vec<Piece>>> {
    if uninterrupted(|| files.frames.length())? < offset + length {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    read_exact_at(
        &*files.frames,
        &mut bytes,
        offset,
        |file, buffer, offset| file.read_at(buffer, offset),
    )?;
    if !frames::are(&bytes, messages) {
        return Ok(None);
    }
    Ok(Some(Piece::cut(Bytes::from(bytes), messages, entry::MOST)))
}

/// Puts an index with these entries in the place of the one that is there.
fn write(channel: &Channel, first: u64, old: &Files, entries: &[(Entry, bool)]) -> io::Result<()> {
    let storage = &*channel.storage;
    let path = names::index(channel.name(), first);
    let new = names::new(&path);
    let index = uninterrupted(|| storage.open(&new, true))?;
    let files = Files {
        frames: Arc::clone(&old.frames),
        index,
    };
    let mut fresh = Segment::begin(Arc::new(files), first);
    fresh.empty_index()?;
    for (entry, _) in entries {
        fresh.take(*entry)?;
    }
    fresh.complete()?;
    fresh.files.index.sync()?;
    uninterrupted(|| storage.rename(&new, &path))?;
    sync_dir(storage, &names::channel(channel.name()))?;
    // The newest one is written on behind it.
    let mut newest = channel.newest();
    if let Some(newest) = newest.as_mut().filter(|newest| newest.first == first) {
        fresh.synced = fresh.extent();
        fresh.time = newest.time;
        *newest = fresh;
    }
    let mut state = channel.state();
    if let Some(part) = state.parts.get_mut(&first) {
        part.entries = entries.len() as u64;
        part.files = std::sync::Weak::new();
    }
    Ok(())
}
