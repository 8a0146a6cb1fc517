//! One channel: its history behind one interface, and its producers.

mod info;
mod numbers;
mod place;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use tenfold::protocol::{
    ChannelName, Code, Deleted, Epoch, Position, ProducerId, Refusal, Subscribed,
};
use tenfold_log::ReadError;
use tokio::sync::Mutex as Turn;

use crate::block::Block;
use crate::change::Change;
use crate::claim::Claim;
use crate::cursor::Cursor;
use crate::flag::Flag;
use crate::frames::after;
use crate::history::History;
use crate::ledger::{Count, Entry, Ledger, NotThere};
use crate::producers::{Producers, TooMany};
use crate::refusals::{deleted, kept};
use crate::tail::NotAppended;
use crate::tail::Tail;
use crate::throttle::Throttle;

pub use info::ChannelInfo;
pub use numbers::ChannelNumbers;
pub(crate) use place::Begun;

/// A named, ordered sequence of messages.
///
/// Publishers and subscribers go through here: appending gives a message its seq and
/// makes it visible, a subscription is a cursor and what stands before it. Where the messages are
/// kept is a matter of this type. (The hub itself goes to the tail for sizes, and to trim and close
/// it.)
#[derive(Debug)]
pub(crate) struct Channel {
    name: ChannelName,
    epoch: Epoch,
    tail: Tail,
    /// What is on disk, on a channel with a log. The tail is then the newest part of it.
    history: Option<Arc<History>>,
    producers: Mutex<Producers>,
    /// Publishers that have to wait for slow subscribers do so one after the other.
    turn: Turn<()>,
    publishers: AtomicUsize,
    subscribers: AtomicUsize,
    /// Connections that follow it among other channels. They do not keep its name.
    followers: AtomicUsize,
    deletion: Flag,
    /// What its publishers are told when it is known what has become of its deletion.
    outcome: OnceLock<Refusal>,
    /// Told when a connection has left a channel that is being deleted, and when that is over.
    left: Change,
    /// Subscribers that retention has passed.
    pub(crate) passed: Throttle,
    /// Whether its numbers are told under its name, once that was decided.
    pub(crate) is_told_apart: OnceLock<bool>,
}

/// A place to read from, and what the subscriber is told.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) answer: Subscribed,
    /// The messages that come before the cursor's: the last ones of a block.
    pub(crate) head: Block,
    pub(crate) cursor: Cursor,
}

/// Where a subscription of a channel with a log begins.
enum Entered {
    Tail(Subscription),
    /// Before the tail; it was not looked yet whether it can be read.
    Files(Subscription),
    /// It has to be looked up what was committed at this time.
    Time(SystemTime),
}

/// What a connection does with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
    /// Follows it among other channels.
    Follower,
}

impl Channel {
    /// A channel in memory.
    pub(crate) fn new(name: ChannelName, epoch: Epoch, tail: Tail, producers: Producers) -> Self {
        Self {
            name,
            epoch,
            tail,
            history: None,
            producers: Mutex::new(producers),
            turn: Turn::new(()),
            publishers: AtomicUsize::new(0),
            subscribers: AtomicUsize::new(0),
            followers: AtomicUsize::new(0),
            deletion: Flag::default(),
            outcome: OnceLock::new(),
            left: Change::default(),
            passed: Throttle::default(),
            is_told_apart: OnceLock::new(),
        }
    }

    /// A channel with a log, with the producers that it knows.
    pub(crate) fn durable(
        name: ChannelName,
        history: History,
        tail: Tail,
        mut producers: Producers,
    ) -> Self {
        for producer in history.channel.producers() {
            // The log has the same rules for their names.
            if let Ok(id) = producer.id.parse() {
                producers.remember(&id, producer.messages, producer.time);
            }
        }
        let mut channel = Self::new(name, Epoch(history.channel.epoch()), tail, producers);
        channel.history = Some(Arc::new(history));
        channel
    }

    pub(crate) fn name(&self) -> &ChannelName {
        &self.name
    }

    /// The epoch of now. That of a mirror's channel changes with the starts of the source.
    pub(crate) fn epoch(&self) -> Epoch {
        match &self.history {
            Some(history) => Epoch(history.channel.epoch()),
            None => self.epoch,
        }
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// Whether it is being deleted: nothing more is appended, and then its subscribers end.
    pub(crate) fn deletion(&self) -> &Flag {
        &self.deletion
    }

    /// Waits until no connection of this kind has it. Only of a channel that is being deleted.
    pub(crate) async fn is_left(&self, by: Role) {
        self.left.until(|| self.count(by).load(Relaxed) == 0).await;
    }

    /// Notes that a connection has left it.
    pub(crate) fn leaves(&self) {
        self.left.tell();
    }

    /// Notes what has become of its deletion.
    pub(crate) fn end_deletion(&self, is_deleted: bool) {
        let told = if is_deleted { deleted() } else { kept() };
        self.outcome.get_or_init(|| told);
        self.left.tell();
    }

    /// Waits until it is known what has become of its deletion. Returns what its publishers are told.
    pub(crate) async fn deletion_ended(&self) -> Refusal {
        self.left.until(|| self.outcome.get().is_some()).await;
        self.outcome.get().expect("it was waited for").clone()
    }

    /// What it has, for whoever has deleted it.
    pub(crate) fn to_be_deleted(&self) -> Deleted {
        let (first, next) = self.extent();
        Deleted::new(self.epoch(), first, next, self.bytes())
    }

    pub(crate) fn history(&self) -> Option<&Arc<History>> {
        self.history.as_ref()
    }

    /// A place to read from. It is fixed in one step against the committed end; that the messages can
    /// be had may have to be looked up on disk.
    pub(crate) async fn find(
        &self,
        mut from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Subscription, Refusal> {
        let Some(history) = &self.history else {
            return self.subscribe(from, epoch);
        };
        if !self.has_place(from, epoch) {
            return Err(self.another_epoch(history.channel.first()));
        }
        loop {
            match self.enter(history, from)? {
                Entered::Tail(subscription) => return Ok(subscription),
                Entered::Files(subscription) => {
                    match history.probe(subscription.cursor.seq()).await {
                        Ok(()) => return Ok(subscription),
                        // It has just gone; there is another oldest or n-th newest one now.
                        Err(ReadError::Trimmed { .. }) if !matches!(from, Position::Seq(_)) => {}
                        Err(error) => return Err(self.unreadable(&error)),
                    }
                }
                Entered::Time(time) => {
                    let found = history.at_time(time).await;
                    let seq = found.map_err(|error| self.unreadable(&error))?;
                    let first = history.channel.first();
                    if first > 0 && seq <= first {
                        // What was committed then may have been trimmed.
                        return Err(not_there(NotThere::Trimmed, first, first));
                    }
                    from = Position::Seq(seq);
                }
            }
        }
    }

    /// Whether a place in the history of an epoch is one in this history.
    pub(crate) fn has_place(&self, from: Position, epoch: Option<Epoch>) -> bool {
        let Some(epoch) = epoch.filter(|epoch| *epoch != self.epoch()) else {
            return true;
        };
        // In memory nothing outlives an epoch.
        let Some(history) = &self.history else {
            return false;
        };
        let end = history.channel.end_of(epoch.0);
        match from {
            // Before the first message there is nothing, in whatever history.
            Position::Seq(seq) => seq <= end.unwrap_or(0),
            _ => end.is_some(),
        }
    }

    /// Enters a subscription of a channel with a log.
    fn enter(&self, history: &History, from: Position) -> Result<Entered, Refusal> {
        let publishers = self.publishers.load(Relaxed);
        let entered = self.tail.with(|ledger| {
            let (first, next) = (history.channel.first(), ledger.next_seq());
            let at_time = |time| ledger.seq_at(time).ok_or(time);
            let seq = match from.seq(first, next, at_time) {
                Ok(seq) => seq,
                Err(time) => return Ok((Err(time), first, next)),
            };
            if seq < first {
                return Err(not_there(NotThere::Trimmed, first, next));
            }
            if seq > next {
                return Err(not_there(NotThere::Future, first, next));
            }
            if seq < ledger.first_seq() {
                return Ok((Ok((seq, Ledger::outside(seq), None)), first, next));
            }
            let Entry { from, place, head } = ledger.entry(seq);
            ledger.enter_at(place);
            Ok((Ok((from, place, head)), first, next))
        });
        let (found, first, next) = entered?;
        let (from, place, head) = match found {
            Ok(found) => found,
            Err(time) => return Ok(Entered::Time(time)),
        };
        let entry = Entry { from, place, head };
        let subscription = self.subscription(entry, (first, next), publishers);
        Ok(if place == Ledger::outside(from) {
            Entered::Files(subscription)
        } else {
            Entered::Tail(subscription)
        })
    }

    /// What is said of a place that cannot be read.
    pub(crate) fn unreadable(&self, error: &ReadError) -> Refusal {
        match *error {
            ReadError::Trimmed { first } => not_there(NotThere::Trimmed, first, first),
            ReadError::Corrupt { first, next } => Refusal::new(
                Code::Corrupt,
                "these messages are damaged on the hub's disk",
            )
            .with("epoch", self.epoch())
            .with("first", first)
            .with("next", next),
            _ => Refusal::new(Code::Storage, "the hub's disk cannot be read"),
        }
    }

    /// A place to read from, in memory. It is fixed in one step against the committed end.
    pub(crate) fn subscribe(
        &self,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Subscription, Refusal> {
        let publishers = self.publishers.load(Relaxed);
        let entered = self.tail.with(|ledger| {
            let (first, next) = (ledger.first_seq(), ledger.next_seq());
            if !self.has_place(from, epoch) {
                return Err(self.another_epoch(first));
            }
            let entry = ledger
                .find(from)
                .map_err(|problem| not_there(problem, first, next))?;
            ledger.enter_at(entry.place);
            Ok((entry, first, next))
        });
        let (entry, first, next) = entered?;
        Ok(self.subscription(entry, (first, next), publishers))
    }

    /// A subscription that was entered while the channel had these first and next seqs, and after it
    /// had so many publishers.
    fn subscription(
        &self,
        Entry { from, place, head }: Entry,
        (first, next): (u64, u64),
        publishers: usize,
    ) -> Subscription {
        Subscription {
            answer: Subscribed::new(self.epoch(), from, first, next)
                .with_new(next == 0 && publishers == 0),
            head: head.map_or_else(Block::default, |(block, messages)| after(&block, messages)),
            cursor: Cursor::entered(self.tail.clone(), place),
        }
    }

    pub(crate) fn another_epoch(&self, first: u64) -> Refusal {
        Refusal::new(Code::Epoch, "the channel has another history")
            .with("epoch", self.epoch())
            .with("first", first)
    }

    /// Leave to append. A producer's passes from the connection that had it, exactly between two of
    /// its blocks.
    pub(crate) fn claim(
        &self,
        producer: Option<&ProducerId>,
        now: SystemTime,
    ) -> Result<Arc<Claim>, TooMany> {
        let Some(id) = producer else {
            return Ok(Arc::default());
        };
        let fence = |fence: &dyn Fn()| match &self.history {
            Some(history) => history.still(fence),
            None => self.tail.with(|_| fence()),
        };
        self.producers().claim(id, now, fence, self.forget())
    }

    /// Changes how many producers it remembers.
    pub(crate) fn set_max_producers(&self, limit: usize) {
        self.producers().set_limit(limit);
    }

    /// Notes that a producer's connection has ended.
    pub(crate) fn leave(&self, producer: &ProducerId, claim: &Arc<Claim>, now: SystemTime) {
        self.producers().leave(producer, claim, now, self.forget());
    }

    /// Forgets a temporary producer that has ended and has taken its last acknowledgement.
    pub(crate) fn finish(&self, producer: &ProducerId, claim: &Arc<Claim>) {
        if self.producers().finish(producer, claim) {
            self.forget()(producer);
        }
    }

    /// Forgets the named producer that has been without a connection for the longest, if that is long enough.
    pub(crate) fn forget_named(&self, now: SystemTime) -> bool {
        self.producers().forget_named(now, self.forget()).is_some()
    }

    /// Forgets the temporary producer that has been without a connection for the longest.
    pub(crate) fn forget_temporary(&self) -> bool {
        let mut producers = self.producers();
        producers.forget_temporary(self.forget()).is_some()
    }

    /// When the temporary producer was left that has been without a connection for the longest.
    pub(crate) fn oldest_temporary(&self) -> Option<SystemTime> {
        self.producers().oldest_temporary()
    }

    /// Takes over the counts of producers from another hub: these, and no others.
    pub(crate) fn know_producers(&self, counts: &[Count], time: SystemTime) {
        let Some(history) = &self.history else {
            return;
        };
        for (id, count) in counts {
            history.channel.count_producer(id, *count, time);
            self.tail.with(|ledger| ledger.count(id, *count));
        }
        self.forget_producers_but(counts);
    }

    /// Forgets all producers but these.
    pub(crate) fn forget_producers_but(&self, known: &[Count]) {
        let Some(history) = &self.history else {
            return;
        };
        for producer in history.channel.producers() {
            if !known.iter().any(|(id, _)| *id == producer.id) {
                history.channel.forget_producer(&producer.id);
                self.tail.with(|ledger| ledger.forget(&producer.id));
            }
        }
    }

    /// Has the log forget a producer, too.
    fn forget(&self) -> impl Fn(&ProducerId) {
        |forgotten| {
            if let Some(history) = &self.history {
                history.channel.forget_producer(forgotten.as_str());
                self.tail.with(|ledger| ledger.forget(forgotten.as_str()));
            }
        }
    }

    /// Commits a block: gives its messages their seqs, and makes them visible. Waits for slow
    /// subscribers if the channel does that.
    ///
    /// Cancel-safe: a call that is dropped before it is ready has appended nothing.
    pub(crate) async fn append(
        &self,
        claim: &Claim,
        block: Block,
        now: SystemTime,
    ) -> Result<(), NotAppended> {
        let _turn = self.turn.lock().await;
        self.tail.append_for(claim, block, now).await?;
        Ok(())
    }

    pub(crate) fn count(&self, role: Role) -> &AtomicUsize {
        match role {
            Role::Publisher => &self.publishers,
            Role::Subscriber => &self.subscribers,
            Role::Follower => &self.followers,
        }
    }

    /// Whether nobody publishes to it, and no message was ever committed.
    pub(crate) fn is_only_a_name(&self) -> bool {
        self.publishers.load(Relaxed) == 0 && self.tail.next_seq() == 0
    }

    /// Whether no connection has the channel, and no message was ever committed.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.is_only_a_name() && self.subscribers.load(Relaxed) == 0
    }

    /// What `CHANNELS` says of it.
    pub(crate) fn info(&self) -> ChannelInfo {
        let (first, next) = self.extent();
        ChannelInfo {
            name: self.name.clone(),
            epoch: self.epoch(),
            first,
            next,
            bytes: self.bytes(),
            subscribers: self.subscribers.load(Relaxed) + self.followers.load(Relaxed),
            publishers: self.publishers.load(Relaxed),
            has_log: self.history.is_some(),
        }
    }

    /// The oldest seq that is kept, and the one after the last.
    pub(crate) fn extent(&self) -> (u64, u64) {
        let (first, next) = self
            .tail
            .with(|ledger| (ledger.first_seq(), ledger.next_seq()));
        let history = self.history.as_ref();
        (
            history.map_or(first, |history| history.channel.first()),
            next,
        )
    }

    /// Its numbers, but for how far its subscribers are behind.
    pub(crate) fn numbers(&self) -> ChannelNumbers {
        let (received_messages, received_bytes) = self
            .tail
            .with(|ledger| (ledger.appended(), ledger.appended_bytes()));
        ChannelNumbers {
            received_messages,
            received_bytes,
            kept_bytes: self.bytes(),
            subscribers: self.subscribers.load(Relaxed) + self.followers.load(Relaxed),
            publishers: self.publishers.load(Relaxed),
            lag: 0,
        }
    }

    /// How many messages were committed since the start, and the bytes of those that are kept.
    pub(crate) fn size(&self) -> (u64, u64) {
        (self.tail.with(|ledger| ledger.appended()), self.bytes())
    }

    /// Bytes of the messages that are kept: those in the files, and those on their way there.
    fn bytes(&self) -> u64 {
        let Some(history) = &self.history else {
            return self.tail.with(|ledger| ledger.bytes());
        };
        self.tail.with(|ledger| {
            let (next, bytes) = history.channel.extent();
            bytes + ledger.bytes_from(next)
        })
    }

    /// Bytes of the committed frames from a seq on. Of those that are in the files only, it is what they
    /// would have if all messages there were equally long.
    pub(crate) fn bytes_from(&self, seq: u64) -> u64 {
        let (bytes, kept) = self
            .tail
            .with(|ledger| (ledger.bytes_from(seq), ledger.first_seq()));
        let Some(history) = self.history.as_ref().filter(|_| seq < kept) else {
            return bytes;
        };
        let (next, in_files) = history.channel.extent();
        let messages = next.saturating_sub(history.channel.first()).max(1);
        let before = u128::from(in_files) * u128::from(kept - seq) / u128::from(messages);
        bytes + u64::try_from(before).unwrap_or(u64::MAX).min(in_files)
    }

    fn producers(&self) -> MutexGuard<'_, Producers> {
        self.producers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_there(problem: NotThere, first: u64, next: u64) -> Refusal {
    match problem {
        NotThere::Trimmed => {
            Refusal::new(Code::Trimmed, "that is no longer kept").with("first", first)
        }
        NotThere::Future => {
            Refusal::new(Code::Future, "that seq has not been reached").with("next", next)
        }
    }
}

#[cfg(test)]
mod tests;
