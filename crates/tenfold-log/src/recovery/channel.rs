//! One channel that is being recovered.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use crate::aside;
use crate::batch::Record;
use crate::chain::{Chain, Link, epoch_of};
use crate::channel::{Channel, ReadableSegment, State};
use crate::deleted::mark_in;
use crate::draft::Draft;
use crate::entry;
use crate::frames::Frames;
use crate::index::{self, Index};
use crate::names;
use crate::options::Opens;
use crate::renewal::Renewal;
use crate::report::Report;
use crate::segment::{Files, Segment};
use crate::snapshot::{Count, Snapshot};
use crate::starts::Starts;
use crate::storage::{File, Storage};
use crate::whole::{WAITING, uninterrupted};

use super::records::{Placed, Records};
use super::rescue;
use super::there::segment_has;
use super::unwritten::{Drafted, Tidying, Unwritten};

/// A channel between what is found and what it will be. Nothing on disk is changed: what is to be
/// written is in drafts, and what is to be tidied is noted.
#[derive(Debug)]
pub(crate) struct Recovering {
    storage: Arc<dyn Storage>,
    name: Arc<str>,
    /// The starts before this one. What the journal has is of the newest of them.
    starts: Arc<Starts>,
    birth: Option<u64>,
    /// What its birth is if it has no snapshot, as the journal tells it beside what was carried.
    pub(super) carried_birth: Option<u64>,
    links: Vec<Link>,
    first: Option<u64>,
    /// No seq below is given again.
    next: u64,
    producers: BTreeMap<Arc<str>, Count>,
    time: u64,
    /// The lengths of the files of its segments when they were looked at.
    found: BTreeMap<u64, Lengths>,
    /// The segments, as they will be.
    segments: BTreeMap<u64, ReadableSegment>,
    /// The one that is being written, and those that were.
    current: Option<Drafted>,
    written: Vec<Drafted>,
    /// The segment that the next message goes to.
    newest: Option<Segment>,
    tidying: Tidying,
    /// Batches are lost, and nothing has shown yet whether they had something for this channel.
    pub(crate) is_uncertain: bool,
    /// Its snapshot is to be written again.
    is_due: bool,
    /// It has a directory.
    has_directory: bool,
    /// Whether the name of that may have got lost: the journal has the channel's first message, so no checkpoint has
    /// made the name durable.
    renewal: Renewal,
}

/// The lengths of a segment's files that are there.
#[derive(Clone, Copy, Debug, Default)]
struct Lengths {
    frames: Option<u64>,
    index: Option<u64>,
}

impl Recovering {
    /// A channel of which only the journal has something.
    pub(crate) fn new(storage: &Arc<dyn Storage>, name: &Arc<str>, starts: &Arc<Starts>) -> Self {
        Self {
            storage: Arc::clone(storage),
            name: Arc::clone(name),
            starts: Arc::clone(starts),
            birth: None,
            carried_birth: None,
            links: Vec::new(),
            first: None,
            next: 0,
            producers: BTreeMap::new(),
            time: 0,
            found: BTreeMap::new(),
            segments: BTreeMap::new(),
            current: None,
            written: Vec::new(),
            newest: None,
            tidying: Tidying::default(),
            is_uncertain: false,
            is_due: false,
            has_directory: false,
            renewal: Renewal::default(),
        }
    }

    /// Looks at a channel's directory. `None`: the channel was deleted.
    pub(crate) fn look(
        storage: &Arc<dyn Storage>,
        name: &Arc<str>,
        starts: &Arc<Starts>,
        report: &mut Report,
    ) -> io::Result<Option<Self>> {
        let mut channel = Self::new(storage, name, starts);
        channel.has_directory = true;
        let directory = names::channel(name);
        let files = uninterrupted(|| storage.list(&directory))?;
        if mark_in(&files).is_some() {
            return Ok(None);
        }
        let left = files
            .iter()
            .filter(|file| file.ends_with(names::NEW_ENDING));
        let left = left.map(|file| format!("{directory}/{file}"));
        channel.tidying.removed.extend(left);
        if files.iter().any(|file| file == "snapshot") {
            channel.read_snapshot(report)?;
        }
        // Each index first: what it has then is in the frames, also while a hub writes.
        for (ending, is_index) in [(names::INDEX_ENDING, true), (names::FRAMES_ENDING, false)] {
            for file in &files {
                let Some(segment) = names::segment_of(file, ending) else {
                    continue;
                };
                let length = channel.length(&format!("{directory}/{file}"))?;
                let lengths = channel.found.entry(segment).or_default();
                if is_index {
                    lengths.index = Some(length);
                } else {
                    lengths.frames = Some(length);
                }
            }
        }
        for (&segment, lengths) in &channel.found {
            let readable = ReadableSegment {
                length: lengths.frames.unwrap_or(0),
                entries: lengths
                    .index
                    .map_or(0, |index| index::count(index, lengths.frames.unwrap_or(0))),
                ..ReadableSegment::default()
            };
            channel.segments.insert(segment, readable);
        }
        channel.trim();
        Ok(Some(channel))
    }

    fn read_snapshot(&mut self, report: &mut Report) -> io::Result<()> {
        let path = names::snapshot(&self.name);
        let file = uninterrupted(|| self.storage.open(&path, false))?;
        let snapshot = Snapshot::read(&*file)?;
        let Some(snapshot) = snapshot.filter(|snapshot| *snapshot.channel == *self.name) else {
            self.tidying.has_bad_snapshot = true;
            let path = aside::path_of(&self.name, "snapshot");
            let text = format!("the snapshot is damaged; it is kept in {path}");
            report.push(true, Some(&self.name), None, text);
            return Ok(());
        };
        self.birth = Some(snapshot.birth);
        self.links = snapshot.links;
        if self.starts.newest().is_none() {
            // The starts are lost, and are counted again.
            self.is_due |= !self.links.is_empty();
            self.links.clear();
        }
        self.first = Some(snapshot.first);
        self.next = snapshot.next;
        self.producers = snapshot.producers;
        Ok(())
    }

    fn length(&self, path: &str) -> io::Result<u64> {
        let file = uninterrupted(|| self.storage.open(path, false))?;
        uninterrupted(|| file.length())
    }

    /// Drops segments that retention had trimmed and not removed.
    fn trim(&mut self) {
        let Some(first) = self.first else {
            return;
        };
        let names: Vec<u64> = self.segments.keys().copied().collect();
        for pair in names.windows(2) {
            if pair[1] <= first {
                self.drop_segment(pair[0]);
            }
        }
    }

    fn drop_segment(&mut self, segment: u64) {
        self.segments.remove(&segment);
        self.found.remove(&segment);
        let paths = [
            names::frames(&self.name, segment),
            names::index(&self.name, segment),
        ];
        self.tidying.removed.extend(paths);
    }

    /// Writes what the journal has of it to its segments again.
    pub(crate) fn replay_all(
        &mut self,
        of_channel: Vec<Placed>,
        all: &Records,
        report: &mut Report,
    ) -> io::Result<()> {
        let mut from = 0;
        for placed in of_channel {
            self.is_uncertain |= all.are_lost(from, placed.number);
            from = from.max(placed.number + 1);
            self.replay(&placed.record, placed.frames, report)?;
        }
        self.is_uncertain |= all.are_lost(from, usize::MAX);
        Ok(())
    }

    /// Writes a record of the journal to its segment again. Without frames they are damaged in the journal.
    pub(crate) fn replay(
        &mut self,
        record: &Record,
        frames: Option<Bytes>,
        report: &mut Report,
    ) -> io::Result<()> {
        self.note_start(record);
        if record.first == 0 && self.has_directory {
            self.renewal = Renewal::Due;
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
        let Some(Drafted { segment, .. }) = &mut self.current else {
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

    /// Notes that something was committed in the start that the journal is of.
    fn note_start(&mut self, record: &Record) {
        // What was carried when its files failed is of an earlier start than the last.
        let known = self
            .birth
            .or(self.carried_birth)
            .and_then(|birth| self.starts.find(birth ^ record.epoch));
        let start = known.or_else(|| self.starts.of_journal());
        if record.first == 0 && self.birth.is_none() {
            let told = || epoch_of(record.epoch, start);
            self.birth = Some(self.carried_birth.unwrap_or_else(told));
            self.first = Some(0);
        }
        let Some(start) = start.map(|start| start.number) else {
            return;
        };
        if self.links.last().is_none_or(|newest| newest.start < start) {
            // If batches are lost, one of them may have had the first message.
            let first = if self.is_uncertain {
                self.next.min(record.first)
            } else {
                record.first
            };
            self.links.push(Link { start, first });
            self.is_due = true;
        }
    }

    /// Makes the segment of a record the current one, as it was before the record.
    fn go_to(&mut self, record: &Record, report: &mut Report) -> io::Result<()> {
        let current = self
            .current
            .take_if(|current| current.segment.first != record.segment);
        self.written.extend(current);
        if self.current.is_some() {
            return Ok(());
        }
        self.is_due = true;
        let drafted = self.open(record.segment, Some(record.offset), report)?;
        self.segments
            .insert(record.segment, ReadableSegment::default());
        self.current = Some(drafted);
        Ok(())
    }

    /// A draft of a file that was found with a length, or of one that is not there.
    fn draft(&self, path: &str, length: Option<u64>) -> io::Result<Arc<Draft>> {
        let Some(length) = length else {
            return Ok(Arc::new(Draft::new()));
        };
        let file = uninterrupted(|| self.storage.open(path, false))?;
        Ok(Arc::new(Draft::of(file, length)))
    }

    /// A segment as its index has it, up to an offset.
    fn open(&self, first: u64, upto: Option<u64>, report: &mut Report) -> io::Result<Drafted> {
        let lengths = self.found.get(&first).copied().unwrap_or_default();
        let frames = self.draft(&names::frames(&self.name, first), lengths.frames)?;
        let index = self.draft(&names::index(&self.name, first), lengths.index)?;
        let files = Arc::new(Files::new(
            Arc::clone(&frames) as Arc<dyn File>,
            Arc::clone(&index) as Arc<dyn File>,
        ));
        let mut segment = Segment::begin(Arc::clone(&files), first);
        self.enter(&mut segment, upto, report)?;
        Ok(Drafted {
            segment,
            frames,
            index,
        })
    }

    /// Takes over what the index of a segment has, up to an offset.
    fn enter(
        &self,
        segment: &mut Segment,
        upto: Option<u64>,
        report: &mut Report,
    ) -> io::Result<()> {
        let (files, first) = (Arc::clone(&segment.files), segment.first);
        let length = uninterrupted(|| files.frames.length())?;
        let upto = upto.unwrap_or(u64::MAX);
        let count = index::count(uninterrupted(|| files.index.length())?, length);
        let index = Index::new(Arc::clone(&files.index), first, count, None, WAITING);
        if !index.has_header()? {
            let end = length.min(upto);
            if end > 0 {
                let text = "its index is made again from the frames, which nothing else proves";
                report.push(
                    true,
                    Some(&self.name),
                    None,
                    format!("segment {first:020}: {text}"),
                );
                segment.empty_index()?;
                rescue::enter(segment, end, self.time_after(first)?)?;
            }
            return Ok(());
        }
        let (_, last) = index.partition(|entry| entry.end() > upto)?;
        if let Some((number, last)) = last {
            segment.entries = number + 1;
            segment.length = last.end();
            segment.next = last.next();
            segment.time = last.time;
            segment.since = index.partition(|_| true)?.0.map(|(_, entry)| entry.time);
        }
        Ok(())
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

    /// Concludes what it will be.
    pub(crate) fn conclude(&mut self, report: &mut Report) -> io::Result<()> {
        let (next_in_snapshot, had_birth) = (self.next, self.birth.is_some());
        self.written.extend(self.current.take());
        let is_replayed = !self.written.is_empty();
        self.drop_empty();
        self.fill_in(report);
        self.open_untouched(report)?;
        let mut has_more = false;
        let mut newest = None;
        for mut drafted in std::mem::take(&mut self.written) {
            let segment = &mut drafted.segment;
            let after = self.after(segment.first);
            let put = &mut self.tidying.put;
            has_more |= rescue::rest(&self.name, segment, after, self.time, put, report)?;
            self.time = self.time.max(segment.time);
            segment.complete()?;
            let length = uninterrupted(|| segment.files.frames.length())?;
            // If the file was cut, nothing is written to the segment any more: readers report it.
            if length >= segment.length {
                segment.cut()?;
                segment.files.note_synced(segment.extent());
            }
            let readable = ReadableSegment {
                length: length.min(segment.length),
                ..ReadableSegment::of(segment)
            };
            self.segments.insert(segment.first, readable);
            if after.is_none() {
                self.next = self.next.max(segment.next);
                newest = Some(segment.clone());
            }
            self.written.push(drafted);
        }
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::ReuseSeq) {
            self.next = newest.as_ref().map_or(0, |segment| segment.next);
        }
        self.look_for_gaps(newest.as_ref(), report);
        // Where something is missing at the end, the next message begins another segment after it.
        let length = |first| {
            self.segments
                .get(&first)
                .map_or(0, |readable: &ReadableSegment| readable.length)
        };
        let next = self.next;
        self.newest =
            newest.filter(|newest| newest.next == next && newest.length == length(newest.first));
        let first = *self
            .first
            .get_or_insert_with(|| self.segments.keys().next().copied().unwrap_or(0));
        self.next = self.next.max(first);
        if self.next == 0 {
            return Ok(());
        }
        let is_unknown = self.is_uncertain || has_more || !had_birth;
        if is_unknown && !had_birth {
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
            self.birth = None;
            self.links.clear();
        }
        self.is_due |= is_unknown || is_replayed || self.next != next_in_snapshot;
        Ok(())
    }

    /// Drops segments in which nothing ever was, as far as anything says.
    fn drop_empty(&mut self) {
        let is_empty = |(first, readable): (&u64, &ReadableSegment)| {
            let is_empty = readable.length == 0 && readable.entries == 0;
            (is_empty && !self.is_written(*first)).then_some(*first)
        };
        let empty: Vec<u64> = self.segments.iter().filter_map(is_empty).collect();
        for first in empty {
            self.drop_segment(first);
        }
    }

    /// Notes segments of which only the index is left. They get a file without frames, so that it can be
    /// told what is missing.
    fn fill_in(&mut self, report: &mut Report) {
        for (&first, readable) in &self.segments {
            if readable.length == 0 && !self.is_written(first) {
                let path = names::frames(&self.name, first);
                self.tidying.missing.push(path);
                let text = format!("segment {first:020} has lost its frames");
                report.push(true, Some(&self.name), None, text);
            }
        }
    }

    fn is_written(&self, first: u64) -> bool {
        self.written
            .iter()
            .any(|drafted| drafted.segment.first == first)
    }

    /// Opens the newest segment, and those whose index has to be made.
    fn open_untouched(&mut self, report: &mut Report) -> io::Result<()> {
        let newest = self.segments.keys().next_back().copied();
        for first in self.segments.keys().copied().collect::<Vec<_>>() {
            if !self.is_written(first) && (Some(first) == newest || !self.has_index(first)?) {
                let drafted = self.open(first, None, report)?;
                self.written.push(drafted);
            }
        }
        self.written.sort_by_key(|drafted| drafted.segment.first);
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

    /// Says what is missing between segments, as far as names and indexes show.
    fn look_for_gaps(&self, newest: Option<&Segment>, report: &mut Report) {
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
        if let Some(newest) = newest
            && newest.next < self.next
        {
            let gap = Some((newest.next, self.next));
            report.push(true, Some(&self.name), gap, "they are missing at the end");
        }
    }

    /// What it has become, and what is to be written of it; `None` if it has never had a message. A history
    /// that nothing is known of gets a new name.
    pub(crate) fn into_unwritten(
        mut self,
        opens: Opens,
        starts: &Arc<Starts>,
    ) -> Option<Unwritten> {
        if self.next == 0 {
            return None;
        }
        let state = State {
            first: self.first.unwrap_or(0),
            next: self.next,
            segments: self.segments,
            producers: self.producers,
            time: self.time,
            // The first message in this start makes it due.
            snapshot_is_due: true,
        };
        #[cfg(feature = "planted")]
        let state = if crate::planted::is(crate::planted::Mistake::ForgetProducers) {
            let producers = BTreeMap::new();
            State { producers, ..state }
        } else {
            state
        };
        let has_new_epoch = self.birth.is_none();
        let birth = self.birth.or_else(|| opens.random().map(|random| random()));
        let is_mirror = matches!(opens, Opens::Mirror(_));
        if !is_mirror {
            // What was a mirror may know of messages that it does not have. They belong to its history no more.
            for link in &mut self.links {
                link.first = link.first.min(self.next);
            }
        }
        let chain = Chain::new(birth.unwrap_or(0), self.links, self.next, starts);
        let chain = if is_mirror {
            chain.of_another_log()
        } else {
            chain
        };
        let channel = Channel::new(self.name, chain, self.storage, state, self.newest);
        Some(Unwritten {
            channel: Arc::new(channel),
            has_new_epoch,
            tidying: self.tidying,
            renewal: self.renewal,
            segments: self.written,
            is_due: self.is_due,
            is_written: false,
        })
    }
}
