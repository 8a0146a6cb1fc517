//! A log, as the programs see it that append to it.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::{Arc, PoisonError};

use crate::chain::Chain;
use crate::channel::{Channel, State};
use crate::common::{Common, Listener};
use crate::condition::Stall;
use crate::deletion::Deletion;
use crate::error::Refused;
use crate::fault::Fault;
use crate::hand::{Hand, Pending};
use crate::health::{Health, Numbers};
use crate::names;
use crate::queue::Queued;
use crate::submission::Submission;
use crate::sync_times::SyncTimes;

/// A log. Clones are handles to the same one.
///
/// ```
/// # use std::sync::Arc;
/// # use tenfold_log::{Options, Health, open, storage::Disk};
/// # fn random() -> u64 { 4 }
/// # let directory = tempfile::tempdir()?;
/// let disk = Arc::new(Disk::open(directory.path())?);
/// let (log, _, threads) = open(disk, Options::new(random))?.start()?;
/// assert_eq!(log.health(), Health::Ok);
/// // A channel is not in the list before it has a message.
/// let channel = log.channel("ticks", random());
/// assert_eq!((channel.name(), channel.next()), ("ticks", 0));
/// assert!(log.channels().is_empty());
/// assert!(threads.stop());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Log {
    pub(crate) common: Arc<Common>,
    pub(crate) hand: Arc<Hand>,
}

impl Log {
    /// The channels that have messages, by name.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        let mut channels = self.common.all();
        channels.retain(|channel| channel.next() > 0);
        channels
    }

    /// The channel of a name, if it has messages.
    pub fn find(&self, name: &str) -> Option<Arc<Channel>> {
        self.common.find(name).filter(|channel| channel.next() > 0)
    }

    /// The channel of a name. One that is not there is made with this epoch, a random number that names its
    /// history. Nothing of it is written before its first commit.
    ///
    /// # Panics
    ///
    /// If a channel cannot have the name: it must match `[a-z0-9][a-z0-9._-]{0,127}`, because it becomes the
    /// name of a directory.
    pub fn channel(&self, name: &str, epoch: u64) -> Arc<Channel> {
        assert!(
            names::is_channel(name),
            "a channel cannot have the name {name:?}"
        );
        let mut channels = self.common.channels();
        if let Some(channel) = channels.get(name) {
            return Arc::clone(channel);
        }
        // Nothing may be begun under the name of a channel that could not be read.
        let is_unread = self.common.is_unread(name);
        let storage = Arc::clone(&self.common.storage);
        let chain = Chain::beginning(epoch, &self.common.starts());
        let channel = Channel::new(name.into(), chain, storage, State::empty(), None);
        // A channel is deleted when the journal is done with it.
        let channel = Arc::new(channel.born(self.common.duties().done));
        channel.is_shut.store(is_unread, SeqCst);
        if is_unread {
            return channel;
        }
        channels.insert(name.into(), Arc::clone(&channel));
        channel
    }

    /// Forgets a channel that has never had a message. The caller makes sure that nothing is queued for it:
    /// what is queued would go into a channel that a later [`channel`](Self::channel) does not find.
    pub fn forget(&self, name: &str) {
        let mut channels = self.common.channels();
        if channels
            .get(name)
            .is_some_and(|channel| channel.next() == 0)
        {
            channels.remove(name);
        }
    }

    /// Deletes a channel with everything that the log has of it, durably, and then calls `told`: on one of the
    /// log's threads, so it must return soon. After an error the channel is whole, and goes on; after
    /// [`Refused::Storage`] it is not known, and the next start finds out; until then the channel is there, as far
    /// as it can be read. If the log ends before, nobody is
    /// told, and the next start has the whole channel or nothing of it.
    ///
    /// The caller makes sure that nothing is queued for the channel, and queues nothing and asks for no
    /// [`channel`](Self::channel) of its name until then.
    pub fn delete(
        &self,
        channel: &Arc<Channel>,
        told: impl FnOnce(Result<(), Refused>) + Send + 'static,
    ) {
        if channel.next() == 0 {
            self.forget(channel.name());
            return told(Ok(()));
        }
        let deletion = Deletion::new(Arc::clone(channel), told);
        self.common.call_for_deletion(deletion);
    }

    /// Changes what all channels may take on disk together. Retention looks within a second.
    pub fn set_max_disk(&self, bytes: u64) {
        self.common.set_max_disk(bytes);
    }

    /// Queues frames. Those of one channel are committed in the order of the calls, and channels take turns.
    /// Never waits for the disk. Dropping what this returns wakes the committer's thread.
    ///
    /// # Panics
    ///
    /// If a producer cannot have the ID (it must match `[A-Za-z0-9._-]{1,64}`), or there are no messages.
    pub fn submit(&self, channel: &Arc<Channel>, submission: Submission) -> Pending {
        for producer in submission.producers() {
            assert!(
                names::is_producer(producer),
                "a producer cannot have this ID: {producer:?}"
            );
        }
        assert!(
            submission.messages > 0,
            "a submission needs at least one message"
        );
        let queued = Queued {
            channel: Arc::clone(channel),
            submission,
        };
        let is_first = self.common.lock_queue().add(queued);
        Pending::new(Arc::clone(&self.hand), is_first)
    }

    /// Whether frames that are submitted now have a chance to be committed. If the disk was full, this
    /// writes and removes 64 KiB to see whether there is space again, and so waits for the disk.
    pub fn may_publish(&self) -> Result<(), Refused> {
        match self.common.health() {
            Health::Ok | Health::Slow | Health::Degraded => Ok(()),
            Health::ReadOnly => Err(Refused::Storage),
            Health::Full if self.common.probe() => {
                self.common.unfill();
                Ok(())
            }
            Health::Full => Err(Refused::Full),
        }
    }

    /// Whether it can be written to.
    pub fn health(&self) -> Health {
        let health = self.common.health();
        let now = self.common.instant();
        let mut condition = self.common.condition();
        if health != Health::Ok {
            health
        } else if condition.hindrance.is_some() || condition.any_channel(now).is_some() {
            Health::Degraded
        } else if condition.stall(now).is_some() {
            Health::Slow
        } else {
            Health::Ok
        }
    }

    /// Why it is [read-only](Health::ReadOnly), [full](Health::Full) or [degraded](Health::Degraded).
    pub fn why(&self) -> Option<Fault> {
        let health = self.common.health();
        let mut condition = self.common.condition();
        match health {
            Health::ReadOnly => condition.fatal.clone(),
            Health::Full => condition.full.clone(),
            _ => match &condition.hindrance {
                Some(fault) => Some(fault.clone()),
                None => condition.any_channel(self.common.instant()).cloned(),
            },
        }
    }

    /// Why frames of a channel were refused just now.
    pub fn why_refused(&self, channel: &str, refused: Refused) -> Option<Fault> {
        let condition = self.common.condition();
        let hindrance = condition.hindrance.as_ref();
        match refused {
            Refused::Storage => condition.fatal.as_ref(),
            Refused::Full => condition.full.as_ref(),
            Refused::Busy | Refused::Hindered => condition
                .channel(channel, self.common.instant())
                .or(hindrance),
        }
        .cloned()
    }

    /// Why a channel could not be read since the start, if that is so. It is tried again once in a second; until
    /// then nothing is known of it.
    pub fn unread(&self, channel: &str) -> Option<Fault> {
        let is_unread = self.common.is_unread(channel);
        let fault = || self.common.condition().shut.get(channel).cloned();
        is_unread.then(fault).flatten()
    }

    /// Why nothing is taken for a channel, if that is so. It is tried again once in a second.
    pub fn shut(&self, channel: &str) -> Option<Fault> {
        self.common.condition().shut.get(channel).cloned()
    }

    /// How many channels could be read only after the start.
    pub fn read_late(&self) -> u64 {
        self.common.counters.late.load(Relaxed)
    }

    /// Has a function told of each fault, once for as long as it lasts, before any frames are refused for it.
    /// It is called on the thread that commits, or the one that makes checkpoints, so it must return soon.
    pub fn on_fault(&self, hears: impl Fn(&Fault) + Send + Sync + 'static) {
        let listener = self.common.listener.lock();
        *listener.unwrap_or_else(PoisonError::into_inner) = Some(Listener(Arc::new(hears)));
    }

    /// What takes too long just now.
    pub fn stall(&self) -> Option<Stall> {
        self.common.condition().stall(self.common.instant())
    }

    /// How long batches took to be written to the journal and synced.
    pub fn sync_times(&self) -> SyncTimes {
        self.common.counters.syncs.read()
    }

    /// What all channels may take on disk together, in bytes.
    pub fn max_disk(&self) -> u64 {
        self.common.max_disk()
    }

    /// Its numbers now.
    pub fn numbers(&self) -> Numbers {
        let counters = &self.common.counters;
        let channels = self.common.all();
        Numbers {
            bytes: channels.iter().map(|channel| channel.bytes()).sum(),
            disk: channels.iter().map(|channel| channel.disk()).sum(),
            batches: counters.batches.load(Relaxed),
            messages: counters.messages.load(Relaxed),
            checkpoints: counters.checkpoints.load(Relaxed),
            removed: counters.removed.load(Relaxed),
        }
    }
}
