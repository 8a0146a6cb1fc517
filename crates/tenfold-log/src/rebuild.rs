//! A segment whose files could not be written or synced is made again.
//!
//! After a failed sync the disk may hold anything of such a file, and a second sync would not tell. So the
//! frames that an earlier checkpoint has made durable are read from the old files and checked, the rest
//! is read from the journal, and both go into new files.

use std::io;
use std::sync::Arc;

use crate::channel::Channel;
use crate::directory::{remove, sync_dir};
use crate::entry;
use crate::frames::Frames;
use crate::index::Index;
use crate::journal::JournalFiles;
use crate::names;
use crate::scan::{Scanned, scan};
use crate::segment::{Files, Segment};
use crate::whole::{WAITING, read_exact_at, uninterrupted};

/// Makes the segment's files again, durably, as far as it goes. The caller has the channel's newest
/// segment locked, if it is this one.
pub(crate) fn rebuild(
    journal: &JournalFiles,
    channel: &Channel,
    segment: &mut Segment,
) -> io::Result<()> {
    let storage = &*channel.storage;
    let name = channel.name();
    let paths = [
        names::frames(name, segment.first),
        names::index(name, segment.first),
    ];
    let new = [names::new(&paths[0]), names::new(&paths[1])];
    let open = |path: &str| uninterrupted(|| storage.open(path, true));
    // What could not be written or synced before is not written on.
    for path in &new {
        remove(storage, path)?;
    }
    let files = Files::new(open(&new[0])?, open(&new[1])?);
    let mut fresh = Segment::begin(Arc::new(files), segment.first);
    copy_synced(segment, &mut fresh)?;
    copy_from_journal(journal, channel, segment, &mut fresh)?;
    if (fresh.next, fresh.length) != (segment.next, segment.length) {
        return Err(io::Error::other(
            "the journal does not have the whole segment",
        ));
    }
    fresh.complete()?;
    fresh.files.sync()?;
    for (new, path) in new.iter().zip(&paths) {
        uninterrupted(|| storage.rename(new, path))?;
    }
    sync_dir(storage, &names::channel(name))?;
    fresh.files.note_synced(fresh.extent());
    segment.files.note_replaced();
    *segment = fresh;
    Ok(())
}

/// A segment that is full, as far as its channel knows it, with the files that it was written to.
pub(crate) fn sealed(channel: &Channel, first: u64, files: &Arc<Files>) -> io::Result<Segment> {
    let state = channel.state();
    let Some((_, readable, Some(next))) = state
        .segment_of(first)
        .filter(|readable| readable.0 == first)
    else {
        return Err(io::Error::other("it is not known where the segment ends"));
    };
    let (readable, next) = (readable.clone(), next);
    drop(state);
    let mut segment = Segment::begin(Arc::clone(files), first);
    segment.next = next;
    segment.length = readable.length;
    segment.entries = readable.entries;
    segment.time = readable.time.unwrap_or_default();
    Ok(segment)
}

/// Lets readers open the new files of a segment that is full.
pub(crate) fn forget_files(channel: &Channel, segment: &Segment) {
    let is_kept = channel.state().keeps(segment.first);
    if is_kept {
        channel.publish(segment);
    }
}

fn copy_synced(segment: &Segment, fresh: &mut Segment) -> io::Result<()> {
    let files = &segment.files;
    let index = Index::new(
        Arc::clone(&files.index),
        segment.first,
        segment.files.synced().entries,
        None,
        WAITING,
    );
    for number in 0..index.len() {
        let Some(entry) = index.get(number)? else {
            return Err(io::Error::other("an entry is damaged"));
        };
        let mut bytes = vec![0; usize::try_from(entry.length).unwrap_or(usize::MAX)];
        read_exact_at(&*files.frames, &mut bytes, entry.offset, WAITING)?;
        let some = Frames {
            bytes: bytes.into(),
            messages: u64::from(entry.messages),
        };
        if some.crc() != entry.crc {
            return Err(io::Error::other("frames of the segment are damaged"));
        }
        fresh.skip_to(entry.first, entry.offset)?;
        fresh.append(entry.time, &[some])?;
        fresh.complete()?;
    }
    Ok(())
}

fn copy_from_journal(
    journal: &JournalFiles,
    channel: &Channel,
    segment: &Segment,
    fresh: &mut Segment,
) -> io::Result<()> {
    let mut batches: Vec<Scanned> = Vec::new();
    for file in journal {
        batches.extend(scan(file)?.batches);
    }
    let mut ours = Vec::new();
    for found in &batches {
        if found.batch.head.number < channel.born {
            continue;
        }
        for ((record, range), is_sound) in found.batch.records_with_ranges().zip(&found.are_sound) {
            let is_ours = *record.channel == *channel.name
                && !record.tells_birth()
                && record.segment == segment.first
                && record.offset >= fresh.length
                && record.offset + record.length <= segment.length;
            if is_ours && *is_sound {
                ours.push((record, found.batch.frames.slice(range)));
            }
        }
    }
    // A record that was carried comes after later ones, and can be there twice.
    ours.sort_by_key(|(record, _)| record.offset);
    for (record, frames) in ours {
        if record.offset == fresh.length {
            let frames = Frames::cut(frames, record.messages, entry::MOST);
            fresh.append(record.time, &frames)?;
            // A recovery cuts the segment where the first record begins that it takes from the journal, so an
            // entry has to end there.
            fresh.complete()?;
        }
    }
    Ok(())
}
