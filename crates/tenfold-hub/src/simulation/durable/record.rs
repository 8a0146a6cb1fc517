//! What all parts of a run share and write down.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenfold::client::Gap;
use tenfold::protocol::{ChannelName, Epoch};

use super::deleting::Life;
use super::server::{Door, Doors};
use crate::simulation::Link;
use crate::simulation::time::since_start;

/// What all parts of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) channels: Vec<ChannelName>,
    doors: Mutex<Option<Doors>>,
    record: Mutex<Record>,
}

/// What all have written down.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(super) sights: Vec<Sight>,
    /// What clients of the plain port have got, each on one connection.
    pub(super) plain: Vec<Vec<Vec<u8>>>,
    /// How many messages of each producer are acknowledged, by channel and producer.
    pub(super) acknowledged: BTreeMap<(usize, u64), u64>,
    /// The seqs at which subscribers can stop, by channel, when they are known.
    pub(super) ends: Option<Vec<u64>>,
    /// Which hub has told an epoch, by channel and epoch.
    pub(super) epochs: BTreeMap<(usize, Epoch), u64>,
    /// Retention removes nothing.
    pub(super) keeps_everything: bool,
    /// A start had no space even to note that there was one, so the next one does not know its epochs.
    pub(super) has_unknown_start: bool,
    /// What the channel has that is deleted now and then.
    pub(super) gone: Life,
    /// What must not be.
    pub(crate) problems: Vec<String>,
    pub(crate) trace: Vec<String>,
    pub(crate) counts: Counts,
}

/// What one subscriber has got of a channel.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) who: String,
    pub(super) channel: usize,
    pub(super) steps: Vec<Step>,
}

/// What a subscriber has met.
#[derive(Debug)]
pub(super) enum Step {
    Began {
        epoch: Epoch,
        from: u64,
    },
    /// It was told that messages cannot be had any more: the one that was to come next, where that is known, and
    /// which one comes instead.
    Gap {
        expected: Option<u64>,
        available: u64,
    },
    Message {
        seq: u64,
        bytes: Vec<u8>,
    },
}

/// Notes a gap among the steps. One that the answer of a new connection shows is told after the answer, which is
/// about the place after the gap; one that the stream shows is where it is told.
pub(super) fn note_gap(steps: &mut Vec<Step>, gap: &Gap) {
    let available = gap.available;
    let began = steps.pop_if(|step| matches!(step, Step::Began { from, .. } if *from == available));
    let expected = gap.expected;
    steps.push(Step::Gap {
        expected,
        available,
    });
    steps.extend(began);
}

/// How much has happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) messages: u64,
    pub(crate) sessions: u64,
    pub(crate) reconnects: u64,
    pub(crate) gaps: u64,
    /// Messages that followers have got, and channels that they were told to be deleted.
    pub(crate) followed: u64,
    pub(crate) deleted: u64,
    pub(crate) deletions: u64,
    pub(crate) kills: u64,
    pub(crate) clean_ends: u64,
    pub(crate) refused_starts: u64,
    pub(crate) read_only: u64,
    pub(crate) full: u64,
    pub(crate) degraded: u64,
    pub(crate) slow: u64,
    pub(crate) asked: u64,
    pub(crate) asked_copies: u64,
    pub(crate) checkpoints: u64,
    pub(crate) removed: u64,
}

impl Shared {
    pub(super) fn new(channels: Vec<ChannelName>) -> Self {
        Self {
            channels,
            doors: Mutex::default(),
            record: Mutex::default(),
        }
    }

    pub(super) fn name(&self, channel: usize) -> &str {
        self.channels[channel].as_str()
    }

    pub(super) fn find(&self, name: &ChannelName) -> Option<usize> {
        self.channels.iter().position(|channel| channel == name)
    }

    /// Where clients connect from now on.
    pub(super) fn open(&self, doors: Option<Doors>) {
        *self.doors.lock().unwrap_or_else(PoisonError::into_inner) = doors;
    }

    /// Brings the far end of a connection to the hub that there is.
    pub(super) fn enter(&self, door: Door, link: Link) -> io::Result<()> {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let doors = doors.as_ref().ok_or_else(refused)?;
        doors[door as usize].send(link).map_err(|_| refused())
    }

    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A hub has this epoch, and no other one may have it.
    pub(super) fn has_epoch(&self, hub: u64, channel: usize, epoch: Epoch) {
        let by = *self.record().epochs.entry((channel, epoch)).or_insert(hub);
        if by != hub {
            let name = self.name(channel);
            self.problem(format!(
                "hub {hub} has the epoch {epoch} of {name}, which hub {by} had"
            ));
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.record().counts);
    }

    pub(super) fn note(&self, words: fmt::Arguments<'_>) {
        let line = format!("{:>10} {words}", since_start().as_micros());
        self.record().trace.push(line);
    }

    /// Somebody is told that messages of a channel cannot be had any more.
    pub(super) fn gap(&self, channel: &ChannelName, words: String) {
        self.note(format_args!("{words}"));
        self.count(|counts| counts.gaps += 1);
        let record = self.record();
        let is_lost = record.keeps_everything && !record.has_unknown_start;
        drop(record);
        if is_lost && self.find(channel).is_some() {
            self.problem(words);
        }
    }

    /// Something happened that must not.
    pub(super) fn problem(&self, words: String) {
        self.note(format_args!("PROBLEM: {words}"));
        self.record().problems.push(words);
    }

    /// So many messages of a producer are acknowledged.
    pub(super) fn acknowledge(&self, channel: usize, producer: u64, total: u64) {
        let mut record = self.record();
        let known = record.acknowledged.entry((channel, producer)).or_default();
        *known = total.max(*known);
    }

    /// How many messages of a channel are acknowledged: each of them has a seq.
    pub(super) fn acknowledged(&self, channel: usize) -> u64 {
        let record = self.record();
        let of_channel = record.acknowledged.iter();
        let of_channel = of_channel.filter(|((of, _), _)| *of == channel);
        of_channel.map(|(_, total)| total).sum()
    }

    /// The seq at which subscribers of a channel can stop, when it is known.
    pub(super) fn end(&self, channel: usize) -> Option<u64> {
        Some(self.record().ends.as_ref()?[channel])
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.sessions += other.sessions;
        self.reconnects += other.reconnects;
        self.gaps += other.gaps;
        self.followed += other.followed;
        self.deleted += other.deleted;
        self.deletions += other.deletions;
        self.kills += other.kills;
        self.clean_ends += other.clean_ends;
        self.refused_starts += other.refused_starts;
        self.read_only += other.read_only;
        self.full += other.full;
        self.degraded += other.degraded;
        self.slow += other.slow;
        self.asked += other.asked;
        self.asked_copies += other.asked_copies;
        self.checkpoints += other.checkpoints;
        self.removed += other.removed;
    }

    /// A simulation in which nothing happens proves nothing.
    pub(crate) fn is_eventful(&self) -> bool {
        self.messages > 20_000
            && self.reconnects > 1000
            && self.gaps > 5
            && self.followed > 5000
            && self.deleted > 100
            && self.deletions > 200
            && self.kills > 500
            && self.clean_ends > 200
            && self.refused_starts > 20
            && self.read_only > 20
            && self.full > 20
            && self.degraded > 20
            && self.slow > 20
            && self.asked > 1000
            && self.asked_copies > 200
            && self.checkpoints > 500
            && self.removed > 20
    }
}
