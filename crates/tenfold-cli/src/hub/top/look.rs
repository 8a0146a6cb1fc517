//! What a hub has at one moment, and what that is against the moment before.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tenfold::Hubs;
use tenfold::protocol::Request;

use crate::escape;
use crate::failure::Failure;
use crate::flow::credential::Credential;
use crate::flow::listing::ask_for_objects;
use crate::numbers::per_second;

/// The channels and the clients of a hub.
#[derive(Clone, Debug)]
pub(super) struct Look {
    at: Instant,
    /// The same for people and programs.
    time: Timestamp,
    pub(super) channels: Vec<Channel>,
    pub(super) clients: Vec<Client>,
}

#[derive(Clone, Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    epoch: String,
    next: u64,
    pub(super) bytes: u64,
    pub(super) subscribers: u64,
    pub(super) publishers: u64,
    /// Messages in each second since the look before; unknown in the first.
    pub(super) rate: Option<u64>,
    /// How many messages its slowest subscriber is behind.
    pub(super) lag: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) peer: String,
    pub(super) kind: String,
    /// Its channel, or the patterns of those that it follows.
    pub(super) channel: String,
    messages: Option<u64>,
    /// How many messages it is behind, or how many of its own are not committed.
    pub(super) lag: u64,
    pub(super) rate: Option<u64>,
}

impl Look {
    /// Asks the hub.
    pub(super) fn take(
        server: &Hubs,
        credential: &Credential,
        timeout: Duration,
    ) -> Result<Self, Failure> {
        let channels = ask_for_objects(&Request::Channels, credential, "channel", server, timeout)?;
        let clients = ask_for_objects(&Request::Clients, credential, "peer", server, timeout)?;
        Ok(Self::new(&channels, &clients))
    }

    fn new(channels: &[Value], clients: &[Value]) -> Self {
        // A connection that only asks, such as the one that asks this, is not one to be watched.
        let clients = clients.iter().map(Client::new);
        let clients: Vec<Client> = clients.filter(|client| client.kind != "request").collect();
        let mut lags: HashMap<&str, u64> = HashMap::new();
        for client in clients.iter().filter(|client| client.kind == "subscriber") {
            let lag = lags.entry(&client.channel).or_default();
            *lag = client.lag.max(*lag);
        }
        let channel = |object| {
            let mut channel = Channel::new(object);
            channel.lag = lags.get(channel.name.as_str()).copied().unwrap_or(0);
            channel
        };
        Self {
            at: Instant::now(),
            time: Timestamp::now(),
            channels: channels.iter().map(channel).collect(),
            clients,
        }
    }

    /// Finds out how fast everything is that was there in the look before.
    pub(super) fn compare(&mut self, before: &Self) {
        let time = self.at.duration_since(before.at);
        let rate = |now: u64, then: u64| Some(per_second(now.saturating_sub(then), time));
        let channels: HashMap<(&str, &str), u64> = before
            .channels
            .iter()
            .map(|channel| (channel.key(), channel.next))
            .collect();
        for channel in &mut self.channels {
            // One of the same name with another epoch has another history.
            let then = channels.get(&channel.key());
            channel.rate = then.and_then(|then| rate(channel.next, *then));
        }
        let clients: HashMap<u64, Option<u64>> = before
            .clients
            .iter()
            .map(|client| (client.id, client.messages))
            .collect();
        for client in &mut self.clients {
            let then = clients.get(&client.id).copied().flatten();
            // One that has come since then was at nothing.
            client.rate = client.messages.and_then(|now| rate(now, then.unwrap_or(0)));
        }
    }

    /// Messages in each second, of all channels.
    pub(super) fn rate(&self) -> u64 {
        self.channels
            .iter()
            .filter_map(|channel| channel.rate)
            .sum()
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let channel = |channel: &Channel| {
            json!({"channel": channel.name, "rate": channel.rate, "lag": channel.lag, "next": channel.next,
                   "bytes": channel.bytes, "subscribers": channel.subscribers, "publishers": channel.publishers})
        };
        let client = |client: &Client| {
            json!({"id": client.id, "peer": client.peer, "kind": client.kind, "channel": client.channel,
                   "rate": client.rate, "lag": client.lag, "messages": client.messages})
        };
        json!({
            "time": self.time.to_string(),
            "rate": self.rate(),
            "channels": self.channels.iter().map(channel).collect::<Vec<_>>(),
            "clients": self.clients.iter().map(client).collect::<Vec<_>>(),
        })
    }
}

impl Channel {
    fn new(object: &Value) -> Self {
        Self {
            name: text(object, "channel"),
            epoch: text(object, "epoch"),
            next: number(object, "next").unwrap_or(0),
            bytes: number(object, "bytes").unwrap_or(0),
            subscribers: number(object, "subscribers").unwrap_or(0),
            publishers: number(object, "publishers").unwrap_or(0),
            rate: None,
            lag: 0,
        }
    }

    fn key(&self) -> (&str, &str) {
        (&self.name, &self.epoch)
    }
}

impl Client {
    fn new(object: &Value) -> Self {
        let is_follower = object.get("patterns").is_some();
        Self {
            id: number(object, "id").unwrap_or(0),
            peer: text(object, "peer"),
            kind: text(object, "kind"),
            channel: text(object, if is_follower { "patterns" } else { "channel" }),
            messages: number(object, "messages"),
            lag: number(object, "lag").unwrap_or(0),
            rate: None,
        }
    }
}

/// A member that a terminal can be given, whatever it is that answers.
fn text(object: &Value, member: &str) -> String {
    let text = object.get(member).and_then(Value::as_str).unwrap_or("-");
    escape::line(text.as_bytes())
}

fn number(object: &Value, member: &str) -> Option<u64> {
    object.get(member).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(next: u64, epoch: &str, messages: u64) -> Look {
        Look::new(
            &[
                json!({"channel": "ticks", "epoch": epoch, "next": next, "bytes": 10, "subscribers": 1}),
            ],
            &[
                json!({"id": 1, "peer": "a:1", "kind": "subscriber", "channel": "ticks", "lag": 7, "messages": messages}),
                json!({"id": 2, "peer": "a:2", "kind": "follower", "patterns": "t* x", "lag": 9, "messages": 5}),
                json!({"id": 3, "peer": "a:3\u{1b}[2J", "kind": "plain"}),
                json!({"id": 4, "peer": "a:4", "kind": "request"}),
            ],
        )
    }

    fn compared(mut after: Look, before: &Look) -> Look {
        after.at = before.at + Duration::from_secs(2);
        after.compare(before);
        after
    }

    #[test]
    fn rates_are_those_since_the_look_before() {
        let now = compared(look(30, "e", 50), &look(10, "e", 20));
        assert_eq!(
            (now.channels[0].rate, now.clients[0].rate),
            (Some(10), Some(15))
        );
        assert_eq!((now.rate(), now.channels[0].lag), (10, 7));
        assert_eq!(now.clients[1].channel, "t* x");
        assert_eq!(now.clients[2].rate, None, "it neither sends nor receives");
        assert_eq!(now.clients.len(), 3);
    }

    #[test]
    fn another_history_has_no_rate() {
        let now = compared(look(30, "f", 50), &look(10, "e", 20));
        assert_eq!(now.channels[0].rate, None);
    }

    #[test]
    fn what_is_shown_does_nothing_to_a_terminal() {
        assert_eq!(look(0, "e", 0).clients[2].peer, "a:3\\x1b[2J");
    }
}
