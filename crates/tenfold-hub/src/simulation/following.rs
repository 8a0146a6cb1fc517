//! A follower of many channels, which appear and are trimmed while its connections break.
//!
//! Each channel has one producer, so the number of a message is its seq. The follower is there before the
//! channels, so whatever it does not get it must have been told, of the right channel, with the right
//! numbers, and in its place.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use tenfold::asynchronous::{Connecting, Follower, Publisher, Transport};
use tenfold::client::{Follow, FollowerEvent, OnGap, Publish, Retry};
use tenfold::protocol::{Epoch, Pattern, Position};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::link::{Link, Weather, link};
use super::random::Random;
use super::{SEEDS, seeds};
use crate::acceptor::Acceptor;
use crate::hub::Hub;
use crate::hub_options::HubOptions;
use crate::port::PortKind;
use crate::when_slow::WhenSlow;

/// Nothing takes longer than this on the virtual clock, or hangs.
const BOUND: Duration = Duration::from_secs(3600);

/// Every so many seeds: a run with six channels takes its time.
const STEP: usize = 4;

/// How much has happened, over all runs.
#[derive(Debug, Default)]
struct Seen {
    messages: u64,
    gaps: u64,
    reconnects: u64,
}

#[test]
fn whatever_a_follower_does_not_get_it_is_told_of_the_right_channel() {
    let mut seen = Seen::default();
    for seed in seeds().step_by(STEP) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let random = Random::new(seed);
        let ended = runtime.block_on(async { timeout(BOUND, run(random, &mut seen)).await });
        assert!(ended.is_ok(), "SEED={seed}: it hangs");
        ended
            .unwrap()
            .unwrap_or_else(|problem| panic!("SEED={seed}: {problem}"));
    }
    if seeds().count() as u64 >= SEEDS {
        // A simulation in which nothing happens proves nothing.
        let Seen {
            messages,
            gaps,
            reconnects,
        } = seen;
        assert!(messages > 5000 && gaps > 100 && reconnects > 50, "{seen:?}");
    }
}

fn name(channel: u64) -> String {
    format!("c{channel}")
}

fn message(channel: &str, seq: u64, pad: usize) -> Vec<u8> {
    // Some look like headings.
    format!(
        "@{channel} {seq} {}",
        "x".repeat(if seq.is_multiple_of(3) { 0 } else { pad })
    )
    .into_bytes()
}

async fn run(mut random: Random, seen: &mut Seen) -> Result<(), String> {
    let pad = random.one_of(&[0, 20, 300, 3000]);
    let weather = Weather {
        capacity: 1 << (6 + random.below(8)),
        delay: Duration::from_micros(random.below(5000)),
        // Not so often that no message gets through.
        cut_one_in: random.one_of(&[0, 5, 20, 100]) * (3 * pad as u64 + 500),
    };
    let (door, receiver) = mpsc::unbounded_channel();
    let doors = vec![(Acceptor::link(receiver), PortKind::Protocol)];
    let hub = Hub::open(doors, options(&mut random), Epoch(7), None);
    let options = Follow::new(["c*".parse::<Pattern>().unwrap()])
        .from(Position::First)
        .on_gap(OnGap::Continue)
        .until_connected(Retry::Forever)
        .seed(random.next());
    let mut follower = Follower::new(connect(&door, weather, random.fork()), options);
    follower
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    let mut wanted = BTreeMap::new();
    let mut producers = JoinSet::new();
    for channel in 0..=random.below(5) {
        let messages = 1 + random.below(60);
        wanted.insert(name(channel), messages);
        let connect = connect(&door, weather, random.fork());
        producers.spawn(produce(channel, messages, pad, connect, random.fork()));
    }
    let pause = random.one_of(&[0, 0, 3, 200]);
    let result = follow(&mut follower, &wanted, (pad, pause), random, seen).await;
    producers.abort_all();
    drop(hub);
    result
}

/// Follows until it is at the end of all channels.
async fn follow(
    follower: &mut Follower,
    wanted: &BTreeMap<String, u64>,
    (pad, pause): (usize, u64),
    mut random: Random,
    seen: &mut Seen,
) -> Result<(), String> {
    // The seq that comes next of each channel.
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    while next != *wanted {
        let event = follower
            .next_event()
            .await
            .map_err(|error| error.to_string())?;
        match event.ok_or("it has ended")? {
            FollowerEvent::Message(got) => {
                let channel = got.channel.as_str();
                let expected = next.entry(channel.to_owned()).or_default();
                if got.seq != *expected || got.bytes != message(channel, got.seq, pad) {
                    return Err(format!(
                        "{channel}: {expected} was to come, and {} came",
                        got.seq
                    ));
                }
                *expected += 1;
                seen.messages += 1;
                if pause > 0 && random.one_in(4) {
                    sleep(Duration::from_millis(random.below(pause))).await;
                }
            }
            FollowerEvent::Gap(channel, gap) => {
                let expected = next.entry(channel.to_string()).or_default();
                if gap.expected != Some(*expected) {
                    return Err(format!(
                        "{channel}: {expected} was to come, and it is told: {gap}"
                    ));
                }
                *expected = gap.available;
                seen.gaps += 1;
            }
            FollowerEvent::Disconnected(_) => seen.reconnects += 1,
            FollowerEvent::Connected(_) => {}
            other => return Err(format!("{other:?}")),
        }
    }
    let places = follower.places().ok_or("it has no places")?;
    let places = places
        .into_iter()
        .map(|place| (place.channel.to_string(), place.from));
    let places: BTreeMap<_, _> = places.collect();
    if places != *wanted {
        return Err(format!("its places are {places:?} and not {wanted:?}"));
    }
    Ok(())
}

async fn produce(
    channel: u64,
    messages: u64,
    pad: usize,
    connect: impl FnMut() -> Connecting + Send + 'static,
    mut random: Random,
) {
    sleep(Duration::from_millis(random.below(500))).await;
    let options = Publish::new(name(channel).parse().unwrap())
        .until_connected(Retry::Forever)
        .seed(random.next());
    let mut publisher = Publisher::new(connect, options);
    for seq in 0..messages {
        let bytes = message(&name(channel), seq, pad);
        publisher.send(&bytes).await.unwrap();
        if random.one_in(4) {
            sleep(Duration::from_millis(random.below(30))).await;
        }
    }
    publisher.close().await.unwrap();
}

fn connect(
    door: &mpsc::UnboundedSender<Link>,
    weather: Weather,
    mut random: Random,
) -> impl FnMut() -> Connecting + Send + use<> {
    let door = door.clone();
    move || {
        let (door, mut random) = (door.clone(), random.fork());
        Box::pin(async move {
            sleep(Duration::from_micros(random.below(2000))).await;
            let (theirs, ours) = link(weather, random);
            let refused = |_| io::Error::from(io::ErrorKind::ConnectionRefused);
            door.send(theirs).map_err(refused)?;
            Ok(Box::new(ours) as Box<dyn Transport>)
        })
    }
}

fn options(random: &mut Random) -> HubOptions {
    let mut options = HubOptions {
        channel_memory: random.one_of(&[1000, 10_000, 64 << 20]),
        ..HubOptions::default()
    };
    if random.one_in(3) {
        let patience = WhenSlow::Wait(Duration::from_millis(random.below(2000)));
        options.when_slow = vec![("*".parse().unwrap(), patience)];
    }
    options
}
