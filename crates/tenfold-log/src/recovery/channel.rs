//! One channel that is being recovered.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::aside;
use crate::batch::Record;
use crate::channel::{Channel, ReadableSegment, State};
use crate::crc;
use crate::directory::{remove, sync_dir};
use crate::entry;
use crate::frames::{self, Frames};
use crate::index::{self, Index};
use crate::names;
use crate::report::Report;
use crate::segment::{Files, Segment};
use crate::snapshot::{Count, Snapshot};
use crate::storage::Storage;
use crate::whole::{DURABLE, WAITING, read_all, read_exact_at, uninterrupted};

use super::rescue;

/// A channel between what is found and what it will be.
#[derive(Debug)]
pub(crate) struct Recovering {
    storage: Arc<dyn Storage>,
    name: Arc<str>,
    epoch: Option<u64>,
    first: Option<u64>,
    /// No seq below is given again.
    next: u64,
    producers: BTreeMap<Arc<str>, Count>,
    time: u64,
    /// The segments, as their files are.
    segments: BTreeMap<u64, ReadableSegment>,
    /// The one that is being written, and those that were.
    current: Option<Segment>,
    written: Vec<Segment>,
    /// Batches are lost, and nothing has shown yet whether they had something for this channel.
    pub(crate) is_uncertain: bool,
    /// Its snapshot was written anew, so its directory's name has to be durable.
    pub(crate) is_saved: bool,
}

impl Recovering {
    /// A channel of which only the journal has something.
    pub(crate) fn new(storage: &Arc<dyn Storage>, name: &Arc<str>) -> Self {
        Self {
            storage: Arc::clone(storage),
            name: Arc::clone(name),
            epoch: None,
            first: None,
            next: 0,
            producers: BTreeMap::new(),
            time: 0,
            segments: BTreeMap::new(),
            current: None,
            written: Vec::new(),
            is_uncertain: false,
            is_saved: false,
        }
    }

    /// Looks at a channel's directory.
    pub(crate) fn look(
        storage: &Arc<dyn Storage>,
        name: &Arc<str>,
        report: &mut Report,
    ) -> io::Result<Self> {
        let mut channel = Self::new(storage, name);
        let directory = names::channel(name);
        let files = uninterrupted(|| storage.list(&directory))?;
        for file in files
            .iter()
            .filter(|file| file.ends_with(names::NEW_ENDING))
        {
            remove(&**storage, &format!("{directory}/{file}"))?;
        }
        if files.iter().any(|file| file == "snapshot") {
            channel.read_snapshot(report)?;
        }
        let segments = |ending| {
            let of = files
                .iter()
                .filter_map(move |file| names::segment_of(file, ending));
            of.collect::<Vec<u64>>()
        };
        let frames = segments(names::FRAMES_ENDING);
        let indexes = segments(names::INDEX_ENDING);
        for &segment in frames.iter().chain(&indexes) {
            if !channel.segments.contains_key(&segment) {
                let readable = channel.readable(
                    segment,
                    frames.contains(&segment),
                    indexes.contains(&segment),
                )?;
                channel.segments.insert(segment, readable);
            }
        }
        channel.trim()?;
        Ok(channel)
    }

    fn read_snapshot(&mut self, report: &mut Report) -> io::Result<()> {
        let path = names::snapshot(&self.name);
        let file = uninterrupted(|| self.storage.open(&path, false))?;
        let snapshot = Snapshot::decode(&read_all(&*file, WAITING)?);
        let Some(snapshot) = snapshot.filter(|snapshot| *snapshot.channel == *self.name) else {
            let path = aside::move_file(&*self.storage, &self.name, "snapshot")?;
            let text = format!("the snapshot is damaged; it is kept in {path}");
            report.push(true, Some(&self.name), None, text);
            return Ok(());
        };
        self.epoch = Some(snapshot.epoch);
        self.first = Some(snapshot.first);
        self.next = snapshot.next;
        self.producers = snapshot.producers;
        Ok(())
    }

    fn readable(
        &self,
        segment: u64,
        has_frames: bool,
        has_index: bool,
    ) -> io::Result<ReadableSegment> {
        let length = |path: &str| {
            let file = uninterrupted(|| self.storage.open(path, false))?;
            uninterrupted(|| file.length())
        };
        let mut readable = ReadableSegment::default();
        if has_frames {
            readable.length = length(&names::frames(&self.name, segment))?;
        }
        if has_index {
            readable.entries = index::count(length(&names::index(&self.name, segment))?);
        }
        Ok(readable)
    }

    /// Removes segments that retention had trimmed and not removed.
    fn trim(&mut self) -> io::Result<()> {
        let Some(first) = self.first else {
            return Ok(());
        };
        let names: Vec<u64> = self.segments.keys().copied().collect();
        for pair in names.windows(2) {
            if pair[1] <= first {
                self.remove(pair[0])?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, segment: u64) -> io::Result<()> {
        self.segments.remove(&segment);
        remove(&*self.storage, &names::frames(&self.name, segment))?;
        remove(&*self.storage, &names::index(&self.name, segment))
    }

    /// Writes a record of the journal to its segment again. Without frames they are damaged in the journal.
    pub(crate) fn replay(
        &mut self,
        record: &Record,
        frames: Option<Bytes>,
        report: &mut Report,
    ) -> io::Result<()> {
        if record.first == 0 && self.epoch.is_none() {
            self.epoch = Some(record.epoch);
            self.first = Some(0);
        }
        for (id, total) in &record.producers {
            let count = Count {
                total: *total,
                time: record.time,
            };
            self.producers.insert(Arc::clone(id), count);
        }
        self.is_uncertain = false;
        self.time = self.time.max(record.time);
        self.next = self.next.max(record.next());
        if self.first.is_some_and(|first| record.next() <= first) {
            return Ok(());
        }
        let frames = match frames {
            Some(frames) => Some(frames),
            None => segment_has(&*self.storage, record)?,
        };
        let Some(frames) = frames else {
            let text = "the journal's only copy is damaged";
            report.push(
                true,
                Some(&self.name),
                Some((record.first, record.next())),
                text,
            );
            return Ok(());
        };
        self.go_to(record, report)?;
        let Some(segment) = &mut self.current else {
            return Ok(());
        };
        if (record.first, record.offset) != (segment.next, segment.length) {
            if record.first <= segment.next || record.offset <= segment.length {
                let text = "a record of the journal does not fit to its segment, and is left out";
                report.push(
                    true,
                    Some(&self.name),
                    Some((record.first, record.next())),
                    text,
                );
                return Ok(());
            }
            let gap = Some((segment.next, record.first));
            report.push(
                true,
                Some(&self.name),
                gap,
                "they are missing, in the journal and in the segment",
            );
            segment.skip_to(record.first, record.offset)?;
        }
        let frames = Frames::cut(frames, record.messages, entry::MOST);
        segment.append(record.time, &frames)
    }

    /// Makes the segment of a record the current one, as it was before the record.
    fn go_to(&mut self, record: &Record, report: &mut Report) -> io::Result<()> {
        let current = self
            .current
            .take_if(|current| current.first != record.segment);
        self.written.extend(current);
        if self.current.is_some() {
            return Ok(());
        }
        uninterrupted(|| self.storage.create_dir(&names::channel(&self.name)))?;
        self.is_saved = true;
        let segment = self.open(record.segment, Some(record.offset), report)?;
        self.segments
            .insert(record.segment, ReadableSegment::default());
        self.current = Some(segment);
        Ok(())
    }

    /// A segment as its index has it, up to an offset.
    fn open(&self, first: u64, upto: Option<u64>, report: &mut Report) -> io::Result<Segment> {
        let files = Files::open(&*self.storage, &self.name, first, true)?;
        let files = Arc::new(files);
        let mut segment = Segment::begin(Arc::clone(&files), first);
        let length = uninterrupted(|| files.frames.length())?;
        let upto = upto.unwrap_or(u64::MAX);
        let count = index::count(uninterrupted(|| files.index.length())?);
        let index = Index::new(Arc::clone(&files.index), first, count, None, WAITING);
        if !index.has_header()? {
            let end = length.min(upto);
            if end > 0 {
                let text = "its index is made anew from the frames, which nothing else proves";
                report.push(
                    true,
                    Some(&self.name),
                    None,
                    format!("segment {first:020}: {text}"),
                );
                segment.empty_index()?;
                rescue::enter(&mut segment, end, self.time_after(first)?)?;
            }
            return Ok(segment);
        }
        let (_, last) = index.partition(|entry| entry.end() > upto)?;
        if let Some((number, last)) = last {
            segment.entries = number + 1;
            segment.length = last.end();
            segment.next = last.next();
            segment.time = last.time;
            segment.since = index.partition(|_| true)?.0.map(|(_, entry)| entry.time);
        }
        Ok(segment)
    }

    /// A time for messages of a segment of which nothing is known: that of the first ones after them.
    fn time_after(&self, segment: u64) -> io::Result<u64> {
        let above = (
            std::ops::Bound::Excluded(segment),
            std::ops::Bound::Unbounded,
        );
        for (&segment, readable) in self.segments.range(above) {
            let path = names::index(&self.name, segment);
            let Ok(file) = uninterrupted(|| self.storage.open(&path, false)) else {
                continue;
            };
            let index = Index::new(file, segment, readable.entries, None, WAITING);
            if let (Some((_, entry)), _) = index.partition(|_| true)? {
                return Ok(entry.time);
            }
        }
        Ok(self.time)
    }

    /// Finishes it: what was written becomes durable.
    pub(crate) fn finish(&mut self, random: fn() -> u64, report: &mut Report) -> io::Result<()> {
        let (next_in_snapshot, had_epoch) = (self.next, self.epoch.is_some());
        self.written.extend(self.current.take());
        let is_replayed = !self.written.is_empty();
        self.drop_empty()?;
        self.fill_in(report)?;
        self.open_untouched(report)?;
        let mut has_more = false;
        for mut segment in std::mem::take(&mut self.written) {
            let after = self.after(segment.first);
            has_more |= rescue::rest(
                &*self.storage,
                &self.name,
                &mut segment,
                after,
                self.time,
                report,
            )?;
            self.time = self.time.max(segment.time);
            self.settle(&mut segment)?;
            let readable = ReadableSegment {
                length: uninterrupted(|| segment.files.frames.length())?,
                ..ReadableSegment::of(&segment)
            };
            self.segments.insert(segment.first, readable);
            if after.is_none() {
                self.next = self.next.max(segment.next);
                self.current = Some(segment);
            }
        }
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::ReuseSeq) {
            self.next = self.current.as_ref().map_or(0, |segment| segment.next);
        }
        self.look_for_gaps(report);
        // Where something is missing at the end, the next message begins another segment after it.
        let length = |first| {
            self.segments
                .get(&first)
                .map_or(0, |readable: &ReadableSegment| readable.length)
        };
        let next = self.next;
        self.current = self
            .current
            .take()
            .filter(|newest| newest.next == next && newest.length == length(newest.first));
        let first = *self
            .first
            .get_or_insert_with(|| self.segments.keys().next().copied().unwrap_or(0));
        self.next = self.next.max(first);
        if self.next == 0 {
            return Ok(());
        }
        let is_unknown = self.is_uncertain || has_more || !had_epoch;
        if is_unknown && !had_epoch {
            let text = "there is no snapshot, and the journal does not have its first message";
            report.push(
                true,
                Some(&self.name),
                None,
                format!("{text}: it gets a new epoch"),
            );
        } else if is_unknown {
            let text = "it is not sure that it has all messages: it gets a new epoch";
            report.push(true, Some(&self.name), None, text);
        }
        if is_unknown {
            self.epoch = Some(random());
        }
        if is_unknown || is_replayed || self.next != next_in_snapshot {
            self.save(random)?;
        }
        Ok(())
    }

    /// Removes segments in which nothing ever was, as far as anything says.
    fn drop_empty(&mut self) -> io::Result<()> {
        let is_written = |first| self.written.iter().any(|segment| segment.first == first);
        let is_empty = |(first, readable): (&u64, &ReadableSegment)| {
            (readable.length == 0 && readable.entries == 0 && !is_written(*first)).then_some(*first)
        };
        let empty: Vec<u64> = self.segments.iter().filter_map(is_empty).collect();
        empty.into_iter().try_for_each(|first| self.remove(first))
    }

    /// Makes files for segments of which only the index is left, so that it can be told what is missing.
    fn fill_in(&self, report: &mut Report) -> io::Result<()> {
        let is_written = |first| self.written.iter().any(|segment| segment.first == first);
        for (&first, _) in self
            .segments
            .iter()
            .filter(|(_, readable)| readable.length == 0)
        {
            if !is_written(first) {
                Files::open(&*self.storage, &self.name, first, true)?;
                let text = format!("segment {first:020} has lost its frames");
                report.push(true, Some(&self.name), None, text);
            }
        }
        Ok(())
    }

    /// Opens the newest segment, and those whose index has to be made.
    fn open_untouched(&mut self, report: &mut Report) -> io::Result<()> {
        let newest = self.segments.keys().next_back().copied();
        for first in self.segments.keys().copied().collect::<Vec<_>>() {
            let is_written = self.written.iter().any(|segment| segment.first == first);
            if !is_written && (Some(first) == newest || !self.has_index(first)?) {
                let segment = self.open(first, None, report)?;
                self.written.push(segment);
            }
        }
        self.written.sort_by_key(|segment| segment.first);
        Ok(())
    }

    fn has_index(&self, first: u64) -> io::Result<bool> {
        let path = names::index(&self.name, first);
        match uninterrupted(|| self.storage.open(&path, false)) {
            Ok(file) => Index::new(file, first, 0, None, WAITING).has_header(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The segment after another.
    fn after(&self, segment: u64) -> Option<u64> {
        let above = (
            std::ops::Bound::Excluded(segment),
            std::ops::Bound::Unbounded,
        );
        self.segments.range(above).next().map(|(first, _)| *first)
    }

    /// Makes a segment's files durable, with exactly what is in them.
    fn settle(&mut self, segment: &mut Segment) -> io::Result<()> {
        segment.complete()?;
        let files = &segment.files;
        let length = uninterrupted(|| files.frames.length())?;
        let index = uninterrupted(|| files.index.length())?;
        if length < segment.length {
            // The file was cut. Readers report that; nothing is written to the segment any more.
            return Ok(());
        }
        let is_untouched = !self.is_saved;
        if is_untouched && (length, index) == (segment.length, segment.index_length()) {
            segment.synced = segment.extent();
            return Ok(());
        }
        self.is_saved = true;
        segment.cut()?;
        segment.files.sync()?;
        segment.synced = segment.extent();
        Ok(())
    }

    /// Says what is missing between segments, as far as names and indexes show.
    fn look_for_gaps(&mut self, report: &mut Report) {
        let mut expected = self.first;
        for &first in self.segments.keys() {
            if let Some(gap) = expected.filter(|expected| *expected < first) {
                report.push(
                    true,
                    Some(&self.name),
                    Some((gap, first)),
                    "they are missing",
                );
            }
            expected = None;
        }
        if let Some(newest) = &self.current
            && newest.next < self.next
        {
            let gap = Some((newest.next, self.next));
            report.push(true, Some(&self.name), gap, "they are missing at the end");
        }
    }

    fn save(&mut self, random: fn() -> u64) -> io::Result<()> {
        self.is_saved = true;
        let snapshot = Snapshot {
            channel: self.name.to_string(),
            epoch: *self.epoch.get_or_insert_with(random),
            first: self.first.unwrap_or(0),
            next: self.next,
            producers: self.producers.clone(),
        };
        uninterrupted(|| self.storage.create_dir(&names::channel(&self.name)))?;
        sync_dir(&*self.storage, &names::channel(&self.name))?;
        snapshot.save(&*self.storage)
    }

    /// What it has become; `None` if it has never had a message.
    pub(crate) fn into_channel(self) -> Option<Arc<Channel>> {
        let epoch = self.epoch.filter(|_| self.next > 0)?;
        let state = State {
            first: self.first.unwrap_or(0),
            next: self.next,
            segments: self.segments,
            producers: self.producers,
            time: self.time,
            snapshot_is_due: false,
        };
        let channel = Channel::new(self.name, epoch, self.storage, state, self.current);
        Some(Arc::new(channel))
    }
}

/// The frames of a record, if its segment has them.
pub(crate) fn segment_has(storage: &dyn Storage, record: &Record) -> io::Result<Option<Bytes>> {
    let path = names::frames(&record.channel, record.segment);
    let file = match uninterrupted(|| storage.open(&path, false)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let end = record.offset.saturating_add(record.length);
    if uninterrupted(|| file.length())? < end {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(record.length).unwrap_or(0)];
    read_exact_at(&*file, &mut bytes, record.offset, DURABLE)?;
    let is_sound = crc::of(&bytes) == record.crc && frames::are(&bytes, record.messages);
    Ok(is_sound.then(|| bytes.into()))
}
