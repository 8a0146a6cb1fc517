//! The channels as a table for people.

use std::time::Instant;

use serde_json::Value;

use crate::flow::listing::{Column, Table, aligned};
use crate::numbers::{grouped, per_second, size};

/// What the hub held at one moment.
#[derive(Debug)]
pub(super) struct Channels {
    channels: Vec<Channel>,
    at: Instant,
}

#[derive(Debug)]
struct Channel {
    name: String,
    epoch: String,
    storage: String,
    first: u64,
    next: u64,
    bytes: u64,
    subscribers: u64,
    publishers: u64,
}

const COLUMNS: &[Column] = &[
    ("CHANNEL", false),
    ("FIRST", true),
    ("NEXT", true),
    ("KEPT", true),
    ("SIZE", true),
    ("SUBS", true),
    ("PUBS", true),
    ("STORAGE", false),
    ("MESSAGES/S", true),
];

impl Table for Channels {
    const MEMBER: &str = "channel";

    fn new(objects: &[Value]) -> Self {
        Self {
            channels: objects.iter().map(Channel::new).collect(),
            at: Instant::now(),
        }
    }

    fn text(&self, is_watched: bool, before: Option<&Self>) -> String {
        let columns = if is_watched {
            COLUMNS
        } else {
            &COLUMNS[..COLUMNS.len() - 1]
        };
        let rows = self.channels.iter().map(|channel| {
            let rate = before.and_then(|before| self.rate(channel, before));
            channel.row(rate)
        });
        aligned(columns, rows.collect())
    }
}

impl Channels {
    /// Messages in each second; none if it is another history.
    fn rate(&self, channel: &Channel, before: &Self) -> Option<u64> {
        let is_same = |other: &&Channel| other.name == channel.name && other.epoch == channel.epoch;
        let earlier = before.channels.iter().find(is_same)?;
        let time = self.at.duration_since(before.at);
        Some(per_second(channel.next.saturating_sub(earlier.next), time))
    }
}

impl Channel {
    fn new(object: &Value) -> Self {
        let text = |key| {
            object
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let number = |key| object.get(key).and_then(Value::as_u64).unwrap_or(0);
        Self {
            name: text("channel"),
            epoch: text("epoch"),
            storage: text("storage"),
            first: number("first"),
            next: number("next"),
            bytes: number("bytes"),
            subscribers: number("subscribers"),
            publishers: number("publishers"),
        }
    }

    fn row(&self, rate: Option<u64>) -> Vec<String> {
        vec![
            self.name.clone(),
            grouped(self.first),
            grouped(self.next),
            grouped(self.next.saturating_sub(self.first)),
            size(self.bytes),
            grouped(self.subscribers),
            grouped(self.publishers),
            self.storage.clone(),
            rate.map_or_else(|| "-".to_owned(), grouped),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn channel(next: u64, epoch: &str) -> Value {
        json!({"channel": "ticks", "epoch": epoch, "first": 0, "next": next, "bytes": 1536,
               "subscribers": 2, "publishers": 0, "storage": "memory"})
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let table = Channels::new(&[channel(1234, "a")]);
        assert_eq!(
            table.text(false, None),
            "CHANNEL  FIRST   NEXT   KEPT     SIZE  SUBS  PUBS  STORAGE\n\
             ticks        0  1,234  1,234  1.5 KiB     2     0  memory\n"
        );
    }

    #[test]
    fn another_history_has_no_rate() {
        let (before, after) = (
            Channels::new(&[channel(9, "a")]),
            Channels::new(&[channel(9, "b")]),
        );
        assert!(after.text(true, Some(&before)).ends_with("           -\n"));
        let same = Channels::new(&[channel(9, "a")]);
        assert!(same.text(true, Some(&before)).ends_with("           0\n"));
    }
}
