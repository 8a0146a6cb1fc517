//! The half of a follower that does no I/O: what to ask, what the bytes mean, and where each channel
//! goes on.

mod headings;
mod slots;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use tenfold_codec::{DecodeError, Decoder, ErrorKind, Framing};

use super::backoff::{Backoff, Next, WORKED};
use super::core::{Advance, Core};
use super::subscription::{MAX_ANSWER, encode_line};
use super::{ChannelMessage, Disconnected, Error, Follow, FollowerEvent};
use crate::inbox::Inbox;
use crate::protocol::{
    Answer, ChannelName, Code, Following as Answered, Heading, Place, Position, Refusal, Request,
};
use slots::{Slot, Slots};

/// What a follower asks, and where it is in each channel ([`Core`] says how it is driven).
///
/// | phase | the hub's frames are | a failure |
/// |---|---|---|
/// | apart | - | of connecting; tries again |
/// | asked | the answer | a bad frame: the peer is not a hub, and the client ends. Else it tries again |
/// | placing | headings: the place of each channel | tries again, as if nothing had come |
/// | streaming | headings, and as many messages after each as it says | tries again, with the place in each channel |
#[derive(Debug)]
pub struct Following {
    options: Follow,
    backoff: Backoff,
    inbox: Inbox,
    phase: Phase,
    /// The channels that are known.
    slots: Slots,
    /// All channels were known once: those that are not are new.
    is_placed: bool,
    /// They were told in this run.
    has_begun: bool,
    /// What the places of this connection make of the channels, until all of them have come.
    draft: Draft,
    /// The channel of the run, and how many of its messages are to come.
    current: usize,
    left: u64,
    notices: VecDeque<FollowerEvent<'static>>,
    /// Why the connection is over.
    over: Option<Over>,
    connected_at: Duration,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Apart,
    Asked,
    /// So many places are to come.
    Placing(u64),
    Streaming,
}

#[derive(Debug, Default)]
struct Draft {
    slots: Slots,
    notices: VecDeque<FollowerEvent<'static>>,
    answer: Option<Answered>,
}

/// How a connection is over.
#[derive(Debug)]
enum Over {
    Again(Error),
    Final(Error),
}

impl Following {
    /// One that has not connected yet.
    pub fn new(options: Follow) -> Self {
        let seed = options.common.seed();
        let slots = options.places.iter().flatten();
        Self {
            backoff: Backoff::new(&options.common, seed),
            inbox: new_inbox(options.limit),
            phase: Phase::Apart,
            slots: slots.map(Slot::at).collect(),
            is_placed: options.places.is_some(),
            has_begun: false,
            draft: Draft::default(),
            current: 0,
            left: 0,
            notices: VecDeque::new(),
            over: None,
            connected_at: Duration::ZERO,
            ended: false,
            options,
        }
    }

    /// Where it is in each channel; `None` before it has heard of all of them.
    pub fn places(&self) -> Option<Vec<Place>> {
        self.is_placed.then(|| self.slots.places().collect())
    }

    /// What [`advance`](Core::advance) came to.
    #[inline]
    pub fn take_event(&mut self) -> Option<FollowerEvent<'_>> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        self.message().map(FollowerEvent::Message)
    }

    /// The message that [`advance`](Core::advance) came to, lent.
    #[inline]
    pub fn message(&self) -> Option<ChannelMessage<&ChannelName, &[u8]>> {
        let bytes = self.inbox.message()?;
        let slot = self.slots.get(self.current)?;
        let seq = slot.next.wrapping_sub(1);
        Some(ChannelMessage::new(&slot.name, seq, bytes))
    }

    /// The same, owned.
    pub fn take_message(&mut self) -> Option<ChannelMessage> {
        let slot = self.slots.get(self.current)?;
        let (name, seq) = (slot.name.clone(), slot.next.wrapping_sub(1));
        let bytes = self.inbox.take_message()?;
        Some(ChannelMessage::new(name, seq, bytes))
    }

    /// A message of the run is in the inbox. Whether it is one that is wanted.
    #[inline]
    fn count(&mut self) -> bool {
        let length = self.inbox.message().map_or(0, <[u8]>::len) as u64;
        if length > self.options.limit {
            self.refuse_large(Some(length));
            return false;
        }
        self.left -= 1;
        let Some(slot) = self.slots.get_mut(self.current) else {
            return false;
        };
        let is_wanted = slot.is_wanted();
        slot.next += u64::from(is_wanted);
        is_wanted
    }

    #[cold]
    fn refuse_large(&mut self, length: Option<u64>) {
        let limit = self.options.limit;
        let slot = self.slots.get(self.current);
        let seq = slot.map_or(0, |slot| slot.next);
        let error = Error::TooLarge { seq, length, limit };
        self.over = Some(Over::Final(match slot {
            Some(slot) => error.in_channel(slot.name.clone()),
            None => error,
        }));
    }

    fn bad_frame(&mut self, error: DecodeError) {
        if self.phase == Phase::Asked && !error.is_truncated() {
            self.over = Some(Over::Final(Error::Frame(error)));
        } else if let ErrorKind::TooLarge { declared, .. } = *error.kind()
            && self.left > 0
        {
            self.refuse_large(declared);
        } else {
            self.lost(Error::Frame(error));
        }
    }

    /// Whether everything was given that was there at the beginning.
    fn is_at_stop(&self) -> bool {
        self.options.until_end && self.phase == Phase::Streaming && !self.slots.is_any_wanted()
    }

    /// Understands a frame that is not a message. What a later version says is passed over.
    fn take_line(&mut self) {
        let Some(line) = self.inbox.message() else {
            return self.lost(Error::Closed);
        };
        if self.phase == Phase::Asked {
            let answer = Answer::parse(line).and_then(|answer| match answer {
                Answer::Ok(keys) => Answered::try_from(&keys).map(Ok),
                Answer::Error(refusal) => Ok(Err(refusal)),
            });
            match answer {
                Ok(Ok(answer)) => self.begin_placing(answer),
                Ok(Err(refusal)) if self.may_be_otherwise(&refusal) => {
                    self.lost(Error::Refused(refusal));
                }
                Ok(Err(refusal)) => self.over = Some(Over::Final(Error::Refused(refusal))),
                Err(bad) => self.over = Some(Over::Final(Error::protocol(bad.to_string()))),
            }
            return;
        }
        if !line.starts_with(b"@") {
            let words = "it sends a message that no heading has announced";
            self.over = Some(Over::Final(Error::protocol(words)));
            return;
        }
        if let Some(Heading { channel, kind }) = Heading::parse(line)
            && let Ok(name) = self.slots.name(channel)
        {
            self.over = self.heading(name, kind).err().map(Over::Final);
        }
    }

    /// Whether the same request may succeed later, or at another hub: one of several may not have come yet to where
    /// another one was.
    fn may_be_otherwise(&self, refusal: &Refusal) -> bool {
        match refusal.code {
            Some(Code::Future) => self.backoff.hubs() > 1 && self.has_begun,
            code => code.is_some_and(Code::is_temporary),
        }
    }

    fn begin_placing(&mut self, answer: Answered) {
        self.draft = Draft {
            slots: self.slots.clone(),
            notices: VecDeque::new(),
            answer: Some(answer),
        };
        self.phase = Phase::Placing(answer.channels);
        self.end_placing();
    }

    /// Goes over to the messages, if all places have come.
    fn end_placing(&mut self) {
        if self.phase != Phase::Placing(0) {
            return;
        }
        self.phase = Phase::Streaming;
        self.is_placed = true;
        self.has_begun = true;
        self.slots = std::mem::take(&mut self.draft.slots);
        self.backoff.connected();
        if let Some(answer) = self.draft.answer {
            self.notices.push_back(FollowerEvent::Connected(answer));
        }
        self.notices.append(&mut self.draft.notices);
    }
}

impl Core for Following {
    type Answer = Answered;

    fn set_hubs(&mut self, count: usize) {
        self.backoff.set_hubs(count);
    }

    fn hub(&self) -> usize {
        self.backoff.hub()
    }

    fn answer_timeout(&self) -> Duration {
        self.options.common.answer_timeout
    }

    fn current_answer(&self) -> Option<Answered> {
        let answer = self.draft.answer;
        answer.filter(|_| self.phase == Phase::Streaming)
    }

    fn pass_over(&mut self) {
        drop(self.take_event());
    }

    #[inline]
    fn advance(&mut self) -> Advance {
        loop {
            if !self.notices.is_empty() {
                return Advance::Notice;
            }
            if self.ended || (self.left == 0 && self.is_at_stop()) {
                return Advance::Done;
            }
            if self.phase == Phase::Apart {
                return match self.over {
                    Some(_) => Advance::Cut,
                    None => Advance::NeedsConnection,
                };
            }
            // What has been received is given before a failure is looked at, unless it is of no use.
            if matches!(self.over, Some(Over::Final(_))) {
                return Advance::Cut;
            }
            match self.inbox.is_short() {
                Ok(false) if self.inbox.message().is_some() => {
                    if self.left == 0 {
                        self.take_line();
                    } else if self.count() {
                        return Advance::Message;
                    }
                }
                Ok(_) if self.over.is_some() => return Advance::Cut,
                Ok(true) => return Advance::NeedsBytes,
                Ok(false) => {
                    self.lost(Error::Closed);
                    return Advance::Cut;
                }
                Err(error) => {
                    self.bad_frame(error);
                    return Advance::Cut;
                }
            }
        }
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
        // To have heard of all channels is to have worked.
        let asked = now.saturating_sub(self.connected_at);
        let worked = self.phase == Phase::Streaming
            || (self.phase != Phase::Apart && self.phase != Phase::Asked && asked >= WORKED);
        self.phase = Phase::Apart;
        self.left = 0;
        self.draft = Draft::default();
        self.inbox = new_inbox(self.options.limit);
        let error = match self.over.take() {
            Some(Over::Final(error)) => {
                self.ended = true;
                return Err(error);
            }
            Some(Over::Again(error)) => error,
            None => Error::Closed,
        };
        match self.backoff.failed(now, worked) {
            Next::RetryIn(retry_in) => {
                let notice = Disconnected {
                    reason: error,
                    retry_in,
                };
                self.notices.push_back(FollowerEvent::Disconnected(notice));
                Ok(now + retry_in)
            }
            Next::Stop => {
                self.ended = true;
                Err(error)
            }
            Next::GiveUp(after) => {
                self.ended = true;
                Err(Error::GaveUp {
                    after,
                    last: Box::new(error),
                })
            }
        }
    }

    fn attempt(&mut self, now: Duration) -> Duration {
        self.backoff
            .attempt(now, self.options.common.connect_timeout)
    }

    fn connected(&mut self, now: Duration) -> Vec<u8> {
        self.phase = Phase::Asked;
        self.connected_at = now;
        // What it does not know has appeared since, once it has known all.
        let from = if self.is_placed {
            Position::First
        } else {
            self.options.from
        };
        let request = Request::follow(self.options.patterns.clone(), from);
        let mut bytes = encode_line(&request.with_token(self.options.common.token.as_ref()));
        if self.is_placed {
            for place in self.slots.places() {
                bytes.append(&mut encode_line(&place.to_string()));
            }
        }
        bytes.append(&mut encode_line(""));
        bytes
    }

    fn awaits_answer(&self) -> bool {
        matches!(self.phase, Phase::Asked | Phase::Placing(_))
    }

    fn stop(&mut self) {
        self.ended = true;
        self.phase = Phase::Apart;
    }
}

fn new_inbox(limit: u64) -> Inbox {
    let decoder = Decoder::new(Framing::default().server());
    Inbox::new(decoder.with_limit(limit.max(MAX_ANSWER)))
}
