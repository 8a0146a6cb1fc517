//! What a heading means for the place in its channel.

use super::slots::{Slot, Slots};
use super::{Following, Phase};
use crate::client::{Error, FollowerEvent, Gap, GapReason, OnGap};
use crate::protocol::{ChannelName, Epoch, HeadingKind, Place};

impl Following {
    pub(super) fn heading(&mut self, name: ChannelName, kind: HeadingKind) -> Result<(), Error> {
        match kind {
            HeadingKind::Run {
                epoch,
                from,
                count,
                next,
            } => self.run(&name, (epoch, from), count, next),
            HeadingKind::Trimmed { first } => self.gap(name, GapReason::Trimmed, first, None),
            HeadingKind::Corrupt { next } => self.gap(name, GapReason::Corrupt, next, None),
            HeadingKind::Epoch { epoch, first } => {
                self.gap(name, GapReason::Epoch, first, Some(epoch))
            }
            HeadingKind::Deleted { next } => self.deleted(name, next),
            HeadingKind::Unreadable => {
                self.tell(FollowerEvent::Unreadable(name));
                Ok(())
            }
        }
    }

    /// A run of messages, or a place.
    fn run(
        &mut self,
        name: &ChannelName,
        (epoch, from): (Epoch, u64),
        count: u64,
        end: Option<u64>,
    ) -> Result<(), Error> {
        let is_new = self.is_placed;
        let known = self.slots().number(name);
        let known = known.and_then(|number| self.slots().get(number));
        // A channel whose epoch is not known could not be in the list: the hub begins with what it has.
        let expected = match known {
            None if is_new => Some(0),
            Some(slot) if slot.epoch.is_none() => Some(slot.next),
            _ => None,
        };
        if expected.is_some_and(|expected| from > expected) {
            // It has appeared since, and its first messages are gone.
            self.gap(name.clone(), GapReason::Trimmed, from, Some(epoch))?;
        }
        let until_end = self.options.until_end;
        let stop_at = self.stop_of_new();
        let is_placing = matches!(self.phase, Phase::Placing(_));
        let slots = self.slots();
        let number = slots.number(name).unwrap_or_else(|| {
            let mut slot = Slot::at(&Place::new(name.clone(), epoch, from));
            slot.stop_at = stop_at;
            slots.insert(slot)
        });
        let Some(slot) = slots.get_mut(number) else {
            return Ok(());
        };
        if slot.is_wanted() && slot.next != from {
            let words = format!(
                "message {} of {name} was to come, and it sends {from}",
                slot.next
            );
            return Err(Error::protocol(words));
        }
        // A newer epoch of the same history.
        slot.epoch = Some(epoch);
        if until_end && is_placing {
            slot.stop_at = slot.stop_at.or(end);
        }
        if let Phase::Placing(left) = &mut self.phase {
            if end.is_none() || count > 0 {
                return Err(Error::protocol("a run came before all places"));
            }
            *left -= 1;
            self.end_placing();
            return Ok(());
        }
        (self.current, self.left) = (number, count);
        Ok(())
    }

    /// Messages are missing, and the channel goes on with another one; `other`: of another history.
    fn gap(
        &mut self,
        name: ChannelName,
        reason: GapReason,
        available: u64,
        other: Option<Epoch>,
    ) -> Result<(), Error> {
        let is_new = self.is_placed;
        let stop_at = self.stop_of_new();
        let slots = self.slots();
        let known = slots.number(&name).and_then(|number| slots.get_mut(number));
        let (before, next) = match &known {
            Some(slot) => (slot.epoch, Some(slot.next)),
            None => (other, is_new.then_some(0)),
        };
        let gap = Gap {
            reason,
            expected: next,
            available,
            known: before,
            epoch: other.or(before),
        };
        if reason != GapReason::Epoch && next.is_some_and(|next| available <= next) {
            let words = format!("it says of {name} that {gap}");
            return Err(Error::protocol(words));
        }
        if let Some(slot) = known {
            // Of another history the end that was aimed at is not one.
            if reason == GapReason::Epoch {
                slot.stop_at = None;
            }
            slot.epoch = other.or(slot.epoch);
            slot.next = available;
        } else {
            slots.insert(Slot {
                name: name.clone(),
                epoch: other,
                next: available,
                stop_at,
            });
        }
        self.report(name, gap)
    }

    fn deleted(&mut self, name: ChannelName, next: Option<u64>) -> Result<(), Error> {
        let Some(slot) = self.slots().remove(&name) else {
            // It has come and gone.
            let Some(next) = next.filter(|next| *next > 0 && self.is_placed) else {
                return Ok(());
            };
            let gap = Gap {
                reason: GapReason::Deleted,
                expected: Some(0),
                available: next,
                known: None,
                epoch: None,
            };
            return self.report(name, gap);
        };
        if next == Some(slot.next) {
            self.tell(FollowerEvent::Deleted(name));
            return Ok(());
        }
        let gap = Gap {
            reason: GapReason::Deleted,
            expected: Some(slot.next),
            available: next.unwrap_or(slot.next),
            known: slot.epoch,
            epoch: None,
        };
        self.report(name, gap)
    }

    fn report(&mut self, name: ChannelName, gap: Gap) -> Result<(), Error> {
        if self.options.on_gap == OnGap::Stop {
            return Err(Error::Gap(gap).in_channel(name));
        }
        self.tell(FollowerEvent::Gap(name, gap));
        Ok(())
    }

    /// What happens before all places have come is told after that.
    fn tell(&mut self, event: FollowerEvent<'static>) {
        match self.phase {
            Phase::Placing(_) => self.draft.notices.push_back(event),
            _ => self.notices.push_back(event),
        }
    }

    /// What appears after the beginning is not wanted by a follower that ends.
    fn stop_of_new(&self) -> Option<u64> {
        (self.options.until_end && self.has_begun).then_some(0)
    }

    fn slots(&mut self) -> &mut Slots {
        match self.phase {
            Phase::Placing(_) => &mut self.draft.slots,
            _ => &mut self.slots,
        }
    }
}
