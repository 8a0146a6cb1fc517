//! A place is an epoch and a seq. It is good in the history that it was told in, and in no other one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use tenfold_log::storage::{Keep, Memory};
use tenfold_log::{Health, Opened, Options, Retention};

use crate::support::{reopen, reset, send, settle, small};

/// What happens to the directory of a log.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many messages for one of the channels.
    Send(usize, usize),
    /// The directory as it is now is kept.
    Copy,
    /// One of the copies takes the place of the directory, and a hub starts on it.
    Restore(usize),
    /// A clean stop, and a start.
    Restart,
    /// The machine ends, with what was not synced, or without it, and starts.
    Crash(bool),
    /// The same, but the first try to start ends at one of its calls.
    CrashTwice(u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..CHANNELS.len(), 1..6_usize).prop_map(|(channel, count)| Step::Send(channel, count)),
        2 => Just(Step::Copy),
        2 => any::<usize>().prop_map(Step::Restore),
        2 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::Crash),
        1 => (0..60_u64, any::<bool>()).prop_map(|(call, keeps)| Step::CrashTwice(call, keeps)),
    ]
}

const CHANNELS: [&str; 2] = ["a", "b"];

type Messages = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// What a client was told, and what it had seen then.
struct Place {
    channel: &'static str,
    epoch: u64,
    seen: Vec<Vec<u8>>,
    /// What makes the channel another one than one of the same name in a copy.
    first: Vec<u8>,
    /// The start in which it was told.
    start: usize,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (channel, epoch, seq) = (self.channel, self.epoch, self.seen.len());
        write!(
            f,
            "{channel} {epoch:016x} {seq}, told in start {}",
            self.start
        )
    }
}

/// A directory, what was written to it, and the starts that it has seen.
#[derive(Clone)]
struct Directory {
    memory: Memory,
    messages: Messages,
    starts: Vec<usize>,
}

struct World {
    directory: Directory,
    opened: Option<Opened>,
    copies: Vec<Directory>,
    places: Vec<Place>,
    starts: usize,
    sent: usize,
}

/// Small files, and little is kept of `b`.
fn options() -> Options {
    let mut options = small();
    options.retention = Arc::new(|name| {
        let mut retention = Retention::default();
        if name == "b" {
            retention.max_bytes = 8 * 100;
        }
        retention
    });
    options
}

impl World {
    fn new() -> Self {
        reset();
        let mut world = Self {
            directory: Directory {
                memory: Memory::new(),
                messages: Messages::new(),
                starts: Vec::new(),
            },
            opened: None,
            copies: Vec::new(),
            places: Vec::new(),
            starts: 0,
            sent: 0,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let opened = reopen(self.directory.memory.clone(), options()).unwrap();
        assert_eq!(opened.report.findings, []);
        self.opened = Some(opened);
        self.directory.starts.push(self.starts);
        self.starts += 1;
        self.tell();
    }

    /// Clients are told where they are: everything, and a part of it.
    fn tell(&mut self) {
        let opened = self.opened.as_ref().unwrap();
        for channel in opened.log.channels() {
            let name = CHANNELS.into_iter().find(|name| *name == channel.name());
            let name = name.unwrap();
            let messages = &self.directory.messages[name];
            assert_eq!(channel.next(), messages.len() as u64);
            for seen in [messages.len(), messages.len() / 2] {
                self.places.push(Place {
                    channel: name,
                    epoch: channel.epoch(),
                    seen: messages[..seen].to_vec(),
                    first: messages[0].clone(),
                    start: self.starts - 1,
                });
            }
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send(channel, count) => {
                let channel = CHANNELS[channel];
                let messages: Vec<Vec<u8>> = (self.sent..self.sent + count)
                    .map(|number| format!("message {number} of {channel}").into_bytes())
                    .collect();
                self.sent += count;
                let opened = self.opened.as_mut().unwrap();
                send(opened, channel, None, &messages);
                settle(opened);
                let all = self.directory.messages.entry(channel).or_default();
                all.extend(messages);
                self.tell();
            }
            Step::Copy => {
                let copy = Directory {
                    memory: self.directory.memory.image(|_| Keep::None),
                    ..self.directory.clone()
                };
                self.copies.push(copy);
            }
            Step::Restore(which) => {
                let Some(which) = which.checked_rem(self.copies.len()) else {
                    return;
                };
                self.opened = None;
                let copy = self.copies[which].clone();
                self.directory = Directory {
                    memory: copy.memory.copy(),
                    ..copy
                };
                self.start();
            }
            Step::Restart => {
                assert!(self.opened.take().unwrap().stop());
                self.start();
            }
            Step::Crash(keeps) => {
                self.crash(keeps);
                self.start();
            }
            Step::CrashTwice(call, keeps) => {
                self.crash(keeps);
                let memory = &self.directory.memory;
                memory.stop_at(call);
                drop(reopen(memory.clone(), options()));
                self.crash(!keeps);
                self.start();
            }
        }
    }

    fn crash(&mut self, keeps: bool) {
        self.opened = None;
        let kept = if keeps { Keep::All } else { Keep::None };
        self.directory.memory = self.directory.memory.image(|_| kept);
    }

    /// Compares the log's answer to each place with the truth.
    fn check(&self) {
        let opened = self.opened.as_ref().unwrap();
        for place in &self.places {
            let channels = opened.log.channels();
            let channel = channels
                .iter()
                .find(|channel| channel.name() == place.channel);
            let seq = place.seen.len() as u64;
            let end = channel.and_then(|channel| channel.end_of(place.epoch));
            let is_good = end.is_some_and(|end| seq <= end);
            let nothing = Vec::new();
            let messages = self
                .directory
                .messages
                .get(place.channel)
                .unwrap_or(&nothing);
            let is_same = messages.starts_with(&place.seen);
            // What a start has told is known to the directories that have seen it.
            let is_known = self.directory.starts.contains(&place.start)
                && messages.first() == Some(&place.first);
            assert_eq!(is_good, is_same && is_known, "{place:?}: {end:?}");
        }
    }
}

/// Places that were told before a copy was put back, and lie beyond it.
pub(crate) fn put_a_copy_back() {
    let mut world = World::new();
    for step in [
        Step::Send(0, 3),
        Step::Restart,
        Step::Copy,
        Step::Send(0, 3),
        Step::Restore(0),
        Step::Send(0, 5),
        Step::Restart,
    ] {
        world.take(step);
        world.check();
    }
}

#[test]
fn a_copy_that_is_put_back_takes_no_place_that_lies_beyond_it() {
    put_a_copy_back();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn a_place_is_good_exactly_if_its_messages_are_those_of_this_history(
        steps in prop::collection::vec(step(), 1..30)
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
            world.check();
        }
    }
}

/// Whoever was told an epoch by a hub that had no space for its recovery has a place in this history.
#[test]
fn the_epoch_of_a_start_without_space_is_known_to_the_next_one() {
    const BLOCK: u64 = 4096;
    reset();
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let message = vec![b"hello".to_vec()];
    for _ in 0..5 {
        send(&opened, "a", None, &message);
        settle(&mut opened);
    }
    let before = opened.log.channel("a", 0).epoch();
    drop(opened);
    let crashed = memory.image(|_| Keep::None);
    let mut image = crashed;
    let mut epochs = vec![before];
    for _ in 0..2 {
        // What a start keeps free is enough for its line in STARTS.
        image.set_space(image.used_space() + BLOCK);
        let opened = reopen(image.clone(), small()).unwrap();
        assert_eq!(opened.log.health(), Health::Full);
        epochs.push(opened.log.channel("a", 0).epoch());
        drop(opened);
        image = image.image(|_| Keep::None);
    }
    for _ in 0..2 {
        let mut opened = reopen(image.clone(), small()).unwrap();
        let channel = opened.log.channel("a", 0);
        for epoch in &epochs {
            let end = channel.end_of(*epoch);
            assert!(end.is_some_and(|end| end >= 5), "{epoch:016x}: {end:?}");
            assert_ne!(*epoch, channel.epoch());
        }
        send(&opened, "a", None, &message);
        settle(&mut opened);
        drop(opened);
        image = image.image(|_| Keep::None);
    }
}
