//! Deletes channels while the log runs.
//!
//! Before a channel's directory is moved away, everything is checkpointed and the journal says so. What a
//! start replays has nothing of the channel then. So after a crash the whole channel is there, or nothing
//! of it.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use crate::checkpointer::Checkpointer;
use crate::committer::{Committer, Turn};
use crate::common::Common;
use crate::deleted::{self, move_away, sync_move};
use crate::deletion::{Deletion, Progress};
use crate::error::Refused;
use crate::fault;
use crate::health::Health;
use crate::journal::NotWritten;
use crate::whole::{is_momentary, may_pass};

impl Common {
    /// Takes the deletions of which this holds.
    fn take_deletions(&self, is_wanted: impl Fn(&Deletion) -> bool) -> Vec<Deletion> {
        let mut duties = self.duties();
        let all = mem::take(&mut duties.deletions);
        let (wanted, others) = all.into_iter().partition(is_wanted);
        duties.deletions = others;
        wanted
    }

    fn refuse_deletions(&self, is_wanted: impl Fn(&Deletion) -> bool, why: Refused) {
        for deletion in self.take_deletions(is_wanted) {
            deletion.end(Err(why));
        }
    }
}

impl Committer {
    /// Does for channels that are to be deleted what can be done now. Returns whether that was anything.
    pub(crate) fn bring_deletions_on(&mut self) -> bool {
        let duties = self.common.duties();
        let waiting = || duties.deletions.iter().filter(|one| !one.is_forgotten());
        let has_any = !duties.deletions.is_empty();
        let is_waiting = waiting().next().is_some();
        let is_asked = waiting().any(|one| one.progress == Progress::Asked);
        let is_checkpointed = waiting().any(|one| is_done(one, duties.done));
        let (is_pending, obstacle) = (duties.is_pending, duties.obstacle);
        drop(duties);
        if has_any && self.common.health() == Health::ReadOnly {
            self.common.refuse_deletions(|_| true, Refused::Storage);
            return true;
        }
        if is_checkpointed {
            return self.forget_deleted();
        }
        if let Some(why) = obstacle.filter(|_| is_pending && is_waiting) {
            self.common.refuse_deletions(|one| !one.is_forgotten(), why);
            return true;
        }
        if is_asked && !is_pending {
            self.checkpoint_deleted();
            return true;
        }
        false
    }

    /// Begins the checkpoint after which nothing of the channels is needed in the journal.
    fn checkpoint_deleted(&mut self) {
        let is_asked = |one: &Deletion| one.progress == Progress::Asked;
        if let Err(error) = self.begin_checkpoint() {
            let why = self.cannot(&error);
            return self.common.refuse_deletions(is_asked, why);
        }
        let upto = self.journal.number();
        let mut duties = self.common.duties();
        for one in duties.deletions.iter_mut().filter(|one| is_asked(one)) {
            one.progress = Progress::Checkpointing(upto);
        }
    }

    /// Writes down that the batches before the checkpoint are not needed. Whatever the next batch is, its head
    /// says so; this one has nothing else.
    fn forget_deleted(&mut self) -> bool {
        let done = self.common.duties().done;
        let is_done = |one: &Deletion| is_done(one, done);
        // What the journal has of a channel that is shut is needed.
        let is_shut = |one: &Deletion| one.channel.is_shut.load(SeqCst);
        self.common
            .refuse_deletions(|one| is_done(one) && is_shut(one), Refused::Hindered);
        // The end of a file has what is needed of other channels that are shut.
        let written = if self.journal.has_room(&[], 0) && !self.common.has_shut() {
            self.journal.checkpointed(done);
            let written = self.journal.write(&[], &[]);
            written.map_err(NotWritten::into_error)
        } else {
            // The batch that ends the file says the same.
            match self.turn_over() {
                Ok(Turn::Done) => Ok(()),
                Ok(Turn::Waits(None)) => return false,
                Ok(Turn::Waits(Some(why))) => {
                    self.common.refuse_deletions(is_done, why);
                    return true;
                }
                Err(error) => Err(error),
            }
        };
        if let Err(error) = written {
            let why = self.cannot(&error);
            self.common.refuse_deletions(is_done, why);
            return true;
        }
        let mut duties = self.common.duties();
        for one in duties.deletions.iter_mut().filter(|one| is_done(one)) {
            one.progress = Progress::Forgotten;
        }
        drop(duties);
        self.common.duty.notify_all();
        true
    }

    /// What deletions are refused with that need what could not be done.
    fn cannot(&self, error: &io::Error) -> Refused {
        if is_momentary(error) {
            self.common.hinder(error, Refused::Busy);
            Refused::Busy
        } else {
            self.blame(error)
        }
    }
}

/// Whether the checkpoint that it waits for is done.
fn is_done(deletion: &Deletion, done: u64) -> bool {
    matches!(deletion.progress, Progress::Checkpointing(upto) if upto <= done)
}

impl Checkpointer {
    /// Removes the channels of which the journal has nothing. To be called with `CHECKPOINT` locked. False:
    /// one is moved away, and that cannot be made durable at the moment.
    pub(crate) fn remove_deleted(&self) -> bool {
        let mut is_done = true;
        let common = &self.common;
        for mut deletion in common.take_deletions(Deletion::is_forgotten) {
            let result = common.remove(&mut deletion);
            match result {
                Ok(()) => deletion.end(Ok(())),
                Err(error) if deletion.progress == Progress::Forgotten => {
                    // It is where it was, and concerns nobody else.
                    let why = fault::refusal(&error);
                    common.tell(&common.fault(&error, why));
                    deletion.end(Err(why));
                }
                Err(error) if may_pass(&error) => {
                    common.hinder(&error, fault::refusal(&error));
                    common.duties().deletions.push(deletion);
                    is_done = false;
                }
                Err(error) => {
                    common.fail(&error);
                    deletion.end(Err(Refused::Storage));
                }
            }
        }
        is_done
    }

    /// Refuses what would have to wait for a lock that somebody else holds for too long.
    pub(crate) fn give_deletions_up(&self) {
        let is_where_it_was = |one: &Deletion| one.progress == Progress::Forgotten;
        self.common.refuse_deletions(is_where_it_was, Refused::Busy);
    }
}

impl Common {
    fn remove(&self, deletion: &mut Deletion) -> io::Result<()> {
        let channel = Arc::clone(&deletion.channel);
        if deletion.progress == Progress::Forgotten {
            move_away(&*self.storage, channel.name())?;
            deletion.progress = Progress::Moved;
        }
        // If that fails, it is not known whether the channel is deleted. Then it stays, as far as it can be read.
        sync_move(&*self.storage)?;
        self.channels().remove(channel.name());
        self.shut_ones().remove(channel.name());
        self.condition().shut.remove(channel.name());
        self.took(-channel.disk().cast_signed());
        if let Err(error) = deleted::remove(&*self.storage) {
            // They are in nobody's way but for their space, and the next start tries again.
            self.tell(&self.fault(&error, fault::refusal(&error)));
        }
        Ok(())
    }
}
