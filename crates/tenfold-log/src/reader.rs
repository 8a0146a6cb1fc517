//! Reading a channel's messages back from its files.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};

use crate::channel::{Channel, ReadableSegment};
use crate::crc;
use crate::entry::Entry;
use crate::error::ReadError;
use crate::frames::{self, Frames};
use crate::index::{Index, Lookup};
use crate::options::milliseconds;
use crate::plausible::LARGE;
use crate::proven::is_proven;
use crate::segment::Files;
use crate::storage::File;
use crate::whole::{CACHED, ReadAt, WAITING, read_exact_at};

/// Reads a channel's messages from a seq on. It holds no messages in memory (only what it is
/// [given back](Self::reuse)), and has the files of at most one segment open, which all readers of that
/// segment share.
///
/// ```
/// # use std::sync::Arc;
/// # use tenfold_log::{Commit, Options, Receipt, Refused, Submission, open, storage::Disk};
/// # struct Silent;
/// # impl Receipt for Silent {
/// #     fn committed(&mut self, _: Commit) {}
/// #     fn written(self: Box<Self>) {}
/// #     fn refused(self: Box<Self>, why: Refused) { panic!("{why}") }
/// # }
/// # fn random() -> u64 { 4 }
/// use tenfold_log::ReadError;
///
/// # let directory = tempfile::tempdir()?;
/// # let disk = Arc::new(Disk::open(directory.path())?);
/// # let mut opened = open(disk, Options::new(random))?;
/// # let channel = opened.log.channel("ticks", random());
/// # drop(opened.log.submit(&channel, Submission::new("1         a1         b", 2, Silent)));
/// # while opened.committer.step() {}
/// // The channel has the messages `a` and `b`.
/// let mut reader = channel.reader(0);
/// let mut all = Vec::new();
/// loop {
///     match reader.read(64 * 1024) {
///         Ok(frames) => all.extend_from_slice(&frames.bytes),
///         // Everything that is committed was read.
///         Err(ReadError::End) => break,
///         Err(ReadError::Corrupt { next, .. }) => reader = channel.reader(next),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// assert_eq!(all, b"1         a1         b");
/// assert_eq!(reader.seq(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    channel: Arc<Channel>,
    seq: u64,
    /// The segment that was read from.
    files: Option<(u64, Arc<Files>)>,
    /// The number of the entry that the seq may be in.
    hint: u64,
    /// Memory for the next read.
    spare: BytesMut,
}

/// Messages that were committed at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed {
    /// The seq of the first of them.
    pub first: u64,
    /// How many they are.
    pub messages: u64,
    /// When, in whole milliseconds.
    pub time: SystemTime,
}

impl Channel {
    /// When the messages from a seq on were committed: of some of them, in their order. May wait for the disk.
    pub fn times(self: &Arc<Self>, seq: u64) -> Result<Vec<Committed>, ReadError> {
        let mut reader = self.reader(seq);
        let (segment, readable, after) = reader.locate()?;
        let index = reader.index(segment, &readable, WAITING)?;
        let (number, first) = match index.find(seq, 0)? {
            Lookup::Entry(number, entry) => (number, entry),
            Lookup::Hole { first, next } => {
                let next = next.or(after).unwrap_or_else(|| self.next());
                return Err(reader.corrupt(first, next));
            }
        };
        let mut last = seq;
        let more = index.some(number + 1, usize::MAX)?;
        let entries = std::iter::once(Some(first)).chain(more);
        // What comes after a damaged entry is told when it is asked for.
        let committed = entries.map_while(|entry| {
            let entry = entry.filter(|entry| entry.first <= last)?;
            let first = std::mem::replace(&mut last, entry.next());
            Some(Committed {
                first,
                messages: last - first,
                time: crate::options::time(entry.time),
            })
        });
        Ok(committed.collect())
    }

    /// A reader that begins at a seq.
    pub fn reader(self: &Arc<Self>, seq: u64) -> Reader {
        Reader {
            channel: Arc::clone(self),
            seq,
            files: None,
            hint: 0,
            spare: BytesMut::new(),
        }
    }

    /// The seq of the first message of the first commit at or after a time; of the next one, if there is
    /// none. Times are kept in whole milliseconds.
    pub fn at_time(self: &Arc<Self>, wanted: SystemTime) -> Result<u64, ReadError> {
        let mut wanted_ms = milliseconds(wanted);
        if crate::options::time(wanted_ms) < wanted {
            wanted_ms = wanted_ms.saturating_add(1);
        }
        let (segments, next) = {
            let state = self.state();
            let segments: Vec<(u64, ReadableSegment)> = state
                .segments
                .iter()
                .map(|(first, readable)| (*first, readable.clone()))
                .collect();
            (segments, state.next)
        };
        // Times go back between two segments where a clock was wrong. So what is before the last segment that
        // begins before the time was committed before it, whatever its entries say.
        let mut start = 0;
        for (number, (segment, readable)) in segments.iter().enumerate().rev() {
            let index = self.reader(*segment).index(*segment, readable, WAITING)?;
            let first = index.partition(|_| true)?.0;
            if first.is_some_and(|(_, entry)| entry.time < wanted_ms) {
                start = number;
                break;
            }
        }
        for (segment, readable) in segments.into_iter().skip(start) {
            let mut reader = self.reader(segment);
            let index = reader.index(segment, &readable, WAITING)?;
            let (after, before) = index.partition(|entry| entry.time >= wanted_ms)?;
            if let Some((number, entry)) = after {
                // Between the two is a damaged entry, whose time is not known.
                let follows =
                    before.map_or((0, segment), |(number, entry)| (number + 1, entry.next()));
                if follows != (number, entry.first) {
                    return Err(ReadError::Corrupt {
                        first: follows.1,
                        next: entry.first,
                    });
                }
                return Ok(entry.first);
            }
        }
        Ok(next)
    }
}

impl Reader {
    /// The seq of the next message.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Gives the memory of frames that were read before to the next read, if no other handle to them is
    /// left. That is faster than new memory, which has to be cleared first.
    pub fn reuse(&mut self, frames: Bytes) {
        self.spare = frames.try_into_mut().unwrap_or_default();
    }

    /// Whole frames from [`seq`](Self::seq) on, checked, of at least one message and of about `most` bytes
    /// at the most; goes on after them. May wait for the disk.
    pub fn read(&mut self, most: usize) -> Result<Frames, ReadError> {
        self.read_as((most, u64::MAX), WAITING)
    }

    /// [`read`](Self::read) with memory for `most` bytes and no more: a message that is larger is
    /// [`Large`](ReadError::Large).
    pub fn read_small(&mut self, most: usize) -> Result<Frames, ReadError> {
        self.read_as((most, most as u64), WAITING)
    }

    /// [`read_small`](Self::read_small), if it can be had without waiting for the disk.
    pub fn read_cached(&mut self, most: usize) -> Result<Frames, ReadError> {
        self.read_as((most, most as u64), CACHED)
    }

    fn read_as(&mut self, most: (usize, u64), how: ReadAt) -> Result<Frames, ReadError> {
        let read = self.read_once(most, how);
        if let Err(ReadError::Io(_)) = read {
            // Retention may have removed the segment while it was read: then this says so.
            self.locate()?;
        }
        read
    }

    /// Reads about `most` bytes, and no entry of more than `largest`.
    fn read_once(
        &mut self,
        (most, largest): (usize, u64),
        how: ReadAt,
    ) -> Result<Frames, ReadError> {
        let (segment, readable, after) = self.locate()?;
        let index = self.index(segment, &readable, how)?;
        let (number, first) = match index.find(self.seq, self.hint)? {
            Lookup::Entry(number, entry) => (number, entry),
            Lookup::Hole { first, next } => {
                let next = next.or(after).unwrap_or_else(|| self.channel.next());
                return Err(self.corrupt(first, next));
            }
        };
        if first.length > largest {
            return Err(ReadError::Large {
                bytes: first.length,
            });
        }
        let entries = contiguous(&index, number, first, most)?;
        let Some((_, files)) = &self.files else {
            return Err(ReadError::Io(io::ErrorKind::NotFound.into()));
        };
        let spare = std::mem::take(&mut self.spare);
        let (frames, sound) = read_entries(&*files.frames, &entries, how, spare)?;
        let Some(last) = sound.checked_sub(1).and_then(|last| entries.get(last)) else {
            // Retention may have removed the segment while it was read: then this says so.
            self.locate()?;
            return Err(self.corrupt(first.first, first.next()));
        };
        let (from, next) = (self.seq, last.next());
        self.hint = number + sound as u64;
        self.seq = next;
        Ok(Frames {
            bytes: frames::after(&frames, from - first.first),
            messages: next - from,
        })
    }

    /// The segment that has the next message, and where the one after it begins.
    fn locate(&self) -> Result<(u64, ReadableSegment, Option<u64>), ReadError> {
        let state = self.channel.state();
        if self.seq < state.first {
            return Err(ReadError::Trimmed { first: state.first });
        }
        if self.seq >= state.next {
            return Err(match self.seq {
                seq if seq == state.next => ReadError::End,
                _ => ReadError::Future,
            });
        }
        match state.segment_of(self.seq) {
            Some((segment, readable, after)) => Ok((segment, readable.clone(), after)),
            None => Err(ReadError::Corrupt {
                first: state.first,
                next: state.segments.keys().next().copied().unwrap_or(state.next),
            }),
        }
    }

    /// The error for a damaged range, widened so that it has the next message.
    fn corrupt(&self, first: u64, next: u64) -> ReadError {
        ReadError::Corrupt {
            first: first.min(self.seq),
            next: next.max(self.seq + 1),
        }
    }

    /// The index of a segment, whose files are open then.
    fn index(
        &mut self,
        segment: u64,
        readable: &ReadableSegment,
        how: ReadAt,
    ) -> io::Result<Index> {
        let files = match (&self.files, readable.files.upgrade()) {
            (_, Some(files)) => files,
            (Some((open, files)), None) if *open == segment => Arc::clone(files),
            _ => self.open(segment)?,
        };
        let index = Arc::clone(&files.index);
        self.files = Some((segment, files));
        Ok(Index::new(
            index,
            segment,
            readable.entries,
            readable.open,
            how,
        ))
    }

    /// Opens a segment's files; other readers of it use them, too.
    fn open(&self, segment: u64) -> io::Result<Arc<Files>> {
        let channel = &self.channel;
        let files = Files::open(&*channel.storage, channel.name(), segment, false)?;
        let files = Arc::new(files);
        if let Some(readable) = channel.state().segments.get_mut(&segment) {
            readable.files = Arc::downgrade(&files);
        }
        Ok(files)
    }
}

/// The entry, and those that follow it without a gap, of about `most` bytes together at the most.
fn contiguous(index: &Index, number: u64, first: Entry, most: usize) -> io::Result<Vec<Entry>> {
    let mut entries = vec![first];
    let mut bytes = first.length;
    let mut last = first;
    loop {
        let more = index.some(number + entries.len() as u64, 64)?;
        if more.is_empty() {
            return Ok(entries);
        }
        for entry in more {
            let Some(entry) = entry.filter(|entry| {
                (entry.first, entry.offset) == (last.next(), last.end())
                    && bytes + entry.length <= most as u64
            }) else {
                return Ok(entries);
            };
            bytes += entry.length;
            entries.push(entry);
            last = entry;
        }
    }
}

/// The frames of entries that follow each other, and how many of these are sound, from the first on.
fn read_entries(
    file: &dyn File,
    entries: &[Entry],
    how: ReadAt,
    mut bytes: BytesMut,
) -> io::Result<(Bytes, usize)> {
    let offset = entries.first().map_or(0, |entry| entry.offset);
    let length = entries.iter().map(|entry| entry.length).sum();
    // An entry may declare any length; memory is taken for no more than the file has.
    if offset.saturating_add(length) > file.length()? {
        return match entries.split_last() {
            Some((_, [])) | None => Ok((Bytes::new(), 0)),
            Some((_, before)) => read_entries(file, before, how, bytes),
        };
    }
    if let [entry] = entries
        && length > LARGE
        && !is_proven(file, (offset, length), entry.crc, how)?
    {
        return Ok((Bytes::new(), 0));
    }
    bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
    match read_exact_at(file, &mut bytes, offset, how) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok((Bytes::new(), 0)),
        result => result?,
    }
    let mut end = 0;
    let mut sound = 0;
    for entry in entries {
        let range = end..end + usize::try_from(entry.length).unwrap_or(usize::MAX);
        if !is_sound(&bytes[range.clone()], entry) {
            break;
        }
        end = range.end;
        sound += 1;
    }
    bytes.truncate(end);
    Ok((bytes.freeze(), sound))
}

fn is_sound(bytes: &[u8], entry: &Entry) -> bool {
    #[cfg(feature = "planted")]
    if crate::planted::is(crate::planted::Mistake::SkipCrc) {
        return true;
    }
    crc::of(bytes) == entry.crc
}
