//! The records of a journal, by channel.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::Record;
use crate::scan::Scanned;
use crate::storage::Storage;
use crate::whole::is_momentary;

use super::journal::{Step, Torn};
use super::there::segment_has;

/// What a journal has for segments.
#[derive(Debug, Default)]
pub(super) struct Records {
    by_channel: BTreeMap<Arc<str>, Vec<Placed>>,
    /// Births of channels that were carried.
    births: BTreeMap<Arc<str>, u64>,
    /// Before which records batches are missing, and it is not known what was in them.
    lost: Vec<usize>,
    count: usize,
    /// Bytes of all frames, and how many batches they were in.
    pub(super) bytes: u64,
    pub(super) batches: u64,
}

/// A record and its place among all that the journal has.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) number: usize,
    pub(super) record: Record,
    /// `None`: they are damaged.
    pub(super) frames: Option<Bytes>,
}

impl Records {
    /// Takes a step. Returns the last batch if it is torn: it was never acknowledged.
    pub(super) fn take(&mut self, storage: &dyn Storage, step: Step) -> io::Result<Option<Torn>> {
        let (found, is_last) = match step {
            Step::Lost => {
                self.lost.push(self.count);
                return Ok(None);
            }
            Step::Batch { found, is_last } => (found, is_last),
        };
        if is_last && !found.is_whole() && !was_acknowledged(storage, &found)? {
            return Ok(Some(Torn::new(&found)));
        }
        for ((record, range), is_sound) in found.batch.records_with_ranges().zip(&found.are_sound) {
            if record.tells_birth() {
                self.births
                    .insert(Arc::clone(&record.channel), record.epoch);
                continue;
            }
            let of_channel = self.by_channel.entry(Arc::clone(&record.channel));
            of_channel.or_default().push(Placed {
                number: self.count,
                record: record.clone(),
                frames: is_sound.then(|| found.batch.frames.slice(range)),
            });
            self.count += 1;
        }
        self.bytes += found.batch.head.frames;
        self.batches += u64::from(!found.batch.records.is_empty());
        Ok(None)
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_channel.keys()
    }

    /// Those of one channel, in the order of their seqs: what was carried when its files failed comes after later
    /// ones in the journal, and can be there twice.
    pub(super) fn of(&mut self, channel: &str) -> Vec<Placed> {
        let mut records = self.by_channel.remove(channel).unwrap_or_default();
        records.sort_by_key(|placed| (placed.record.first, placed.frames.is_none()));
        records.dedup_by_key(|placed| placed.record.first);
        records
    }

    /// The birth of a channel, if that was carried with its records.
    pub(super) fn birth_of(&self, channel: &str) -> Option<u64> {
        self.births.get(channel).copied()
    }

    /// Whether batches are missing from one place on and before another.
    pub(super) fn are_lost(&self, from: usize, to: usize) -> bool {
        self.lost.iter().any(|lost| (from..=to).contains(lost))
    }
}

/// Whether a segment has bytes that only this batch can have brought. A segment is written after the batch is
/// synced, so the batch may have been acknowledged. A segment that cannot be read shows nothing.
fn was_acknowledged(storage: &dyn Storage, found: &Scanned) -> io::Result<bool> {
    let of_messages = |record: &&Record| !record.tells_birth();
    for record in found.batch.records.iter().filter(of_messages) {
        match segment_has(storage, record) {
            Ok(Some(_)) => return Ok(true),
            Err(error) if is_momentary(&error) => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(false)
}
