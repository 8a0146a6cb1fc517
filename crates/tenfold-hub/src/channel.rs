//! One channel: its history behind one interface, and who publishes to it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Buf;
use tenfold::protocol::{ChannelName, Code, Epoch, Position, ProducerId, Refusal, Subscribed};
use tenfold::{Decoder, Event, Framing};
use tokio::sync::Mutex as Turn;

use crate::producers::{Claim, Producers};
use crate::tail::NotAppended;
use crate::window::{Entry, NotThere};
use crate::{Block, Cursor, Tail};

/// A named, ordered sequence of messages.
///
/// Whoever publishes and whoever subscribes goes through here: appending gives a message its seq and
/// makes it visible, a subscription is a cursor and what stands before it. Where the messages are
/// kept is a matter of this type. (The hub itself goes to the tail for sizes, and to trim and close
/// it.)
#[derive(Debug)]
pub(crate) struct Channel {
    name: ChannelName,
    epoch: Epoch,
    tail: Tail,
    producers: Mutex<Producers>,
    /// Publishers that have to wait for slow subscribers do so one after the other.
    turn: Turn<()>,
    publishers: AtomicUsize,
    subscribers: AtomicUsize,
}

/// A place to read from, and what the subscriber is told.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) answer: Subscribed,
    /// The messages that come before the cursor's: the last ones of a block.
    pub(crate) head: Block,
    pub(crate) cursor: Cursor,
}

/// What a connection does with a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Subscriber,
}

impl Channel {
    pub(crate) fn new(name: ChannelName, epoch: Epoch, tail: Tail, max_producers: usize) -> Self {
        Self {
            name,
            epoch,
            tail,
            producers: Mutex::new(Producers::new(max_producers)),
            turn: Turn::new(()),
            publishers: AtomicUsize::new(0),
            subscribers: AtomicUsize::new(0),
        }
    }

    pub(crate) fn name(&self) -> &ChannelName {
        &self.name
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn tail(&self) -> &Tail {
        &self.tail
    }

    /// A place to read from. It is fixed in one step against the committed end.
    pub(crate) fn subscribe(
        &self,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Subscription, Refusal> {
        let publishers = self.publishers.load(Relaxed);
        let entered = self.tail.with(|window| {
            let (first, next) = (window.first_seq(), window.next_seq());
            if epoch.is_some_and(|epoch| epoch != self.epoch) {
                return Err(self.another_epoch(first));
            }
            let entry = window
                .find(from)
                .map_err(|problem| not_there(problem, first, next))?;
            window.enter_at(entry.place);
            Ok((entry, first, next))
        });
        let (Entry { from, place, head }, first, next) = entered?;
        Ok(Subscription {
            answer: Subscribed {
                epoch: self.epoch,
                from,
                first,
                next,
                is_new: next == 0 && publishers == 0,
            },
            head: head.map_or_else(Block::default, |(block, messages)| behind(&block, messages)),
            cursor: Cursor::entered(self.tail.clone(), place),
        })
    }

    fn another_epoch(&self, first: u64) -> Refusal {
        Refusal::new(Code::Epoch, "the channel has another history")
            .with("epoch", self.epoch)
            .with("first", first)
    }

    /// Leave to append. A producer's passes from the connection that had it, exactly between two of
    /// its blocks.
    pub(crate) fn claim(
        &self,
        producer: Option<&ProducerId>,
        now: SystemTime,
    ) -> Result<Arc<Claim>, Refusal> {
        let Some(id) = producer else {
            return Ok(Arc::default());
        };
        self.producers()
            .claim(id, now, |fence| self.tail.with(|_| fence()))
            .map_err(|_| Refusal::new(Code::Busy, "the channel has too many producers"))
    }

    /// Notes that a producer's connection has ended.
    pub(crate) fn leave(&self, producer: &ProducerId, claim: &Arc<Claim>, now: SystemTime) {
        self.producers().leave(producer, claim, now);
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
        }
    }

    /// Whether nobody is connected and no message was ever committed.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.publishers.load(Relaxed) == 0
            && self.subscribers.load(Relaxed) == 0
            && self.tail.next_seq() == 0
    }

    /// What `CHANNELS` says of it. A name needs no escapes.
    pub(crate) fn describe(&self) -> String {
        let (first, next, bytes) = self
            .tail
            .with(|window| (window.first_seq(), window.next_seq(), window.bytes()));
        format!(
            r#"{{"channel":"{}","epoch":"{}","first":{first},"next":{next},"bytes":{bytes},"subscribers":{},"publishers":{},"storage":"memory"}}"#,
            self.name,
            self.epoch,
            self.subscribers.load(Relaxed),
            self.publishers.load(Relaxed),
        )
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

/// What stands in a block behind so many messages.
fn behind(block: &Block, messages: u64) -> Block {
    let mut decoder = Decoder::new(Framing::default().server()).with_limit(u64::MAX);
    let mut chunk = decoder.chunk(block.bytes());
    let mut left = messages;
    // A block is whole frames that were checked when they came in.
    while left > 0 && matches!(chunk.next_event(), Ok(Some(Event::Message(_)))) {
        left -= 1;
    }
    drop(chunk);
    let mut bytes = block.bytes().clone();
    bytes.advance(usize::try_from(decoder.offset()).unwrap_or(bytes.len()));
    Block::new(bytes, block.messages() - messages)
}

#[cfg(test)]
mod tests;
