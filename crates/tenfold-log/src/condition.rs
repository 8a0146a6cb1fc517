//! How the disk is: what has failed, and since when something is waited for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fault::Fault;

/// What has failed, and what is waited for.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    /// Why the log is read-only: the first fault of those that are not mended until it is opened again.
    pub(crate) fatal: Option<Fault>,
    /// Why there is no space.
    pub(crate) full: Option<Fault>,
    /// What keeps a checkpoint from being made; it is tried again.
    pub(crate) hindrance: Option<Fault>,
    /// What was the matter with a channel when it was written to the last time.
    channels: BTreeMap<Arc<str>, (Fault, Instant)>,
    /// Why channels are shut.
    pub(crate) shut: BTreeMap<Arc<str>, Fault>,
    /// Why retention cannot delete what it should of a channel.
    pub(crate) kept: BTreeMap<Arc<str>, Fault>,
    /// Since when the committer has been at the batch that it has.
    pub(crate) batch: Option<Instant>,
    /// Since when somebody else has held the lock that a checkpoint needs.
    pub(crate) held: Option<Instant>,
}

/// Something that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stall {
    /// A batch has not been made durable for so long.
    Batch(Duration),
    /// Somebody else, a backup for example, has held the lock that a checkpoint needs for so long.
    Lock(Duration),
}

/// A channel's fault counts for so long after a try that has failed.
const FRESH: Duration = Duration::from_secs(60);
/// A batch that takes longer than this, and a lock that is held for longer, are worth a word.
const SLOW: Duration = Duration::from_secs(1);
const HELD: Duration = Duration::from_secs(10);

impl Condition {
    /// A channel could not be written to. Returns whether that is new.
    pub(crate) fn fault(&mut self, channel: &Arc<str>, fault: Fault, now: Instant) -> bool {
        let is_known = self
            .channel(channel, now)
            .is_some_and(|before| before.is_like(&fault));
        self.channels.insert(Arc::clone(channel), (fault, now));
        !is_known
    }

    pub(crate) fn has_channels(&self) -> bool {
        !self.channels.is_empty()
    }

    /// A channel could be written to.
    pub(crate) fn passed(&mut self, channel: &str) {
        self.channels.remove(channel);
    }

    /// What is the matter with a channel, or was not long ago.
    pub(crate) fn channel(&self, channel: &str, now: Instant) -> Option<&Fault> {
        if let Some(fault) = self.shut.get(channel) {
            return Some(fault);
        }
        let (fault, at) = self.channels.get(channel)?;
        (now.duration_since(*at) < FRESH).then_some(fault)
    }

    /// The same of any channel: of those, the first by name.
    pub(crate) fn any_channel(&mut self, now: Instant) -> Option<&Fault> {
        self.channels
            .retain(|_, (_, at)| now.duration_since(*at) < FRESH);
        let lasting = self.shut.values().chain(self.kept.values()).next();
        lasting.or_else(|| self.channels.values().map(|(fault, _)| fault).next())
    }

    pub(crate) fn stall(&self, now: Instant) -> Option<Stall> {
        let since = |since: Option<Instant>| since.map(|since| now.duration_since(since));
        match (since(self.held), since(self.batch)) {
            (Some(held), _) if held > HELD => Some(Stall::Lock(held)),
            (_, Some(batch)) if batch > SLOW => Some(Stall::Batch(batch)),
            _ => None,
        }
    }
}
