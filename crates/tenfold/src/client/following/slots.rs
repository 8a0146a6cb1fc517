//! The channels that a follower knows, and where it is in each.

use std::collections::HashMap;

use crate::protocol::{BadName, ChannelName, Epoch, Place};

/// The channels, by number. A number means the same channel for as long as it is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Slots {
    all: Vec<Option<Slot>>,
    numbers: HashMap<ChannelName, usize>,
}

/// One channel.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) name: ChannelName,
    /// Not known between a gap of a channel that has just appeared, and its first run.
    pub(super) epoch: Option<Epoch>,
    /// The seq of the next message.
    pub(super) next: u64,
    /// The seq before which to end.
    pub(super) stop_at: Option<u64>,
}

impl Slot {
    pub(super) fn at(place: &Place) -> Self {
        Self {
            name: place.channel.clone(),
            epoch: Some(place.epoch),
            next: place.from,
            stop_at: None,
        }
    }

    /// Whether the next message is to be given.
    #[inline]
    pub(super) fn is_wanted(&self) -> bool {
        self.stop_at.is_none_or(|stop| self.next < stop)
    }
}

impl Slots {
    #[inline]
    pub(super) fn get(&self, number: usize) -> Option<&Slot> {
        self.all.get(number)?.as_ref()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Slot> {
        self.all.get_mut(number)?.as_mut()
    }

    pub(super) fn number(&self, name: &ChannelName) -> Option<usize> {
        self.numbers.get(name).copied()
    }

    /// A name, without a copy if the channel is known.
    pub(super) fn name(&self, name: &str) -> Result<ChannelName, BadName> {
        let known = self.numbers.get_key_value(name);
        known.map_or_else(|| name.parse(), |(name, _)| Ok(name.clone()))
    }

    pub(super) fn insert(&mut self, slot: Slot) -> usize {
        if let Some(number) = self.number(&slot.name) {
            self.all[number] = Some(slot);
            return number;
        }
        let number = self.all.len();
        self.numbers.insert(slot.name.clone(), number);
        self.all.push(Some(slot));
        number
    }

    pub(super) fn remove(&mut self, name: &ChannelName) -> Option<Slot> {
        let number = self.numbers.remove(name)?;
        let slot = self.all[number].take();
        // The numbers of those that were deleted are not kept forever.
        if self.all.len() > 64 && self.numbers.len() < self.all.len() / 2 {
            *self = std::mem::take(self).all.into_iter().flatten().collect();
        }
        slot
    }

    /// Whether a message of any channel is to be given.
    pub(super) fn is_any_wanted(&self) -> bool {
        self.all.iter().flatten().any(Slot::is_wanted)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        let place = |slot: &Slot| Some(Place::new(slot.name.clone(), slot.epoch?, slot.next));
        self.all.iter().flatten().filter_map(place)
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        let mut all = Self::default();
        for slot in slots {
            all.insert(slot);
        }
        all
    }
}
