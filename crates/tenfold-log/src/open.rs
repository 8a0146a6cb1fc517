//! Opening a log, and running it.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::checkpointer::Checkpointer;
use crate::committer::Committer;
use crate::common::{Common, Stage};
use crate::deleted;
use crate::directory::sync_dir;
use crate::error::OpenError;
use crate::format;
use crate::hand::{Hand, panicked};
use crate::health::Health;
use crate::log::Log;
use crate::names;
use crate::options::Options;
use crate::recovery;
use crate::renewal;
use crate::report::Report;
use crate::spare;
use crate::storage::{Sharing, Storage};
use crate::whole::{is_full, uninterrupted};

/// A log that is recovered. [`start`](Self::start) runs it; without that, nothing is committed until its
/// committer and its checkpointer are driven by hand.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened {
    /// Appends and reads.
    pub log: Log,
    /// What recovery has found.
    pub report: Report,
    /// Makes batches durable.
    pub committer: Committer,
    /// Makes checkpoints and applies retention.
    pub checkpointer: Checkpointer,
}

/// Opens the log in a directory, or makes one in an empty directory: takes the lock, and recovers what
/// the last process has left.
pub fn open(storage: Arc<dyn Storage>, options: Options) -> Result<Opened, OpenError> {
    open_with(storage, options, TornEnd::Keep)
}

/// What is done with a batch at the end of the journal that is not whole. It was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TornEnd {
    /// It is put aside and reported.
    Keep,
    /// Nothing: it is known why it is not whole.
    Drop,
}

pub(crate) fn open_with(
    storage: Arc<dyn Storage>,
    options: Options,
    torn: TornEnd,
) -> Result<Opened, OpenError> {
    // The first check keeps `LOCK` out of a directory that is not a log. Before it is locked another hub
    // can have made it one, so it is checked again.
    format::check(&*storage)?;
    let lock = lock(&*storage)?;
    let is_log = format::check(&*storage)?;
    let has_lost_channels =
        format::has_lost_channels(&*storage).map_err(OpenError::io("listing the channels"))?;
    let make = || {
        if !is_log {
            format::create(&*storage)?;
        }
        uninterrupted(|| storage.create_dir(names::CHANNELS))?;
        uninterrupted(|| storage.create_dir(names::JOURNAL))?;
        spare::make(&*storage, options.journal)?;
        sync_dir(&*storage, "")
    };
    make().map_err(OpenError::io("making the directories"))?;
    renewal::end_all(&*storage)
        .map_err(OpenError::io("giving a channel's directory its name back"))?;
    let opening = Arc::clone(&options.opening);
    let failed = |(doing, error)| {
        if opening.is_ended() {
            OpenError::Ended
        } else {
            OpenError::Io(doing, error)
        }
    };
    let mut found = recovery::look(&storage, options.opens(), &opening).map_err(failed)?;
    if has_lost_channels {
        found.report.damage(
            "channels/ was missing, and with it all messages but those that the journal has: all channels begin a new history",
        );
    }
    if torn == TornEnd::Keep {
        found.put_aside(&*storage).map_err(failed)?;
    }
    // One of that name may be in the journal.
    for name in &found.deleted {
        deleted::remove_marked(&*storage, name)
            .map_err(OpenError::io("removing what is left of a deleted channel"))?;
    }
    let mut journal = found.journal(&*storage, &options).map_err(failed)?;
    let channels: Vec<_> = found
        .channels
        .iter()
        .map(|channel| Arc::clone(&channel.channel))
        .collect();
    let starts = Arc::clone(found.starts());
    let unread = found.take_unread();
    let names = unread.iter().map(|(unread, _)| Arc::clone(&unread.name));
    let names = names.collect();
    let (mut unfinished, mut report) = found.unfinished(names);
    if let Err(error) = deleted::sweep(&*storage) {
        // They are in nobody's way but for their space, and the next start tries again.
        report.note(format!(
            "the files of deleted channels in {}/ cannot be removed: {error}",
            names::DELETED
        ));
    }
    let no_space = match unfinished.finish(&*storage, &mut journal, &mut report, &opening) {
        Err((_, error)) if is_full(&error) => Some(error),
        result => result.map(|()| None).map_err(failed)?,
    };
    let is_noted = no_space.is_none() || unfinished.note_start(&*storage).map_err(failed)?;
    let common = Arc::new(Common::new(
        storage,
        options,
        journal.files.clone(),
        starts,
        channels,
        lock,
    ));
    common.checkpointed(journal.done());
    common.shut_unread(unread);
    let mut committer = Committer::new(Arc::clone(&common), journal);
    if let Some(error) = no_space {
        report.note(
            "there is no space to write down what the journal has: the log is full until there is",
        );
        if !is_noted {
            report.note("nor for this start: what subscribers are told now is another history for the next one");
        }
        committer.finish_later(unfinished, &error);
    } else {
        common.shut_failed(unfinished);
    }
    Ok(Opened {
        log: Log {
            common: Arc::clone(&common),
            hand: Arc::new(Hand::new(Arc::clone(&common))),
        },
        report,
        committer,
        checkpointer: Checkpointer::new(common),
    })
}

/// Takes the lock that lets one process write.
pub(crate) fn lock(
    storage: &dyn Storage,
) -> Result<Box<dyn std::fmt::Debug + Send + Sync>, OpenError> {
    match uninterrupted(|| storage.lock(names::LOCK, Sharing::Exclusive)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(OpenError::Locked),
        result => result.map_err(OpenError::io("locking the directory")),
    }
}

/// Commits until the log ends. After a commit that panics the log takes nothing: what is queued is refused.
fn commit(hand: &Hand, common: &Common) {
    let work = || hand.work();
    loop {
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(is_stuck) if !common.wait_for_work(is_stuck) => break,
            Ok(_) => {}
            Err(_) => common.fail(&panicked()),
        }
    }
}

/// The threads of a log that runs.
#[derive(Debug)]
pub struct Threads {
    common: Arc<Common>,
    hand: Arc<Hand>,
    committer: JoinHandle<()>,
    checkpointer: JoinHandle<()>,
}

impl Opened {
    /// Runs the log on two threads of its own.
    pub fn start(self) -> io::Result<(Log, Report, Threads)> {
        let Self {
            log,
            report,
            committer,
            mut checkpointer,
        } = self;
        log.hand.give(committer);
        let (hand, common) = (Arc::clone(&log.hand), Arc::clone(&log.common));
        let spawn = thread::Builder::new().name("tenfold-commit".to_owned());
        let committer = spawn.spawn(move || commit(&hand, &common))?;
        let spawn = thread::Builder::new().name("tenfold-check".to_owned());
        let checkpointer = spawn.spawn(move || checkpointer.run())?;
        let threads = Threads {
            common: Arc::clone(&log.common),
            hand: Arc::clone(&log.hand),
            committer,
            checkpointer,
        };
        Ok((log, report, threads))
    }

    /// Runs the log without threads: all that its two threads would do is done by calls. A program that submits
    /// can still [commit](crate::Pending::commit) by itself.
    pub fn stepped(self) -> (Log, Report, Steps, Checkpointer) {
        let Self {
            log,
            report,
            committer,
            checkpointer,
        } = self;
        log.hand.give(committer);
        (log.clone(), report, Steps(log), checkpointer)
    }

    /// A clean stop of a log that was driven by hand: what is queued is committed, and the next start
    /// has nothing to recover. False: the disk did not let it.
    #[must_use = "false means that the disk did not let the log stop"]
    pub fn stop(mut self) -> bool {
        while self.committer.step() || self.checkpointer.step() {}
        let common = &self.log.common;
        // A checkpoint that waits for space is not forgotten for another one.
        let is_pending = common.duties().is_pending;
        if is_pending
            || common.health() == Health::ReadOnly
            || self.committer.begin_checkpoint().is_err()
        {
            return false;
        }
        while self.checkpointer.step() {}
        let is_done = !self.log.common.duties().is_pending;
        // What the journal has of channels that are shut is still needed.
        is_done && !self.log.common.has_shut() && self.committer.finish().is_ok()
    }
}

/// What the committer's thread of a log does, as calls.
#[derive(Debug)]
pub struct Steps(Log);

impl Steps {
    /// Commits one batch of what is queued. False: there was nothing, or it has to wait for the checkpointer.
    pub fn step(&self) -> bool {
        self.0.common.lock_queue().is_called = false;
        self.0.hand.step()
    }

    /// Whether [`step`](Self::step) would do something, or try to.
    pub fn has_work(&self) -> bool {
        let queue = self.0.common.lock_queue();
        let is_called = queue.is_called || !queue.is_empty();
        drop(queue);
        is_called || self.0.hand.has_taken()
    }

    /// [`Opened::stop`].
    #[must_use = "false means that the disk did not let the log stop"]
    pub fn stop(self, checkpointer: Checkpointer) -> bool {
        let Some(committer) = self.0.hand.take() else {
            return false;
        };
        let opened = Opened {
            log: self.0,
            report: Report::default(),
            committer,
            checkpointer,
        };
        opened.stop()
    }
}

impl Threads {
    /// Commits what is queued and leaves the log so that the next start has nothing to recover. False:
    /// the disk did not let it, and the next start recovers what is committed; what waited for space is
    /// refused.
    #[must_use = "false means that the disk did not let the log stop"]
    pub fn stop(self) -> bool {
        let (common, hand) = (self.common, self.hand);
        common.end();
        let is_joined = self.committer.join().is_ok();
        // What is queued from now on is not committed.
        let Some(mut committer) = hand.take().filter(|_| is_joined) else {
            return false;
        };
        // A thread that committed for itself may have left a submission that waits for a checkpoint.
        while committer.step() || (committer.has_taken() && common.wait_for_checkpoint()) {}
        committer.refuse_all();
        let is_begun = common.wait_for_checkpoint()
            && common.health() != Health::ReadOnly
            && committer.begin_checkpoint().is_ok();
        if is_begun {
            common.wait_for_checkpoint();
        }
        common.duties().stage = Stage::Over;
        common.duty.notify_all();
        let is_checked = self.checkpointer.join().is_ok();
        let is_done = is_begun && is_checked && !common.duties().is_pending;
        is_done
            && common.health() != Health::ReadOnly
            // What the journal has of channels that are shut is still needed.
            && !common.has_shut()
            && committer.finish().is_ok()
    }
}
