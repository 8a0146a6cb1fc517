//! Looks at a hub's journal from outside: how full it is, and how much of it a start would have to
//! write to segments. `docs/log-format.md`, section 5, has the bytes. Nothing is proven here: check
//! sums are the hub's affair.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK: u64 = 4096;
const HEADER: usize = 48;
const HEAD: usize = 48;

/// A journal at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// Bytes of the file that is written, as far as it is.
    pub used: u64,
    /// Bytes of the file.
    pub size: u64,
    /// Batches that are not known to be in synced segments, and bytes of their frames.
    pub batches: u64,
    pub frames: u64,
}

/// One file.
#[derive(Default)]
struct Half {
    first: u64,
    used: u64,
    size: u64,
    checkpointed: u64,
    /// The numbers and the bytes of its batches.
    batches: Vec<(u64, u64)>,
}

impl Journal {
    /// Reads the journal of the hub with this directory.
    pub fn read(data: &Path) -> io::Result<Self> {
        let folder = data.join("journal");
        let half = |name: &str| Half::read(&File::open(folder.join(name))?);
        let halves = [half("0.journal")?, half("1.journal")?];
        let newer = usize::from(halves[1].first > halves[0].first);
        let Half {
            used,
            size,
            checkpointed,
            ..
        } = halves[newer];
        let all = halves.iter().flat_map(|half| &half.batches);
        let open = all.filter(|(number, frames)| *number >= checkpointed && *frames > 0);
        let mut journal = Self {
            used,
            size,
            ..Self::default()
        };
        for (_, frames) in open {
            journal.batches += 1;
            journal.frames += frames;
        }
        Ok(journal)
    }
}

impl Half {
    fn read(file: &File) -> io::Result<Self> {
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0)?;
        if &header[..8] != b"TFJOURN1" {
            return Ok(Self::default());
        }
        let generation = number(&header, 8);
        let mut half = Self {
            first: number(&header, 24),
            used: BLOCK,
            size: number(&header, 16),
            checkpointed: number(&header, 32),
            batches: Vec::new(),
        };
        let mut head = [0; HEAD];
        while half.used + BLOCK <= half.size {
            file.read_exact_at(&mut head, half.used)?;
            let expected = half.first + half.batches.len() as u64;
            let is_batch = &head[..4] == b"TFB1" && number(&head, 8) == generation;
            if !is_batch || number(&head, 16) != expected {
                break;
            }
            let length = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
            let frames = number(&head, 32);
            half.batches.push((expected, frames));
            half.checkpointed = number(&head, 24);
            half.used += (length + frames).next_multiple_of(BLOCK);
        }
        Ok(half)
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes[at..at + 8]
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fill::fill;

    #[test]
    fn after_a_clean_stop_nothing_is_left_to_be_written() {
        let place = tempfile::tempdir().unwrap();
        fill(place.path(), &["ticks".to_owned()], 128, 4 << 20).unwrap();
        let journal = Journal::read(place.path()).unwrap();
        assert_eq!((journal.batches, journal.frames), (0, 0));
        assert_eq!(journal.size, 64 << 20);
    }

    #[test]
    fn batches_from_the_checkpointed_one_on_are_left() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("journal");
        std::fs::create_dir(&folder).unwrap();
        let file = |first: u64, checkpointed: u64| {
            let mut bytes = vec![0; 32 * 1024];
            bytes[..8].copy_from_slice(b"TFJOURN1");
            bytes[8] = first as u8;
            bytes[16..24].copy_from_slice(&(32u64 * 1024).to_le_bytes());
            bytes[24] = first as u8;
            bytes[32] = checkpointed as u8;
            // The first takes two blocks, the second one.
            for (at, number, frames) in [(4096, first, 4000u64), (12288, first + 1, 100)] {
                let head = &mut bytes[at..at + 48];
                head[..4].copy_from_slice(b"TFB1");
                head[4] = 130;
                head[8] = first as u8;
                head[16] = number as u8;
                head[24] = checkpointed as u8;
                head[32..40].copy_from_slice(&frames.to_le_bytes());
            }
            bytes
        };
        std::fs::write(folder.join("0.journal"), file(7, 6)).unwrap();
        std::fs::write(folder.join("1.journal"), file(5, 0)).unwrap();
        let expected = Journal {
            used: 16384,
            size: 32 * 1024,
            batches: 3,
            frames: 4200,
        };
        assert_eq!(Journal::read(place.path()).unwrap(), expected);
    }
}
