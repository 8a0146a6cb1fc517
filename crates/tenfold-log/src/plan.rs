//! Where the frames of a batch go, before anything is written.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use crate::batch::Record;
use crate::channel::Channel;
use crate::crc;
use crate::entry;
use crate::names;
use crate::options::Options;
use crate::segment::{Files, Piece, Segment};
use crate::shared::Queued;
use crate::storage::Storage;
use crate::whole::uninterrupted;

/// A batch that is being made.
#[derive(Debug)]
pub(crate) struct Plan {
    now: u64,
    parts: Vec<PlannedPart>,
    by_name: HashMap<Arc<str>, usize>,
}

/// One channel's part.
#[derive(Debug)]
pub(crate) struct PlannedPart {
    pub(crate) channel: Arc<Channel>,
    /// When it is committed; never before what is there already.
    pub(crate) time: u64,
    pub(crate) stretches: Vec<Stretch>,
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
pub(crate) struct Stretch {
    pub(crate) record: Record,
    pub(crate) pieces: Vec<Piece>,
    /// It is a new one.
    is_new: bool,
    pub(crate) begun: Option<Segment>,
}

impl Plan {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            now,
            parts: Vec::new(),
            by_name: HashMap::new(),
        }
    }

    /// Finds places for frames, behind those that have theirs.
    pub(crate) fn add(&mut self, options: &Options, queued: &Queued) {
        let name = &queued.channel.name;
        let index = self.by_name.get(name).copied().unwrap_or(self.parts.len());
        if index == self.parts.len() {
            self.parts
                .push(PlannedPart::new(&queued.channel, options, self.now));
            self.by_name.insert(Arc::clone(name), index);
        }
        self.parts[index].add(queued);
    }

    /// Makes sure that there is space for all of it.
    pub(crate) fn reserve(&mut self, storage: &dyn Storage) -> io::Result<()> {
        self.parts
            .iter_mut()
            .try_for_each(|part| part.reserve(storage))
    }

    /// Removes the files that were made for it. What cannot be removed is empty, and does no harm.
    pub(crate) fn undo(&mut self, storage: &dyn Storage) {
        for part in &mut self.parts {
            for stretch in &mut part.stretches {
                if stretch.is_new {
                    stretch.begun = None;
                    let (name, segment) = (part.channel.name(), stretch.record.segment);
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
        let part = self.by_name.get(name).map(|index| &self.parts[*index]);
        let first = part.and_then(|part| part.stretches.first());
        first.map_or(0, |stretch| stretch.record.first)
    }

    /// When each channel's part is committed.
    pub(crate) fn times(&self) -> HashMap<Arc<str>, u64> {
        let timed = |part: &PlannedPart| (Arc::clone(&part.channel.name), part.time);
        self.parts.iter().map(timed).collect()
    }

    pub(crate) fn parts(&mut self) -> &mut [PlannedPart] {
        &mut self.parts
    }

    fn stretches(&self) -> impl Iterator<Item = &Stretch> {
        self.parts.iter().flat_map(|part| &part.stretches)
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.stretches()
            .map(|stretch| stretch.record.clone())
            .collect()
    }

    /// The frames of all records.
    pub(crate) fn slices(&self) -> Vec<&[u8]> {
        let pieces = self.stretches().flat_map(|stretch| &stretch.pieces);
        pieces.map(|piece| &piece.frames[..]).collect()
    }

    /// Bytes of all frames.
    pub(crate) fn bytes(&self) -> u64 {
        self.stretches().map(|stretch| stretch.record.length).sum()
    }
}

impl PlannedPart {
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
                    // The first one has to be begun.
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
            stretches: Vec::new(),
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
                .stretches
                .iter()
                .flat_map(|stretch| &stretch.record.producers);
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
        for piece in Piece::cut(submission.frames.clone(), submission.messages, most) {
            self.place(piece);
        }
        // Counts are those of the whole batch, so any record will do.
        if let (Some((id, total)), Some(last)) = (total, self.stretches.last_mut()) {
            let producers = &mut last.record.producers;
            match producers.iter_mut().find(|(other, _)| *other == id) {
                Some((_, count)) => *count = total,
                None => producers.push((id, total)),
            }
        }
    }

    fn place(&mut self, piece: Piece) {
        let length = piece.frames.len() as u64;
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
        if is_new || self.stretches.is_empty() {
            self.stretches.push(Stretch {
                record: Record {
                    channel: Arc::clone(&self.channel.name),
                    epoch: self.channel.epoch(),
                    first: self.at.next,
                    segment: self.at.segment,
                    offset: self.at.length,
                    time: self.time,
                    ..Record::default()
                },
                pieces: Vec::new(),
                is_new,
                begun: None,
            });
        }
        self.at.next += piece.messages;
        self.at.length += length;
        self.at.since.get_or_insert(self.time);
        if let Some(Stretch { record, pieces, .. }) = self.stretches.last_mut() {
            record.crc = crc::append(record.crc, &piece.frames);
            record.messages += piece.messages;
            record.length += length;
            pieces.push(piece);
        }
    }

    fn reserve(&mut self, storage: &dyn Storage) -> io::Result<()> {
        let name = self.channel.name();
        for stretch in &mut self.stretches {
            let (bytes, pieces) = (stretch.record.length, stretch.pieces.len());
            if stretch.is_new {
                let first = stretch.record.segment;
                uninterrupted(|| storage.create_dir(&names::channel(name)))?;
                let files = Files::open(storage, name, first, true)?;
                let mut begun = Segment::begin(Arc::new(files), first);
                begun.empty()?;
                begun.reserve(bytes, pieces)?;
                stretch.begun = Some(begun);
            } else if let Some(segment) = self.channel.newest().as_mut() {
                segment.reserve(bytes, pieces)?;
            }
        }
        Ok(())
    }
}
