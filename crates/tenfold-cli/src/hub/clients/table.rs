//! The connections as a table for people.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::flow::listing::{Column, Table, aligned};
use crate::numbers::{grouped, per_second, size, time};

/// Who was connected at one moment.
#[derive(Debug)]
pub(super) struct Clients {
    connections: Vec<Client>,
    /// What each connection had done, by its peer and number.
    totals: HashMap<(String, u64), Total>,
    at: Instant,
}

#[derive(Debug)]
struct Client {
    key: (String, u64),
    kind: String,
    channel: String,
    producer: String,
    /// Of one that publishes or subscribes.
    progress: Option<Progress>,
    age: Duration,
    mistake: String,
}

#[derive(Debug)]
struct Progress {
    /// A follower of many channels has none.
    seq: Option<u64>,
    lag: u64,
    lag_bytes: u64,
    total: Total,
}

#[derive(Clone, Copy, Debug)]
struct Total {
    messages: u64,
    bytes: u64,
}

const COLUMNS: &[Column] = &[
    ("PEER", false),
    ("KIND", false),
    ("CHANNEL", false),
    ("PRODUCER", false),
    ("SEQ", true),
    ("LAG", true),
    ("LAG SIZE", true),
    ("MESSAGES/S", true),
    ("SIZE/S", true),
    ("AGE", true),
    ("LAST MISTAKE", false),
];

impl Table for Clients {
    const MEMBER: &str = "peer";

    fn new(objects: &[Value]) -> Self {
        let connections: Vec<_> = objects.iter().map(Client::new).collect();
        let totals = connections.iter().filter_map(|client| {
            let progress = client.progress.as_ref()?;
            Some((client.key.clone(), progress.total))
        });
        Self {
            totals: totals.collect(),
            connections,
            at: Instant::now(),
        }
    }

    fn text(&self, _is_watched: bool, before: Option<&Self>) -> String {
        let rows = self.connections.iter().map(|client| {
            let since = before.and_then(|before| {
                let total = before.totals.get(&client.key)?;
                Some((*total, self.at.duration_since(before.at)))
            });
            client.row(since)
        });
        aligned(COLUMNS, rows.collect())
    }
}

impl Client {
    fn new(object: &Value) -> Self {
        let text = |key| {
            let text = object.get(key).and_then(Value::as_str);
            text.unwrap_or("-").to_owned()
        };
        let number = |key| object.get(key).and_then(Value::as_u64);
        let age = object.get("age").and_then(Value::as_f64).unwrap_or(0.0);
        let progress = number("lag").map(|lag| Progress {
            seq: number("seq"),
            lag,
            lag_bytes: number("lag_bytes").unwrap_or(0),
            total: Total {
                messages: number("messages").unwrap_or(0),
                bytes: number("bytes").unwrap_or(0),
            },
        });
        Self {
            key: (text("peer"), number("id").unwrap_or(0)),
            kind: text("kind"),
            channel: text(if object.get("patterns").is_some() {
                "patterns"
            } else {
                "channel"
            }),
            producer: text("producer"),
            progress,
            age: Duration::try_from_secs_f64(age).unwrap_or_default(),
            mistake: text("mistake"),
        }
    }

    /// `since`: what it had done at an earlier look, and how long ago that was.
    fn row(&self, since: Option<(Total, Duration)>) -> Vec<String> {
        let nothing = Total {
            messages: 0,
            bytes: 0,
        };
        let (earlier, elapsed) = since.unwrap_or((nothing, self.age));
        let progress = self.progress.as_ref();
        let shown =
            |show: &dyn Fn(&Progress) -> String| progress.map_or_else(|| "-".to_owned(), show);
        vec![
            self.key.0.clone(),
            self.kind.clone(),
            self.channel.clone(),
            self.producer.clone(),
            shown(&|progress| progress.seq.map_or_else(|| "-".to_owned(), grouped)),
            shown(&|progress| grouped(progress.lag)),
            shown(&|progress| size(progress.lag_bytes)),
            shown(&|progress| {
                let messages = progress.total.messages.saturating_sub(earlier.messages);
                grouped(per_second(messages, elapsed))
            }),
            shown(&|progress| {
                let bytes = progress.total.bytes.saturating_sub(earlier.bytes);
                size(per_second(bytes, elapsed))
            }),
            time(self.age),
            self.mistake.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subscriber(messages: u64) -> Value {
        json!({"id": 3, "peer": "127.0.0.1:5", "kind": "subscriber", "channel": "ticks", "seq": 1234,
               "lag": 6, "lag_bytes": 90, "messages": messages, "bytes": 15 * messages, "age": 2.0})
    }

    #[test]
    fn one_look_has_the_rates_of_the_whole_connection() {
        let request = json!({"id": 4, "peer": "unix", "kind": "request", "age": 0.25});
        let follower = json!({"id": 5, "peer": "unix", "kind": "follower", "patterns": "a* b", "channels": 2,
                              "lag": 6, "lag_bytes": 90, "messages": 2, "bytes": 30, "age": 2.0});
        let table = Clients::new(&[subscriber(1000), request, follower]);
        assert_eq!(
            table.text(false, None),
            "PEER         KIND        CHANNEL  PRODUCER    SEQ  LAG  LAG SIZE  MESSAGES/S   SIZE/S     AGE  LAST MISTAKE\n\
             127.0.0.1:5  subscriber  ticks    -         1,234    6      90 B         500  7.3 KiB  2.00 s  -\n\
             unix         request     -        -             -    -         -           -        -  250 ms  -\n\
             unix         follower    a* b     -             -    6      90 B           1     15 B  2.00 s  -\n"
        );
    }

    #[test]
    fn a_second_look_has_the_rates_since_the_first() {
        let (before, mut after) = (
            Clients::new(&[subscriber(10)]),
            Clients::new(&[subscriber(30)]),
        );
        after.at = before.at + Duration::from_secs(10);
        let text = after.text(true, Some(&before));
        assert!(
            text.contains("  90 B           2    30 B  2.00 s"),
            "{text}"
        );
    }
}
