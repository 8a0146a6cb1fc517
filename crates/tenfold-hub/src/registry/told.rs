//! Which channels' numbers are told under their names.

use std::sync::Arc;

use super::{Channels, Registry};
use crate::channel::{Channel, ChannelNumbers};

/// Of how many channels the numbers are told under their names. Whoever keeps numbers over time pays for each name that
/// there ever was.
const TOLD_APART: usize = 100;
impl Registry {
    /// All channels whose numbers are told, and what those that were deleted leave to be told of all others together.
    /// It is decided here which of them are told under their names.
    pub(crate) fn told(&self) -> (Vec<Arc<Channel>>, ChannelNumbers) {
        let channels = self.lock();
        let is_decided = |channel: &Arc<Channel>| channel.is_told_apart.get().copied();
        let all = channels.by_name.values();
        let mut apart = all
            .filter(|channel| is_decided(channel) == Some(true))
            .count();
        let mut told = Vec::with_capacity(channels.by_name.len());
        for channel in channels.by_name.values() {
            if is_decided(channel).is_none() && !channel.is_only_a_name() {
                let has_room = apart < TOLD_APART;
                apart += usize::from(has_room);
                // It was not decided, and whoever decides has the lock.
                let _ = channel.is_told_apart.set(has_room);
            }
            if is_decided(channel).is_some() {
                told.push(Arc::clone(channel));
            }
        }
        (told, channels.past)
    }
}

impl Channels {
    /// Notes what was committed to a channel that ends.
    pub(super) fn note_past(&mut self, channel: &Channel) {
        let ChannelNumbers {
            received_messages,
            received_bytes,
            ..
        } = channel.numbers();
        self.past_messages += received_messages;
        if channel.is_told_apart.get() != Some(&true) {
            self.past.received_messages += received_messages;
            self.past.received_bytes += received_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use tenfold::protocol::{ChannelName, Epoch};

    use super::*;
    use crate::block::Block;
    use crate::channel::Role;
    use crate::hub_options::HubOptions;
    use crate::live::Live;

    fn name(number: usize) -> ChannelName {
        format!("c{number:03}").parse().unwrap()
    }

    /// Publishes a message to a channel.
    async fn publish(registry: &Arc<Registry>, number: usize) {
        let visit = registry.enter(&name(number), Role::Publisher).unwrap();
        let now = std::time::SystemTime::UNIX_EPOCH;
        let claim = visit.claim(None, now).unwrap();
        let block = Block::new("1         a", 1);
        visit.channel().append(&claim, block, now).await.unwrap();
    }

    /// The channels that are told apart, and how many messages all others have received.
    fn told(registry: &Registry) -> (Vec<String>, u64) {
        let (channels, mut others) = registry.told();
        let mut apart = Vec::new();
        for channel in channels {
            if channel.is_told_apart.get() == Some(&true) {
                apart.push(channel.name().to_string());
            } else {
                others += channel.numbers();
            }
        }
        (apart, others.received_messages)
    }

    #[tokio::test]
    async fn a_channel_that_is_told_apart_stays_so_and_the_sum_of_the_others_never_falls() {
        let options = HubOptions::default();
        let live = Arc::new(Live::new(options));
        let registry = Arc::new(Registry::new(Epoch(1), live));
        // Whoever waits for a channel that has nothing yet takes no name.
        let waits = registry.enter(&name(0), Role::Subscriber).unwrap();
        for number in 1..=TOLD_APART + 50 {
            publish(&registry, number).await;
        }
        let (first, others) = told(&registry);
        let names: Vec<_> = (1..=TOLD_APART).map(|n| name(n).to_string()).collect();
        assert_eq!((&first, others), (&names, 50));
        // One with an earlier name comes.
        publish(&registry, 0).await;
        assert_eq!(told(&registry), (names.clone(), 51));
        // One that is told apart goes, and one of the others. Its place is for a channel that comes.
        for number in [7, TOLD_APART + 7] {
            let channel = registry.begin_deletion(&name(number)).unwrap();
            registry.end_deletion(&channel, true);
        }
        let mut left = names;
        left.remove(6);
        assert_eq!(told(&registry), (left.clone(), 51));
        publish(&registry, 999).await;
        left.push(name(999).to_string());
        assert_eq!(told(&registry), (left, 51));
        drop(waits);
    }
}
