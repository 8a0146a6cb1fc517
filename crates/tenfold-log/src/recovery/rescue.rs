//! Frames that no entry covers and the journal does not have.
//!
//! They had been committed: a segment is written after the journal is synced. Strict reading tells where
//! frames begin and end. Nothing proves their bytes, so their entries are marked as unproven.

use std::io;
use std::sync::Arc;

use crate::entry;
use crate::frames::{self, Frames};
use crate::names;
use crate::plausible::frame_length;
use crate::report::Report;
use crate::segment::Segment;
use crate::storage::File;
use crate::whole::{DURABLE, read_at, uninterrupted};

/// How many bytes are read at once.
const AT_ONCE: usize = 4 * 1024 * 1024;

/// How many bytes are kept of an end that is not whole frames: a large message that was cut, and not a hole.
const MOST_ASIDE: u64 = 64 << 20;

/// Makes entries for the whole frames that stand after those that have some, up to an offset.
pub(crate) fn enter(segment: &mut Segment, end: u64, time: u64) -> io::Result<()> {
    enter_up_to(segment, end, u64::MAX, time)
}

/// The same for no more than so many messages.
fn enter_up_to(segment: &mut Segment, end: u64, mut most: u64, time: u64) -> io::Result<()> {
    let file = Arc::clone(&segment.files.frames);
    let mut size = AT_ONCE;
    while segment.length < end && most > 0 {
        let left = usize::try_from(end - segment.length).unwrap_or(usize::MAX);
        let bytes = read(&*file, segment.length, left.min(size))?;
        let found = frames::whole(&bytes, most, usize::MAX);
        if found.messages == 0 {
            // A larger frame, or bytes that are not a frame.
            match frame_length(&bytes).and_then(|length| usize::try_from(length).ok()) {
                Some(length) if size < length && length <= left => size = length,
                _ => break,
            }
            continue;
        }
        size = AT_ONCE;
        most -= found.messages;
        let bytes = bytes::Bytes::from(bytes).slice(..found.bytes);
        let frames = Frames::cut(bytes, found.messages, entry::MOST);
        segment.enter(time, &frames, true)?;
    }
    Ok(())
}

fn read(file: &dyn File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let read = read_at(file, &mut bytes, offset, DURABLE)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Makes entries for the whole frames after the end of a segment. Other bytes, and frames beyond the next
/// segment, are to be put aside; the caller cuts them off. False: there was nothing.
pub(crate) fn rest(
    channel: &Arc<str>,
    segment: &mut Segment,
    after: Option<u64>,
    time: u64,
    put: &mut Vec<(String, Vec<u8>)>,
    report: &mut Report,
) -> io::Result<bool> {
    let length = uninterrupted(|| segment.files.frames.length())?;
    if length <= segment.length {
        return Ok(false);
    }
    let (from, time) = (segment.next, time.max(segment.time));
    let most = after.map_or(u64::MAX, |after| after.saturating_sub(from));
    segment.complete()?;
    enter_up_to(segment, length, most, time)?;
    if segment.next > from {
        let text = "no entry proves them; their frames are kept as they are";
        report.push(true, Some(channel), Some((from, segment.next)), text);
    }
    if segment.length < length {
        let left = length - segment.length;
        let kept = usize::try_from(left.min(MOST_ASIDE)).unwrap_or(usize::MAX);
        let bytes = read(&*segment.files.frames, segment.length, kept)?;
        let name = format!("{channel}-{:020}.frames-{}", segment.first, segment.length);
        let which = match left {
            0..=MOST_ASIDE => String::new(),
            _ => format!("the first {MOST_ASIDE} "),
        };
        let text = format!(
            "{left} bytes at the end of segment {:020} are not whole frames: they are cut off and {which}kept in {}/{name}",
            segment.first,
            names::ASIDE
        );
        put.push((name, bytes));
        report.push(true, Some(channel), None, text);
    }
    Ok(true)
}
