//! A file as it will be: what the disk has of it, and changes that are in memory alone.
//!
//! Recovery works on drafts. So it can look at a log without changing it, and what it writes goes into
//! files of its own: after a write that the device has refused, a file system can take the same bytes for
//! the same file again, report success, and never write them.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::batch::BLOCK_BYTES;
use crate::storage::File;
use crate::whole::{CACHED, DURABLE, ReadAt, WAITING, read_at, write_all_at};

/// A file on disk, and what is to be changed of it.
#[derive(Debug)]
pub(crate) struct Draft {
    base: Option<Arc<dyn File>>,
    changes: Mutex<Changes>,
}

#[derive(Debug, Default)]
struct Changes {
    length: u64,
    /// How much of the file on disk counts.
    kept: u64,
    /// What is written over that, or after it. No two pieces overlap.
    pieces: BTreeMap<u64, Vec<u8>>,
    are_any: bool,
}

/// How many bytes are copied at once.
const AT_ONCE: usize = 1024 * 1024;

impl Draft {
    /// The first `length` bytes of a file, to be changed.
    pub(crate) fn of(base: Arc<dyn File>, length: u64) -> Self {
        let changes = Changes {
            length,
            kept: length,
            ..Changes::default()
        };
        Self {
            base: Some(base),
            changes: Mutex::new(changes),
        }
    }

    /// A file that is not there yet.
    pub(crate) fn new() -> Self {
        let changes = Changes {
            are_any: true,
            ..Changes::default()
        };
        Self {
            base: None,
            changes: Mutex::new(changes),
        }
    }

    /// The file on disk, if there is one.
    pub(crate) fn base(&self) -> Option<&Arc<dyn File>> {
        self.base.as_ref()
    }

    /// Whether it differs from the file on disk, or may do so.
    pub(crate) fn is_changed(&self) -> bool {
        self.changes().are_any
    }

    /// Writes all of it to a file. Returns how many bytes the disk could not read: they are zeros now.
    pub(crate) fn copy_to(&self, file: &dyn File) -> io::Result<u64> {
        let length = self.changes().length;
        let mut buffer = vec![0; AT_ONCE];
        let (mut offset, mut unreadable) = (0, 0);
        let mut most = AT_ONCE;
        while offset < length {
            let left = usize::try_from(length - offset).unwrap_or(most);
            let piece = &mut buffer[..left.min(most)];
            match self.fill(piece, offset, DURABLE) {
                Ok(_) => {}
                // One bad block must not cost those around it.
                Err(_) if most > BLOCK_BYTES => {
                    most = BLOCK_BYTES;
                    continue;
                }
                Err(_) => {
                    piece.fill(0);
                    unreadable += piece.len() as u64;
                }
            }
            write_all_at(file, &[piece], offset)?;
            offset += piece.len() as u64;
            if offset.is_multiple_of(AT_ONCE as u64) {
                most = AT_ONCE;
            }
        }
        Ok(unreadable)
    }

    /// Reads as far as it goes.
    fn fill(&self, buffer: &mut [u8], offset: u64, how: ReadAt) -> io::Result<usize> {
        let changes = self.changes();
        let left = usize::try_from(changes.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let buffer = &mut buffer[..length];
        let end = offset + length as u64;
        let kept = changes.kept.clamp(offset, end) - offset;
        let (of_base, beyond) = buffer.split_at_mut(usize::try_from(kept).unwrap_or(length));
        beyond.fill(0);
        if let Some(base) = self.base.as_ref().filter(|_| !of_base.is_empty()) {
            let read = read_at(&**base, of_base, offset, how)?;
            of_base[read..].fill(0);
        }
        let before = changes.pieces.range(..=offset).next_back();
        let from = before.map_or(offset, |(at, _)| *at);
        for (&at, piece) in changes.pieces.range(from..end.max(from)) {
            let (start, stop) = (at.max(offset), (at + piece.len() as u64).min(end));
            if start < stop {
                let bytes = &piece[index(start - at)..index(stop - at)];
                buffer[index(start - offset)..index(stop - offset)].copy_from_slice(bytes);
            }
        }
        Ok(length)
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An offset within what is in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Changes {
    fn write(&mut self, bytes: &[u8], offset: u64) {
        let end = offset + bytes.len() as u64;
        self.cut(offset);
        self.cut(end);
        let mut replaced = self.pieces.split_off(&offset);
        let mut after = replaced.split_off(&end);
        self.pieces.append(&mut after);
        let before = self.pieces.range_mut(..offset).next_back();
        match before.filter(|(at, piece)| **at + piece.len() as u64 == offset) {
            Some((_, piece)) => piece.extend_from_slice(bytes),
            None => {
                self.pieces.insert(offset, bytes.to_vec());
            }
        }
        self.length = self.length.max(end);
        self.are_any = true;
    }

    /// Makes two pieces of one that lies on both sides of an offset.
    fn cut(&mut self, offset: u64) {
        let before = self.pieces.range_mut(..offset).next_back();
        let across = before.filter(|(at, piece)| **at + piece.len() as u64 > offset);
        if let Some((at, piece)) = across {
            let after = piece.split_off(index(offset - at));
            self.pieces.insert(offset, after);
        }
    }

    fn set_length(&mut self, length: u64) {
        self.are_any |= length != self.length;
        self.cut(length);
        self.pieces.split_off(&length);
        self.kept = self.kept.min(length);
        self.length = length;
    }
}

impl File for Draft {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fill(buffer, offset, WAITING)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fill(buffer, offset, CACHED)
    }

    fn read_durable_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.fill(buffer, offset, DURABLE)
    }

    fn write_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let mut changes = self.changes();
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            changes.write(slice, offset + written as u64);
            written += slice.len();
        }
        Ok(written)
    }

    /// There is nothing to be made durable yet.
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.changes().length)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.changes().set_length(length);
        Ok(())
    }

    fn reserve(&self, _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::storage::{Memory, Storage};

    proptest! {
        #[test]
        fn a_draft_reads_as_the_changed_file_would_and_the_file_stays_as_it_is(
            kept in 0..300_u64,
            steps in vec((any::<bool>(), 0..400_u64, 0..200_usize), 0..12)
        ) {
            let memory = Memory::new();
            let base: Vec<u8> = (0..300_u32).map(|n| (n % 251) as u8).collect();
            memory.write("base", &base);
            let file = memory.open("base", false).unwrap();
            let draft = Draft::of(file, kept);
            let mut plain = base[..index(kept)].to_vec();
            for (byte, (is_cut, offset, length)) in (1..).zip(steps) {
                if is_cut {
                    draft.set_length(offset).unwrap();
                    plain.resize(index(offset), 0);
                } else if length > 0 {
                    let bytes = vec![byte; length];
                    draft.write_at(&[IoSlice::new(&bytes)], offset).unwrap();
                    let end = index(offset) + length;
                    plain.resize(plain.len().max(end), 0);
                    plain[index(offset)..end].copy_from_slice(&bytes);
                }
                prop_assert_eq!(draft.length().unwrap(), plain.len() as u64);
                let mut buffer = vec![9; 150];
                let read = draft.read_at(&mut buffer, offset).unwrap();
                let expected = plain.get(index(offset)..).unwrap_or_default();
                prop_assert_eq!(&buffer[..read], &expected[..expected.len().min(150)]);
            }
            let copy = memory.open("copy", true).unwrap();
            prop_assert_eq!(draft.copy_to(&*copy).unwrap(), 0);
            prop_assert_eq!(memory.read("copy").unwrap(), plain);
            prop_assert_eq!(memory.read("base").unwrap(), base);
        }
    }

    #[test]
    fn a_draft_is_changed_by_a_write_and_not_by_a_length_that_it_has() {
        let memory = Memory::new();
        memory.write("base", b"0123456789");
        let draft = Draft::of(memory.open("base", false).unwrap(), 10);
        draft.set_length(10).unwrap();
        draft.sync().unwrap();
        assert!(!draft.is_changed());
        draft.write_at(&[IoSlice::new(b"0")], 0).unwrap();
        assert!(draft.is_changed());
        assert!(Draft::new().is_changed());
    }
}
