//! The decoder's way through a stream: the fast path as far as it goes, and the frame under way
//! byte by byte.
//!
//! | stage        | meets                      | and then                                       |
//! |--------------|----------------------------|------------------------------------------------|
//! | between      | complete frames            | a batch of messages, between                   |
//! | between/head | part of a head             | head; more bytes                               |
//! | head         | its last byte              | body, or a mark and between                    |
//! | head         | a byte that is not legal   | poisoned                                       |
//! | head         | a message over the limit   | poisoned, or body that is left out             |
//! | body         | part of a payload          | body; more bytes, or a piece                   |
//! | body         | the frame's last byte      | the message (or what is left of it), between   |
//! | body         | a broken stuffed frame     | poisoned, or body that is left out             |

use super::body::{Body, BodyTurn};
use super::fast::{self, Reach};
use super::head::{HeadTurn, head_size};
use super::stage::{Delivery, Stage};
use super::{Decoder, Found};
use crate::error::{DecodeError, ErrorKind, Part};
use crate::event::{Recovery, Skipped};
use crate::framing::{Shape, Step, Stuffing};
use crate::looks_like::Expected;

/// What one step through the frame under way came to.
enum Outcome {
    /// More bytes are needed.
    More,
    /// Nothing to tell; go on.
    Again,
    Found(Found),
}

impl Decoder {
    /// The next event, when the batch is used up.
    pub(crate) fn find(&mut self) -> Result<Option<Found>, DecodeError> {
        self.settle();
        let found = match self.failed.take() {
            Some(error) => Err(self.described(error)),
            None => self.walk(),
        };
        match &found {
            Ok(found) => self.given = *found,
            Err(error) => self.failed = Some(error.clone()),
        }
        found
    }

    /// A bad header is described again, with the bytes that came since.
    fn described(&self, error: DecodeError) -> DecodeError {
        let window = self.buffer.window();
        match window.get(error.evidence().len()..) {
            Some(more) if matches!(self.stage, Stage::Head(_)) => error.with_evidence(more),
            _ => error,
        }
    }

    fn walk(&mut self) -> Result<Option<Found>, DecodeError> {
        loop {
            if let Some((start, len)) = self.scan() {
                return Ok(Some(Found::Message(start, len)));
            }
            let outcome = match &self.stage {
                Stage::Head(_) => self.go_on_head()?,
                Stage::Body(..) => self.go_on_body()?,
            };
            match outcome {
                Outcome::Again => self.settle(),
                Outcome::Found(found) => return Ok(Some(found)),
                Outcome::More => {
                    self.settle();
                    self.check_end()?;
                    return Ok(None);
                }
            }
        }
    }

    /// Finds the complete messages at the start of the window, where the shape has a fast path,
    /// and gives the first.
    fn scan(&mut self) -> Option<(usize, usize)> {
        let limit = self.fast_limit(Reach::Window)?;
        let step = self.side.step(self.step);
        fast::scan(step, self.buffer.window(), limit, &mut self.batch);
        #[cfg(test)]
        {
            self.examined += self.batch.in_vain;
        }
        self.spent = self.batch.scanned;
        let (count, bytes) = (self.batch.remaining(), self.batch.scanned);
        self.passed(count, bytes);
        self.joins = fast::reach(self.side.step(self.step)) == Reach::Window;
        self.pop()
    }

    /// Counts messages that were found, and the bytes of their frames.
    pub(crate) fn passed(&mut self, messages: usize, bytes: usize) {
        #[cfg(test)]
        {
            self.examined += bytes;
        }
        self.index += messages as u64;
        self.step = self.step.saturating_add(messages);
        self.frame += bytes as u64;
    }

    /// The largest message that the fast path may give. `None` where the fast path does not reach
    /// that far, or the frame under way was begun byte by byte.
    pub(crate) fn fast_limit(&self, reach: Reach) -> Option<u64> {
        let step = self.side.step(self.step);
        let steady = self.step + 1 >= self.side.steps().len();
        let fresh = matches!(&self.stage, Stage::Head(head) if head.is_fresh());
        (steady && fresh && fast::reach(step) >= reach)
            .then(|| self.limit.min(self.pieces_above.unwrap_or(u64::MAX)))
    }

    fn go_on_head(&mut self) -> Result<Outcome, DecodeError> {
        let window = self.buffer.window();
        let Stage::Head(head) = &mut self.stage else {
            return Ok(Outcome::Again);
        };
        if window.is_empty() {
            return Ok(Outcome::More);
        }
        let step = self.side.step(self.step);
        let before = head.read;
        let turn = head.advance(step, window);
        let read = head.read;
        self.count_examined(read - before);
        match turn {
            HeadTurn::More => Ok(Outcome::More),
            HeadTurn::Done(number) => self.begin(read, number),
            HeadTurn::Bad => {
                let at = self.frame + read as u64;
                let shown = head_size(self.side.step(self.step))
                    .unwrap_or(0)
                    .max(read + 1);
                Err(self.error(ErrorKind::BadHeader { at }, shown))
            }
        }
    }

    /// The head is complete, and `head` bytes long: decides what follows it.
    fn begin(&mut self, head: usize, number: Option<u64>) -> Result<Outcome, DecodeError> {
        let step = self.side.step(self.step);
        // Bytes of the message that stand in the head, and those that follow.
        let mut inside = 0;
        let mut left = number;
        if let Shape::Number {
            number: kind,
            add,
            at,
        } = &step.shape
        {
            if let Some(number) = number.filter(|n| i128::from(*n) + i128::from(*add) < 0) {
                if !step.marks {
                    let minimum = add.unsigned_abs();
                    return Err(self.error(ErrorKind::TooSmall { number, minimum }, head));
                }
                self.next_frame(head);
                return Ok(Outcome::Found(Found::Mark(number)));
            }
            inside = at + kind.kept();
            left = number.and_then(|number| number.checked_add_signed(*add));
        }
        let total = left.and_then(|left| left.checked_add(inside as u64));
        let length = total.filter(|_| step.announces_length());
        let skip = if step.announces_length() || step.chars {
            self.check_announced(head, total, length)?
        } else {
            None
        };
        let delivery = Delivery::new(length, skip, &self.buffer.window()[..head]);
        self.join_head(head);
        let step = self.side.step(self.step);
        let start = head - inside;
        let body = Body::new(step, start, head, left.unwrap_or(0), self.flagged);
        self.spent = start;
        self.stage = Stage::Body(body, delivery);
        Ok(Outcome::Again)
    }

    /// Refuses an announced length over the limit, or gives the reason to leave the message out.
    fn check_announced(
        &self,
        head: usize,
        total: Option<u64>,
        length: Option<u64>,
    ) -> Result<Option<DecodeError>, DecodeError> {
        let is_whole =
            total.is_some_and(|total| self.pieces_above.is_none_or(|above| total <= above));
        let limit = if is_whole {
            // It must fit into memory.
            self.limit.min(isize::MAX.unsigned_abs() as u64)
        } else {
            self.limit
        };
        if total.is_some_and(|total| total <= limit) {
            return Ok(None);
        }
        let error = self.error(
            ErrorKind::TooLarge {
                declared: total,
                limit,
            },
            head,
        );
        // Only a message whose end is known can be skipped.
        if self.recovery == Recovery::Skip && length.is_some() {
            Ok(Some(error))
        } else {
            Err(error)
        }
    }

    /// Moves the message's bytes that stand before the number up against those after it; a number
    /// that stays in the message loses its length bits instead.
    fn join_head(&mut self, head: usize) {
        let step = self.side.step(self.step);
        let Shape::Number { number, at, .. } = &step.shape else {
            return;
        };
        let open = step.open.len();
        let window = self.buffer.window_mut();
        if number.kept() > 0 {
            number.clear_length(&mut window[head - number.kept()..head]);
        } else if *at > 0 {
            window.copy_within(open..open + at, head - at);
        }
    }

    fn go_on_body(&mut self) -> Result<Outcome, DecodeError> {
        let Stage::Body(body, delivery) = &mut self.stage else {
            return Ok(Outcome::Again);
        };
        let step = self.side.step(self.step);
        let before = body.read;
        let turn = body.advance(step, self.buffer.window_mut());
        let read = body.read;
        let at = self.base + read as u64;
        let found = delivery.given + body.len() as u64;
        let skipping = delivery.skip.is_some();
        let looked = match (turn, &step.shape) {
            // What is shorter than the delimiter is not searched for it.
            (BodyTurn::More, Shape::Delim(delim)) if self.buffer.len() - before < delim.len() => 0,
            (BodyTurn::More, _) => self.buffer.len() - before,
            _ => read - before,
        };
        self.count_examined(looked);
        // The limit is checked before the bytes after it are, so that the verdict is the same
        // however the stream is cut.
        if found > self.limit && !skipping {
            let limit = self.limit;
            self.leave_out(ErrorKind::TooLarge {
                declared: None,
                limit,
            })?;
        }
        match turn {
            BodyTurn::More | BodyTurn::Done => {}
            BodyTurn::Nothing => {
                self.flagged = is_hdlc(self.side.step(self.step));
                self.spent = read;
                self.frame = at;
                self.stage = Stage::default();
                return Ok(Outcome::Again);
            }
            BodyTurn::BadUtf8 => return Err(self.error(ErrorKind::BadUtf8 { at }, 0)),
            BodyTurn::BadClose => return Err(self.error(ErrorKind::BadClose { at }, 0)),
            BodyTurn::Broken(problem) => {
                self.leave_out(ErrorKind::BrokenFrame { problem })?;
                return Ok(Outcome::Again);
            }
        }
        Ok(self.deliver(turn == BodyTurn::Done))
    }

    /// Leaves the message under way out, or fails where the decoder may not or cannot.
    fn leave_out(&mut self, kind: ErrorKind) -> Result<(), DecodeError> {
        let error = self.error(kind, 0);
        // The end of a message that is counted in characters is found only by reading them all as
        // UTF-8, so it cannot be skipped.
        let has_end = !self.side.step(self.step).chars;
        match &mut self.stage {
            Stage::Body(_, delivery) if self.recovery == Recovery::Skip && has_end => {
                delivery.skip.get_or_insert(error);
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Makes an event of what was found of the message under way.
    fn deliver(&mut self, done: bool) -> Outcome {
        let Stage::Body(body, delivery) = &mut self.stage else {
            return Outcome::Again;
        };
        let (start, len, read) = (body.start, body.len(), body.read);
        if let Some(error) = &delivery.skip {
            let error = error.clone();
            self.spent = body.give();
            if !done {
                return Outcome::More;
            }
            self.skipped = Some(Skipped(error));
            self.end_message(read);
            return Outcome::Found(Found::Skipped);
        }
        let length = delivery.length.unwrap_or(delivery.given + len as u64);
        let in_pieces = self.pieces_above.is_some_and(|above| length > above);
        if in_pieces && !delivery.begun {
            delivery.begun = true;
            return Outcome::Found(Found::Begin(delivery.length));
        }
        if in_pieces && len > 0 {
            delivery.given += len as u64;
            self.spent = body.give();
            return Outcome::Found(Found::Data(start, len));
        }
        if !done {
            return Outcome::More;
        }
        self.end_message(read);
        Outcome::Found(if in_pieces {
            Found::End
        } else {
            Found::Message(start, len)
        })
    }

    /// The frame under way ended, and it was a message.
    fn end_message(&mut self, read: usize) {
        self.flagged = is_hdlc(self.side.step(self.step));
        self.index += 1;
        self.next_frame(read);
    }

    /// The frame under way ended at `read` in the window.
    fn next_frame(&mut self, read: usize) {
        self.spent = read;
        self.frame = self.base + read as u64;
        self.step = self.step.saturating_add(1);
        self.stage = Stage::default();
    }

    /// If the stream is at its end: may it end here?
    fn check_end(&self) -> Result<(), DecodeError> {
        if !self.finished || self.stage.is_between_frames() {
            return Ok(());
        }
        let step = self.side.step(self.step);
        let (part, have, missing) = match &self.stage {
            Stage::Head(head) => {
                let have = head.read as u64;
                let missing = head_size(step).map(|size| size as u64 - have);
                (Part::Header, have, missing)
            }
            Stage::Body(body, _) if body.is_complete() => {
                let missing = step.close.len() - body.closed;
                (Part::Close, body.closed as u64, Some(missing as u64))
            }
            Stage::Body(body, delivery) => {
                let have = match (delivery.length, body.left()) {
                    (Some(length), Some(left)) => length - left,
                    // A number of characters is known, but not how many bytes they are.
                    _ if step.chars => delivery.given + body.len() as u64,
                    // All that came after `open`, as it is on the wire.
                    _ => self.base + self.buffer.len() as u64 - self.frame - step.open.len() as u64,
                };
                (Part::Payload, have, body.left())
            }
        };
        Err(self.error(
            ErrorKind::Truncated {
                part,
                have,
                missing,
            },
            0,
        ))
    }

    /// An error at the frame under way, of whose first bytes `header` are its header.
    fn error(&self, kind: ErrorKind, header: usize) -> DecodeError {
        let place = (self.frame, self.index);
        let (seen, header) = match &self.stage {
            Stage::Head(head) => (self.buffer.window(), header.max(head.read)),
            Stage::Body(_, delivery) => (delivery.head(), delivery.head().len()),
        };
        let expected = Expected::of(self.side.step(self.step));
        DecodeError::new(kind, place, seen, header, expected)
    }

    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "counts in tests only")
    )]
    fn count_examined(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.examined += bytes;
        }
        #[cfg(not(test))]
        let _ = bytes;
    }
}

/// Whether this step's frames end with a flag that can begin the next one.
fn is_hdlc(step: &Step) -> bool {
    matches!(step.shape, Shape::Stuffed(Stuffing::Hdlc))
}
