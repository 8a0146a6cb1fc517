//! Checks whether everything in a log is as it was written.

use std::io;
use std::sync::Arc;

use crate::channel::{Channel, ReadableSegment};
use crate::error::{OpenError, ReadError};
use crate::frames;
use crate::look::{Look, Looked, index_of};
use crate::names;
use crate::report::Report;
use crate::storage::Storage;

/// How many bytes are read at once.
const AT_ONCE: usize = 4 * 1024 * 1024;

/// Reads everything in a log and checks it against its CRCs. Changes nothing, and can be done while a
/// hub uses the log. `progress` is told the bytes that have been read, and of how many.
pub fn verify(
    storage: &Arc<dyn Storage>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let look = Look::at(storage)?;
    let mut report = Report::default();
    let all = look
        .channels
        .iter()
        .map(|looked| looked.channel.bytes())
        .sum();
    let mut done = 0;
    for looked in &look.channels {
        let mut told = |bytes| {
            done += bytes;
            progress(done, all);
        };
        channel(looked, &look, &mut report, &mut told)
            .map_err(OpenError::io("reading a channel"))?;
    }
    if !look.is_live {
        journal(&look, &mut report);
    }
    Ok(report)
}

fn journal(look: &Look, report: &mut Report) {
    for (scan, path) in look.journal.iter().zip(names::JOURNALS) {
        if scan.is_short || scan.length == 0 {
            report.damage(format!("{path} is missing or shorter than it was made"));
        }
        for lost in &scan.lost {
            report.damage(format!(
                "{path} has lost batches {} to {}",
                lost.start,
                lost.end - 1
            ));
        }
    }
    let (waiting, bytes) = look.waiting();
    if waiting > 0 {
        report.note(format!(
            "{waiting} batches with {bytes} bytes are in the journal: the next start writes them to their segments"
        ));
    }
}

fn channel(
    looked: &Looked,
    look: &Look,
    report: &mut Report,
    told: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let channel = &looked.channel;
    let name = Some(&channel.name);
    if looked.has_snapshot && looked.snapshot.is_none() {
        report.push(true, name, None, "the snapshot is damaged");
    }
    let segments = channel.segments();
    for (number, (first, readable)) in segments.iter().enumerate() {
        let after = segments.get(number + 1).map(|(after, _)| *after);
        match segment(channel, *first, readable, after, look, report) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && look.is_live => {}
            result => result?,
        }
    }
    messages(channel, look.is_live, report, told)
}

/// What does not fit together in a segment.
fn segment(
    channel: &Arc<Channel>,
    first: u64,
    readable: &ReadableSegment,
    after: Option<u64>,
    look: &Look,
    report: &mut Report,
) -> io::Result<()> {
    let name = Some(&channel.name);
    let index = match index_of(channel, first, readable) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            report.push(
                true,
                name,
                None,
                format!("segment {first:020} has no index"),
            );
            return Ok(());
        }
        result => result?,
    };
    if !index.has_header()? {
        let text = format!("the index of segment {first:020} does not begin as one");
        report.push(true, name, None, text);
    }
    let mut number = 0;
    let mut end = 0;
    let mut unproven: Option<(u64, u64)> = None;
    while number < index.len() {
        for entry in index.some(number, 64)? {
            let Some(entry) = entry else {
                let text = format!(
                    "record {} of the index of segment {first:020} is damaged",
                    number + 1
                );
                report.push(true, name, None, text);
                number += 1;
                continue;
            };
            number += 1;
            end = entry.end();
            if entry.is_unproven {
                let from = unproven.map_or(entry.first, |range| range.0);
                unproven = Some((from, entry.next()));
            }
        }
    }
    if unproven.is_some() {
        let text = "unproven: their index was made from the frames";
        report.push(false, name, unproven, text);
    }
    let may_have_more = after.is_none() && (look.is_live || look.waiting().0 > 0);
    if readable.length > end && !may_have_more {
        let text = format!(
            "no entry covers the last {} bytes of segment {first:020}",
            readable.length - end
        );
        report.push(true, name, None, text);
    }
    Ok(())
}

/// Reads all messages as a subscriber would.
fn messages(
    channel: &Arc<Channel>,
    is_live: bool,
    report: &mut Report,
    told: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let name = Some(&channel.name);
    let mut reader = channel.reader(channel.first());
    loop {
        let from = reader.seq();
        match reader.read(AT_ONCE) {
            Ok(read) => {
                if !frames::are(&read.bytes, read.messages) {
                    let text = "the bytes there are not whole frames, although their CRC is right";
                    report.push(true, name, Some((from, from + read.messages)), text);
                }
                told(read.bytes.len() as u64);
            }
            Err(ReadError::Corrupt { first, next }) => {
                report.push(true, name, Some((first, next)), "damaged");
                reader = channel.reader(next);
            }
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                let after = channel
                    .segments()
                    .into_iter()
                    .map(|(first, _)| first)
                    .find(|first| *first > from);
                let next = after.unwrap_or_else(|| channel.next());
                if !is_live {
                    report.push(true, name, Some((from, next)), "the segment has no index");
                }
                reader = channel.reader(next);
            }
            Err(ReadError::Io(error)) => return Err(error),
            Err(_) => return Ok(()),
        }
    }
}
