//! What must hold after a run, whatever has happened in it.

use std::collections::BTreeMap;

use super::record::{Record, Step};

/// The subscriber that reads everything at the end.
pub(super) const AUDITOR: &str = "auditor";

/// The messages of a channel, by seq, as far as anybody has seen them.
type History = BTreeMap<u64, Vec<u8>>;

/// Looks at what all have written down.
pub(crate) fn check(record: &Record) -> Result<(), String> {
    if let Some(problem) = record.problems.first() {
        return Err(problem.clone());
    }
    let mut histories: BTreeMap<usize, History> = BTreeMap::new();
    for sight in &record.sights {
        let epochs = sight.steps.iter().filter_map(|step| match step {
            Step::Began { epoch, .. } => Some(*epoch),
            _ => None,
        });
        for epoch in epochs {
            if !record.epochs.contains_key(&(sight.channel, epoch)) {
                return Err(format!("{}: no hub had the epoch {epoch}", sight.who));
            }
        }
        let history = histories.entry(sight.channel).or_default();
        follow(&sight.steps, history).map_err(|problem| format!("{}: {problem}", sight.who))?;
    }
    for (channel, history) in &histories {
        whole(record, *channel, history)?;
        once_and_in_order(history)?;
    }
    for ((channel, producer), total) in &record.acknowledged {
        let history = histories.get(channel);
        complete(*producer, *total, history.unwrap_or(&History::new()))?;
    }
    let none = History::new();
    let of_plain = histories.get(&0).unwrap_or(&none);
    for messages in &record.plain {
        in_a_row(record, messages, of_plain)?;
    }
    Ok(())
}

/// A subscriber gets one seq after the other, or is told otherwise; and all get the same message under a seq.
fn follow(steps: &[Step], history: &mut History) -> Result<(), String> {
    let mut expected = None;
    for step in steps {
        match step {
            Step::Began { from, .. } => {
                if expected.is_some_and(|seq| seq != *from) {
                    return Err(format!("resumed at {from}, not at {expected:?}"));
                }
                expected = Some(*from);
            }
            Step::Gap {
                expected: told,
                available,
            } => {
                if told.is_some() && expected.is_some() && *told != expected {
                    return Err(format!("told of a gap from {told:?} on, not {expected:?}"));
                }
                expected = Some(*available);
            }
            Step::Message { seq, bytes } => {
                if expected.is_some_and(|expected| expected != *seq) {
                    return Err(format!("got {seq}, not {expected:?}"));
                }
                expected = Some(seq + 1);
                let known = history.entry(*seq).or_insert_with(|| bytes.clone());
                if known != bytes {
                    return Err(format!("another message under {seq}"));
                }
            }
        }
    }
    Ok(())
}

/// What anybody has seen is there at the end, unless retention has removed it.
fn whole(record: &Record, channel: usize, history: &History) -> Result<(), String> {
    let audits = record.sights.iter();
    let mut audits = audits.filter(|sight| sight.who == AUDITOR && sight.channel == channel);
    let steps = audits.next().map_or(&[][..], |sight| &sight.steps);
    let end = steps.iter().rev().find_map(|step| match step {
        Step::Began { from, .. } => Some(*from),
        Step::Message { seq, .. } => Some(seq + 1),
        Step::Gap { .. } => None,
    });
    let last = history.keys().next_back();
    match (last, end) {
        (Some(last), Some(end)) if *last >= end => {
            Err(format!("{last} was seen, and the channel ends with {end}"))
        }
        _ => Ok(()),
    }
}

/// The producer that a message is of, and which one of its messages it is.
fn number(bytes: &[u8]) -> Option<(u64, u64)> {
    let text = str::from_utf8(bytes).ok()?;
    let (producer, rest) = text.split_once(' ')?;
    let (number, _) = rest.split_once(' ')?;
    Some((producer.parse().ok()?, number.parse().ok()?))
}

/// From this number on, producers are connections of a plain port. They have no name, so some of their messages can be
/// missing.
pub(super) const PLAIN: u64 = 100;

/// Each producer's messages stand once, in their order, and, where nothing of the history is unknown, without
/// one missing.
fn once_and_in_order(history: &History) -> Result<(), String> {
    let mut last: BTreeMap<u64, u64> = BTreeMap::new();
    let is_known = history.keys().copied().eq(0..history.len() as u64);
    for (seq, bytes) in history {
        let Some((producer, number)) = number(bytes) else {
            return Err(format!("nobody has sent the message under {seq}"));
        };
        let before = last.insert(producer, number);
        let next = before.map_or(0, |before| before + 1);
        let has_all = is_known && producer < PLAIN;
        if number < next || (has_all && number != next) {
            return Err(format!(
                "message {number} of producer {producer} under {seq}, not {next}"
            ));
        }
    }
    Ok(())
}

/// What was acknowledged to a producer is there, where nothing of the history is unknown; and nothing is there
/// twice.
fn complete(producer: u64, total: u64, history: &History) -> Result<(), String> {
    let is_known = history.keys().copied().eq(0..history.len() as u64);
    let of_producer = history.values().filter_map(|bytes| number(bytes));
    let there = of_producer.filter(|(who, _)| *who == producer).count() as u64;
    if is_known && there < total {
        return Err(format!(
            "{total} messages of producer {producer} were acknowledged, and {there} are there"
        ));
    }
    Ok(())
}

/// A plain port gives messages that follow each other, and, as they were asked for, all that are kept.
fn in_a_row(record: &Record, messages: &[Vec<u8>], history: &History) -> Result<(), String> {
    let seqs: BTreeMap<&[u8], u64> = history
        .iter()
        .map(|(seq, bytes)| (bytes.as_slice(), *seq))
        .collect();
    let mut expected = record.keeps_everything.then_some(0);
    for message in messages {
        let Some(seq) = seqs.get(message.as_slice()) else {
            // Retention has removed it before anybody else saw it.
            expected = None;
            continue;
        };
        if expected.is_some_and(|expected| expected != *seq) {
            return Err(format!("plain: got {seq}, not {expected:?}"));
        }
        expected = Some(seq + 1);
    }
    Ok(())
}
