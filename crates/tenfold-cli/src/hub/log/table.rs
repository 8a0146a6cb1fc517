//! A log's numbers, for people and for programs.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::json;
use tenfold_log::{ChannelStats, Stats};

use crate::numbers::{counted, grouped, size};
use crate::words::Words;

const TITLES: [&str; 9] = [
    "CHANNEL",
    "FIRST",
    "NEXT",
    "SIZE",
    "SEGMENTS",
    "PRODUCERS",
    "OLDEST",
    "NEWEST",
    "EPOCH",
];

/// A line for each channel.
pub(super) fn text(stats: &Stats, is_json: bool) -> String {
    let mut text = String::new();
    if is_json {
        for channel in &stats.channels {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", object(channel));
        }
        return text;
    }
    let rows: Vec<[String; 9]> = std::iter::once(TITLES.map(str::to_owned))
        .chain(stats.channels.iter().map(row))
        .collect();
    for cells in &rows {
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let width = rows.iter().map(|row| row[at].len()).max().unwrap_or(0);
            let _ = match at {
                1..=5 => write!(line, "{cell:>width$}  "),
                _ => write!(line, "{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Notes about numbers that are not in the table.
pub(super) fn note(stats: &Stats, words: &Words) {
    if stats.waiting > 0 {
        words.note(format_args!(
            "{} of these with {} are safe in the journal, and written to segments in time or when a hub starts",
            counted(stats.waiting, "commit"),
            size(stats.waiting_bytes),
        ));
    }
    if stats.is_live {
        words.note("a hub uses it now");
    }
}

fn row(channel: &ChannelStats) -> [String; 9] {
    [
        channel.name.to_string(),
        grouped(channel.first),
        grouped(channel.next),
        size(channel.bytes),
        grouped(channel.segments as u64),
        grouped(channel.producers as u64),
        shown(channel.oldest),
        shown(channel.newest),
        epoch(channel).unwrap_or_else(|| "-".to_owned()),
    ]
}

fn object(channel: &ChannelStats) -> serde_json::Value {
    json!({
        "channel": *channel.name,
        "epoch": epoch(channel),
        "first": channel.first,
        "next": channel.next,
        "bytes": channel.bytes,
        "segments": channel.segments,
        "producers": channel.producers,
        "oldest": channel.oldest.and_then(timestamp),
        "newest": channel.newest.and_then(timestamp),
    })
}

fn epoch(channel: &ChannelStats) -> Option<String> {
    channel.epoch.map(|epoch| format!("{epoch:016x}"))
}

/// To the millisecond, always with three digits: so the texts are in the order of the times.
fn timestamp(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(format!("{time:.3}"))
}

/// To the second, which is enough for people.
fn shown(time: Option<SystemTime>) -> String {
    let time = time.and_then(|time| jiff::Timestamp::try_from(time).ok());
    time.map_or_else(
        || "-".to_owned(),
        |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_are_in_order_as_texts_too() {
        let at = |milliseconds| timestamp(UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(at(1_820).as_deref(), Some("1970-01-01T00:00:01.820Z"));
        assert_eq!(at(2_000).as_deref(), Some("1970-01-01T00:00:02.000Z"));
        assert!(at(1_820) < at(1_823));
    }
}
