//! What must hold after a run, whatever has happened in it.

use std::collections::BTreeMap;

use tenfold::protocol::Epoch;

use super::world::{Ending, Record, Step};

/// Looks at what all have written down.
pub(crate) fn check(record: &Record) -> Result<(), String> {
    if record.hangs {
        return Err("it hangs".to_owned());
    }
    let mut history = BTreeMap::new();
    for (name, steps) in &record.subscribers {
        contiguous(steps).map_err(|problem| format!("{name}: {problem}"))?;
        agree(steps, &mut history).map_err(|problem| format!("{name}: {problem}"))?;
    }
    once_and_in_order(&history)?;
    for (producer, ending) in &record.producers {
        if let Ending::Failed(error) = ending
            && record.hubs == 1
        {
            return Err(format!("producer {producer} failed: {error}"));
        }
        complete(*producer, ending, &history)?;
    }
    Ok(())
}

/// Every history, as far as anybody has seen it.
type History = BTreeMap<(Epoch, u64), Vec<u8>>;

/// A subscriber gets one seq after the other, or is told otherwise.
fn contiguous(steps: &[Step]) -> Result<(), String> {
    let mut expected = None;
    for step in steps {
        match step {
            Step::Began { epoch, from } => {
                if expected.is_some_and(|place| place != (*epoch, *from)) {
                    return Err(format!("resumed at {epoch} {from}, not at {expected:?}"));
                }
                expected = Some((*epoch, *from));
            }
            Step::Gap => expected = None,
            Step::Message { epoch, seq, .. } => {
                if expected.is_some_and(|place| place != (*epoch, *seq)) {
                    return Err(format!("got {epoch} {seq}, not {expected:?}"));
                }
                expected = Some((*epoch, seq + 1));
            }
        }
    }
    Ok(())
}

/// All subscribers get the same message at the same place.
fn agree(steps: &[Step], history: &mut History) -> Result<(), String> {
    for step in steps {
        if let Step::Message { epoch, seq, bytes } = step {
            let known = history
                .entry((*epoch, *seq))
                .or_insert_with(|| bytes.clone());
            if known != bytes {
                return Err(format!("another message at {epoch} {seq}"));
            }
        }
    }
    Ok(())
}

/// The producer that a message is of, and which one of its messages it is.
fn number(bytes: &[u8]) -> Option<(u64, u64)> {
    let text = str::from_utf8(bytes).ok()?;
    let (producer, rest) = text.split_once(' ')?;
    let (number, _) = rest.split_once(' ')?;
    Some((producer.parse().ok()?, number.parse().ok()?))
}

/// Within one history each producer's messages stand once, in their order, and, where nothing of the
/// history is unknown, without one missing.
fn once_and_in_order(history: &History) -> Result<(), String> {
    let mut last: BTreeMap<(Epoch, u64), u64> = BTreeMap::new();
    let mut next_seq = BTreeMap::new();
    for ((epoch, seq), bytes) in history {
        let Some((producer, number)) = number(bytes) else {
            return Err(format!("nobody has sent the message at {epoch} {seq}"));
        };
        let whole = *next_seq.entry(*epoch).or_insert(0) == *seq;
        if whole {
            next_seq.insert(*epoch, seq + 1);
        }
        let before = last.insert((*epoch, producer), number);
        let next = before.map_or(0, |before| before + 1);
        let fits = if whole {
            number == next
        } else {
            number >= next
        };
        // A producer goes on in a new history with what the old one had not acknowledged.
        let begins_late = before.is_none() && *epoch != Record::FIRST_EPOCH;
        if !fits && !begins_late {
            return Err(format!(
                "message {number} of producer {producer} at {epoch} {seq}, not {next}"
            ));
        }
    }
    Ok(())
}

/// What was acknowledged to a producer is there, if a subscriber has seen the whole history.
fn complete(producer: u64, ending: &Ending, history: &History) -> Result<(), String> {
    let Ending::Acknowledged { epoch, messages } = ending else {
        return Ok(());
    };
    let of_epoch = history.iter().filter(|((e, _), _)| e == epoch);
    let seqs: Vec<u64> = of_epoch.clone().map(|((_, seq), _)| *seq).collect();
    let whole = seqs.iter().copied().eq(0..seqs.len() as u64);
    let there = of_epoch
        .filter(|(_, bytes)| number(bytes).is_some_and(|(who, _)| who == producer))
        .count() as u64;
    if whole && *epoch == Record::FIRST_EPOCH && there != *messages {
        return Err(format!(
            "{messages} messages of producer {producer} were acknowledged, and {there} are there"
        ));
    }
    Ok(())
}
