//! Records of the journal that are still needed when its older file is begun again: those of channels that are
//! shut. They are written once more, to the end of the newer file.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{Carried, Record};
use crate::chain::epoch_of;
use crate::journal::JournalFiles;
use crate::scan::{Scan, Scanned, scan};
use crate::starts::Start;

/// The records of some channels that their segments may not have, in the order of their seqs; those of batches
/// with a number below `before`.
pub(crate) fn records_of(
    journal: &JournalFiles,
    before: u64,
    is_wanted: impl Fn(&str) -> bool,
) -> io::Result<Vec<Carried>> {
    let scans = [scan(&journal[0])?, scan(&journal[1])?];
    let checkpointed = scans.iter().map(Scan::checkpointed).max().unwrap_or(0);
    let batches = scans.into_iter().flat_map(|scan| scan.batches);
    let is_needed = |found: &Scanned| (checkpointed..before).contains(&found.batch.head.number);
    let mut carried = Vec::new();
    for found in batches.filter(is_needed) {
        for ((record, range), is_sound) in found.batch.records_with_ranges().zip(&found.are_sound) {
            if *is_sound && is_wanted(&record.channel) {
                // A copy: the rest of a batch is not kept in memory for one of its records.
                let frames = Bytes::copy_from_slice(&found.batch.frames[range]);
                carried.push((record.clone(), frames));
            }
        }
    }
    let place = |(record, _): &Carried| {
        let is_of_messages = !record.tells_birth();
        (record.channel.clone(), record.first, is_of_messages)
    };
    carried.sort_by_key(place);
    // What was carried before is there twice.
    carried.dedup_by_key(|carried| place(carried));
    Ok(carried)
}

/// The same with the births of channels that are carried from their first message on, and may have no snapshot. The
/// records were committed in a start; in the journal of a later one nothing else says in which.
pub(crate) fn with_births(carried: Vec<Carried>, start: Option<Start>) -> Vec<Carried> {
    let told = carried.iter().filter(|(record, _)| record.tells_birth());
    let told: BTreeSet<Arc<str>> = told.map(|(record, _)| record.channel.clone()).collect();
    let is_due = |record: &&Record| record.first == 0 && !told.contains(&record.channel);
    let begun = carried.iter().map(|(record, _)| record).filter(is_due);
    let births: Vec<_> = begun
        .map(|record| Record::of_birth(&record.channel, epoch_of(record.epoch, start)))
        .collect();
    let births = births.into_iter().map(|record| (record, Bytes::new()));
    births.chain(carried).collect()
}
