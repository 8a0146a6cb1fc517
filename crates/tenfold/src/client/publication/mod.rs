//! The half of a publisher that does no I/O: what is kept, what to send, what the hub's frames mean.

mod hearing;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use tenfold_codec::{Decoder, EncodeError, Framing};

use super::backoff::{Backoff, Next, WORKED};
use super::subscription::{MAX_ANSWER, encode_line};
use super::unacknowledged::{Unacknowledged, Unwritten};
use super::{Disconnected, Error, Notice, Publish, Start};
use crate::protocol::{Acks, Epoch, ProducerId, Request};

/// How long the hub may take to commit what is left, once the publisher has ended.
const LAST_ACK: Duration = Duration::from_secs(10);

/// How long a hub may acknowledge nothing of what it was sent, if there is another one to go to. It is twice as long
/// after each hub in a row that did not, up to 16 times: over a slow network a large message takes its time.
const NEXT_ACK: Duration = Duration::from_secs(5);

/// How long to wait for the hub's end when everything is acknowledged.
const LAST_END: Duration = crate::closing::WAIT;

/// A client that publishes, without I/O.
///
/// Two sides drive it. The caller's side [`accept`](Self::accept)s messages while there
/// [`is_room`](Self::is_room). The connection's side goes round:
///
/// 1. [`connected`](Self::connected) when there is a connection; send the request that it gives;
/// 2. write what [`outgoing`](Self::outgoing) gives, and say with [`wrote`](Self::wrote) how much;
///    feed what comes to [`received`](Self::received), or say that it [`ended`](Self::ended) or was
///    [`lost`](Self::lost); tell [`timed_out`](Self::timed_out) when [`patience`](Self::patience)
///    is over, counted from when that became another one; until it [`is_cut`](Self::is_cut);
/// 3. let go of the connection; [`cut`](Self::cut) says when to make the next one.
///
/// It begins a close with [`begin_close`](Self::begin_close), and there is a [`result`](Self::result) once nothing
/// more is to be done. Time is the time since any fixed moment.
//
// Messages have two numbers. Here they count from the first that this publisher was given; at the
// hub from the producer's first. They differ by `offset`.
//
// Invariant: `acknowledged <= unacknowledged.sent() <= unacknowledged.accepted()`, and what is not acknowledged
// is in `unacknowledged` (with `acks=none`: what is not written).
#[derive(Debug)]
pub struct Publication {
    options: Publish,
    producer: Option<ProducerId>,
    backoff: Backoff,
    decoder: Decoder,
    phase: Phase,
    unacknowledged: Unacknowledged,
    /// The hub's number of the message that is 0 here.
    offset: i128,
    /// How many messages the caller has given: those that the hub had already are not accepted.
    given: u64,
    acknowledged: u64,
    /// Messages that were written to a connection that then broke, and are not kept.
    unknown: u64,
    epoch: Option<Epoch>,
    /// How many messages of the producer the hub had at first.
    committed: Option<u64>,
    notices: VecDeque<Notice>,
    over: Option<Over>,
    connected_at: Duration,
    /// This connection has brought an acknowledgement.
    brought: bool,
    /// So many connections in a row have ended because nothing was acknowledged.
    unheard: u32,
    closing: bool,
    result: Option<Result<(), Error>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Apart,
    Asked,
    Open,
    /// Everything is sent, and writing is shut down.
    Shut,
}

/// How a connection is over.
#[derive(Debug)]
enum Over {
    Again(Error),
    Final(Error),
    /// Everything has arrived, and the hub was told that it is all.
    Complete,
}

/// What the hub is to say or do next, and how long it may take for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long.
    pub time: Duration,
    /// A next acknowledgement is awaited beyond so many messages.
    beyond: Option<u64>,
}

/// What to do with a connection that can be written to.
#[derive(Debug)]
pub enum Outgoing {
    /// Write these.
    Bytes(Unwritten),
    /// Shut down writing.
    Shutdown,
    /// Nothing for now.
    Nothing,
}

impl Publication {
    /// One that has not connected yet.
    pub fn new(options: Publish) -> Self {
        let seed = options.common.seed();
        let mut backoff = Backoff::new(&options.common, seed);
        let producer = match (&options.producer, options.acks) {
            // Nothing is resent, so nothing needs to be counted.
            (None, Some(Acks::None)) => None,
            (None, _) => Some(ProducerId::temporary(backoff.random())),
            (Some(producer), _) => Some(producer.clone()),
        };
        Self {
            producer,
            backoff,
            decoder: new_decoder(),
            phase: Phase::Apart,
            unacknowledged: Unacknowledged::new(),
            offset: 0,
            given: 0,
            acknowledged: 0,
            unknown: 0,
            epoch: None,
            committed: None,
            notices: VecDeque::new(),
            over: None,
            connected_at: Duration::ZERO,
            brought: false,
            unheard: 0,
            closing: false,
            result: None,
            options,
        }
    }

    pub(crate) fn options(&self) -> &Publish {
        &self.options
    }

    /// How many messages of the producer the hub had at first; `None` before it has answered.
    pub fn committed(&self) -> Option<u64> {
        self.committed
    }

    /// How many messages were given.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// How many of those are known to be at the hub.
    pub fn acknowledged(&self) -> u64 {
        (self.acknowledged - self.unknown).min(self.given)
    }

    /// Whether nothing is kept.
    pub fn is_flushed(&self) -> bool {
        self.unacknowledged.is_empty() && self.knows_start()
    }

    /// How it has ended, if it has.
    pub fn result(&self) -> Option<Result<(), Error>> {
        self.result.clone()
    }

    /// Says that it has ended without having been able to say how.
    pub(crate) fn abandon(&mut self) {
        self.result.get_or_insert(Err(Error::Ended));
    }

    /// Ends it now, without regard to what is not acknowledged.
    pub fn stop(&mut self) {
        self.result.get_or_insert(Err(Error::Stopped));
    }

    /// Whether a message of this length is taken now. Messages of a history wait until it is known
    /// how many of them the hub has.
    pub fn is_room(&self, len: usize) -> bool {
        if self.unacknowledged.is_empty() {
            return self.knows_start();
        }
        let kept = self.unacknowledged.accepted() - self.unacknowledged.released();
        let bytes = self
            .unacknowledged
            .bytes()
            .saturating_add(len)
            .saturating_add(10);
        bytes <= self.options.window_bytes && kept < self.options.window_messages
    }

    /// Takes a message for which there [`is_room`](Self::is_room).
    pub fn accept(&mut self, message: &[u8]) -> Result<(), EncodeError> {
        // Those before were accepted in an earlier run.
        if self.given >= self.unacknowledged.accepted() {
            self.unacknowledged.accept(message)?;
        }
        self.given += 1;
        Ok(())
    }

    /// No message will follow.
    pub fn begin_close(&mut self) {
        self.closing = true;
        if self.phase == Phase::Apart && self.is_complete() {
            self.result.get_or_insert(Ok(()));
        }
    }

    /// There are so many hubs to connect to, which have the same channels; one if it is not said.
    pub fn set_hubs(&mut self, count: usize) {
        self.backoff.set_hubs(count);
    }

    /// Which of the hubs is to be connected to, counted from 0.
    pub fn hub(&self) -> usize {
        self.backoff.hub()
    }

    /// A connection is to be made now. How long that may take.
    pub fn attempt(&mut self, now: Duration) -> Duration {
        self.backoff
            .attempt(now, self.options.common.connect_timeout)
    }

    /// A connection is there. The bytes to send.
    pub fn connected(&mut self, now: Duration) -> Unwritten {
        self.phase = Phase::Asked;
        self.connected_at = now;
        self.brought = false;
        let request = Request::Publish {
            channel: self.options.channel.clone(),
            producer: self.producer.clone(),
            acks: self.options.acks,
        };
        Unwritten::new(encode_line(
            &request.with_token(self.options.common.token.as_ref()),
        ))
    }

    /// What to do next with the connection.
    pub fn outgoing(&mut self) -> Outgoing {
        if self.phase != Phase::Open || self.is_cut() {
            return Outgoing::Nothing;
        }
        if let Some(unwritten) = self.unacknowledged.unwritten() {
            return Outgoing::Bytes(unwritten);
        }
        if self.closing {
            self.phase = Phase::Shut;
            return Outgoing::Shutdown;
        }
        Outgoing::Nothing
    }

    /// The connection has taken the next `n` bytes of messages. Whether some are let go of.
    pub fn wrote(&mut self, n: usize) -> bool {
        self.unacknowledged.wrote(n);
        if self.keeps_nothing() {
            let written = self.unacknowledged.written();
            self.unacknowledged.note_sent();
            self.unacknowledged.release(written);
        }
        self.keeps_nothing()
    }

    /// How long the hub may take for what it is to say or do next.
    pub fn patience(&self) -> Option<Patience> {
        let (time, beyond) = match self.phase {
            Phase::Asked => (self.options.common.answer_timeout, None),
            Phase::Open if self.goes_elsewhere() => (
                NEXT_ACK * (1 << self.unheard.min(4)),
                Some(self.acknowledged),
            ),
            Phase::Shut if self.is_complete() => (LAST_END, None),
            Phase::Shut => (LAST_ACK, None),
            Phase::Apart | Phase::Open => return None,
        };
        Some(Patience { time, beyond })
    }

    /// The time that [`patience`](Self::patience) said is over.
    pub fn timed_out(&mut self) {
        let Some(Patience { time: waited, .. }) = self.patience() else {
            return;
        };
        let error = if self.phase == Phase::Open {
            self.unheard += 1;
            Error::NoAck { waited }
        } else {
            Error::NoAnswer { waited }
        };
        self.over.get_or_insert(Over::Again(error));
        self.settle_end();
    }

    /// The hub's next bytes.
    pub fn received(&mut self, bytes: &[u8]) {
        self.decoder.feed(bytes);
        while self.over.is_none() {
            let frame = match self.decoder.next_event() {
                Ok(Some(tenfold_codec::Event::Message(frame))) => frame.to_vec(),
                Ok(_) => return,
                Err(error) => return self.over = Some(Over::Final(Error::Frame(error))),
            };
            let meant = match self.phase {
                Phase::Asked => self.answered(&frame),
                _ => self.said(&frame),
            };
            self.over = meant.err();
        }
    }

    /// The hub has ended.
    pub fn ended(&mut self) {
        self.decoder.finish();
        let error = match self.decoder.next_event() {
            Err(error) => Error::Frame(error),
            Ok(_) => Error::Closed,
        };
        self.lost(error);
    }

    /// The connection could not be made, or failed.
    pub fn lost(&mut self, error: Error) {
        self.over.get_or_insert(Over::Again(error));
        self.settle_end();
    }

    /// Whether the connection is of no use any more.
    pub fn is_cut(&self) -> bool {
        self.over.is_some()
    }

    /// The connection is let go of. When to make the next one; `None` if there is a
    /// [`result`](Self::result).
    pub fn cut(&mut self, now: Duration) -> Option<Duration> {
        let lasted = now.saturating_sub(self.connected_at);
        let worked =
            matches!(self.phase, Phase::Open | Phase::Shut) && (self.brought || lasted >= WORKED);
        self.let_go();
        let error = match self.over.take() {
            Some(Over::Complete) => return self.end(Ok(())),
            Some(Over::Final(error)) => return self.end(Err(error)),
            Some(Over::Again(error)) => error,
            None => Error::Closed,
        };
        if self.closing && self.is_complete() {
            return self.end(Ok(()));
        }
        match self.backoff.failed(now, worked) {
            Next::RetryIn(retry_in) => {
                let notice = Disconnected {
                    reason: error,
                    retry_in,
                };
                self.notices.push_back(Notice::Disconnected(notice));
                Some(now + retry_in)
            }
            Next::Stop => self.end(Err(error)),
            Next::GiveUp(after) => self.end(Err(Error::GaveUp {
                after,
                last: Box::new(error),
            })),
        }
    }

    /// What is to be told to the observer.
    pub fn take_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn end(&mut self, result: Result<(), Error>) -> Option<Duration> {
        self.result.get_or_insert(result);
        None
    }

    /// Forgets the connection, and remembers what it took.
    fn let_go(&mut self) {
        if matches!(self.phase, Phase::Open | Phase::Shut) {
            self.unacknowledged.note_sent();
            let written = self.unacknowledged.written();
            if self.keeps_nothing() && written > self.acknowledged {
                self.unacknowledged.release(written);
                if self.producer.is_none() && !matches!(self.over, Some(Over::Complete)) {
                    self.unknown += written - self.acknowledged;
                    self.acknowledged = written;
                }
            }
        }
        self.phase = Phase::Apart;
        self.decoder = new_decoder();
    }

    /// The hub has a message that it is to acknowledge, and there is another hub.
    fn goes_elsewhere(&self) -> bool {
        self.backoff.hubs() > 1
            && !self.keeps_nothing()
            && self.unacknowledged.has_written_the_first()
    }

    /// Messages are let go of as soon as they are written.
    fn keeps_nothing(&self) -> bool {
        self.options.acks == Some(Acks::None)
    }

    /// It is known, or does not matter, how many messages the hub had at first.
    fn knows_start(&self) -> bool {
        self.committed.is_some() || self.options.start != Start::History
    }

    /// The hub has answered once, and everything has arrived.
    fn is_complete(&self) -> bool {
        self.committed.is_some()
            && self.acknowledged == self.unacknowledged.accepted()
            && self.unknown == 0
    }

    /// A connection that ends after the last acknowledgement has not failed.
    fn settle_end(&mut self) {
        if self.phase != Phase::Shut || !matches!(self.over, Some(Over::Again(_))) {
            return;
        }
        if self.is_complete() {
            self.over = Some(Over::Complete);
        } else if self.keeps_nothing() && matches!(self.over, Some(Over::Again(Error::Closed))) {
            self.over = Some(Over::Final(Error::Unacknowledged {
                acknowledged: self.acknowledged(),
                sent: self.given,
            }));
        }
    }
}

fn new_decoder() -> Decoder {
    Decoder::new(Framing::default().server()).with_limit(MAX_ANSWER)
}
