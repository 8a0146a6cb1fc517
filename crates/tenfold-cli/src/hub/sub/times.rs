//! When the messages of channels were committed, asked of the hub beside the messages themselves.

use std::collections::HashMap;

use tenfold::Hubs;
use tenfold::asynchronous::Timekeeper;
use tenfold::client::{self, Error};
use tenfold::protocol::{ChannelName, Code, Epoch};

use crate::flow::options::HubPeer;
use crate::words::Words;

/// A timekeeper for each channel whose messages come.
pub(super) struct Times {
    hub: HubPeer,
    words: Words,
    /// The history that the messages of one channel are of.
    epoch: Option<Epoch>,
    channels: HashMap<ChannelName, Channel>,
    /// How often one was asked for.
    looks: u64,
}

struct Channel {
    timekeeper: Timekeeper,
    /// The times cannot be had, and that was said. It is not tried again before there is another connection.
    is_lost: bool,
    /// When it was asked for last, counted in looks.
    used: u64,
}

/// How many channels have a connection for their times at once. With more, the one that was asked least recently gives
/// way; it is made again at its next message.
const MAX_CONNECTIONS: usize = 64;

impl Times {
    pub(super) fn new(hub: &HubPeer, words: &Words) -> Self {
        Self {
            hub: hub.clone(),
            words: words.clone(),
            epoch: None,
            channels: HashMap::new(),
            looks: 0,
        }
    }

    /// Messages come over another connection from here on, and those of one channel are of this history.
    pub(super) fn connected(&mut self, epoch: Option<Epoch>) {
        self.epoch = epoch;
        self.channels.clear();
    }

    /// The channel may have another history.
    pub(super) fn forget(&mut self, channel: &ChannelName) {
        self.channels.remove(channel);
    }

    /// When the message with this seq was committed, in unix milliseconds; nothing if that cannot be known.
    pub(super) async fn of(&mut self, channel: &ChannelName, seq: u64) -> Option<u64> {
        self.looks += 1;
        if !self.channels.contains_key(channel) {
            self.make_room();
            let made = self.channel(channel);
            self.channels.insert(channel.clone(), made);
        }
        let one = self.channels.get_mut(channel)?;
        one.used = self.looks;
        if one.is_lost {
            return None;
        }
        match one.timekeeper.of(seq).await {
            Ok(committed) => Some(committed.time),
            Err(error) => {
                one.is_lost = true;
                self.words.warning(format_args!(
                    "from message {seq} of {channel} on it is not known when messages were committed: {}",
                    problem(&error, &self.hub.server)
                ));
                None
            }
        }
    }

    fn channel(&self, channel: &ChannelName) -> Channel {
        let options = client::Times::new(channel.clone())
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls());
        let options = match self.epoch {
            Some(epoch) => options.epoch(epoch),
            None => options,
        };
        Channel {
            timekeeper: Timekeeper::new(self.hub.server.clone(), options),
            is_lost: false,
            used: 0,
        }
    }

    fn make_room(&mut self) {
        // What was lost has no connection, and is not to be told of twice.
        let open = || self.channels.iter().filter(|(_, one)| !one.is_lost);
        if open().count() >= MAX_CONNECTIONS
            && let Some((oldest, _)) = open().min_by_key(|(_, one)| one.used)
        {
            let oldest = oldest.clone();
            self.channels.remove(&oldest);
        }
    }
}

fn problem(error: &Error, hub: &Hubs) -> String {
    match error {
        Error::Refused(refusal) if refusal.code == Some(Code::Proto) => {
            "the hub is an older one, which does not tell".to_owned()
        }
        Error::Refused(refusal) => format!("the hub says: {refusal}"),
        Error::NoAnswer { waited } => format!("{hub} said nothing for {waited:?}"),
        error => error.to_string(),
    }
}
