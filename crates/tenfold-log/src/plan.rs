//! Where the frames of a batch go, before anything is written.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::batch::Record;
use crate::channel::Channel;
use crate::crc;
use crate::entry::{self, RECORD};
use crate::frames::Frames;
use crate::names;
use crate::options::{Growth, Options};
use crate::queue::Queued;
use crate::segment::{Files, Segment};
use crate::storage::{File, Storage};
use crate::whole::{is_full, uninterrupted};

/// A batch that is being made.
#[derive(Debug)]
pub(crate) struct Plan {
    now: u64,
    /// How many channels share the disk.
    sharers: usize,
    /// What these may take on disk together.
    max_disk: u64,
    /// By how much the clock is behind the newest message of a channel, in milliseconds, if that is too much.
    pub(crate) behind: Option<u64>,
    channels: Vec<ChannelPlan>,
    by_name: HashMap<Arc<str>, usize>,
}

/// What a batch has for one channel.
#[derive(Debug)]
pub(crate) struct ChannelPlan {
    pub(crate) channel: Arc<Channel>,
    /// When the next frames are committed; never before what is there already, unless the clock was wrong.
    pub(crate) time: u64,
    pub(crate) segments: Vec<SegmentPlan>,
    /// What keeps the files open that are written when the batch is committed: nothing may fail then for want of
    /// a descriptor.
    kept: Vec<Arc<dyn File>>,
    /// How far each segment grows.
    growth: Growth,
    /// Where the next frames go.
    at: At,
}

#[derive(Clone, Copy, Debug)]
struct At {
    segment: u64,
    next: u64,
    length: u64,
    /// Entries of its index, the newest of which can still grow.
    entries: u64,
    open: Option<(u64, u64)>,
    since: Option<u64>,
}

/// How far the clock may be behind the newest message of a channel, in milliseconds, so that the next one
/// gets the time of that one: clocks are set by small steps all the time. If it is further behind, it was
/// wrong before, and the next message gets the time that it says now.
pub(crate) const BACK: u64 = 1000;

/// What goes into one segment at one time.
#[derive(Debug)]
pub(crate) struct SegmentPlan {
    pub(crate) record: Record,
    pub(crate) frames: Vec<Frames>,
    /// The segment is a new one.
    is_new: bool,
    pub(crate) begun: Option<Segment>,
}

impl Plan {
    pub(crate) fn new(now: u64, sharers: usize, max_disk: u64) -> Self {
        Self {
            now,
            sharers,
            max_disk,
            behind: None,
            channels: Vec::new(),
            by_name: HashMap::new(),
        }
    }

    /// Plans where frames go: after those that are planned already.
    pub(crate) fn add(&mut self, options: &Options, queued: &Queued) {
        let name = &queued.channel.name;
        let index = self
            .by_name
            .get(name)
            .copied()
            .unwrap_or(self.channels.len());
        if index == self.channels.len() {
            let retention = (options.retention)(name);
            let growth = options.growth(&retention, self.sharers, self.max_disk);
            let now = queued.submission.given.is_none().then_some(self.now);
            let (channel_plan, behind) = ChannelPlan::new(&queued.channel, growth, now);
            self.behind = self.behind.max(behind);
            self.channels.push(channel_plan);
            self.by_name.insert(Arc::clone(name), index);
        }
        self.channels[index].add(queued);
    }

    /// Makes sure that there is space for all of it. Channels for which that fails, other than for want of
    /// space, are taken out of the plan and returned with their errors. An error: there is no space, and
    /// nothing of the plan can be done.
    pub(crate) fn reserve(
        &mut self,
        storage: &dyn Storage,
    ) -> io::Result<Vec<(Arc<Channel>, io::Error)>> {
        // In the journal and in the segments, with as much as the index may take.
        storage.has_space(self.bytes().saturating_mul(4))?;
        let mut failed = Vec::new();
        let mut sound = Vec::new();
        let mut full = None;
        for mut channel_plan in std::mem::take(&mut self.channels) {
            let reserved = match full {
                None => channel_plan.reserve(storage),
                Some(_) => Ok(()),
            };
            match reserved {
                Err(error) if !is_full(&error) => {
                    channel_plan.undo(storage);
                    failed.push((channel_plan.channel, error));
                    continue;
                }
                Err(error) => full = Some(error),
                Ok(()) => {}
            }
            sound.push(channel_plan);
        }
        self.channels = sound;
        let names = self.channels.iter().enumerate();
        self.by_name = names
            .map(|(index, channel_plan)| (Arc::clone(&channel_plan.channel.name), index))
            .collect();
        full.map_or(Ok(failed), Err)
    }

    /// Removes the files that were made for it. What cannot be removed is empty, and does no harm.
    pub(crate) fn undo(&mut self, storage: &dyn Storage) {
        for channel_plan in &mut self.channels {
            channel_plan.undo(storage);
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The seq of the first message of a channel.
    pub(crate) fn first_of(&self, name: &str) -> u64 {
        let channel_plan = self.by_name.get(name).map(|index| &self.channels[*index]);
        let first = channel_plan.and_then(|channel_plan| channel_plan.segments.first());
        first.map_or(0, |planned| planned.record.first)
    }

    /// When the frames of each channel are committed that come without a time.
    pub(crate) fn times(&self) -> HashMap<Arc<str>, u64> {
        let timed = |channel_plan: &ChannelPlan| {
            (Arc::clone(&channel_plan.channel.name), channel_plan.time)
        };
        self.channels.iter().map(timed).collect()
    }

    pub(crate) fn channels(&mut self) -> &mut [ChannelPlan] {
        &mut self.channels
    }

    fn segments(&self) -> impl Iterator<Item = &SegmentPlan> {
        self.channels
            .iter()
            .flat_map(|channel_plan| &channel_plan.segments)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.segments()
            .map(|planned| planned.record.clone())
            .collect()
    }

    /// The frames of all records.
    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let frames = self.segments().flat_map(|planned| &planned.frames);
        frames.map(|some| &some.bytes[..]).collect()
    }

    /// Bytes of all frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().map(|planned| planned.record.length).sum()
    }
}

impl ChannelPlan {
    /// And by how much the clock is behind, if that is too much. Without a `now` frames come with their times.
    fn new(channel: &Arc<Channel>, growth: Growth, now: Option<u64>) -> (Self, Option<u64>) {
        let (known, next) = {
            let state = channel.state();
            (state.time, state.next)
        };
        let mut at = At {
            segment: next,
            next,
            // No frame fits after this, so the first one begins a segment.
            length: u64::MAX,
            entries: 0,
            open: None,
            since: None,
        };
        let mut time = now.unwrap_or(0).max(known);
        if let Some(segment) = channel.newest().as_ref() {
            let open = segment.open.as_ref();
            at = At {
                segment: segment.first,
                next: segment.next,
                length: segment.length,
                entries: segment.entries + u64::from(open.is_some()),
                open: open.map(|entry| (entry.time, entry.length)),
                since: segment.since,
            };
            time = time.max(segment.time);
        }
        let behind = now.and_then(|now| time.checked_sub(now));
        let behind = behind.filter(|behind| *behind > BACK);
        let mut channel_plan = Self {
            channel: Arc::clone(channel),
            time,
            segments: Vec::new(),
            kept: Vec::new(),
            growth,
            at,
        };
        if let Some(now) = now.filter(|_| behind.is_some()) {
            channel_plan.go_to(now);
        }
        (channel_plan, behind)
    }

    /// The next frames are of this time.
    fn go_to(&mut self, time: u64) {
        if time < self.time {
            // Within a segment times never go back, so another one is begun.
            (self.at.length, self.at.since) = (u64::MAX, None);
        }
        self.time = time;
    }

    fn add(&mut self, queued: &Queued) {
        let submission = &queued.submission;
        let most = usize::try_from(self.growth.bytes)
            .unwrap_or(usize::MAX)
            .min(entry::MOST);
        if let Some(given) = &submission.given {
            self.go_to(given.time);
        }
        let mut totals = Vec::new();
        if let Some(id) = &submission.producer {
            let planned = self
                .segments
                .iter()
                .flat_map(|planned| &planned.record.producers);
            let before = planned
                .rev()
                .find(|(other, _)| other == id)
                .map(|(_, total)| *total);
            let before = before.unwrap_or_else(|| {
                let state = self.channel.state();
                state.producers.get(id).map_or(0, |count| count.total)
            });
            totals.push((Arc::clone(id), before + submission.messages));
        }
        let counts = submission.given.iter().flat_map(|given| &given.counts);
        totals.extend(counts.cloned());
        let frames = submission.frames.clone();
        let most_messages = self.growth.messages;
        for some in Frames::cut_to(frames, submission.messages, most, most_messages) {
            self.place(some);
        }
        // Counts are those of the whole batch, so any record will do.
        let Some(last) = self.segments.last_mut() else {
            return;
        };
        for (id, total) in totals {
            let producers = &mut last.record.producers;
            match producers.iter_mut().find(|(other, _)| *other == id) {
                Some((_, count)) => *count = total,
                None => producers.push((id, total)),
            }
        }
    }

    fn place(&mut self, some: Frames) {
        let length = some.bytes.len() as u64;
        let is_new = !self.at.has_room(&some, self.time, &self.growth);
        if is_new {
            self.at = At {
                segment: self.at.next,
                next: self.at.next,
                length: 0,
                entries: 0,
                open: None,
                since: Some(self.time),
            };
        }
        let last = self.segments.last();
        if is_new || last.is_none_or(|last| last.record.time != self.time) {
            self.segments.push(SegmentPlan {
                record: Record {
                    channel: Arc::clone(&self.channel.name),
                    epoch: self.channel.epoch(),
                    first: self.at.next,
                    segment: self.at.segment,
                    offset: self.at.length,
                    time: self.time,
                    ..Record::default()
                },
                frames: Vec::new(),
                is_new,
                begun: None,
            });
        }
        self.at.take(&some, self.time);
        if let Some(SegmentPlan { record, frames, .. }) = self.segments.last_mut() {
            record.crc = crc::append(record.crc, &some.bytes);
            record.messages += some.messages;
            record.length += length;
            frames.push(some);
        }
    }

    fn undo(&mut self, storage: &dyn Storage) {
        self.kept.clear();
        let name = self.channel.name();
        for planned in self.segments.iter_mut().filter(|planned| planned.is_new) {
            planned.begun = None;
            let segment = planned.record.segment;
            let _ = uninterrupted(|| storage.remove(&names::index(name, segment)));
            let _ = uninterrupted(|| storage.remove(&names::frames(name, segment)));
        }
    }

    fn reserve(&mut self, storage: &dyn Storage) -> io::Result<()> {
        let name = self.channel.name();
        if let Some(newest) = self.channel.newest().as_ref() {
            newest.files.keep_open(&mut self.kept)?;
        }
        // What goes into one segment: several records, if it is of several times.
        let of_segments = self.segments.chunk_by_mut(|_, next| !next.is_new);
        for of_segment in of_segments {
            let bytes = of_segment.iter().map(|planned| planned.record.length).sum();
            let entries = of_segment.iter().map(|planned| planned.frames.len()).sum();
            let planned = &mut of_segment[0];
            if planned.is_new {
                let first = planned.record.segment;
                uninterrupted(|| storage.create_dir(&names::channel(name)))?;
                let files = Files::open(storage, name, first, true)?;
                files.keep_open(&mut self.kept)?;
                let mut begun = Segment::begin(Arc::new(files), first);
                begun.empty()?;
                begun.reserve(bytes, entries, self.growth.bytes)?;
                planned.begun = Some(begun);
            } else if let Some(segment) = self.channel.newest().as_mut() {
                segment.reserve(bytes, entries, self.growth.bytes)?;
            }
        }
        Ok(())
    }
}

impl At {
    /// Whether the segment may grow by these frames. One that is empty may.
    fn has_room(&self, some: &Frames, time: u64, growth: &Growth) -> bool {
        if self.length == 0 {
            return true;
        }
        let length = self.length.saturating_add(some.bytes.len() as u64);
        let records = self.entries + u64::from(!self.extends(some, time)) + 1;
        let messages = self.next - self.segment + some.messages;
        let age = self.since.map_or(0, |since| time.saturating_sub(since));
        length.saturating_add(records * RECORD as u64) <= growth.bytes
            && messages <= growth.messages
            && age <= growth.age
    }

    /// Whether the frames go into the newest entry.
    fn extends(&self, some: &Frames, time: u64) -> bool {
        let length = some.bytes.len() as u64;
        self.open
            .is_some_and(|open| open.0 == time && open.1 + length <= entry::MOST as u64)
    }

    fn take(&mut self, some: &Frames, time: u64) {
        let length = some.bytes.len() as u64;
        if self.extends(some, time) {
            self.open = self.open.map(|(time, open)| (time, open + length));
        } else {
            self.open = Some((time, length));
            self.entries += 1;
        }
        self.next += some.messages;
        self.length += length;
        self.since.get_or_insert(time);
    }
}
