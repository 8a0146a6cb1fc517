//! What there is of a channel, for whoever asks.

use std::fmt;

use tenfold::protocol::{ChannelName, Epoch};

/// What there is of a channel. Displays as the object in JSON that `CHANNELS` has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its name.
    pub name: ChannelName,
    /// Its history.
    pub epoch: Epoch,
    /// The seq of the oldest message that is kept.
    pub first: u64,
    /// The seq of the next message.
    pub next: u64,
    /// Bytes of the frames that are kept.
    pub bytes: u64,
    /// How many subscribe to it, or follow it among others.
    pub subscribers: usize,
    /// How many publish to it.
    pub publishers: usize,
    /// Whether its messages are on disk.
    pub has_log: bool,
}

impl fmt::Display for ChannelInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            epoch,
            first,
            next,
            bytes,
            subscribers,
            publishers,
            has_log,
        } = self;
        let storage = if *has_log { "log" } else { "memory" };
        // A name needs no escapes.
        write!(
            f,
            r#"{{"channel":"{name}","epoch":"{epoch}","first":{first},"next":{next},"bytes":{bytes},"subscribers":{subscribers},"publishers":{publishers},"storage":"{storage}"}}"#
        )
    }
}
