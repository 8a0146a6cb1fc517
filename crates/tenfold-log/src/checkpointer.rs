//! Syncs segments, frees the journal's files, and applies retention.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::checkpoint::Checkpoint;
use crate::common::{Common, Stage};
use crate::error::Refused;
use crate::fault;
use crate::health::Health;
use crate::names;
use crate::shut::Remedy;
use crate::spare;
use crate::storage::Sharing;
use crate::trimming::Names;
use crate::whole::{may_pass, uninterrupted};

/// Makes checkpoints and applies retention. There is one for each log.
#[derive(Debug)]
pub struct Checkpointer {
    pub(crate) common: Arc<Common>,
    /// When retention looked at all channels the last time, in milliseconds.
    looked: u64,
    /// Channels that retention has not come to, because a checkpoint was waited for.
    left: Names,
}

/// Retention looks at all channels once in so many milliseconds.
const LOOK: u64 = 1000;
/// How long the thread waits for a backup to end before it tries again, and how long for anything to do.
const PAUSE: Duration = Duration::from_millis(20);
const IDLE: Duration = Duration::from_millis(500);
/// Frames that wait for a lock that somebody else holds are refused after so long.
const HELD: Duration = Duration::from_secs(30);

impl Checkpointer {
    pub(crate) fn new(common: Arc<Common>) -> Self {
        Self {
            common,
            looked: 0,
            left: Names::new(),
        }
    }

    /// Does one thing that is due. False: nothing is due, or a backup is being made. It may leave the committer
    /// something to do.
    pub fn step(&mut self) -> bool {
        if self.common.health() == Health::ReadOnly {
            return false;
        }
        let now = self.common.options.now();
        let (is_idle, is_due) = (self.is_idle(), self.is_due(now));
        if is_idle && !is_due {
            return false;
        }
        let storage = &*self.common.storage;
        let locked = uninterrupted(|| storage.lock(names::CHECKPOINT, Sharing::Exclusive));
        let _lock = match locked {
            Ok(lock) => {
                self.common.condition().held = None;
                lock
            }
            Err(error) => {
                self.is_locked_out(&error);
                return false;
            }
        };
        if !self.remove_deleted() {
            return false;
        }
        let mut duties = self.common.duties();
        let mut checkpoint = duties.checkpoint.take();
        let mut names = std::mem::take(&mut duties.retention);
        drop(duties);
        names.append(&mut self.left);
        match self.work(checkpoint.as_mut(), &names, now) {
            Ok(()) => {
                self.common.condition().hindrance = None;
                let mut duties = self.common.duties();
                duties.obstacle = None;
                let has_ends = !duties.ends.is_empty();
                drop(duties);
                if is_due {
                    self.look_for_space();
                }
                !is_idle || has_ends || !self.is_idle()
            }
            Err(error) if may_pass(&error) => {
                // It is done when there is space again, and may make some.
                let mut duties = self.common.duties();
                // The committer may have given another one meanwhile: if there was none, or if it was done before
                // something else failed.
                if duties.is_pending && duties.checkpoint.is_none() {
                    duties.checkpoint = checkpoint;
                }
                duties.retention.extend(names);
                drop(duties);
                self.common.hinder(&error, fault::refusal(&error));
                false
            }
            Err(error) => {
                self.common.fail(&error);
                true
            }
        }
    }

    /// Whether [`step`](Self::step) would do something, or try to.
    pub fn has_work(&self) -> bool {
        self.common.health() != Health::ReadOnly
            && (!self.is_idle() || self.is_due(self.common.options.now()))
    }

    fn is_idle(&self) -> bool {
        self.left.is_empty() && !self.common.duties().has_any_for_checkpointer()
    }

    /// Whether it is time to look at all channels. A clock that was set back does not put that off.
    fn is_due(&self, now: u64) -> bool {
        now.abs_diff(self.looked) >= LOOK
    }

    /// The lock could not be taken. That somebody holds it is nothing unusual: it is waited for.
    fn is_locked_out(&self, error: &io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.common.condition().held = None;
            return self.common.hinder(error, fault::refusal(error));
        }
        let now = self.common.instant();
        let since = *self.common.condition().held.get_or_insert(now);
        if now.duration_since(since) > HELD {
            self.give_deletions_up();
            self.common.hinder(error, Refused::Busy);
        }
    }

    /// A log that was full says that it is not any more, also if nobody publishes.
    fn look_for_space(&self) {
        if self.common.health() == Health::Full && self.common.probe() {
            self.common.unfill();
        }
    }

    fn work(
        &mut self,
        checkpoint: Option<&mut Checkpoint>,
        rolled: &Names,
        now: u64,
    ) -> io::Result<()> {
        // First what can make space.
        // What keeps retention from deleting something need not keep the journal from going on.
        let retained = match self.retain(rolled, now) {
            Err(error) if !may_pass(&error) => return Err(error),
            retained => retained,
        };
        if checkpoint.is_some() || matches!(retained, Ok(true)) {
            self.common.open_shut();
        }
        if let Some(checkpoint) = checkpoint {
            let common = Arc::clone(&self.common);
            // A checkpoint can take long, and limits hold meanwhile.
            let mut between = || {
                let rolled = std::mem::take(&mut common.duties().retention);
                match self.retain(&rolled, common.options.now()) {
                    Err(error) if !may_pass(&error) => common.fail(&error),
                    _ => {}
                }
            };
            common.set_aside_shut(checkpoint);
            let failed = checkpoint.run(&*common.storage, &common.journal_files(), &mut between)?;
            for (dirty, error) in failed {
                let name = Arc::clone(&dirty.channel.name);
                common.shut(&name, Remedy::Sync(dirty), Vec::new(), &error);
            }
            self.common.counters.checkpoints.fetch_add(1, Relaxed);
            self.common.checkpointed(checkpoint.upto);
        }
        if matches!(retained, Ok(true)) {
            spare::restore(&*self.common.storage, self.common.options.journal)?;
        }
        retained.map(drop)
    }

    /// Applies retention: to all channels if it is time, and otherwise to those that have ended a segment.
    /// Returns whether it was time.
    fn retain(&mut self, rolled: &Names, now: u64) -> io::Result<bool> {
        let is_due = self.is_due(now);
        if is_due {
            self.looked = now;
            self.left = self.common.retain(&self.common.all(), now)?;
        } else if !rolled.is_empty() {
            let rolled = rolled.iter().filter_map(|name| self.common.find(name));
            let mut left = self.common.retain(&rolled.collect::<Vec<_>>(), now)?;
            self.left.append(&mut left);
        }
        Ok(is_due)
    }

    /// Runs until the log ends.
    pub(crate) fn run(&mut self) {
        loop {
            while self.step() {}
            let duties = self.common.duties();
            if duties.stage == Stage::Over {
                return;
            }
            let is_due = duties.has_any_for_checkpointer();
            let pause = if is_due { PAUSE } else { IDLE };
            let waited = self.common.duty.wait_timeout(duties, pause);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }
}
