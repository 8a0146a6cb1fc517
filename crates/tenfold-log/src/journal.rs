//! Where commits become durable first.

use std::io;
use std::sync::Arc;

use crate::batch::{BLOCK, BLOCK_BYTES, Carried, Head, Record, head_size};
use crate::crc;
use crate::directory::remove;
use crate::little_endian::{u32_at, u64_at};
use crate::names;
use crate::plausible::is_plausible;
use crate::storage::{File, Storage};
use crate::whole::{DURABLE, is_full, read_at, synced, uninterrupted, write_all_at};

/// The two files of a journal.
pub(crate) type JournalFiles = [Arc<dyn File>; 2];

/// Two files of fixed size, one of which is being written.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    pub(crate) files: JournalFiles,
    active: usize,
    /// What the next head says.
    head: Head,
    /// The number of the first batch of the file that is being written.
    first: u64,
    /// Where the next batch goes; 0: it is the file's first, and the header goes with it.
    offset: u64,
    size: u64,
    is_broken: bool,
    random: fn() -> u64,
}

/// The end of what a journal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// The file that was written last, its generation, and where its batches end in it.
    pub(crate) file: usize,
    pub(crate) generation: u64,
    pub(crate) offset: u64,
    /// The number of the next batch, and the CRC of the head before it.
    pub(crate) number: u64,
    pub(crate) before: u32,
}

/// The first block of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) generation: u64,
    pub(crate) size: u64,
    /// The number of the first batch.
    pub(crate) number: u64,
    pub(crate) checkpointed: u64,
    pub(crate) before: u32,
}

/// Why a batch is not durable.
#[derive(Debug)]
pub(crate) enum NotWritten {
    /// There is no space for the batch, and nothing of it is kept.
    Full(io::Error),
    /// The disk may hold any part of the batch.
    Broken(io::Error),
}

const MAGIC: &[u8; 8] = b"TFJOURN1";
const CRC_AT: usize = 44;
const HEADER: usize = 48;
static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];
/// A file is filled with zeros with so many blocks at once.
const FILL: usize = 256;

impl Header {
    fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut block = ZEROS;
        block[..8].copy_from_slice(MAGIC);
        block[8..16].copy_from_slice(&self.generation.to_le_bytes());
        block[16..24].copy_from_slice(&self.size.to_le_bytes());
        block[24..32].copy_from_slice(&self.number.to_le_bytes());
        block[32..40].copy_from_slice(&self.checkpointed.to_le_bytes());
        block[40..44].copy_from_slice(&self.before.to_le_bytes());
        let crc = crc::of(&block[..CRC_AT]);
        block[CRC_AT..HEADER].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// `None`: the block is not a header, or a damaged one.
    pub(crate) fn decode(block: &[u8]) -> Option<Self> {
        let block = block.get(..HEADER)?;
        let is_sound = &block[..8] == MAGIC && u32_at(block, CRC_AT) == crc::of(&block[..CRC_AT]);
        let header = Self {
            generation: u64_at(block, 8),
            size: u64_at(block, 16),
            number: u64_at(block, 24),
            checkpointed: u64_at(block, 32),
            before: u32_at(block, 40),
        };
        let numbers = [header.size, header.number, header.checkpointed];
        (is_sound && numbers.into_iter().all(is_plausible)).then_some(header)
    }
}

impl Journal {
    /// Opens the files of a journal, which is then to be [begun](Self::begun). `end` is where their batches
    /// end, if that is known.
    pub(crate) fn open(
        storage: &dyn Storage,
        size: u64,
        end: Option<End>,
        random: fn() -> u64,
    ) -> io::Result<Self> {
        let open = |path| uninterrupted(|| storage.open(path, true));
        let from = end.unwrap_or_default();
        Ok(Self {
            files: [open(names::JOURNALS[0])?, open(names::JOURNALS[1])?],
            active: from.file,
            head: Head {
                generation: from.generation,
                number: from.number,
                checkpointed: from.number,
                before: from.before,
                ..Head::default()
            },
            first: from.number,
            offset: from.offset,
            size: size.next_multiple_of(BLOCK).max(4 * BLOCK),
            is_broken: false,
            random,
        })
    }

    /// The system tells of a write that failed before once more, to the first sync of a file that is opened
    /// again. It says nothing new: what the disk has was read past the system's cache.
    pub(crate) fn hear_of_old_errors(&self) {
        for file in &self.files {
            let _ = file.sync();
        }
    }

    /// The journal begun again. The caller has made sure that everything in the files is in the segments and
    /// synced. Both files get the right size.
    ///
    /// If something is [carried](Self::carry) that is not in the segments, the newer file is needed for that until
    /// it is begun the next time.
    pub(crate) fn begun(
        &self,
        storage: &dyn Storage,
        is_end_known: bool,
        has_carried: bool,
    ) -> io::Result<Self> {
        let mut journal = self.clone();
        for path in names::JOURNALS {
            remove(storage, &names::new(path))?;
        }
        journal.hear_of_old_errors();
        // The file that is written ends with a batch of nothing. After that, a recovery would take the other
        // one for cut if it were too short.
        let other = 1 - journal.active;
        if uninterrupted(|| journal.files[other].length())? < journal.size {
            journal.make(storage, other)?;
        }
        synced(storage.sync_dir(names::JOURNAL))?;
        if is_end_known {
            journal.close().map_err(NotWritten::into_error)?;
        }
        if !has_carried {
            journal.checkpointed(journal.head.number);
        }
        journal.switch();
        journal.size_up(storage, journal.active)?;
        journal.mark_clean(storage)?;
        // The batch that ends the other file may lie beyond that file's size. It is needed until the header
        // of this one is durable, so only now the other file gets its size.
        if !has_carried {
            journal.size_up(storage, 1 - journal.active)?;
        }
        Ok(journal)
    }

    /// Gives a file of which nothing is needed its size.
    fn size_up(&mut self, storage: &dyn Storage, number: usize) -> io::Result<()> {
        let file = &*self.files[number];
        let length = uninterrupted(|| file.length())?;
        if length < self.size {
            return self.make(storage, number);
        }
        if length > self.size {
            uninterrupted(|| file.set_length(self.size))?;
            synced(file.sync())?;
        }
        Ok(())
    }

    /// Makes a new file, full of zeros, so that overwriting them later changes no metadata. It gets its name
    /// when they are durable: a file that has it has had all its blocks on disk.
    fn make(&mut self, storage: &dyn Storage, number: usize) -> io::Result<()> {
        let path = names::JOURNALS[number];
        let new = names::new(path);
        let write = || {
            let file = uninterrupted(|| storage.open(&new, true))?;
            fill(&*file, self.size)?;
            synced(file.sync())?;
            uninterrupted(|| storage.rename(&new, path))
        };
        write().inspect_err(|_| drop(storage.remove(&new)))?;
        synced(storage.sync_dir(names::JOURNAL))?;
        self.files[number] = uninterrupted(|| storage.open(path, false))?;
        Ok(())
    }

    /// Writes a header that says that nothing in the files is needed, into the file that is being begun.
    fn mark_clean(&mut self, storage: &dyn Storage) -> io::Result<()> {
        if self.write_header()? {
            return Ok(());
        }
        // After a write that was refused, a file system may never write to its blocks.
        self.make(storage, self.active)?;
        if self.write_header()? {
            return Ok(());
        }
        Err(not_there())
    }

    /// Whether the disk has the header then. The batches of before are given up with it, so it is not enough
    /// that the sync says so.
    fn write_header(&self) -> io::Result<bool> {
        let file = &*self.files[self.active];
        let header = self.header().encode();
        write_all_at(file, &[&header], 0)?;
        synced(file.sync())?;
        let mut block = ZEROS;
        let read = read_at(file, &mut block, 0, DURABLE)?;
        Ok(block[..read] == header)
    }

    /// The same at a clean stop, when a checkpoint has made everything durable.
    pub(crate) fn finish(&mut self, storage: &dyn Storage) -> io::Result<()> {
        if self.is_broken {
            return Err(broken());
        }
        self.checkpointed(self.head.number);
        self.turn_over().map_err(NotWritten::into_error)?;
        self.checkpointed(self.head.number);
        self.mark_clean(storage)
    }

    fn header(&self) -> Header {
        Header {
            generation: self.head.generation,
            size: self.size,
            number: self.head.number,
            checkpointed: self.head.checkpointed,
            before: self.head.before,
        }
    }

    /// Whether a batch of these records, with so many bytes of frames, fits into the file that is being
    /// written. A file that has just been begun takes a batch of any size, and grows.
    pub(crate) fn has_room(&self, records: &[Record], frames: u64) -> bool {
        let offset = self.offset.max(BLOCK);
        let batch = (head_size(records) as u64 + frames).next_multiple_of(BLOCK);
        // The batch of nothing that ends the file takes a block.
        offset == BLOCK || offset + batch + BLOCK <= self.size
    }

    /// Goes on in the other file, whose batches must not be needed any more. The last head of this file
    /// says so. If a crash then tears the other file's header, a recovery knows that nothing was lost.
    pub(crate) fn turn_over(&mut self) -> Result<(), NotWritten> {
        self.close()?;
        let other = &*self.files[1 - self.active];
        let cut = || {
            if uninterrupted(|| other.length())? > self.size {
                uninterrupted(|| other.set_length(self.size))?;
            }
            Ok(())
        };
        cut().map_err(NotWritten::Broken)?;
        self.switch();
        Ok(())
    }

    /// Writes records once more: their batches are about to be given up.
    pub(crate) fn carry(&mut self, carried: &[Carried]) -> Result<(), NotWritten> {
        if carried.is_empty() {
            return Ok(());
        }
        let records: Vec<_> = carried.iter().map(|(record, _)| record.clone()).collect();
        let frames: Vec<_> = carried.iter().map(|(_, frames)| &frames[..]).collect();
        // It can be torn. What it carries is needed where it was until it is durable, so only heads after it say
        // that the batches before are checkpointed.
        let checkpointed = std::mem::take(&mut self.head.checkpointed);
        let written = self.write(&records, &frames);
        self.head.checkpointed = checkpointed;
        written
    }

    /// Ends a file with a batch of nothing, which tells what is checkpointed.
    fn close(&mut self) -> Result<(), NotWritten> {
        self.write(&[], &[])
    }

    fn switch(&mut self) {
        self.active = 1 - self.active;
        self.head.generation = (self.random)();
        self.first = self.head.number;
        self.offset = 0;
    }

    /// The number of the next batch.
    pub(crate) fn number(&self) -> u64 {
        self.head.number
    }

    /// The number of the first batch of the file that is being written.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// All batches with a smaller number are synced in segments, as the heads say.
    pub(crate) fn done(&self) -> u64 {
        self.head.checkpointed
    }

    /// All batches with a smaller number are synced in segments.
    pub(crate) fn checkpointed(&mut self, number: u64) {
        self.head.checkpointed = number;
    }

    /// Makes a batch durable.
    pub(crate) fn write(&mut self, records: &[Record], frames: &[&[u8]]) -> Result<(), NotWritten> {
        if self.is_broken {
            return Err(NotWritten::Broken(broken()));
        }
        let mut head = self.head;
        let head_bytes = head.encode(records);
        let length = head_bytes.len() as u64 + head.frames;
        let size = length.next_multiple_of(BLOCK);
        let header = self.header().encode();
        let mut slices = Vec::with_capacity(frames.len() + 3);
        if self.offset == 0 {
            slices.push(&header[..]);
        }
        slices.push(&head_bytes);
        slices.extend_from_slice(frames);
        // The end of the frames is less than a block before the end of the batch.
        slices.push(&ZEROS[..usize::try_from(size - length).unwrap_or(0)]);
        let file = &*self.files[self.active];
        let result = write_all_at(file, &slices, self.offset);
        match result {
            Ok(()) => {}
            Err(error) if is_full(&error) => return Err(NotWritten::Full(error)),
            Err(error) => return Err(self.break_off(error)),
        }
        if let Err(error) = sync(file) {
            return Err(self.break_off(error));
        }
        self.offset = self.offset.max(BLOCK) + size;
        self.head.number += 1;
        self.head.before = head.crc;
        Ok(())
    }

    /// The file is never written again.
    fn break_off(&mut self, error: io::Error) -> NotWritten {
        self.is_broken = true;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::AppendAfterError) {
            self.is_broken = false;
        }
        NotWritten::Broken(error)
    }
}

impl NotWritten {
    pub(crate) fn into_error(self) -> io::Error {
        match self {
            Self::Full(error) | Self::Broken(error) => error,
        }
    }
}

fn sync(file: &dyn File) -> io::Result<()> {
    #[cfg(feature = "planted")]
    {
        if crate::planted::is(crate::planted::Mistake::AckBeforeSync) {
            return Ok(());
        }
        if crate::planted::is(crate::planted::Mistake::RetryFailedSync) {
            return file.sync().or_else(|_| file.sync());
        }
    }
    synced(file.sync())
}

/// A write that the disk does not have, although its sync has succeeded.
pub(crate) fn not_there() -> io::Error {
    io::Error::other("a sync has succeeded, and the disk does not have what was written")
}

fn broken() -> io::Error {
    io::Error::other("the journal had an error before")
}

/// Writes zeros to a new file.
fn fill(file: &dyn File, size: u64) -> io::Result<()> {
    let mut length = 0;
    let slices = [&ZEROS[..]; FILL];
    while length < size {
        let left = usize::try_from((size - length).div_ceil(BLOCK)).unwrap_or(FILL);
        let buffer = &slices[..left.min(FILL)];
        write_all_at(file, buffer, length)?;
        length += buffer.len() as u64 * BLOCK;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written_and_no_bit_can_flip() {
        let header = Header {
            generation: 1,
            size: 2,
            number: 3,
            checkpointed: 4,
            before: 5,
        };
        let block = header.encode();
        assert_eq!(Header::decode(&block), Some(header));
        assert_eq!(Header::decode(&ZEROS), None);
        assert_eq!(Header::decode(&block[..20]), None);
        for bit in 0..HEADER * 8 {
            let mut flipped = block;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&flipped), None, "bit {bit}");
        }
    }
}
