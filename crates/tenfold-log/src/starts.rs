//! The starts of a log. Each of them gives all channels new epochs.

use std::fmt::Write as _;
use std::io;

use crate::crc;
use crate::directory::{replace, sync_dir};
use crate::names;
use crate::plausible::is_plausible;
use crate::spare;
use crate::storage::Storage;
use crate::whole::{WAITING, read_all, uninterrupted};

/// The newest starts, each with a random number that no other start has, in this directory or in a copy.
/// `docs/log-format.md`, section 1, has the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    /// The number of the oldest that is kept. They are counted from 1.
    oldest: u64,
    random: Vec<u64>,
    /// The number of the start that the journal's batches are of. That is the newest one, unless later ones have
    /// had no space to begin the journal again.
    of_journal: u64,
}

/// A start of a log: which it is, and its random number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Its number, counted from 1.
    pub number: u64,
    /// A number that no other start has, in this log or in a copy.
    pub random: u64,
}

const TITLE: &str = "tenfold-starts 1";

/// How many are kept, and more bytes than their file has.
pub(crate) const MOST: usize = 1000;
const MOST_BYTES: u64 = 64 * 1024;

impl Starts {
    /// Those of a directory that is older than this file: all of them count as one, with the number 0. So
    /// the epochs that were told then are those of this start.
    pub(crate) fn uncounted() -> Self {
        Self {
            oldest: 0,
            random: vec![0],
            of_journal: 0,
        }
    }

    /// Those of another log; `None` if no log can have had them.
    pub(crate) fn given(starts: &[Start]) -> Option<Self> {
        let oldest = starts.first().map_or(0, |oldest| oldest.number);
        let numbers = starts.iter().map(|start| start.number);
        let is_possible = starts.len() <= MOST
            && is_plausible(oldest)
            && numbers.eq((oldest..).take(starts.len()));
        let given = Self {
            oldest,
            random: starts.iter().map(|start| start.random).collect(),
            of_journal: 0,
        };
        is_possible.then(|| given.begun())
    }

    /// All that are kept, the oldest first.
    pub(crate) fn all(&self) -> Vec<Start> {
        let numbered = (self.oldest..).zip(&self.random);
        numbered
            .map(|(number, &random)| Start { number, random })
            .collect()
    }

    /// `None`: there is no file, or it is damaged.
    pub(crate) fn read(storage: &dyn Storage) -> io::Result<Option<Self>> {
        match uninterrupted(|| storage.open(names::STARTS, false)) {
            Ok(file) => {
                let bytes = read_all(&*file, MOST_BYTES, WAITING)?;
                Ok(bytes.as_deref().and_then(Self::decode))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// These, and one more, which has not begun the journal again.
    pub(crate) fn and(&self, random: u64) -> Self {
        let mut starts = self.clone();
        starts.random.push(random);
        if starts.random.len() == 1 {
            starts.oldest = 1;
            starts.of_journal = 1;
        }
        if starts.random.len() > MOST {
            starts.random.remove(0);
            starts.oldest += 1;
        }
        starts
    }

    /// The same when the newest one has begun the journal again.
    pub(crate) fn begun(&self) -> Self {
        let mut starts = self.clone();
        starts.of_journal = self.newest().map_or(0, |newest| newest.number);
        starts
    }

    /// Replaces the file, durably, with the space that there is: while the log runs, that which is kept for a full disk is
    /// retention's.
    pub(crate) fn replace(&self, storage: &dyn Storage) -> io::Result<()> {
        replace(storage, names::STARTS, self.encode().as_bytes())?;
        sync_dir(storage, "")
    }

    /// Replaces the file, durably.
    pub(crate) fn save(&self, storage: &dyn Storage) -> io::Result<()> {
        spare::replace_on_a_full_disk(storage, names::STARTS, self.encode().as_bytes())?;
        sync_dir(storage, "")
    }

    pub(crate) fn newest(&self) -> Option<Start> {
        let (index, &random) = self.random.iter().enumerate().next_back()?;
        Some(self.start(index, random))
    }

    /// The start that the journal's batches are of.
    pub(crate) fn of_journal(&self) -> Option<Start> {
        let index = usize::try_from(self.of_journal.checked_sub(self.oldest)?).ok()?;
        Some(self.start(index, *self.random.get(index)?))
    }

    pub(crate) fn find(&self, random: u64) -> Option<Start> {
        let index = self.random.iter().position(|&other| other == random)?;
        Some(self.start(index, random))
    }

    pub(crate) fn has(&self, number: u64) -> bool {
        let index = number.checked_sub(self.oldest);
        index.is_some_and(|index| index < self.random.len() as u64)
    }

    fn start(&self, index: usize, random: u64) -> Start {
        Start {
            number: self.oldest + index as u64,
            random,
        }
    }

    fn encode(&self) -> String {
        let mut text = format!("{TITLE}\n");
        for (number, random) in (self.oldest..).zip(&self.random) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{number} {random:016x}");
        }
        if self
            .newest()
            .is_some_and(|newest| newest.number != self.of_journal)
        {
            let _ = writeln!(text, "journal {}", self.of_journal);
        }
        let crc = crc::of(text.as_bytes());
        let _ = writeln!(text, "crc {crc:08x}");
        text
    }

    /// It is sound if it is exactly what [`encode`](Self::encode) writes.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut starts = Self::default();
        let mut of_journal = None;
        for line in text.lines().skip(1) {
            let (number, random) = line.split_once(' ')?;
            if number == "crc" {
                break;
            }
            if number == "journal" {
                of_journal = Some(random.parse().ok()?);
                continue;
            }
            if starts.random.is_empty() {
                starts.oldest = number.parse().ok()?;
            }
            starts.random.push(u64::from_str_radix(random, 16).ok()?);
        }
        let numbers = [starts.oldest, of_journal.unwrap_or(0)];
        if !numbers.into_iter().all(is_plausible) {
            return None;
        }
        starts = starts.begun();
        starts.of_journal = of_journal.unwrap_or(starts.of_journal);
        let is_sound = starts.random.len() <= MOST && starts.encode() == text;
        is_sound.then_some(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(count: u64) -> Starts {
        (0..count).fold(Starts::default(), |starts, number| {
            starts.and(0x0123_4567_89ab_cdef + number)
        })
    }

    #[test]
    fn starts_are_read_as_they_were_written() {
        for starts in [
            Starts::default(),
            Starts::uncounted(),
            several(3),
            several(2500),
            several(3).begun(),
            several(3).begun().and(1).and(2),
            several(2500).begun().and(1),
        ] {
            let text = starts.encode();
            assert!(text.len() < 32 * 1024, "{}", text.len());
            assert_eq!(Starts::decode(text.as_bytes()), Some(starts));
        }
    }

    #[test]
    fn starts_of_another_log_are_the_same_starts_here() {
        for starts in [
            Starts::default(),
            Starts::uncounted(),
            several(3),
            several(2500),
        ] {
            assert_eq!(Starts::given(&starts.all()), Some(starts.begun()));
        }
        let [first, second, third] = several(3).all()[..] else {
            panic!();
        };
        assert_eq!(Starts::given(&[first, third]), None);
        assert_eq!(Starts::given(&[second, first]), None);
        let late = Start {
            number: u64::MAX,
            ..first
        };
        assert_eq!(Starts::given(&[late]), None);
        let many: Vec<Start> = (0..=1000).map(|number| Start { number, ..first }).collect();
        assert_eq!(Starts::given(&many), None);
    }

    #[test]
    fn starts_that_are_cut_or_have_a_flipped_bit_are_damaged() {
        let text = several(3).encode().into_bytes();
        for end in 0..text.len() {
            assert_eq!(Starts::decode(&text[..end]), None, "cut at {end}");
        }
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Starts::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn the_journal_is_of_the_last_start_that_has_begun_it_anew() {
        let of_journal = |starts: Starts| starts.of_journal().map(|start| start.number);
        assert_eq!(of_journal(Starts::default()), None);
        assert_eq!(of_journal(Starts::default().and(7)), Some(1));
        assert_eq!(of_journal(several(3).begun()), Some(3));
        assert_eq!(of_journal(several(3).begun().and(7).and(8)), Some(3));
        assert_eq!(
            of_journal(several(3).begun().and(7).and(8).begun()),
            Some(5)
        );
    }

    #[test]
    fn the_newest_thousand_starts_are_kept() {
        let starts = several(2500);
        assert_eq!(starts.random.len(), MOST);
        assert_eq!(starts.newest().unwrap().number, 2500);
        assert!(!starts.has(1500) && starts.has(1501) && starts.has(2500) && !starts.has(2501));
        let random = 0x0123_4567_89ab_cdef + 1500;
        assert_eq!(
            starts.find(random),
            Some(Start {
                number: 1501,
                random
            })
        );
        assert_eq!(starts.find(random - 1), None);
    }

    #[test]
    fn the_first_start_has_the_number_1_and_follows_those_that_were_not_counted() {
        let newest = |starts: Starts| starts.and(7).newest().map(|start| start.number);
        assert_eq!(newest(Starts::default()), Some(1));
        assert_eq!(newest(Starts::uncounted()), Some(1));
    }
}
