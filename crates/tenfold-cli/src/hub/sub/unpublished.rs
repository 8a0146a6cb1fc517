//! What is said to a person who waits for messages of a channel to which nobody has published: perhaps its name
//! is misspelt.

use std::thread;
use std::time::Duration;

use serde_json::Value;
use tenfold::protocol::{ChannelName, Pattern, Request};

use crate::flow::listing::ask_for_objects;
use crate::flow::options::HubPeer;
use crate::words::Words;

/// How long the hub's list is waited for. Without it nothing is said.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says on a terminal which of the channels have no message yet. On a thread of its own, because what the hub
/// sends does not wait for that.
pub(super) fn tell(hub: &HubPeer, wanted: &[Pattern], words: &Words) {
    if !words.is_terminal() {
        return;
    }
    let (server, credential) = (hub.server.clone(), hub.credential.all());
    let (wanted, words) = (wanted.to_vec(), words.clone());
    thread::spawn(move || {
        let Ok(objects) = ask_for_objects(
            &Request::Channels,
            &credential,
            "channel",
            &server,
            PATIENCE,
        ) else {
            return;
        };
        let published: Vec<ChannelName> = objects.iter().filter_map(published).collect();
        for line in lines(&wanted, &published) {
            words.note(line);
        }
    });
}

/// The name of a channel that has had a message.
fn published(object: &Value) -> Option<ChannelName> {
    let has_messages = object.get("next")?.as_u64()? > 0;
    let name = object.get("channel")?.as_str()?.parse().ok()?;
    has_messages.then_some(name)
}

fn lines(wanted: &[Pattern], published: &[ChannelName]) -> Vec<String> {
    let missing = wanted
        .iter()
        .filter(|pattern| !published.iter().any(|name| pattern.fits(name)));
    let line = |pattern: &Pattern| {
        let text = pattern.to_string();
        if pattern.is_open() {
            return format!("no channel fits {text} yet");
        }
        let close = published
            .iter()
            .map(|name| (distance(&text, name.as_str()), name))
            .filter(|(distance, _)| *distance <= 1 + text.len() / 4)
            .min_by_key(|(distance, _)| *distance);
        let hint = close.map_or(String::new(), |(_, name)| format!("; did you mean {name}?"));
        format!("no messages in {text} yet{hint}")
    };
    missing.map(line).collect()
}

/// How many characters have to be put in, left out or changed to make one name of the other.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_messages_are_said_with_the_closest_that_has_some() {
        let published: Vec<ChannelName> = ["ticks", "tocks", "orders"]
            .map(|name| name.parse().unwrap())
            .into();
        let said = |wanted: &str| lines(&[wanted.parse().unwrap()], &published);
        assert_eq!(said("ticks"), [""; 0]);
        assert_eq!(said("t*"), [""; 0]);
        assert_eq!(
            said("tick"),
            ["no messages in tick yet; did you mean ticks?"]
        );
        assert_eq!(
            said("order"),
            ["no messages in order yet; did you mean orders?"]
        );
        assert_eq!(said("metrics"), ["no messages in metrics yet"]);
        assert_eq!(said("quotes.*"), ["no channel fits quotes.* yet"]);
    }

    #[test]
    fn the_distance_of_names() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
