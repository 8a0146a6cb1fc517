//! A mirror has what its source has, with the same seqs, times, counts and epochs, whatever happens to either.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tenfold_log::storage::{Keep, Memory};
use tenfold_log::{Channel, Lineage, Opened, Options, Retention, Submission};

use crate::support::{
    Silent, advance, frames, go_back, messages, read, reopen, reset, send, settle, small,
};

/// What happens to a source and to its mirror.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many messages for one of the channels, of one of the producers or of none.
    Send(usize, usize, usize),
    /// So many milliseconds pass.
    Pass(u64),
    /// The clock is set back by so many.
    SetBack(u64),
    /// The mirror takes so many pieces of each channel.
    Feed(usize),
    /// A clean stop, and a start: of the source, or of the mirror.
    Restart(Which),
    /// The same after a crash, with what was not synced or without it.
    Crash(Which, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Source,
    Mirror,
}

const CHANNELS: [&str; 2] = ["a", "b"];
const PRODUCERS: [Option<&str>; 3] = [None, Some("meter7"), Some("meter8")];

fn step() -> impl Strategy<Value = Step> {
    let which = || prop_oneof![Just(Which::Source), Just(Which::Mirror)];
    prop_oneof![
        6 => (0..CHANNELS.len(), 0..PRODUCERS.len(), 1..6_usize)
            .prop_map(|(channel, producer, count)| Step::Send(channel, producer, count)),
        3 => (1..50_u64).prop_map(Step::Pass),
        1 => (1..5000_u64).prop_map(Step::SetBack),
        6 => (1..20_usize).prop_map(Step::Feed),
        1 => which().prop_map(Step::Restart),
        2 => (which(), any::<bool>()).prop_map(|(which, keeps)| Step::Crash(which, keeps)),
    ]
}

/// Small files, and the source keeps little of `b`.
fn options(which: Which) -> Options {
    let mut options = small();
    options.is_mirror = which == Which::Mirror;
    options.retention = Arc::new(move |name| {
        let mut retention = Retention::default();
        if name == "b" && which == Which::Source {
            retention.max_bytes = 8 * 100;
        }
        retention
    });
    options
}

/// A log and its disk.
struct Machine {
    which: Which,
    memory: Memory,
    opened: Option<Opened>,
}

impl Machine {
    fn new(which: Which) -> Self {
        let mut machine = Self {
            which,
            memory: Memory::new(),
            opened: None,
        };
        machine.start();
        machine
    }

    fn start(&mut self) {
        let opened = reopen(self.memory.clone(), options(self.which)).unwrap();
        assert_eq!(opened.report.findings, []);
        self.opened = Some(opened);
    }

    fn restart(&mut self) {
        assert!(self.opened.take().unwrap().stop());
        self.start();
    }

    fn crash(&mut self, keeps: bool) {
        self.opened = None;
        let kept = if keeps { Keep::All } else { Keep::None };
        self.memory = self.memory.image(|_| kept);
        self.start();
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().unwrap()
    }

    fn settle(&mut self) {
        settle(self.opened.as_mut().unwrap());
    }
}

/// What a client was told by the source, and how much it had seen.
#[derive(Clone, Debug)]
struct Place {
    channel: &'static str,
    epoch: u64,
    seq: u64,
}

/// A message, and its producer.
type Message = (Vec<u8>, Option<&'static str>);

struct World {
    source: Machine,
    mirror: Machine,
    /// All messages that were ever sent to a channel, and whose they are.
    sent: BTreeMap<&'static str, Vec<Message>>,
    places: Vec<Place>,
}

impl World {
    fn new() -> Self {
        reset();
        Self {
            source: Machine::new(Which::Source),
            mirror: Machine::new(Which::Mirror),
            sent: BTreeMap::new(),
            places: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Send(channel, producer, count) => {
                let (channel, producer) = (CHANNELS[channel], PRODUCERS[producer]);
                let all = self.sent.entry(channel).or_default();
                let messages: Vec<Vec<u8>> = (all.len()..all.len() + count)
                    .map(|number| format!("message {number} of {channel}").into_bytes())
                    .collect();
                all.extend(messages.iter().map(|message| (message.clone(), producer)));
                send(self.source.opened(), channel, producer, &messages);
                self.source.settle();
            }
            Step::Pass(milliseconds) => advance(milliseconds),
            Step::SetBack(milliseconds) => go_back(milliseconds),
            Step::Feed(pieces) => {
                self.connect();
                self.feed(pieces);
            }
            Step::Restart(Which::Source) => self.source.restart(),
            Step::Restart(Which::Mirror) => self.mirror.restart(),
            Step::Crash(Which::Source, keeps) => self.source.crash(keeps),
            Step::Crash(Which::Mirror, keeps) => self.mirror.crash(keeps),
        }
        self.tell();
    }

    /// Clients of the source are told where they are: everything, and a part of it.
    fn tell(&mut self) {
        for channel in self.source.opened().log.channels() {
            let name = CHANNELS.into_iter().find(|name| *name == channel.name());
            for seq in [channel.next(), channel.next() / 2] {
                self.places.push(Place {
                    channel: name.unwrap(),
                    epoch: channel.epoch(),
                    seq,
                });
            }
        }
    }

    /// Has the mirror go on with the source's epochs, as at the beginning of a connection.
    fn connect(&mut self) {
        let log = &self.source.opened().log;
        let mirror = self.mirror.opened().log.clone();
        assert!(mirror.follow_starts(&log.starts()).unwrap());
        for channel in log.channels() {
            let lineage = channel.lineage();
            match mirror.find(channel.name()) {
                Some(known) if known.next() >= channel.first() => mirror.follow(&known, &lineage),
                Some(passed) => {
                    mirror.delete(&passed, |result| result.unwrap());
                    settle(self.mirror.opened.as_mut().unwrap());
                    begin(&self.mirror, &channel, &lineage);
                }
                None => begin(&self.mirror, &channel, &lineage),
            }
        }
    }

    /// Feeds the mirror with so many pieces of each channel.
    fn feed(&mut self, pieces: usize) {
        for channel in self.source.opened().log.channels() {
            let log = &self.mirror.opened().log;
            let into = log.channel(channel.name(), 0);
            log.note(&into).unwrap();
            let mut seq = into.next();
            for _ in 0..pieces {
                if seq == channel.next() {
                    break;
                }
                let of_one_time = channel.times(seq).unwrap()[0];
                // What is read may be of several times.
                let read = channel.reader(seq).read(usize::MAX).unwrap();
                let mut of_them = messages(&read.bytes);
                of_them.truncate(usize::try_from(of_one_time.messages).unwrap());
                let (count, next) = (of_them.len() as u64, seq + of_them.len() as u64);
                let counts = self.counts(channel.name(), next);
                let submission = Submission::new(frames(&of_them), count, Silent)
                    .committed_elsewhere(of_one_time.time, counts);
                drop(log.submit(&into, submission));
                seq = next;
            }
        }
        self.mirror.settle();
    }

    /// How many messages of each producer come before a seq.
    fn counts(&self, channel: &str, seq: u64) -> BTreeMap<Arc<str>, u64> {
        let mut counts = BTreeMap::new();
        let messages = &self.sent[channel][..usize::try_from(seq).unwrap()];
        for id in messages.iter().filter_map(|(_, producer)| *producer) {
            *counts.entry(Arc::from(id)).or_default() += 1;
        }
        counts
    }

    /// Compares the mirror with its source.
    fn check(&self) {
        for mirrored in self.mirror.opened().log.channels() {
            let source = self.source.opened().log.find(mirrored.name()).unwrap();
            assert_eq!(mirrored.epoch(), source.epoch());
            assert_eq!(mirrored.lineage(), source.lineage());
            self.check_messages(&mirrored);
            for place in self
                .places
                .iter()
                .filter(|place| place.channel == mirrored.name())
            {
                let ends = [&mirrored, &source].map(|channel| channel.end_of(place.epoch));
                assert_eq!(ends[0], ends[1], "{place:?}");
            }
            let from = mirrored.first().max(source.first());
            if from < mirrored.next() {
                assert_eq!(
                    times(&mirrored, from, mirrored.next()),
                    times(&source, from, mirrored.next())
                );
            }
        }
    }

    fn check_messages(&self, mirrored: &Arc<Channel>) {
        let kept = read(mirrored);
        assert_eq!(kept.damaged, []);
        let sent = &self.sent[mirrored.name()];
        let range = usize::try_from(kept.first).unwrap()..usize::try_from(kept.next).unwrap();
        let expected: Vec<_> = sent[range]
            .iter()
            .map(|(message, _)| message.clone())
            .collect();
        assert_eq!(kept.all(), expected);
        let producers = mirrored.producers().into_iter();
        let counts: BTreeMap<_, _> = producers.map(|known| (known.id, known.messages)).collect();
        let truth = self.counts(mirrored.name(), kept.next);
        // Of producers whose messages the mirror has never seen it knows nothing.
        assert!(
            counts
                .iter()
                .all(|known| truth.get(known.0) == Some(known.1))
        );
        if kept.first == 0 {
            assert_eq!(counts, truth);
        }
    }

    /// The mirror becomes a log of its own. Each place up to where it has come goes on, and none beyond that.
    fn promote(&mut self) {
        let ends: BTreeMap<String, u64> = self.ends();
        self.mirror.opened = None;
        self.mirror.which = Which::Source;
        self.mirror.start();
        for (name, end) in &ends {
            let channel = self.mirror.opened().log.find(name).unwrap();
            let source = self.source.opened().log.find(name).unwrap();
            assert_ne!(channel.epoch(), source.epoch());
            for place in self.places.iter().filter(|place| place.channel == name) {
                let is_good = |channel: &Channel| {
                    channel
                        .end_of(place.epoch)
                        .is_some_and(|last| place.seq <= last)
                };
                let expected = is_good(&source) && place.seq <= *end;
                assert_eq!(is_good(&channel), expected, "{place:?}, {end}");
            }
        }
    }

    fn ends(&self) -> BTreeMap<String, u64> {
        let channels = self.mirror.opened().log.channels().into_iter();
        channels
            .map(|channel| (channel.name().to_owned(), channel.next()))
            .collect()
    }
}

fn begin(mirror: &Machine, channel: &Channel, lineage: &Lineage) {
    let log = &mirror.opened().log;
    let begun = log.begin(channel.name(), lineage, channel.first()).unwrap();
    assert_eq!(
        (begun.first(), begun.next()),
        (channel.first(), channel.first())
    );
}

/// When each message of a range was committed.
fn times(channel: &Arc<Channel>, from: u64, next: u64) -> Vec<std::time::SystemTime> {
    let mut times = Vec::new();
    let mut seq = from;
    while seq < next {
        for committed in channel.times(seq).unwrap() {
            for _ in committed.first.max(seq)..(committed.first + committed.messages).min(next) {
                times.push(committed.time);
            }
            seq = committed.first + committed.messages;
        }
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_mirror_has_what_its_source_has_whatever_happens_to_either(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut world = World::new();
        for step in steps {
            let before = world.ends();
            world.take(step);
            // What was committed to the mirror is there after each crash.
            for (name, end) in before {
                prop_assert!(world.ends()[&name] >= end);
            }
            world.connect();
            world.check();
        }
        world.promote();
    }
}

/// A crash right after a connection: the epochs that the mirror has taken over are not in the snapshots of channels yet.
#[test]
fn a_mirror_that_crashes_between_two_starts_of_its_source_passes_over_no_message() {
    let mut world = World::new();
    for step in [
        Step::Send(0, 1, 5),
        Step::Feed(20),
        Step::Restart(Which::Source),
        Step::Send(0, 1, 5),
        Step::Restart(Which::Source),
        Step::Send(0, 1, 5),
        Step::Feed(0),
        Step::Crash(Which::Mirror, false),
    ] {
        world.take(step);
    }
    let mirrored = world.mirror.opened().log.find("a").unwrap();
    let source = world.source.opened().log.find("a").unwrap();
    for place in &world.places {
        // It may not know a place before it is connected again, and never takes one that is none.
        let end = mirrored.end_of(place.epoch);
        assert!(end <= source.end_of(place.epoch), "{place:?}: {end:?}");
    }
    world.connect();
    world.check();
    world.promote();
}

#[test]
fn what_no_log_can_have_had_are_not_starts_of_a_source() {
    let world = World::new();
    let starts = world.source.opened().log.starts();
    let mirror = &world.mirror.opened().log;
    assert!(!mirror.follow_starts(&[starts[0], starts[0]]).unwrap());
    assert_eq!(mirror.starts(), []);
    assert!(mirror.follow_starts(&starts).unwrap());
    assert_eq!(mirror.starts(), starts);
}
