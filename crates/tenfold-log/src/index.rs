//! The index of a segment, as it is read.

use std::io;
use std::sync::Arc;

use tenfold_codec::native;

use crate::entry::{Entry, RECORD, header};
use crate::storage::File;
use crate::whole::{ReadAt, read_at};

/// The entries of one segment. Nothing is kept in memory; each look reads what it needs.
#[derive(Debug)]
pub(crate) struct Index {
    file: Arc<dyn File>,
    segment: u64,
    /// How many entries are complete.
    count: u64,
    /// The newest entry while it can still grow: it comes after the complete ones, and is only in memory.
    open: Option<Entry>,
    how: ReadAt,
}

/// What an index says of a seq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The entry with this number.
    Entry(u64, Entry),
    /// No entry: earlier ones end at the seq `first`, and later ones begin at `next`, if there are any.
    Hole { first: u64, next: Option<u64> },
}

/// An entry and its number.
pub(crate) type Numbered = (u64, Entry);

/// Entries that are read at once, where they are read one after the other.
const AT_ONCE: usize = 64;

impl Index {
    pub(crate) fn new(
        file: Arc<dyn File>,
        segment: u64,
        count: u64,
        open: Option<Entry>,
        how: ReadAt,
    ) -> Self {
        Self {
            file,
            segment,
            count,
            open,
            how,
        }
    }

    /// How many records there are, with the damaged ones.
    pub(crate) fn len(&self) -> u64 {
        self.count + u64::from(self.open.is_some())
    }

    /// Whether the file begins as an index of this segment does.
    pub(crate) fn has_header(&self) -> io::Result<bool> {
        let mut record = [0; RECORD];
        read_at(&*self.file, &mut record, 0, self.how)?;
        Ok(record == header(self.segment))
    }

    /// An entry by its number; `None` if it is damaged.
    pub(crate) fn get(&self, number: u64) -> io::Result<Option<Entry>> {
        let mut entries = self.some(number, 1)?;
        Ok(entries.pop().flatten())
    }

    /// Up to `most` entries from a number on.
    pub(crate) fn some(&self, number: u64, most: usize) -> io::Result<Vec<Option<Entry>>> {
        let left = usize::try_from(self.count.saturating_sub(number)).unwrap_or(usize::MAX);
        let count = left.min(most).min(AT_ONCE);
        let mut records = vec![[0; RECORD]; count];
        let offset = (number + 1) * RECORD as u64;
        // Where the file is shorter, the records stay zeros, which no entry is decoded from.
        read_at(&*self.file, records.as_flattened_mut(), offset, self.how)?;
        let mut entries: Vec<_> = records
            .iter()
            .map(|record| Entry::decode(record, self.segment))
            .collect();
        if count < most && number + count as u64 == self.count {
            entries.extend(self.open.map(Some));
        }
        Ok(entries)
    }

    /// The first sound entry that `is_after` holds for, as it does for all later entries; and the last
    /// sound one before it. Each comes with its number.
    pub(crate) fn partition(
        &self,
        is_after: impl Fn(&Entry) -> bool,
    ) -> io::Result<(Option<Numbered>, Option<Numbered>)> {
        let (mut low, mut high) = (0, self.len());
        let (mut before, mut after) = (None, None);
        while low < high {
            let middle = low + (high - low) / 2;
            // A damaged entry says nothing: the next sound one stands for it.
            match self.sound(middle, high)? {
                None => high = middle,
                Some((number, entry)) if is_after(&entry) => {
                    after = Some((number, entry));
                    high = middle;
                }
                Some((number, entry)) => {
                    before = Some((number, entry));
                    low = number + 1;
                }
            }
        }
        Ok((after, before))
    }

    /// The first entry that is sound, from a number on and before another.
    fn sound(&self, from: u64, to: u64) -> io::Result<Option<(u64, Entry)>> {
        let mut number = from;
        while number < to {
            let left = usize::try_from(to - number).unwrap_or(usize::MAX);
            // Mostly the first one is.
            let most = if number == from { 1 } else { left };
            let entries = self.some(number, most)?;
            if entries.is_empty() {
                break;
            }
            let sound = entries.iter().position(Option::is_some);
            if let Some((at, entry)) = sound.and_then(|at| Some((at, entries[at]?))) {
                return Ok(Some((number + at as u64, entry)));
            }
            number += entries.len() as u64;
        }
        Ok(None)
    }

    /// Where a seq is. `hint` is the number of an entry that may have it.
    pub(crate) fn find(&self, seq: u64, hint: u64) -> io::Result<Lookup> {
        let has = |entry: &Entry| entry.first <= seq && seq < entry.next();
        if let Some(entry) = self.get(hint)?.filter(has) {
            return Ok(Lookup::Entry(hint, entry));
        }
        let (after, before) = self.partition(|entry| entry.first > seq)?;
        if let Some((number, entry)) = before.filter(|(_, entry)| has(entry)) {
            return Ok(Lookup::Entry(number, entry));
        }
        Ok(Lookup::Hole {
            first: before.map_or(self.segment, |(_, entry)| entry.next()),
            next: after.map(|(_, entry)| entry.first),
        })
    }

    /// The last sound entry.
    pub(crate) fn last(&self) -> io::Result<Option<(u64, Entry)>> {
        Ok(self.partition(|_| false)?.1)
    }
}

/// How many records after the header a file of this length has, whose frames' file has the other. An entry has at
/// least one frame; an index with far more records than frames was made to be one hole. (But frames can be lost.)
pub(crate) fn count(length: u64, frames: u64) -> u64 {
    const ANYHOW: u64 = 1 << 20;
    let records = (length / RECORD as u64).saturating_sub(1);
    records.min(ANYHOW.max(frames / native::HEADER as u64))
}
