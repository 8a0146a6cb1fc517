//! The half of a subscriber that does no I/O: what to ask, what the bytes mean, and where to go on.

mod gaps;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use tenfold_codec::{DecodeError, Decoder, Encoder, ErrorKind, Framing};

use super::backoff::{Backoff, Next, WORKED};
use super::core::{Advance, Core};
use super::{Disconnected, Error, Gap, GapReason, Message, Subscribe, SubscriberEvent};
use crate::inbox::Inbox;
use crate::protocol::{Answer, Epoch, Position, Request, Subscribed};

/// The largest answer that is taken for one.
pub(crate) const MAX_ANSWER: u64 = 64 * 1024;

/// What a subscriber asks, and where it is ([`Core`] says how it is driven).
///
/// | phase | the hub's frames are | a failure |
/// |---|---|---|
/// | apart | - | of connecting; tries again |
/// | asked | the answer | a bad frame: the peer is not a hub, and the client ends. Else it tries again |
/// | streaming | messages | tries again, with the seq of the next message |
#[derive(Debug)]
pub struct Subscription {
    options: Subscribe,
    backoff: Backoff,
    inbox: Inbox,
    phase: Phase,
    /// What the next request asks for.
    place: Position,
    epoch: Option<Epoch>,
    /// The seq of the next message; means nothing before the first answer.
    next: u64,
    /// The last answer.
    answer: Option<Subscribed>,
    /// The seq before which to end.
    stop_at: Option<u64>,
    /// Messages that cannot be had, until it is known with which one it goes on.
    gap: Option<Gap>,
    notices: VecDeque<SubscriberEvent<'static>>,
    /// Why the connection is over.
    over: Option<Over>,
    connected_at: Duration,
    /// This connection has brought a message.
    brought: bool,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Apart,
    Asked,
    Streaming,
}

/// How a connection is over.
#[derive(Debug)]
enum Over {
    Again(Error),
    Final(Error),
    /// Not a failure: another place is to be asked for; `true` if it is the second time in a row.
    Elsewhere(bool),
}

impl Subscription {
    /// One that has not connected yet.
    pub fn new(options: Subscribe) -> Self {
        let seed = options.common.seed();
        Self {
            backoff: Backoff::new(&options.common, seed),
            inbox: new_inbox(options.limit),
            phase: Phase::Apart,
            place: options.from,
            epoch: options.epoch,
            next: 0,
            answer: None,
            stop_at: None,
            gap: None,
            notices: VecDeque::new(),
            over: None,
            connected_at: Duration::ZERO,
            brought: false,
            ended: false,
            options,
        }
    }

    /// The seq of the next message. `None` while it is not known.
    pub fn next_seq(&self) -> Option<u64> {
        match self.answer {
            Some(_) => Some(self.next),
            None => match self.options.from {
                Position::Seq(seq) => Some(seq),
                _ => None,
            },
        }
    }

    /// The epoch of that seq: the one that the hub told last. `None` while it is not known.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// The hub's last answer.
    pub fn answer(&self) -> Option<&Subscribed> {
        self.answer.as_ref()
    }

    /// What [`advance`](Core::advance) came to.
    ///
    /// A [`Message`](SubscriberEvent::Message) is lent until the core is asked for something else.
    #[inline]
    pub fn take_event(&mut self) -> Option<SubscriberEvent<'_>> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        self.message().map(SubscriberEvent::Message)
    }

    /// The message that [`advance`](Core::advance) came to, lent.
    #[inline]
    pub fn message(&self) -> Option<Message<&[u8]>> {
        let seq = self.next.wrapping_sub(1);
        let bytes = self.inbox.message()?;
        Some(Message { seq, bytes })
    }

    /// The same, owned.
    pub fn take_message(&mut self) -> Option<Message> {
        let seq = self.next.wrapping_sub(1);
        let bytes = self.inbox.take_message()?;
        Some(Message { seq, bytes })
    }

    fn end(&mut self, error: Error) -> Result<Duration, Error> {
        self.ended = true;
        Err(error)
    }

    #[inline]
    fn is_at_stop(&self) -> bool {
        self.stop_at.is_some_and(|stop| self.next >= stop)
    }

    /// A message is in the inbox.
    #[inline]
    fn count(&mut self) -> Advance {
        if self.message_len() > self.options.limit {
            return self.refuse_large(Some(self.message_len()));
        }
        self.next += 1;
        self.brought = true;
        Advance::Message
    }

    #[inline]
    fn message_len(&self) -> u64 {
        self.inbox.message().map_or(0, |bytes| bytes.len() as u64)
    }

    #[cold]
    fn refuse_large(&mut self, length: Option<u64>) -> Advance {
        self.over = Some(Over::Final(Error::TooLarge {
            seq: self.next,
            length,
            limit: self.options.limit,
        }));
        Advance::Cut
    }

    fn nothing_there(&mut self, is_short: bool) -> Advance {
        if self.over.is_some() {
            return Advance::Cut;
        }
        if is_short {
            return Advance::NeedsBytes;
        }
        self.lost(Error::Closed);
        Advance::Cut
    }

    fn bad_message(&mut self, error: DecodeError) {
        if let ErrorKind::TooLarge { declared, .. } = *error.kind() {
            self.refuse_large(declared);
        } else {
            self.lost(Error::Frame(error));
        }
    }

    fn advance_slowly(&mut self) -> Advance {
        if !self.notices.is_empty() {
            return Advance::Notice;
        }
        if self.ended || (self.answer.is_some() && self.is_at_stop()) {
            return Advance::Done;
        }
        if self.over.is_some() {
            return Advance::Cut;
        }
        if self.phase == Phase::Apart {
            return Advance::NeedsConnection;
        }
        match self.inbox.is_short() {
            Ok(true) => return Advance::NeedsBytes,
            Ok(false) => self.take_answer(),
            Err(error) if error.is_truncated() => self.lost(Error::Frame(error)),
            Err(error) => self.over = Some(Over::Final(Error::Frame(error))),
        }
        if self.over.is_some() {
            Advance::Cut
        } else {
            self.advance()
        }
    }

    fn take_answer(&mut self) {
        let Some(line) = self.inbox.message() else {
            return self.lost(Error::Closed);
        };
        let answer = Answer::parse(line).and_then(|answer| match answer {
            Answer::Ok(keys) => Subscribed::try_from(&keys).map(Ok),
            Answer::Error(refusal) => Ok(Err(refusal)),
        });
        let decided = match answer {
            Ok(Ok(answer)) => self.accept(answer),
            Ok(Err(refusal)) => Err(self.refused(refusal)),
            Err(bad) => Err(Over::Final(Error::protocol(bad.to_string()))),
        };
        self.over = decided.err();
    }

    fn accept(&mut self, answer: Subscribed) -> Result<(), Over> {
        // The epoch may be a newer one: a hub that accepts the place says that its history goes on from there.
        if !fits(&answer, self.place) {
            let words = format!("asked from={}, and it answered {answer}", self.place);
            return Err(Over::Final(Error::protocol(words)));
        }
        self.backoff.connected();
        self.phase = Phase::Streaming;
        self.notices.push_back(SubscriberEvent::Connected(answer));
        if let Some(gap) = self.gap.take() {
            self.notices.push_back(SubscriberEvent::Gap(Gap {
                available: answer.from,
                epoch: Some(answer.epoch),
                ..gap
            }));
            if gap.reason == GapReason::Epoch {
                // The end that was aimed at is one of another history.
                self.stop_at = None;
            }
        }
        if self.options.until_end {
            self.stop_at.get_or_insert(answer.next);
        }
        self.next = answer.from;
        self.epoch = Some(answer.epoch);
        self.answer = Some(answer);
        Ok(())
    }
}

impl Core for Subscription {
    type Answer = Subscribed;

    fn set_hubs(&mut self, count: usize) {
        self.backoff.set_hubs(count);
    }

    fn hub(&self) -> usize {
        self.backoff.hub()
    }

    fn answer_timeout(&self) -> Duration {
        self.options.common.answer_timeout
    }

    fn current_answer(&self) -> Option<Subscribed> {
        self.answer.filter(|_| self.phase == Phase::Streaming)
    }

    fn pass_over(&mut self) {
        drop(self.take_event());
    }

    #[inline]
    fn advance(&mut self) -> Advance {
        if self.phase == Phase::Streaming && self.notices.is_empty() && !self.is_at_stop() {
            // What has been received is given before a failure is looked at.
            match self.inbox.is_short() {
                Ok(false) if self.inbox.message().is_some() => return self.count(),
                Ok(is_short) => return self.nothing_there(is_short),
                Err(error) => self.bad_message(error),
            }
        }
        self.advance_slowly()
    }

    fn space(&mut self) -> &mut [u8] {
        self.inbox.decoder.space()
    }

    fn received(&mut self, n: usize) {
        self.inbox.advance(n);
    }

    fn release(&mut self) {
        self.inbox.decoder.release();
    }

    fn lost(&mut self, error: Error) {
        self.over.get_or_insert(Over::Again(error));
    }

    fn cut(&mut self, now: Duration) -> Result<Duration, Error> {
        let asked = now.saturating_sub(self.connected_at);
        let worked = self.phase == Phase::Streaming && (self.brought || asked >= WORKED);
        if self.phase == Phase::Streaming {
            self.place = Position::Seq(self.next);
        }
        self.phase = Phase::Apart;
        self.inbox = new_inbox(self.options.limit);
        let error = match self.over.take() {
            Some(Over::Elsewhere(false)) => return Ok(now),
            Some(Over::Elsewhere(true)) => return Ok(now + self.backoff.pause()),
            Some(Over::Final(error)) => return self.end(error),
            Some(Over::Again(error)) => error,
            None => Error::Closed,
        };
        match self.backoff.failed(now, worked) {
            Next::RetryIn(retry_in) => {
                let notice = Disconnected {
                    reason: error,
                    retry_in,
                };
                self.notices
                    .push_back(SubscriberEvent::Disconnected(notice));
                Ok(now + retry_in)
            }
            Next::Stop => self.end(error),
            Next::GiveUp(after) => self.end(Error::GaveUp {
                after,
                last: Box::new(error),
            }),
        }
    }

    fn attempt(&mut self, now: Duration) -> Duration {
        self.backoff
            .attempt(now, self.options.common.connect_timeout)
    }

    fn connected(&mut self, now: Duration) -> Vec<u8> {
        self.phase = Phase::Asked;
        self.connected_at = now;
        self.brought = false;
        let request = Request::Subscribe {
            channel: self.options.channel.clone(),
            from: self.place,
            epoch: self.epoch,
        };
        encode_line(&request.with_token(self.options.common.token.as_ref()))
    }

    fn awaits_answer(&self) -> bool {
        self.phase == Phase::Asked
    }

    fn stop(&mut self) {
        self.ended = true;
        self.phase = Phase::Apart;
    }
}

/// Whether an answer is one to a request for this place.
fn fits(answer: &Subscribed, place: Position) -> bool {
    let Subscribed {
        from, first, next, ..
    } = *answer;
    let newest = |count: u64| next.saturating_sub(count).max(first);
    let exact = match place {
        Position::First => from == first,
        Position::Next => from == next,
        Position::Last => from == newest(1),
        Position::Seq(seq) => from == seq,
        Position::Newest(count) => from == newest(count),
        Position::At(_) => true,
    };
    exact && first <= from && from <= next
}

/// The frame of a line.
pub(crate) fn encode_line(line: &str) -> Vec<u8> {
    format!("{:<10}{line}", line.len()).into_bytes()
}

fn new_inbox(limit: u64) -> Inbox {
    let decoder = Decoder::new(Framing::default().server());
    Inbox::new(decoder.with_limit(limit.max(MAX_ANSWER)))
}

/// An encoder of what a client sends.
pub(crate) fn new_encoder() -> Encoder {
    Encoder::new(Framing::default().client())
}
