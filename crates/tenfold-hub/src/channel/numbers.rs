//! The numbers of a channel, for whoever watches a hub over time.

use std::ops::AddAssign;

/// A channel's numbers at one moment, or those of several channels together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelNumbers {
    /// Messages that were committed since the hub's start.
    pub received_messages: u64,
    /// Bytes of their frames.
    pub received_bytes: u64,
    /// Bytes of the frames that are kept.
    pub kept_bytes: u64,
    /// How many subscribe to it, or follow it among others.
    pub subscribers: usize,
    /// How many publish to it.
    pub publishers: usize,
    /// How many committed messages the slowest subscriber has not got yet.
    pub lag: u64,
}

impl AddAssign for ChannelNumbers {
    /// Sums, but for the lag: that is the largest one.
    fn add_assign(&mut self, other: Self) {
        self.received_messages += other.received_messages;
        self.received_bytes += other.received_bytes;
        self.kept_bytes += other.kept_bytes;
        self.subscribers += other.subscribers;
        self.publishers += other.publishers;
        self.lag = self.lag.max(other.lag);
    }
}
