//! The rules of a publishing connection, without its socket, its channel or a clock.

use std::mem;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tenfold::native::HEADER;
use tenfold::protocol::{Acks, Code, Refusal, ack};
use tenfold::{Encoder, Framing};

use crate::block::Block;
use crate::claim::ClaimProgress;
use crate::intake::Intake;
use crate::refusals::bad_frame;

/// What was received from a publisher, what it is told, and in which order.
///
/// ```text
///   state        in                                         out
///   receiving    frames: blocks to be committed             OK, one ACK at a time
///   ending       nothing more                               the last ACK, the error if there is one
///   ended        nothing                                    nothing
/// ```
///
/// To drive it: receive into [`space`](Self::space) while it [`is_receiving`](Self::is_receiving)
/// and say how it went ([`received`](Self::received), [`peer_ended`](Self::peer_ended)); commit the
/// blocks of [`take_block`](Self::take_block) and say how many messages are committed
/// ([`progressed`](Self::progressed)); send [`output`](Self::output) and say how much of it has gone
/// ([`sent`](Self::sent)); look at [`expired`](Self::expired) when [`deadline`](Self::deadline) has
/// come. Whatever else ends it is told by [`end`](Self::end).
#[derive(Debug)]
pub(crate) struct Publishing {
    intake: Intake,
    voice: Voice,
    timeouts: Timeouts,
    /// How many messages an `ACK` would say, and how many were committed when it began.
    committed: u64,
    base: u64,
    /// Nothing of what was received is on its way.
    is_settled: bool,
    /// What is being sent, and how much of it has gone.
    unsent: Vec<u8>,
    gone: usize,
    /// The number of the last `ACK` that was sent or is being sent.
    acknowledged: Option<u64>,
    /// How many acknowledgements were said that nobody has counted yet.
    acks: u64,
    /// Why nothing more is received.
    ending: Option<Ending>,
    /// Since when the frame under way has brought too little, and what was there of it then.
    mark: Option<(Instant, usize)>,
}

/// What a publisher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Acknowledgements, and why it ends.
    Protocol(Acks),
    /// Nothing, on a plain port.
    Silent,
}

/// How long a frame may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) header: Duration,
    pub(crate) stall: Duration,
}

/// Why a publisher's stream ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The peer has said that it is done.
    Complete,
    /// This is wrong. The peer is told once, unless the port is silent.
    Refused(Refusal, Said),
}

/// Whether an error has been put into the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    NotYet,
    Yes,
}

/// A message beyond this must go on faster, and needs a place among the large ones for more than
/// its first part.
pub(crate) const LARGE: u64 = 1 << 20;
/// What of a large message is received before it has a place.
pub(crate) const FIRST_PART: usize = 64 * 1024;

impl Publishing {
    /// The rules for a connection whose first frame was a request, or which needed none.
    pub(crate) fn new(intake: Intake, limit: u64, voice: Voice, timeouts: Timeouts) -> Self {
        Self {
            intake: intake.switch_to(Framing::default().client(), limit),
            voice,
            timeouts,
            committed: 0,
            base: 0,
            is_settled: true,
            unsent: Vec::new(),
            gone: 0,
            acknowledged: None,
            acks: 0,
            ending: None,
            mark: None,
        }
    }

    /// Says yes: what is committed so far, and the answer to the request, if there was one. Then looks at what came
    /// together with the request, or with a token.
    pub(crate) fn begin(&mut self, committed: u64, answer: &str, now: Instant) {
        self.committed = committed;
        self.base = committed;
        if let Voice::Protocol(_) = self.voice {
            self.say(answer);
        }
        self.received(now);
    }

    /// Whether nothing is ever said: the port needs no request.
    pub(crate) fn is_silent(&self) -> bool {
        self.voice == Voice::Silent
    }

    /// Whether there is any use in receiving.
    pub(crate) fn is_receiving(&self) -> bool {
        self.ending.is_none()
    }

    /// Where to receive into, and how much.
    pub(crate) fn space(&mut self, most: usize) -> (&mut BytesMut, usize) {
        let room = self.room().min(most);
        (self.intake.space(), room)
    }

    /// How much it would like to receive.
    pub(crate) fn room(&self) -> usize {
        self.intake.room()
    }

    /// Bytes that were received and are in no block yet.
    pub(crate) fn held(&self) -> usize {
        self.intake.held()
    }

    /// Whether what is under way needs a place among the large messages before it can go on.
    pub(crate) fn needs_place(&self) -> bool {
        self.intake.large().is_some_and(|length| length > LARGE) && self.held() >= FIRST_PART
    }

    /// Whether what is under way is a large message.
    pub(crate) fn is_large(&self) -> bool {
        self.intake.large().is_some_and(|length| length > LARGE)
    }

    /// Understands what was received.
    pub(crate) fn received(&mut self, now: Instant) {
        if self.ending.is_some() {
            return;
        }
        if let Err(error) = self.intake.scan(u64::MAX) {
            self.end(bad_frame(&error, self.intake.origin()));
        }
        self.note_progress(now);
    }

    /// The peer will send nothing more.
    pub(crate) fn peer_ended(&mut self, now: Instant) {
        self.intake.finish();
        self.received(now);
        self.ending.get_or_insert(Ending::Complete);
    }

    /// What was received could not be kept. That is said in the place of whatever was to be said.
    pub(crate) fn fail(&mut self, refusal: Refusal) {
        match &self.ending {
            Some(Ending::Refused(_, Said::Yes)) => {}
            // Fenced is final. After any other error, the producer's old connection would come back
            // and fence the new one.
            Some(Ending::Refused(said, _)) if said.code == Some(Code::Fenced) => {}
            _ => self.ending = Some(Ending::Refused(refusal, Said::NotYet)),
        }
    }

    /// Nothing more is received. What was received whole is still committed.
    pub(crate) fn end(&mut self, refusal: Refusal) {
        self.ending
            .get_or_insert(Ending::Refused(refusal, Said::NotYet));
    }

    /// The next frames to be committed.
    pub(crate) fn take_block(&mut self, now: Instant) -> Option<Block> {
        let block = self.intake.take_block();
        if block.messages() > 0 {
            // What is left is another frame.
            self.mark = None;
        }
        self.note_progress(now);
        (block.messages() > 0).then_some(block)
    }

    /// How far what was received is, where it takes its time to be committed.
    pub(crate) fn progressed(&mut self, progress: ClaimProgress) {
        let counts = match self.voice {
            Voice::Protocol(Acks::Memory) => progress.accepted,
            _ => progress.committed,
        };
        self.committed = self.committed.max(counts);
        self.is_settled = progress.is_settled;
    }

    /// What is to be sent: at most one `ACK` that is not sent is kept, the newest.
    pub(crate) fn output(&mut self) -> &[u8] {
        if self.gone == self.unsent.len() {
            self.unsent.clear();
            self.gone = 0;
            self.speak();
        }
        &self.unsent[self.gone..]
    }

    /// So much of the output has gone.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.gone += bytes;
    }

    /// Whether it is over once the output has gone. To be asked when no block is left.
    pub(crate) fn is_ended(&mut self) -> bool {
        self.ending.is_some() && self.is_settled && self.output().is_empty()
    }

    /// Why it ends.
    pub(crate) fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// How many acknowledgements were said since the last call.
    pub(crate) fn take_acks(&mut self) -> u64 {
        std::mem::take(&mut self.acks)
    }

    fn speak(&mut self) {
        let Voice::Protocol(acks) = self.voice else {
            return;
        };
        // What is said at the end is said when everything is committed or refused.
        let mut ending = self.ending.as_mut().filter(|_| self.is_settled);
        let due = match (&ending, acks) {
            (None, Acks::None) => false,
            (Some(Ending::Complete), _) => self.acknowledged != Some(self.committed),
            // What the answer has said need not be said again before the end.
            _ => self.acknowledged.unwrap_or(self.base) < self.committed,
        };
        let line = match &mut ending {
            Some(Ending::Refused(refusal, said @ Said::NotYet)) => {
                *said = Said::Yes;
                Some(refusal.to_string())
            }
            _ => None,
        };
        if due {
            self.acknowledged = Some(self.committed);
            self.acks += 1;
            self.say(&ack(self.committed));
        }
        if let Some(line) = line {
            self.say(&line);
        }
    }

    fn say(&mut self, line: &str) {
        // A line is far from the length that would not fit a header.
        let _ = Encoder::new(Framing::default().server()).encode(line.as_bytes(), &mut self.unsent);
    }

    /// Starts the clock again when the frame under way has got on.
    fn note_progress(&mut self, now: Instant) {
        let held = self.held();
        if held == 0 {
            self.mark = None;
            return;
        }
        match self.mark {
            // The first bytes after a header are a stage of their own.
            Some((_, before)) if before < HEADER && held < HEADER => {}
            Some((_, before))
                if before >= HEADER && held >= before && held - before < self.step(before) => {}
            _ => self.mark = Some((now, held)),
        }
    }

    /// How much more has to come in each stretch of time.
    fn step(&self, held: usize) -> usize {
        match held {
            _ if self.is_large() => FIRST_PART,
            Intake::FIRST_ROOM.. => Intake::FIRST_ROOM,
            _ => 1,
        }
    }

    /// When the frame under way must have got on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (since, held) = self.mark?;
        let time = if held < HEADER {
            self.timeouts.header
        } else {
            self.timeouts.stall
        };
        self.is_receiving().then(|| since + time)
    }

    /// Ends it if the deadline has come.
    pub(crate) fn expired(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            let words = if self.held() < HEADER {
                "the rest of the header did not come in time"
            } else {
                "the rest of the message did not come in time"
            };
            self.end(Refusal::new(Code::Timeout, words));
        }
    }

    /// The time while the hub did not receive does not count against the peer.
    pub(crate) fn pardon(&mut self, now: Instant) {
        if let Some((since, _)) = &mut self.mark {
            *since = now;
        }
    }

    /// Gives memory back before a wait.
    pub(crate) fn rest(&mut self) {
        self.intake.rest();
        if self.gone == self.unsent.len() {
            self.gone = 0;
            mem::take(&mut self.unsent);
        }
    }
}

#[cfg(test)]
mod tests;
