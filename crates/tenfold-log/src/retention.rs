//! Retention: which segments are deleted, and when.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::channel::{Channel, ReadableSegment};
use crate::common::Common;
use crate::directory::{remove, sync_dir};
use crate::index::{self, Index};
use crate::names;
use crate::options::Retention;
use crate::whole::{WAITING, uninterrupted};

impl Common {
    /// Deletes what these channels need not keep.
    pub(crate) fn retain(
        &self,
        channels: impl IntoIterator<Item = Arc<Channel>>,
        now: u64,
    ) -> io::Result<()> {
        for channel in channels {
            let retention = (self.options.retention)(channel.name());
            let kept = channel.kept(&retention, now)?;
            let to = kept.min(channel.holding());
            channel.note_held(to < kept);
            self.trim(&channel, to)?;
        }
        Ok(())
    }

    /// Deletes the oldest segments of all, if all together are too much.
    pub(crate) fn retain_in_all(&self) -> io::Result<()> {
        let channels = self.all();
        let mut bytes: u64 = channels.iter().map(|channel| channel.bytes()).sum();
        let mut is_held = false;
        while bytes > self.options.max_disk {
            let mut oldest: Option<(u64, &Arc<Channel>, u64)> = None;
            for channel in &channels {
                let Some((segment, next)) = channel.oldest() else {
                    continue;
                };
                if next > channel.holding() {
                    is_held = true;
                    channel.note_held(true);
                    continue;
                }
                let time = channel.time_of(segment)?;
                if oldest.is_none_or(|(before, _, _)| time < before) {
                    oldest = Some((time, channel, next));
                }
            }
            let Some((_, channel, to)) = oldest else {
                break;
            };
            let before = channel.bytes();
            self.trim(channel, to)?;
            bytes -= before.saturating_sub(channel.bytes());
        }
        let is_over = bytes > self.options.max_disk && !is_held;
        self.is_over.store(is_over, Relaxed);
        Ok(())
    }

    /// Deletes all segments before the one that begins with a seq. Before that, a snapshot makes durable
    /// that they are trimmed.
    fn trim(&self, channel: &Channel, to: u64) -> io::Result<()> {
        let storage = &*self.storage;
        if to <= channel.first() {
            return Ok(());
        }
        #[cfg(feature = "planted")]
        if crate::planted::is(crate::planted::Mistake::DropProducerCounts) {
            channel.state().producers.clear();
        }
        let mut snapshot = channel.snapshot();
        snapshot.first = to;
        snapshot.save_on_a_full_disk(storage)?;
        sync_dir(storage, names::CHANNELS)?;
        let mut state = channel.state();
        state.first = to;
        let kept = state.segments.split_off(&to);
        let gone = std::mem::replace(&mut state.segments, kept);
        drop(state);
        for &segment in gone.keys() {
            let name = channel.name();
            remove(storage, &names::frames(name, segment))?;
            remove(storage, &names::index(name, segment))?;
        }
        self.counters.removed.fetch_add(gone.len() as u64, Relaxed);
        Ok(())
    }
}

impl Channel {
    /// The seq of the first segment that has to be kept.
    fn kept(&self, retention: &Retention, now: u64) -> io::Result<u64> {
        let state = self.state();
        let next = state.next;
        let mut bytes = state.bytes();
        let segments: Vec<(u64, ReadableSegment)> = state
            .segments
            .iter()
            .map(|(first, readable)| (*first, readable.clone()))
            .collect();
        let mut to = state.first;
        drop(state);
        let max_age = retention
            .max_age
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        for pair in segments.windows(2) {
            let [(segment, readable), (after, _)] = pair else {
                continue;
            };
            let is_too_much = bytes > retention.max_bytes;
            let is_too_many = retention
                .max_messages
                .is_some_and(|most| next.saturating_sub(*after) >= most);
            let is_too_old = match max_age {
                Some(age) => now.saturating_sub(self.time_of(*segment)?) > age,
                None => false,
            };
            if !(is_too_much || is_too_many || is_too_old) {
                break;
            }
            bytes -= readable.length;
            to = *after;
        }
        Ok(to)
    }

    /// The seq of the first segment that [`Channel::hold`] keeps.
    fn holding(&self) -> u64 {
        let hold = self.held();
        if hold == u64::MAX {
            return u64::MAX;
        }
        let state = self.state();
        state
            .segment_of(hold)
            .map_or(state.first, |(segment, _, _)| segment)
    }

    /// The oldest segment, if there is one after it, and where that one begins.
    fn oldest(&self) -> Option<(u64, u64)> {
        let state = self.state();
        let mut firsts = state.segments.keys();
        Some((*firsts.next()?, *firsts.next()?))
    }

    /// When the newest message of a segment was committed.
    fn time_of(&self, segment: u64) -> io::Result<u64> {
        let readable = self.state().segments.get(&segment).cloned();
        let Some(readable) = readable else {
            return Ok(0);
        };
        if let Some(time) = readable.time {
            return Ok(time);
        }
        let path = names::index(&self.name, segment);
        let file = uninterrupted(|| self.storage.open(&path, false))?;
        let count = index::count(uninterrupted(|| file.length())?);
        let index = Index::new(file, segment, count, None, WAITING);
        let time = index.last()?.map_or(0, |(_, entry)| entry.time);
        if let Some(readable) = self.state().segments.get_mut(&segment) {
            readable.time = Some(time);
        }
        Ok(time)
    }
}
