//! Records of the journal that are still needed when its older file is begun anew: those of channels that are
//! shut. They are written once more, to the end of the newer file.

use std::io;

use bytes::Bytes;

use crate::batch::Carried;
use crate::journal::JournalFiles;
use crate::scan::{Scan, Scanned, scan};

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
    let place = |(record, _): &Carried| (record.channel.clone(), record.first);
    carried.sort_by_key(place);
    // What was carried before is there twice.
    carried.dedup_by_key(|carried| place(carried));
    Ok(carried)
}
