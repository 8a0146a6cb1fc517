//! Retention: which segments are deleted, and when.
//!
//! ```text
//!   limits of one channel --\
//!                            +--> trims --> snapshots, synced --> files removed
//!   the limit of all --------/      \--> newest segments that the committer has to end first
//! ```

use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::channel::{BESIDE, Channel};
use crate::common::Common;
use crate::fault;
use crate::index::{self, Index};
use crate::names;
use crate::options::{Retention, milliseconds_of};
use crate::plan::BACK;
use crate::trimming::{Names, Trims};
use crate::whole::{WAITING, uninterrupted};

/// What one look at the channels has found, by their names.
#[derive(Debug, Default)]
struct Findings {
    trims: Trims,
    /// Newest segments that are to be deleted and can still be written to.
    ends: BTreeMap<Arc<str>, u64>,
    /// Channels of which something is held that would be deleted.
    held: BTreeMap<Arc<str>, Arc<Channel>>,
    /// By how much the clock is behind a channel, in milliseconds.
    behind: Option<u64>,
    /// Channels of which nothing can be deleted, and why.
    failed: BTreeMap<Arc<str>, io::Error>,
}

/// One segment of a channel.
#[derive(Debug)]
struct Found {
    segment: u64,
    /// The seq after its last message.
    next: u64,
    /// Nothing comes after it.
    is_newest: bool,
    disk: u64,
}

/// The oldest segment of a channel, which it may have to give when all take too much. The oldest one is the
/// greatest.
#[derive(Debug)]
struct Candidate {
    /// When its newest message was committed.
    time: u64,
    channel: Arc<Channel>,
    found: Found,
}

impl Common {
    /// Deletes what need not be kept: of some channels what is beyond their own limits, and of all what is
    /// beyond the limit of all. What fails of one channel does not keep it from the others. Returns the channels that
    /// are left, because a checkpoint is waited for.
    pub(crate) fn retain(&self, channels: &[Arc<Channel>], now: u64) -> io::Result<Names> {
        let mut findings = Findings::default();
        for channel in channels {
            let retention = (self.options.retention)(channel.name());
            let looked = findings.look(channel, &retention, now);
            findings.unless_failed(&channel.name, looked);
        }
        self.look_at_all(&mut findings, now);
        findings.note_held(channels);
        match findings.behind {
            Some(by) => self.clock_is_behind(by),
            None => self.clock_is_right(),
        }
        self.call_for_ends(take(&mut findings.ends));
        let mut result = self.trim(take(&mut findings.trims), &mut findings.failed);
        let mut failed = 0;
        while result.as_ref().is_ok_and(Names::is_empty) && findings.failed.len() > failed {
            // What they do not give, the others have to.
            failed = findings.failed.len();
            self.look_at_all(&mut findings, now);
            self.call_for_ends(take(&mut findings.ends));
            result = self.trim(take(&mut findings.trims), &mut findings.failed);
        }
        self.note_kept(channels, findings.failed);
        result
    }

    /// Notes of which channels nothing can be deleted, and says it if that is new.
    fn note_kept(&self, looked: &[Arc<Channel>], failed: BTreeMap<Arc<str>, io::Error>) {
        let mut new = Vec::new();
        let mut condition = self.condition();
        if failed.is_empty() && condition.kept.is_empty() {
            return;
        }
        for channel in looked {
            if !failed.contains_key(&channel.name) {
                condition.kept.remove(&channel.name);
            }
        }
        for (name, error) in failed {
            let fault = self.fault(&error, fault::refusal(&error));
            let known = condition.kept.insert(name, fault.clone());
            if !known.is_some_and(|known| known.is_like(&fault)) {
                new.push(fault);
            }
        }
        drop(condition);
        for fault in &new {
            self.tell(fault);
        }
    }

    /// If all together take too much, the oldest segment of all goes first: the one whose newest message is the
    /// oldest, also if it can still be written to.
    fn look_at_all(&self, findings: &mut Findings, now: u64) {
        let channels = self.all();
        let segments: u64 = channels.iter().map(|channel| channel.disk()).sum();
        let max_disk = self.max_disk();
        // Where there are so many channels that this is most of the limit, messages have a half of it.
        let beside = (channels.len() as u64 * BESIDE).min(max_disk / 2);
        let disk = segments + beside;
        self.disk.store(disk, Relaxed);
        let given = findings.trims.values();
        let given = given.map(|(channel, to)| channel.disk_before(*to));
        let mut disk = disk.saturating_sub(given.sum());
        let mut oldest = BinaryHeap::new();
        if disk > max_disk {
            for channel in &channels {
                let trimmed = findings.trims.get(&channel.name);
                let from = trimmed.map_or_else(|| channel.first(), |(_, to)| *to);
                oldest.extend(findings.candidate(channel, from, now));
            }
        }
        while disk > max_disk
            && let Some(Candidate { channel, found, .. }) = oldest.pop()
        {
            if findings.give(&channel, &found) {
                disk = disk.saturating_sub(found.disk);
                oldest.extend(findings.candidate(&channel, found.next, now));
            }
        }
        let is_stuck = disk > max_disk;
        self.is_stuck.store(is_stuck, Relaxed);
    }
}

impl Findings {
    /// Notes of which channels something is held.
    fn note_held(&self, channels: &[Arc<Channel>]) {
        for channel in channels {
            channel.note_held(self.held.contains_key(&channel.name));
        }
        for channel in self.held.values() {
            channel.note_held(true);
        }
    }

    fn unless_failed<T>(&mut self, channel: &Arc<str>, result: io::Result<T>) -> Option<T> {
        result
            .map_err(|error| self.failed.insert(Arc::clone(channel), error))
            .ok()
    }

    /// The oldest segment of a channel from a seq on, if it can be deleted.
    fn candidate(&mut self, channel: &Arc<Channel>, from: u64, now: u64) -> Option<Candidate> {
        if self.failed.contains_key(&channel.name) {
            return None;
        }
        let candidate = Candidate::new(channel, from, now);
        self.unless_failed(&channel.name, candidate).flatten()
    }

    /// Finds what is beyond the limits of one channel.
    fn look(&mut self, channel: &Arc<Channel>, retention: &Retention, now: u64) -> io::Result<()> {
        let mut disk = channel.disk();
        let mut from = channel.first();
        while let Some(found) = channel.find(from) {
            let next = channel.next();
            let is_too_much = disk > retention.max_bytes && !found.is_newest;
            let is_too_many = retention
                .max_messages
                .is_some_and(|most| next.saturating_sub(found.next) >= most);
            let is_too_old = match retention.max_age {
                Some(age) => {
                    let time = channel.time_of(found.segment, now)?;
                    now.saturating_sub(time) > milliseconds_of(age)
                }
                None => false,
            };
            if !(is_too_much || is_too_many || is_too_old) || !self.give(channel, &found) {
                break;
            }
            disk = disk.saturating_sub(found.disk);
            from = found.next;
        }
        // The clock was wrong when it was written: what comes now gets another segment, and the right time.
        if let Some((segment, behind)) = channel.is_ahead_of(now) {
            self.ends.insert(Arc::clone(&channel.name), segment);
            self.behind = self.behind.max(Some(behind));
        }
        Ok(())
    }

    /// Gives up a segment, or has it ended first. False: it is held.
    fn give(&mut self, channel: &Arc<Channel>, found: &Found) -> bool {
        let name = Arc::clone(&channel.name);
        if found.next > channel.holding() {
            self.held.insert(name, Arc::clone(channel));
            return false;
        }
        let newest = channel.newest();
        if newest
            .as_ref()
            .is_some_and(|newest| newest.first == found.segment)
        {
            // When it has ended, it goes together with those before it: one snapshot is for all.
            self.trims.remove(&name);
            self.ends.insert(name, found.segment);
        } else {
            self.trims.insert(name, (Arc::clone(channel), found.next));
        }
        true
    }
}

impl Channel {
    /// The segment that has a seq, or the first one after it.
    fn find(&self, from: u64) -> Option<Found> {
        let state = self.state();
        let before = state.segment_of(from).map(|(segment, _, _)| segment);
        let segment = match before {
            Some(segment) if state.after(segment).is_none_or(|after| after > from) => segment,
            _ => *state.segments.range(from..).next()?.0,
        };
        let after = state.after(segment);
        let next = after.unwrap_or(state.next);
        let disk = state.segments.get(&segment)?.disk();
        (next > from).then_some(Found {
            segment,
            next,
            is_newest: after.is_none(),
            disk,
        })
    }

    /// What the segments before a seq take on disk.
    fn disk_before(&self, to: u64) -> u64 {
        let state = self.state();
        let segments = state.segments.range(..to);
        segments.map(|(_, readable)| readable.disk()).sum()
    }

    /// The first seq that [`Channel::hold`] keeps, with its whole segment.
    fn holding(&self) -> u64 {
        let hold = self.held();
        let state = self.state();
        if hold >= state.next {
            return u64::MAX;
        }
        state
            .segment_of(hold)
            .map_or(state.first, |(segment, _, _)| segment)
    }

    /// The newest segment, if its newest message has a time that is yet to come, and when it comes.
    fn is_ahead_of(&self, now: u64) -> Option<(u64, u64)> {
        let newest = self.newest();
        let ahead = newest
            .as_ref()
            .filter(|newest| newest.time > now.saturating_add(BACK));
        ahead.map(|newest| (newest.first, newest.time - now))
    }

    /// When the newest message of a segment was committed. If that is yet to come, the clock was wrong: it was
    /// committed now at the latest, and this is kept in mind.
    fn time_of(&self, segment: u64, now: u64) -> io::Result<u64> {
        let readable = self.state().segments.get(&segment).cloned();
        let Some(readable) = readable else {
            return Ok(0);
        };
        let time = match readable.time {
            Some(time) if time <= now => return Ok(time),
            Some(time) => time,
            None => {
                let path = names::index(&self.name, segment);
                let file = uninterrupted(|| self.storage.open(&path, false))?;
                let length = uninterrupted(|| file.length())?;
                let count = index::count(length, readable.length);
                let index = Index::new(file, segment, count, None, WAITING);
                index.last()?.map_or(0, |(_, entry)| entry.time)
            }
        };
        let time = time.min(now);
        if let Some(readable) = self.state().segments.get_mut(&segment) {
            readable.time = Some(time);
        }
        Ok(time)
    }
}

impl Candidate {
    fn new(channel: &Arc<Channel>, from: u64, now: u64) -> io::Result<Option<Self>> {
        let Some(found) = channel.find(from) else {
            return Ok(None);
        };
        Ok(Some(Self {
            time: channel.time_of(found.segment, now)?,
            channel: Arc::clone(channel),
            found,
        }))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |candidate: &Self| (candidate.time, Arc::clone(&candidate.channel.name));
        key(other).cmp(&key(self))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}
