//! What remains in the journal that segments may not have.

use std::io;
use std::sync::Arc;

use crate::aside;
use crate::batch::{BLOCK, BLOCK_BYTES};
use crate::journal::{End, Header};
use crate::names;
use crate::report::Report;
use crate::scan::{Scan, Scanned, scan};
use crate::storage::{File, Storage};
use crate::whole::{DURABLE, is_full, read_at, uninterrupted};

/// The batches that are not known to be in synced segments.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    pub(crate) steps: Vec<Step>,
    /// Where it ends; `None` if neither file says anything.
    pub(crate) end: Option<End>,
    /// What is left of a batch after the last one.
    pub(crate) torn: Option<Torn>,
}

/// One step of a replay.
#[derive(Debug)]
pub(crate) enum Step {
    /// A batch, and whether it is the last one of all.
    Batch { found: Scanned, is_last: bool },
    /// Batches are missing here, and it is not known what was in them.
    Lost,
}

impl Remains {
    pub(crate) fn read(
        storage: &dyn Storage,
        has_channels: bool,
        report: &mut Report,
    ) -> io::Result<Self> {
        let mut scans = [Scan::default(), Scan::default()];
        for file in older_first(storage)? {
            if let Some(found) = open(storage, file)? {
                scans[file] = scan(&found)?;
            }
        }
        let Some(newer) = newer(&scans) else {
            let mut steps = Vec::new();
            if has_channels {
                report.damage(
                    "the journal is missing or cannot be read: messages may be lost that were acknowledged",
                );
                steps.push(Step::Lost);
            }
            return Ok(Self {
                steps,
                ..Self::default()
            });
        };
        let end = scans[newer].next().zip(scans[newer].generation());
        let end = end.map(|((number, before), generation)| End {
            file: newer,
            generation,
            offset: scans[newer].end,
            number,
            before,
        });
        let is_cut = is_cut(&scans, newer, report);
        let torn = scans[newer].torn.take();
        let torn = torn.map(|bytes| Torn::of(end.map_or(0, |end| end.number), bytes));
        let steps = steps(scans, end.map_or(0, |end| end.number), is_cut, report);
        Ok(Self { steps, end, torn })
    }
}

/// The order in which the files are read, also while a hub writes. When the newer one is read last, it has
/// everything that was committed before the older one was begun again meanwhile. With `CHECKPOINT` locked
/// that happens once at the most.
pub(crate) fn older_first(storage: &dyn Storage) -> io::Result<[usize; 2]> {
    let mut numbers = [None; 2];
    for (file, number) in numbers.iter_mut().enumerate() {
        let Some(found) = open(storage, file)? else {
            continue;
        };
        let mut block = [0; BLOCK_BYTES];
        read_at(&*found, &mut block, 0, DURABLE)?;
        *number = Header::decode(&block).map(|header| header.number);
    }
    Ok(if numbers[1] < numbers[0] {
        [1, 0]
    } else {
        [0, 1]
    })
}

fn open(storage: &dyn Storage, file: usize) -> io::Result<Option<Arc<dyn File>>> {
    match uninterrupted(|| storage.open(names::JOURNALS[file], false)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Which of the files was written last.
fn newer(scans: &[Scan; 2]) -> Option<usize> {
    match (scans[0].number(), scans[1].number()) {
        (Some(zero), Some(one)) => Some(usize::from(one > zero)),
        (Some(_), None) => Some(0),
        (None, Some(_)) => Some(1),
        (None, None) => None,
    }
}

/// Whether batches can have been in what is cut off, or in a file that cannot be read.
fn is_cut(scans: &[Scan; 2], newer: usize, report: &mut Report) -> bool {
    let (newest, other) = (&scans[newer], &scans[1 - newer]);
    if newest.is_short {
        report.damage(format!(
            "{} is shorter than it was made",
            names::JOURNALS[newer]
        ));
        return true;
    }
    // The other one was to be begun. If it was, and has its length, a torn header is what a crash leaves.
    let size = newest.header.map_or(0, |header| header.size);
    let is_gone = newest.is_closed() && other.number().is_none() && other.length < size;
    if is_gone {
        report.damage(format!("{} is missing or cut", names::JOURNALS[1 - newer]));
    }
    is_gone
}

/// The batches of both files in their order.
fn steps(scans: [Scan; 2], end: u64, is_cut: bool, report: &mut Report) -> Vec<Step> {
    let checkpointed = scans.iter().map(Scan::checkpointed).max().unwrap_or(0);
    let mut batches: Vec<Scanned> = scans.into_iter().flat_map(|scan| scan.batches).collect();
    batches.retain(|found| found.batch.head.number >= checkpointed);
    batches.sort_by_key(|found| found.batch.head.number);
    let last = batches.last().map(|found| found.batch.head.number);
    let mut steps = Vec::new();
    let mut expected = checkpointed;
    let mut note_lost = |from: u64, to: u64, steps: &mut Vec<Step>| {
        if from < to {
            report.damage(format!(
                "the journal has lost {} of its batches, from number {from} on",
                to - from
            ));
            steps.push(Step::Lost);
        }
    };
    for found in batches {
        let number = found.batch.head.number;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::CutAtDamage)
            && (number > expected || !found.is_whole())
        {
            return steps;
        }
        note_lost(expected, number, &mut steps);
        expected = number + 1;
        steps.push(Step::Batch {
            found,
            is_last: last == Some(number) && end == number + 1,
        });
    }
    note_lost(expected, end, &mut steps);
    if is_cut {
        steps.push(Step::Lost);
    }
    steps
}

/// A batch that was being written when the hub ended. It was not acknowledged.
#[derive(Debug)]
pub(crate) struct Torn {
    number: u64,
    offset: Option<u64>,
    before: u32,
    bytes: Vec<u8>,
}

impl Torn {
    pub(crate) fn new(found: &Scanned) -> Self {
        let head = found.batch.head;
        Self {
            number: head.number,
            offset: Some(found.offset),
            before: head.before,
            bytes: found.batch.frames.to_vec(),
        }
    }

    fn of(number: u64, bytes: Vec<u8>) -> Self {
        Self {
            number,
            offset: None,
            before: 0,
            bytes,
        }
    }

    /// The end of a journal without it.
    pub(crate) fn cut(&self, end: End) -> End {
        End {
            offset: self.offset.unwrap_or(end.offset).max(BLOCK),
            number: self.number,
            before: self.before,
            ..end
        }
    }

    /// Keeps a copy in `aside/`. The report says where, or that there was no space for one.
    pub(crate) fn put_aside(&self, storage: &dyn Storage, report: &mut Report) -> io::Result<()> {
        let number = self.number;
        let kept = match aside::put(storage, &format!("batch-{number}"), &self.bytes) {
            Ok(path) => format!("it is kept in {path}"),
            Err(error) if is_full(&error) => "there is no space to keep it".to_owned(),
            Err(error) => return Err(error),
        };
        report.note(format!("{}; {kept}", self.words()));
        Ok(())
    }

    /// What it is, and what a start does with it.
    pub(crate) fn words(&self) -> String {
        format!(
            "batch {}, the last of the journal, is not whole, as after a crash while it was written: it is cut off",
            self.number
        )
    }
}
