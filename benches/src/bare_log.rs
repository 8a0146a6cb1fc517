//! The writes and syncs of Tenfold's log, and nothing else: no checksums, no recovery, no readers,
//! one channel. What more costs is seen by comparing with it.
//!
//! A commit is a write of a head and the frames, from a multiple of 4,096 bytes on, into one of
//! two files that were filled with zeros before, and one sync. Then the frames go into a segment,
//! whose space is reserved ahead, and 48 bytes into its index. When a journal file is full, a
//! second thread syncs the segments, while the other file is written.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::mem::take;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use rustix::fs::{FallocateFlags, fallocate};

/// The largest batch, and what is reserved ahead in a segment.
pub const MOST: usize = 4 << 20;
/// The size of a journal file, unless it is said.
pub const JOURNAL: u64 = 64 << 20;
const BLOCK: u64 = 4096;
/// A head with one record of a channel with a short name.
const HEAD: usize = 128;
const SEGMENT: u64 = 64 << 20;
/// How many segments are kept: 1 GiB.
const KEPT: usize = 16;
const ENTRY: usize = 48;
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

pub struct BareLog {
    place: PathBuf,
    journal: [File; 2],
    active: usize,
    offset: u64,
    size: u64,
    segments: VecDeque<PathBuf>,
    begun: u64,
    segment: Segment,
    /// Full segments that no checkpoint has synced.
    full: Vec<Segment>,
    checkpoint: Option<JoinHandle<io::Result<()>>>,
}

struct Segment {
    frames: File,
    index: File,
    length: u64,
    entries: u64,
    reserved: u64,
}

impl BareLog {
    /// Makes one in an empty directory.
    pub fn create(place: &Path, size: u64) -> io::Result<Self> {
        let journal = |number: usize| {
            let file = create(&place.join(format!("{number}.journal")))?;
            for offset in (0..size).step_by(MOST) {
                let length = MOST.min((size - offset) as usize);
                write_at(&file, &mut [IoSlice::new(&vec![0; length])], offset)?;
            }
            file.sync_data()?;
            Ok::<_, io::Error>(file)
        };
        let segment = Segment::create(&place.join("0"))?;
        File::open(place)?.sync_all()?;
        Ok(Self {
            place: place.to_owned(),
            journal: [journal(0)?, journal(1)?],
            active: 0,
            offset: BLOCK,
            size,
            segments: VecDeque::from([place.join("0")]),
            begun: 1,
            segment,
            full: Vec::new(),
            checkpoint: None,
        })
    }

    /// Makes frames durable.
    pub fn commit(&mut self, frames: &[u8]) -> io::Result<()> {
        self.segment.reserve(frames.len() as u64)?;
        let length = (HEAD + frames.len()) as u64;
        let size = length.next_multiple_of(BLOCK);
        if self.offset + size > self.size && self.offset > BLOCK {
            self.turn_over()?;
        }
        let slices = &mut [
            IoSlice::new(&[1; HEAD]),
            IoSlice::new(frames),
            IoSlice::new(&ZEROS[..(size - length) as usize]),
        ];
        let file = &self.journal[self.active];
        write_at(file, slices, self.offset)?;
        file.sync_data()?;
        self.offset += size;
        Ok(())
    }

    /// Writes frames that are durable to where they are kept.
    pub fn keep(&mut self, frames: &[u8]) -> io::Result<()> {
        self.segment.append(frames)?;
        if self.segment.length >= SEGMENT {
            let path = self.place.join(self.begun.to_string());
            let begun = Segment::create(&path)?;
            self.full.push(std::mem::replace(&mut self.segment, begun));
            self.segments.push_back(path);
            self.begun += 1;
            if self.segments.len() > KEPT
                && let Some(oldest) = self.segments.pop_front()
            {
                fs::remove_file(oldest.with_extension("frames"))?;
                fs::remove_file(oldest.with_extension("index"))?;
            }
        }
        Ok(())
    }

    /// Goes on in the other file, once what that has is synced in segments; then what this one has
    /// is to be.
    fn turn_over(&mut self) -> io::Result<()> {
        if let Some(checkpoint) = self.checkpoint.take() {
            let result = checkpoint.join();
            result.map_err(|_| io::Error::other("the checkpoint panicked"))??;
        }
        self.active = 1 - self.active;
        self.offset = BLOCK;
        let mut files = Vec::new();
        for segment in take(&mut self.full) {
            files.extend([segment.frames, segment.index]);
        }
        files.extend([
            self.segment.frames.try_clone()?,
            self.segment.index.try_clone()?,
        ]);
        let place = File::open(&self.place)?;
        self.checkpoint = Some(thread::spawn(move || {
            files.iter().try_for_each(File::sync_data)?;
            place.sync_all()
        }));
        Ok(())
    }
}

impl Segment {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            frames: create(&path.with_extension("frames"))?,
            index: create(&path.with_extension("index"))?,
            length: 0,
            entries: 0,
            reserved: 0,
        })
    }

    fn reserve(&mut self, more: u64) -> io::Result<()> {
        if self.length + more > self.reserved {
            let length = more + MOST as u64;
            fallocate(&self.frames, FallocateFlags::KEEP_SIZE, self.length, length)?;
            self.reserved = self.length + length;
        }
        Ok(())
    }

    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        write_at(&self.frames, &mut [IoSlice::new(frames)], self.length)?;
        let at = self.entries * ENTRY as u64;
        write_at(&self.index, &mut [IoSlice::new(&[1; ENTRY])], at)?;
        self.length += frames.len() as u64;
        self.entries += 1;
        Ok(())
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
}

fn write_at(file: &File, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = rustix::io::pwritev(file, slices, offset)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        offset += written as u64;
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_in_the_journal_and_what_is_kept_is_in_a_segment() {
        let place = tempfile::tempdir().unwrap();
        let mut log = BareLog::create(place.path(), 4 * BLOCK).unwrap();
        // Each is two blocks, so that the second does not fit behind the first.
        for byte in *b"abc" {
            let frames = vec![byte; BLOCK as usize];
            log.commit(&frames).unwrap();
            log.keep(&frames).unwrap();
        }
        let read = |name: &str| fs::read(place.path().join(name)).unwrap();
        let block = BLOCK as usize;
        let whole =
            |byte: u8| [&[1; HEAD][..], &vec![byte; block], &vec![0; block - HEAD]].concat();
        assert_eq!(read("0.journal")[block..3 * block], whole(b'c'));
        assert_eq!(read("1.journal")[block..3 * block], whole(b'b'));
        let frames = [vec![b'a'; block], vec![b'b'; block], vec![b'c'; block]].concat();
        assert_eq!(read("0.frames"), frames);
    }
}
