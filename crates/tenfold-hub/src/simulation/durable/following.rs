//! A follower of all channels, also of one that is deleted again and again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenfold::asynchronous::Follower;
use tenfold::client::{Follow, FollowerEvent, OnGap, Retry};
use tenfold::protocol::{Pattern, Position};
use tokio::time::timeout;

use super::clients::{LOOK, connect};
use super::record::{Shared, Sight, Step, note_gap};
use crate::simulation::link::Weather;
use crate::simulation::random::Random;

/// What a follower has got of each channel, by name.
type Steps = BTreeMap<String, Vec<Step>>;

/// Follows from the oldest messages on, and writes down what it gets, until it is at the end of all channels.
pub(super) async fn follow(shared: Arc<Shared>, weather: Weather, mut random: Random) {
    let everything: Pattern = "*".parse().expect("it is a pattern");
    let options = Follow::new([everything])
        .from(Position::First)
        .on_gap(OnGap::Continue)
        .until_connected(Retry::Forever)
        .seed(random.next());
    let mut follower = Follower::new(connect(&shared, weather, random.fork()), options);
    let mut steps = Steps::new();
    let mut is_quiet = true;
    while !(is_quiet && is_at_end(&shared, &follower)) {
        let Ok(event) = timeout(LOOK, follower.next_event()).await else {
            is_quiet = true;
            continue;
        };
        is_quiet = false;
        match event {
            Ok(Some(FollowerEvent::Connected(answer))) => {
                shared.note(format_args!("follower: {answer}"));
                shared.count(|counts| counts.reconnects += 1);
                for place in follower.places().unwrap_or_default() {
                    let (epoch, from) = (place.epoch, place.from);
                    let of_channel = steps.entry(place.channel.to_string()).or_default();
                    of_channel.push(Step::Began { epoch, from });
                }
            }
            Ok(Some(FollowerEvent::Message(message))) => {
                let of_channel = steps.entry(message.channel.to_string()).or_default();
                let (seq, bytes) = (message.seq, message.bytes.to_vec());
                of_channel.push(Step::Message { seq, bytes });
                shared.count(|counts| counts.followed += 1);
            }
            Ok(Some(FollowerEvent::Gap(channel, gap))) => {
                let of_channel = steps.entry(channel.to_string()).or_default();
                note_gap(of_channel, &gap);
                shared.gap(&channel, format!("follower: {channel}: {gap}"));
            }
            Ok(Some(FollowerEvent::Deleted(channel))) => {
                shared.note(format_args!("follower: {channel} is deleted"));
                steps.remove(channel.as_str());
                if shared.find(&channel).is_some() {
                    return shared.problem(format!("follower: {channel} is deleted"));
                }
                shared.count(|counts| counts.deleted += 1);
            }
            Ok(Some(event)) => shared.note(format_args!("follower: {event:?}")),
            Ok(None) => return shared.problem("the follower was ended".to_owned()),
            Err(error) => return shared.problem(format!("the follower has failed: {error}")),
        }
    }
    shared.note(format_args!("follower: at the end"));
    for (name, steps) in steps {
        let mut channels = shared.channels.iter();
        if let Some(channel) = channels.position(|channel| channel.as_str() == name) {
            let who = format!("follower of {name}");
            shared.record().sights.push(Sight {
                who,
                channel,
                steps,
            });
        }
    }
}

/// Whether it has everything of all channels, when it is known where they end.
fn is_at_end(shared: &Shared, follower: &Follower) -> bool {
    let Some(ends) = shared.record().ends.clone() else {
        return false;
    };
    let places = follower.places().unwrap_or_default();
    let from = |name: &str| {
        let place = places.iter().find(|place| place.channel.as_str() == name);
        place.map_or(0, |place| place.from)
    };
    let mut ends = shared.channels.iter().zip(ends);
    ends.all(|(name, end)| from(name.as_str()) == end)
}
