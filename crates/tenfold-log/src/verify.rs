//! Checks whether everything in a log is as it was written.

use std::io;
use std::sync::Arc;

use crate::channel::{Channel, ReadableSegment};
use crate::error::{OpenError, ReadError};
use crate::frames;
use crate::look::{Look, index_of};
use crate::report::Report;
use crate::storage::Storage;

/// How many bytes are read at once.
const AT_ONCE: usize = 4 * 1024 * 1024;

/// Reads everything in a log, and what its journal has, and checks it against its CRCs. Changes nothing, and
/// can be done while a hub uses the log. `progress` is told the bytes that have been read, and of how many.
pub fn verify(
    storage: &Arc<dyn Storage>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, OpenError> {
    let look = Look::at(storage)?;
    let mut report = next_start(&look);
    let channels = look.found.channels.iter().map(|found| &found.channel);
    let all = channels.clone().map(|channel| channel.bytes()).sum();
    let mut done = 0;
    for found in channels {
        let mut told = |bytes| {
            done += bytes;
            progress(done, all);
        };
        channel(found, look.is_live, &mut report, &mut told)
            .map_err(OpenError::io("reading a channel"))?;
    }
    Ok(report)
}

/// What the next start will find and do. While a hub runs, the end of its journal is being written.
fn next_start(look: &Look) -> Report {
    let mut report = Report::default();
    for finding in &look.found.report.findings {
        let text = format!("at the next start: {}", finding.text);
        report.push(
            finding.is_damage,
            finding.channel.as_ref(),
            finding.seqs,
            text,
        );
    }
    if look.is_live {
        return report;
    }
    for torn in look.found.torn() {
        report.note(format!("at the next start: {torn}"));
    }
    let (waiting, bytes) = (look.found.report.replayed, look.found.waiting_bytes);
    if waiting > 0 {
        report.note(format!(
            "{waiting} batches with {bytes} bytes are in the journal: the next start writes them to their segments"
        ));
    }
    report
}

fn channel(
    channel: &Arc<Channel>,
    is_live: bool,
    report: &mut Report,
    told: &mut dyn FnMut(u64),
) -> io::Result<()> {
    for (first, readable) in channel.segments() {
        match segment(channel, first, &readable, report) {
            // Retention has removed it meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound && is_live => {}
            result => result?,
        }
    }
    messages(channel, is_live, report, told)
}

/// What does not fit together in a segment.
fn segment(
    channel: &Arc<Channel>,
    first: u64,
    readable: &ReadableSegment,
    report: &mut Report,
) -> io::Result<()> {
    let name = Some(&channel.name);
    let index = index_of(channel, first, readable)?;
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
    if readable.length > end {
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
