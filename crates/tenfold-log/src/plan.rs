//! Where the frames of a batch go, before anything is written.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::batch::Record;
use crate::channel::Channel;
use crate::common::Queued;
use crate::crc;
use crate::entry;
use crate::frames::Frames;
use crate::names;
use crate::options::Options;
use crate::segment::{Files, Segment};
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// A batch that is being made.
#[derive(Debug)]
pub(crate) struct Plan {
    now: u64,
    channels: Vec<ChannelPlan>,
    by_name: HashMap<Arc<str>, usize>,
}

/// What a batch has for one channel.
#[derive(Debug)]
pub(crate) struct ChannelPlan {
    pub(crate) channel: Arc<Channel>,
    /// When it is committed; never before what is there already.
    pub(crate) time: u64,
    pub(crate) segments: Vec<SegmentPlan>,
    /// The largest segment, and how old the first message of one becomes.
    segment: u64,
    most_age: Option<u64>,
    /// Where the next frames go.
    at: At,
}

#[derive(Clone, Copy, Debug)]
struct At {
    segment: u64,
    next: u64,
    length: u64,
    since: Option<u64>,
}

/// What goes into one segment.
#[derive(Debug)]
pub(crate) struct SegmentPlan {
    pub(crate) record: Record,
    pub(crate) frames: Vec<Frames>,
    /// The segment is a new one.
    is_new: bool,
    pub(crate) begun: Option<Segment>,
}

impl Plan {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
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
            self.channels
                .push(ChannelPlan::new(&queued.channel, options, self.now));
            self.by_name.insert(Arc::clone(name), index);
        }
        self.channels[index].add(queued);
    }

    /// Makes sure that there is space for all of it.
    pub(crate) fn reserve(&mut self, storage: &dyn Storage) -> io::Result<()> {
        self.channels
            .iter_mut()
            .try_for_each(|channel_plan| channel_plan.reserve(storage))
    }

    /// Removes the files that were made for it. What cannot be removed is empty, and does no harm.
    pub(crate) fn undo(&mut self, storage: &dyn Storage) {
        for channel_plan in &mut self.channels {
            for planned in &mut channel_plan.segments {
                if planned.is_new {
                    planned.begun = None;
                    let (name, segment) = (channel_plan.channel.name(), planned.record.segment);
                    let _ = uninterrupted(|| storage.remove(&names::index(name, segment)));
                    let _ = uninterrupted(|| storage.remove(&names::frames(name, segment)));
                }
            }
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

    /// When the frames of each channel are committed.
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
    fn new(channel: &Arc<Channel>, options: &Options, now: u64) -> Self {
        let retention = (options.retention)(channel.name());
        let next = channel.state().next;
        let (time, at) = match channel.newest().as_ref() {
            Some(segment) => (
                segment.time,
                At {
                    segment: segment.first,
                    next: segment.next,
                    length: segment.length,
                    since: segment.since,
                },
            ),
            None => (
                0,
                At {
                    segment: next,
                    next,
                    // No frame fits after this, so the first one begins a segment.
                    length: u64::MAX,
                    since: None,
                },
            ),
        };
        let time = now.max(time).max(channel.state().time);
        let most_age = retention
            .max_age
            .map(|age| u64::try_from(age.as_millis() / 8).unwrap_or(u64::MAX));
        Self {
            channel: Arc::clone(channel),
            time,
            segments: Vec::new(),
            segment: options.segment_of(&retention),
            most_age,
            at,
        }
    }

    fn add(&mut self, queued: &Queued) {
        let submission = &queued.submission;
        let most = usize::try_from(self.segment)
            .unwrap_or(usize::MAX)
            .min(entry::MOST);
        let mut total = None;
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
            total = Some((Arc::clone(id), before + submission.messages));
        }
        for some in Frames::cut(submission.frames.clone(), submission.messages, most) {
            self.place(some);
        }
        // Counts are those of the whole batch, so any record will do.
        if let (Some((id, total)), Some(last)) = (total, self.segments.last_mut()) {
            let producers = &mut last.record.producers;
            match producers.iter_mut().find(|(other, _)| *other == id) {
                Some((_, count)) => *count = total,
                None => producers.push((id, total)),
            }
        }
    }

    fn place(&mut self, some: Frames) {
        let length = some.bytes.len() as u64;
        let is_full = self.at.length > 0 && self.at.length.saturating_add(length) > self.segment;
        let is_old = self
            .at
            .since
            .zip(self.most_age)
            .is_some_and(|(since, most)| self.time.saturating_sub(since) > most);
        let is_new = is_full || is_old;
        if is_new {
            self.at = At {
                segment: self.at.next,
                length: 0,
                since: Some(self.time),
                ..self.at
            };
        }
        if is_new || self.segments.is_empty() {
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
        self.at.next += some.messages;
        self.at.length += length;
        self.at.since.get_or_insert(self.time);
        if let Some(SegmentPlan { record, frames, .. }) = self.segments.last_mut() {
            record.crc = crc::append(record.crc, &some.bytes);
            record.messages += some.messages;
            record.length += length;
            frames.push(some);
        }
    }

    fn reserve(&mut self, storage: &dyn Storage) -> io::Result<()> {
        let name = self.channel.name();
        for planned in &mut self.segments {
            let (bytes, entries) = (planned.record.length, planned.frames.len());
            if planned.is_new {
                let first = planned.record.segment;
                uninterrupted(|| storage.create_dir(&names::channel(name)))?;
                let files = Files::open(storage, name, first, true)?;
                let mut begun = Segment::begin(Arc::new(files), first);
                begun.empty()?;
                begun.reserve(bytes, entries)?;
                planned.begun = Some(begun);
            } else if let Some(segment) = self.channel.newest().as_mut() {
                segment.reserve(bytes, entries)?;
            }
        }
        Ok(())
    }
}
