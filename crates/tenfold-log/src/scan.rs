//! What the files of a journal hold.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::batch::{BLOCK, BLOCK_BYTES, Batch, HEAD, Head};
use crate::crc;
use crate::journal::Header;
use crate::plausible::LARGE;
use crate::storage::File;
use crate::whole::{DURABLE, read_at, read_exact_at, uninterrupted};

/// One file of a journal.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// `None`: the file has no header, or a damaged one.
    pub(crate) header: Option<Header>,
    /// Its batches in their order.
    pub(crate) batches: Vec<Scanned>,
    /// Numbers of batches whose heads are damaged, as far as something valid stands after them.
    pub(crate) lost: Vec<std::ops::Range<u64>>,
    /// The end of the batches, and the bytes there if they are what is left of another one.
    pub(crate) end: u64,
    pub(crate) torn: Option<Vec<u8>>,
    /// It ends before its header says.
    pub(crate) is_short: bool,
    /// Its length in bytes.
    pub(crate) length: u64,
}

impl Scan {
    /// The number of the first batch that is there or would come; `None` if nothing is known.
    pub(crate) fn number(&self) -> Option<u64> {
        let first = self.batches.first().map(|found| found.batch.head.number);
        self.header.map(|header| header.number).or(first)
    }

    /// The number of the batch after the last one, and the CRC of the head before it.
    pub(crate) fn next(&self) -> Option<(u64, u32)> {
        let last = self.batches.last().map(|found| found.batch.head);
        let header = self.header.map(|header| (header.number, header.before));
        last.map(|head| (head.number + 1, head.crc)).or(header)
    }

    /// Its generation, if anything is known of it.
    pub(crate) fn generation(&self) -> Option<u64> {
        let last = self.batches.last().map(|found| found.batch.head.generation);
        last.or_else(|| self.header.map(|header| header.generation))
    }

    /// Whether it was ended: the other file was to be begun.
    pub(crate) fn is_closed(&self) -> bool {
        let last = self.batches.last();
        last.is_some_and(|found| found.batch.records.is_empty())
    }

    /// All batches with a smaller number are synced in segments.
    pub(crate) fn checkpointed(&self) -> u64 {
        let heads = self
            .batches
            .iter()
            .map(|found| found.batch.head.checkpointed);
        let header = self.header.map(|header| header.checkpointed);
        heads.chain(header).max().unwrap_or(0)
    }
}

/// A batch with a valid head.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) batch: Batch,
    /// For each record, whether its frames have the right CRC.
    pub(crate) are_sound: Vec<bool>,
    pub(crate) offset: u64,
}

impl Scanned {
    pub(crate) fn is_whole(&self) -> bool {
        self.are_sound.iter().all(|is_sound| *is_sound)
    }
}

/// How many bytes of a torn batch are kept: as many as an operator could want to look at.
const MOST_TORN: u64 = 1024 * 1024;
/// Blocks that are looked at together in search of a head.
const SEARCHED_AT_ONCE: usize = 256;
/// How many bytes are read at once.
const AHEAD: usize = 4 * 1024 * 1024;

/// Reads a file of a journal, past the system's cache.
pub(crate) fn scan(file: &Arc<dyn File>) -> io::Result<Scan> {
    Scanner {
        length: uninterrupted(|| file.length())?,
        file,
        ahead: RefCell::default(),
    }
    .scan()
}

struct Scanner<'a> {
    file: &'a Arc<dyn File>,
    length: u64,
    /// What was read ahead, and where it begins: batches can be as small as a block.
    ahead: RefCell<(u64, Vec<u8>)>,
}

impl Scanner<'_> {
    fn scan(&self) -> io::Result<Scan> {
        let mut block = [0; BLOCK_BYTES];
        self.read(&mut block, 0)?;
        let header = Header::decode(&block);
        let mut scan = Scan {
            header,
            is_short: header.is_some_and(|header| self.length < header.size),
            length: self.length,
            end: BLOCK,
            ..Scan::default()
        };
        let mut expected = header.map(|header| Head {
            generation: header.generation,
            number: header.number,
            before: header.before,
            ..Head::default()
        });
        loop {
            let found = match self.batch(scan.end)? {
                Some(found) if follows(&found.batch.head, expected) => found,
                _ => {
                    let Some(expected) = expected else { break };
                    let Some(found) = self.search(scan.end, expected)? else {
                        break;
                    };
                    scan.lost.push(expected.number..found.batch.head.number);
                    found
                }
            };
            let head = found.batch.head;
            scan.end = found.offset + head.size().unwrap_or(BLOCK);
            expected = Some(Head {
                generation: head.generation,
                number: head.number + 1,
                before: head.crc,
                ..Head::default()
            });
            scan.batches.push(found);
        }
        scan.torn = self.torn(scan.end, expected)?;
        Ok(scan)
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if buffer.len() >= AHEAD {
            return read_at(&**self.file, buffer, offset, DURABLE);
        }
        let mut ahead = self.ahead.borrow_mut();
        let (start, bytes) = &mut *ahead;
        let has = |start: u64, bytes: &[u8]| {
            offset >= start && offset + buffer.len() as u64 <= start + bytes.len() as u64
        };
        if !has(*start, bytes) {
            let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(AHEAD);
            bytes.resize(left.min(AHEAD), 0);
            let read = read_at(&**self.file, bytes, offset, DURABLE)?;
            bytes.truncate(read);
            *start = offset;
        }
        let from = usize::try_from(offset - *start).unwrap_or(usize::MAX);
        let there = bytes.get(from..).unwrap_or_default();
        let read = there.len().min(buffer.len());
        buffer[..read].copy_from_slice(&there[..read]);
        Ok(read)
    }

    /// The batch at an offset, if its head is valid.
    fn batch(&self, offset: u64) -> io::Result<Option<Scanned>> {
        let mut block = vec![0; BLOCK_BYTES];
        self.read(&mut block, offset)?;
        let Some(size) = Head::peek(&block).and_then(|head| head.size()) else {
            return Ok(None);
        };
        let Some(end) = offset.checked_add(size).filter(|end| *end <= self.length) else {
            // The size that its head declares does not fit: the batch was cut, or this is not a head.
            return self.cut_batch(offset);
        };
        if size > LARGE && !self.has_head(offset)? {
            return Ok(None);
        }
        let size = usize::try_from(end - offset).unwrap_or(usize::MAX);
        let mut bytes = block;
        bytes.resize(size, 0);
        if size > BLOCK_BYTES {
            self.read(&mut bytes[BLOCK_BYTES..], offset + BLOCK)?;
        }
        Ok(decode(bytes, offset))
    }

    /// A batch that reaches beyond the end of the file: its head may be there.
    fn cut_batch(&self, offset: u64) -> io::Result<Option<Scanned>> {
        if !self.has_head(offset)? {
            return Ok(None);
        }
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(0);
        let mut bytes = vec![0; left];
        read_exact_at(&**self.file, &mut bytes, offset, DURABLE)?;
        Ok(decode(bytes, offset))
    }

    /// Whether a sound head begins at an offset. It is read alone, before memory is taken for what it announces.
    fn has_head(&self, offset: u64) -> io::Result<bool> {
        let mut bytes = vec![0; BLOCK_BYTES];
        self.read(&mut bytes, offset)?;
        let Some(head) = Head::peek(&bytes).filter(|head| u64::from(head.length) <= LARGE) else {
            return Ok(false);
        };
        bytes.resize(head.length as usize, 0);
        let read = read_at(&**self.file, &mut bytes, offset, DURABLE)?;
        Ok(Head::decode(&bytes[..read]).is_some())
    }

    /// The next batch after an offset that has a valid head and is a later one.
    fn search(&self, offset: u64, expected: Head) -> io::Result<Option<Scanned>> {
        let mut at = offset + BLOCK;
        let left = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; left.min(SEARCHED_AT_ONCE * BLOCK_BYTES)];
        while at < self.length {
            let read = self.read(&mut buffer, at)?;
            for block in buffer[..read].chunks(BLOCK_BYTES) {
                let is_later = |head: &Head| {
                    head.generation == expected.generation && head.number > expected.number
                };
                if Head::peek(block).as_ref().is_some_and(is_later)
                    && let Some(found) = self.batch(at)?
                {
                    return Ok(Some(found));
                }
                at += BLOCK;
            }
        }
        Ok(None)
    }

    /// The bytes after the last batch, if they are what is left of another one.
    fn torn(&self, offset: u64, expected: Option<Head>) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = vec![0; HEAD];
        let read = self.read(&mut bytes, offset)?;
        if !expected.is_some_and(|head| head.is_left_in(&bytes[..read])) {
            return Ok(None);
        }
        let size = Head::peek(&bytes).and_then(|head| head.size());
        let size = size.unwrap_or(BLOCK).min(MOST_TORN);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let read = self.read(&mut bytes, offset)?;
        bytes.truncate(read);
        Ok(Some(bytes))
    }
}

/// Whether a batch is the next one. Where nothing is known of the one before, any batch is.
fn follows(head: &Head, expected: Option<Head>) -> bool {
    expected.is_none_or(|expected| {
        head.generation == expected.generation
            && head.number == expected.number
            && head.before == expected.before
    })
}

fn decode(bytes: Vec<u8>, offset: u64) -> Option<Scanned> {
    let (head, records) = Head::decode(&bytes)?;
    let mut frames = Bytes::from(bytes);
    let _ = frames.split_to(head.length as usize);
    let batch = Batch {
        head,
        records,
        frames,
    };
    let is_sound = |record: &crate::batch::Record, range| {
        let frames: Option<&[u8]> = batch.frames.get::<std::ops::Range<usize>>(range);
        frames.is_some_and(|frames| {
            crc::of(frames) == record.crc && crate::frames::are(frames, record.messages)
        })
    };
    let are_sound = batch
        .records_with_ranges()
        .map(|(record, range)| is_sound(record, range))
        .collect();
    Some(Scanned {
        batch,
        are_sound,
        offset,
    })
}
