//! What a refusal means for where to go on.

use super::{Over, Subscription};
use crate::client::{Error, Gap, GapReason, OnGap};
use crate::protocol::{Code, Epoch, Position, Refusal};

impl Subscription {
    /// The hub does not send what was asked for.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Over {
        let gap = match refusal.code {
            Some(Code::Trimmed) => self.trimmed(&refusal),
            Some(Code::Epoch) => self.other_epoch(&refusal),
            Some(Code::Corrupt) => self.corrupt(&refusal),
            Some(code) if code.is_temporary() => return Over::Again(Error::Refused(refusal)),
            Some(Code::Future) if self.another_was_ahead() => {
                return Over::Again(Error::Refused(refusal));
            }
            _ => return Over::Final(Error::Refused(refusal)),
        };
        let Some((gap, elsewhere)) = gap else {
            let words = format!("asked from={}, and it answered {refusal}", self.place);
            return Over::Final(Error::protocol(words));
        };
        if self.options.on_gap == OnGap::Stop {
            return Over::Final(Error::Gap(gap));
        }
        let again = self.gap.replace(gap).is_some();
        self.place = elsewhere;
        Over::Elsewhere(again)
    }

    /// Whether this place was reached at one of several hubs, so that the one that does not have it yet will.
    fn another_was_ahead(&self) -> bool {
        self.backoff.hubs() > 1 && self.answer.is_some()
    }

    fn trimmed(&self, refusal: &Refusal) -> Option<(Gap, Position)> {
        let first = refusal.keys.number("first")?;
        let possible = match self.place {
            Position::Seq(seq) => first > seq,
            // Retention may have removed the newest message as well.
            Position::At(_) | Position::Last => true,
            _ => false,
        };
        // What is the oldest now may be gone when it is asked for; `first` is always there.
        possible.then(|| (self.gap_to(first, GapReason::Trimmed), Position::First))
    }

    fn corrupt(&mut self, refusal: &Refusal) -> Option<(Gap, Position)> {
        let next = refusal.keys.number("next")?;
        let leads_on = match self.place {
            Position::Seq(seq) => next > seq,
            _ => true,
        };
        if !leads_on {
            return None;
        }
        let gap = self.gap_to(next, GapReason::Corrupt);
        // A seq means something in one history only. The hub looks at the epoch first, so this history is the
        // subscriber's; but `next` can be beyond what it had in the epoch that was asked for.
        let epoch = refusal.keys.get("epoch");
        self.epoch = epoch.and_then(|epoch| epoch.parse().ok()).or(self.epoch);
        Some((gap, Position::Seq(next)))
    }

    fn other_epoch(&mut self, refusal: &Refusal) -> Option<(Gap, Position)> {
        let epoch: Epoch = refusal.keys.get("epoch")?.parse().ok()?;
        let known = self.epoch?;
        if epoch == known {
            return None;
        }
        let first = refusal.keys.number("first")?;
        let gap = Gap {
            epoch: Some(epoch),
            ..self.gap_to(first, GapReason::Epoch)
        };
        if self.options.on_gap == OnGap::Continue {
            // Whatever history there is when it is asked next.
            self.epoch = None;
        }
        Some((gap, Position::First))
    }

    /// What is missing; where something was missing already, from there on.
    fn gap_to(&self, available: u64, reason: GapReason) -> Gap {
        let expected = match self.place {
            Position::Seq(seq) => Some(seq),
            _ => None,
        };
        let before = self.gap.as_ref();
        let first_reason = before.map(|gap| gap.reason);
        Gap {
            reason: match reason {
                GapReason::Epoch => reason,
                _ => first_reason.unwrap_or(reason),
            },
            expected: before.map_or(expected, |gap| gap.expected),
            available,
            known: before.map_or(self.epoch, |gap| gap.known),
            epoch: self.epoch,
        }
    }
}
