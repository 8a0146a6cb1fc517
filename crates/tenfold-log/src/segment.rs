//! A segment that is being written: frames, and the index that proves them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use crate::entry::{self, Entry, RECORD};
use crate::frames::Frames;
use crate::names;
use crate::storage::{File, Storage};
use crate::whole::{is_full, synced, uninterrupted, write_all_at};

/// The two files of a segment.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) frames: Arc<dyn File>,
    pub(crate) index: Arc<dyn File>,
    /// How far they are durable. Whoever has them knows what a checkpoint has synced meanwhile.
    synced: Mutex<Extent>,
    /// The segment has other files by now, which were rebuilt from what was in these, and are durable as far as
    /// these were written.
    is_replaced: AtomicBool,
}

impl Files {
    pub(crate) fn new(frames: Arc<dyn File>, index: Arc<dyn File>) -> Self {
        Self {
            frames,
            index,
            synced: Mutex::default(),
            is_replaced: AtomicBool::new(false),
        }
    }

    /// How far they are durable by themselves.
    pub(crate) fn synced(&self) -> Extent {
        *self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_synced(&self, extent: Extent) {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        *synced = extent.max(*synced);
    }

    /// Whether the segment has other files by now: nothing more is to be done with these.
    pub(crate) fn is_replaced(&self) -> bool {
        self.is_replaced.load(SeqCst)
    }

    pub(crate) fn note_replaced(&self) {
        self.is_replaced.store(true, SeqCst);
    }

    pub(crate) fn open(
        storage: &dyn Storage,
        channel: &str,
        segment: u64,
        create: bool,
    ) -> io::Result<Self> {
        let open = |path: &str| uninterrupted(|| storage.open(path, create));
        let frames = open(&names::frames(channel, segment))?;
        Ok(Self::new(frames, open(&names::index(channel, segment))?))
    }

    /// Adds what keeps them open.
    pub(crate) fn keep_open(&self, kept: &mut Vec<Arc<dyn File>>) -> io::Result<()> {
        for file in [&self.frames, &self.index] {
            kept.extend(uninterrupted(|| file.keep_open())?);
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        synced(self.frames.sync())?;
        synced(self.index.sync())
    }
}

/// Where a segment is being written.
///
/// Invariant: the file's bytes up to `length` are frames up to the seq `next`; the index has `entries`
/// complete entries, and `open` is the one after them. Bytes beyond these mean nothing.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) files: Arc<Files>,
    /// The seq of its first message.
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) length: u64,
    /// Complete entries in the file.
    pub(crate) entries: u64,
    /// The entry that can still grow.
    pub(crate) open: Option<Entry>,
    /// When its first and its newest message were committed.
    pub(crate) since: Option<u64>,
    pub(crate) time: u64,
    /// How far space is reserved, in frames and in index.
    pub(crate) reserved: [u64; 2],
}

/// How far a segment is: in its files, or durably. Neither of the two numbers ever becomes less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Extent {
    pub(crate) length: u64,
    pub(crate) entries: u64,
}

/// Space is reserved in steps that grow with the segment, up to this, in bytes: a channel with one short
/// message takes a block for it and another one for its index.
const RESERVED_AT_ONCE: u64 = 4 * 1024 * 1024;

/// Bytes of a block: files take space in whole ones.
pub(crate) const BLOCK: u64 = 4096;

impl Segment {
    /// An empty one, which is written from its beginning.
    pub(crate) fn begin(files: Arc<Files>, first: u64) -> Self {
        Self {
            files,
            first,
            next: first,
            length: 0,
            entries: 0,
            open: None,
            since: None,
            time: 0,
            reserved: [0; 2],
        }
    }

    /// Bytes of the index's file.
    pub(crate) fn index_length(&self) -> u64 {
        (self.entries + 1) * RECORD as u64
    }

    /// Reserves space for `bytes` more of frames, and for `entries` more in the index. Ahead of that it
    /// reserves no more than `most` bytes for each of the files, which is how large the segment becomes.
    pub(crate) fn reserve(&mut self, bytes: u64, entries: usize, most: u64) -> io::Result<()> {
        // The open entry needs a record as well, and so does the header.
        let records = (entries as u64 + 2) * RECORD as u64;
        let frames = (self.length, bytes, &self.files.frames);
        let index = (self.index_length(), records, &self.files.index);
        let [frames_reserved, index_reserved] = &mut self.reserved;
        reserve(frames, frames_reserved, most)?;
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::SkipIndexReservation) {
            return Ok(());
        }
        reserve(index, index_reserved, most)
    }

    /// Leaves a hole up to a place: what is missing there is damaged.
    pub(crate) fn skip_to(&mut self, next: u64, length: u64) -> io::Result<()> {
        if self.next != next || self.length != length {
            self.complete()?;
            self.next = next;
            self.length = length;
        }
        Ok(())
    }

    /// Writes frames after those that are there.
    pub(crate) fn append(&mut self, time: u64, frames: &[Frames]) -> io::Result<()> {
        let slices: Vec<&[u8]> = frames.iter().map(|some| &some.bytes[..]).collect();
        write_all_at(&*self.files.frames, &slices, self.length)?;
        self.enter(time, frames, false)
    }

    /// Makes entries for frames that stand after those that are there.
    pub(crate) fn enter(
        &mut self,
        time: u64,
        frames: &[Frames],
        is_unproven: bool,
    ) -> io::Result<()> {
        let mut complete = Vec::new();
        if self.entries == 0 && self.open.is_none() {
            write_all_at(&*self.files.index, &[&entry::header(self.first)], 0)?;
        }
        self.since.get_or_insert(time);
        self.time = time;
        for some in frames {
            let length = some.bytes.len() as u64;
            // These are at most 256 KiB, so they are fewer messages than that.
            let messages = u32::try_from(some.messages).unwrap_or(u32::MAX);
            let grown = self
                .open
                .as_mut()
                .is_some_and(|open| open.extend(&some.bytes, messages, time));
            if !grown {
                let entry = Entry {
                    first: self.next,
                    offset: self.length,
                    length,
                    time,
                    messages,
                    crc: some.crc(),
                    is_unproven,
                };
                complete.extend(self.open.replace(entry));
            }
            self.length += length;
            self.next += some.messages;
        }
        self.write_entries(&complete)
    }

    /// Takes an entry for frames that are there, after those that it has.
    pub(crate) fn take(&mut self, entry: Entry) -> io::Result<()> {
        if self.entries == 0 && self.open.is_none() {
            write_all_at(&*self.files.index, &[&entry::header(self.first)], 0)?;
        }
        self.complete()?;
        self.since.get_or_insert(entry.time);
        (self.length, self.next, self.time) = (entry.end(), entry.next(), entry.time);
        self.open = Some(entry);
        Ok(())
    }

    /// Completes the newest entry.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        let open = self.open;
        self.write_entries(open.as_slice())?;
        self.open = None;
        Ok(())
    }

    fn write_entries(&mut self, entries: &[Entry]) -> io::Result<()> {
        let records: Vec<_> = entries
            .iter()
            .map(|entry| entry.encode(self.first))
            .collect();
        write_all_at(
            &*self.files.index,
            &[records.as_flattened()],
            self.index_length(),
        )?;
        self.entries += entries.len() as u64;
        Ok(())
    }

    /// Empties the files: they may be left from a batch that was not committed.
    pub(crate) fn empty(&self) -> io::Result<()> {
        uninterrupted(|| self.files.frames.set_length(0))?;
        self.empty_index()
    }

    /// Empties the index before it is made again.
    pub(crate) fn empty_index(&self) -> io::Result<()> {
        uninterrupted(|| self.files.index.set_length(0))
    }

    /// Makes the files exactly as long as what is known to be in them, and gives back what was
    /// reserved after that.
    pub(crate) fn cut(&mut self) -> io::Result<()> {
        uninterrupted(|| self.files.frames.set_length(self.length))?;
        uninterrupted(|| self.files.index.set_length(self.index_length()))?;
        self.reserved = [0; 2];
        Ok(())
    }

    /// What is in the files now.
    pub(crate) fn extent(&self) -> Extent {
        Extent {
            length: self.length,
            entries: self.entries,
        }
    }
}

/// Makes sure that `more` bytes after `end` have space on disk. Reserves more than that, so that the next
/// commits need not; if there is not so much space, exactly what is needed.
fn reserve(
    (end, more, file): (u64, u64, &Arc<dyn File>),
    reserved: &mut u64,
    most: u64,
) -> io::Result<()> {
    let needed = end + more;
    if needed <= *reserved {
        return Ok(());
    }
    let ahead = (needed + end.min(RESERVED_AT_ONCE)).min(most);
    let wanted = ahead.max(needed).next_multiple_of(BLOCK);
    for until in [wanted, needed] {
        match uninterrupted(|| file.reserve(end, until - end)) {
            Ok(()) => {
                *reserved = until;
                return Ok(());
            }
            Err(error) if is_full(&error) && until > needed => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What a file of so many bytes takes on disk, if space is reserved up to `reserved`.
pub(crate) fn on_disk(length: u64, reserved: u64) -> u64 {
    length.max(reserved).next_multiple_of(BLOCK)
}
