//! A channel's messages on disk: on their way there, and back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tenfold_log::{Frames, ReadError, Reader, Receipt, Submission};
use tokio::sync::OwnedSemaphorePermit;

use crate::block::Block;
use crate::claim::Claim;
use crate::durable::{Durable, READ_SIZE};
use crate::holding::{Holding, NextSeq};
use crate::memory::{OnItsWay, Room};
use crate::tail::NotAppended;
use crate::task::blocking;
use crate::when_slow::WhenSlow;

/// A channel of the log.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) durable: Arc<Durable>,
    pub(crate) channel: Arc<tenfold_log::Channel>,
    /// Held while a publisher queues frames, and while its producer's claim passes to another
    /// connection: so no frame is queued for a claim that has passed on.
    gate: Mutex<()>,
    /// If publishers wait for slow subscribers.
    pub(crate) holding: Option<Holding>,
    /// Memory for what is on its way to the disk.
    on_its_way: OnItsWay,
}

/// What was read from a file, and the memory that is taken for it: always for a large message, and for others if there
/// is some.
#[derive(Debug)]
pub(crate) struct FromFile {
    pub(crate) frames: Frames,
    pub(crate) memory: Option<OwnedSemaphorePermit>,
}

/// What of one channel is on its way to the disk, in bytes.
const ON_ITS_WAY: usize = 8 << 20;
/// A block up to this size, in bytes, is sooner written and synced than another thread is told to do it.
const SMALL: usize = 16 * 1024;

/// How often the task of a subscriber that takes nothing looks whether retention has passed it.
/// Retention itself looks as often.
const LOOK: Duration = Duration::from_secs(1);

impl History {
    pub(crate) fn new(
        durable: Arc<Durable>,
        channel: Arc<tenfold_log::Channel>,
        when_slow: WhenSlow,
    ) -> Self {
        let holding = match when_slow {
            WhenSlow::Wait(limit) => Some(Holding::new(limit)),
            WhenSlow::Close | WhenSlow::Skip => None,
        };
        Self {
            holding,
            durable,
            channel,
            gate: Mutex::default(),
            on_its_way: OnItsWay::new(ON_ITS_WAY),
        }
    }

    /// Waits for slow subscribers, if the channel does that, and for memory for a block of so many bytes of a
    /// claim.
    pub(crate) async fn room(&self, claim: &Claim, bytes: usize) -> Room {
        if let Some(holding) = &self.holding {
            holding.freed(&*self.channel).await;
        }
        if let Some(own) = Room::own(bytes, claim.on_their_way()) {
            return own;
        }
        Room::wait(&self.on_its_way, &self.durable.on_its_way, bytes).await
    }

    /// Keeps what a subscriber needs from a seq on, if publishers wait for slow ones and for this one (`holds`).
    pub(crate) fn enter(&self, seq: u64, holds: bool) -> Option<NextSeq> {
        let holding = self.holding.as_ref().filter(|_| holds)?;
        Some(holding.enter(&*self.channel, seq))
    }

    /// Queues a block, if its claim still holds. Its seqs follow from the order of these calls. It is
    /// committed on this thread if it is small, no other block is queued or being committed, and the disk
    /// is fast.
    pub(crate) fn submit<R: Receipt + 'static>(
        &self,
        claim: &Claim,
        block: &Block,
        receipt: impl FnOnce() -> R,
        as_whose: impl FnOnce(Submission) -> Submission,
    ) -> Result<(), NotAppended> {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        claim.check()?;
        if let Some(why) = claim.refused() {
            return Err(NotAppended::Refused(why));
        }
        claim.departs(block.messages());
        let frames = block.bytes().clone();
        let submission = as_whose(Submission::new(frames, block.messages(), receipt()));
        let pending = self.durable.log.submit(&self.channel, submission);
        drop(gate);
        if block.bytes().len() <= SMALL {
            // Waits for the disk, if that is fast, on a thread for tasks. To hand the other tasks to
            // another one (`block_in_place`) costs as much as to wake the committer's thread.
            pending.commit();
        }
        Ok(())
    }

    /// Does something while no publisher can queue frames.
    pub(crate) fn still(&self, change: impl FnOnce()) {
        let _gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        change();
    }

    /// Waits until retention has deleted the message with this seq.
    pub(crate) async fn trimmed(&self, seq: u64) {
        while self.channel.first() <= seq {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the message with this seq can be read.
    pub(crate) async fn probe(&self, seq: u64) -> Result<(), ReadError> {
        let mut reader = self.channel.reader(seq);
        match self.read_cached(&mut reader) {
            Err(ReadError::WouldBlock | ReadError::Large { .. }) => self.read(reader).await.1,
            result => result,
        }
        .map(drop)
    }

    /// Reads what the system has in memory, if it is not a large message.
    pub(crate) fn read_cached(&self, reader: &mut Reader) -> Result<FromFile, ReadError> {
        let frames = reader.read_cached(READ_SIZE)?;
        Ok(self.small(frames))
    }

    /// Reads what may have to come from the disk, if it is not a large message.
    pub(crate) async fn read_small(&self, reader: Reader) -> (Reader, Result<FromFile, ReadError>) {
        let read = |reader: &mut Reader| reader.read_small(READ_SIZE);
        let (reader, result) = self.read_waiting(reader, read).await;
        (reader, result.map(|frames| self.small(frames)))
    }

    /// Reads what may have to come from the disk. A large message waits until there is memory for it, so the caller must
    /// have nothing that was read before.
    pub(crate) async fn read(&self, reader: Reader) -> (Reader, Result<FromFile, ReadError>) {
        let (mut reader, result) = self.read_small(reader).await;
        let Err(ReadError::Large { bytes }) = result else {
            return (reader, result);
        };
        // Nor has the reader.
        reader.reuse(Bytes::new());
        let memory = self.durable.from_files.take(bytes).await;
        let read = |reader: &mut Reader| {
            let frames = reader.read(READ_SIZE)?;
            Ok(FromFile { frames, memory })
        };
        self.read_waiting(reader, read).await
    }

    fn small(&self, frames: Frames) -> FromFile {
        let memory = self.durable.from_files.try_take(frames.bytes.len());
        FromFile { frames, memory }
    }

    async fn read_waiting<T: Send + 'static>(
        &self,
        mut reader: Reader,
        read: impl FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> (Reader, Result<T, ReadError>) {
        let _permit = self.durable.reads.acquire().await;
        let seq = reader.seq();
        let read = blocking(move || {
            let result = read(&mut reader);
            (reader, result)
        });
        read.await.unwrap_or_else(|error| {
            let error = ReadError::Io(std::io::Error::other(error));
            (self.channel.reader(seq), Err(error))
        })
    }

    /// When some messages from a seq on were committed: a seq, how many messages follow from it on, and their time.
    pub(crate) async fn times(&self, seq: u64) -> Result<Vec<(u64, u64, SystemTime)>, ReadError> {
        let _permit = self.durable.reads.acquire().await;
        let channel = Arc::clone(&self.channel);
        let found = blocking(move || channel.times(seq)).await;
        let found = found.unwrap_or_else(|error| Err(ReadError::Io(std::io::Error::other(error))));
        let times = found?.into_iter();
        Ok(times
            .map(|committed| (committed.first, committed.messages, committed.time))
            .collect())
    }

    /// The seq of the first message of the first commit at or after a time.
    pub(crate) async fn at_time(&self, time: SystemTime) -> Result<u64, ReadError> {
        let _permit = self.durable.reads.acquire().await;
        let channel = Arc::clone(&self.channel);
        let found = blocking(move || channel.at_time(time));
        found
            .await
            .unwrap_or_else(|error| Err(ReadError::Io(std::io::Error::other(error))))
    }
}
