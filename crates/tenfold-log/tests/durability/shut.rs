//! A channel whose files fail is shut, the others go on, and it is opened again when that has passed.

use std::collections::BTreeMap;

use tenfold_log::storage::{Fault, Keep, Kind, Memory};
use tenfold_log::{Health, Opened, Refused};

use crate::model::{Expected, check};
use crate::support::{Fate, Sent, advance, random, read, reopen, reset, send, settle, small};

const EACCES: i32 = 13;
const EIO: i32 = 5;

/// What the publishers know of the channels.
#[derive(Default)]
struct Told(BTreeMap<String, Expected>);

impl Told {
    /// Publishes a message to each of some channels; returns what became of that.
    fn publish(&mut self, opened: &mut Opened, channels: &[&str]) -> Vec<Fate> {
        let sent: Vec<Sent> = channels
            .iter()
            .map(|name| {
                let number = self.0.get(*name).map_or(0, |known| known.messages.len());
                let message = format!("{name} {number} ").repeat(12).into_bytes();
                send(opened, name, Some("p"), &[message])
            })
            .collect();
        settle(opened);
        for sent in &sent {
            self.note(sent);
        }
        sent.iter().map(Sent::fate).collect()
    }

    fn note(&mut self, sent: &Sent) {
        let (Fate::Committed { first, .. } | Fate::Written { first, .. }) = sent.fate() else {
            return;
        };
        let known = self.0.entry(sent.channel.clone()).or_default();
        assert_eq!(first, known.messages.len() as u64, "{}", sent.channel);
        known
            .messages
            .push((sent.messages[0].clone(), sent.producer.clone()));
        known.acknowledged = known.messages.len() as u64;
        known.epoch = sent.epoch;
    }

    /// Everything that was acknowledged is there after a crash.
    fn check_crash(&self, memory: &Memory) {
        for image in [memory.image(|_| Keep::None), memory.image_kept()] {
            check(&reopen(image, small()).unwrap(), &self.0);
        }
    }
}

fn is_written(fate: Fate) -> bool {
    matches!(fate, Fate::Written { .. })
}

/// Lets the channels other than `a` go on until the journal was turned over a few times.
fn turn_over(opened: &mut Opened, told: &mut Told, memory: &Memory) {
    let checkpoints = opened.log.numbers().checkpoints;
    for round in 0.. {
        assert!(
            told.publish(opened, &["c", "d"])
                .into_iter()
                .all(is_written),
            "{round}"
        );
        if round % 5 == 0 {
            told.check_crash(memory);
        }
        if opened.log.numbers().checkpoints >= checkpoints + 4 {
            return;
        }
        assert!(round < 1000);
    }
}

/// Frames in a segment that is shut are read when it is open again.
fn open_again(opened: &mut Opened, told: &mut Told, memory: &Memory) {
    memory.forget_faults();
    advance(1000);
    settle(opened);
    assert_eq!(opened.log.health(), Health::Ok, "{:?}", opened.log.why());
    assert_eq!(opened.log.shut("a"), None);
    for (name, known) in &told.0 {
        let there = read(&opened.log.channel(name, random()));
        let messages = known.messages.iter().map(|(message, _)| message.clone());
        assert_eq!(there.all(), messages.collect::<Vec<_>>(), "channel {name}");
    }
    told.check_crash(memory);
    assert!(
        told.publish(opened, &["a", "c"])
            .into_iter()
            .all(is_written)
    );
    told.check_crash(memory);
}

#[test]
fn a_channel_that_a_start_cannot_read_is_shut_alone_and_comes_back_with_everything() {
    for (kind, path, errno) in [
        (Kind::List, "channels/a", EIO),
        (Kind::List, "channels/a", EACCES),
        (Kind::Open, "channels/a/snapshot", EACCES),
        (Kind::Open, "channels/a/", EACCES),
        (Kind::Read, "channels/a/", EIO),
    ] {
        for commits in [1, 4, 9, 23] {
            reset();
            let memory = Memory::new();
            let mut opened = reopen(memory.clone(), small()).unwrap();
            let mut told = Told::default();
            for _ in 0..commits {
                assert!(
                    told.publish(&mut opened, &["a", "c"])
                        .into_iter()
                        .all(is_written)
                );
            }
            drop(opened);
            let fault = || Fault::next(kind).on(path).errno(errno).forever();
            memory.fail(fault());
            // It starts twice without it.
            for _ in 0..2 {
                let mut opened = reopen(memory.clone(), small()).unwrap();
                if opened.log.health() == Health::Ok {
                    // Nothing of it had to be read.
                    assert!(opened.log.shut("a").is_none());
                    continue;
                }
                assert_eq!(opened.log.health(), Health::Degraded);
                let why = opened.log.shut("a").unwrap();
                assert!(why.path.starts_with("channels/a"), "{why}");
                assert_eq!(
                    (why.errno, opened.log.why()),
                    (Some(errno), Some(why.clone()))
                );
                let refused = told.publish(&mut opened, &["a"]);
                assert_eq!(refused, [Fate::Refused(Refused::Hindered)]);
                assert_eq!(opened.log.why_refused("a", Refused::Hindered), Some(why));
                turn_over(&mut opened, &mut told, &memory);
                drop(opened);
            }
            let mut opened = reopen(memory.clone(), small()).unwrap();
            turn_over(&mut opened, &mut told, &memory);
            open_again(&mut opened, &mut told, &memory);
            assert!(opened.stop());
            let opened = reopen(memory, small()).unwrap();
            assert_eq!(opened.report.findings, []);
            check(&opened, &told.0);
        }
    }
}

#[test]
fn a_channel_that_a_start_cannot_write_to_is_read_and_takes_nothing_until_it_can() {
    for kind in [Kind::Open, Kind::Write, Kind::Sync, Kind::Rename] {
        reset();
        let memory = Memory::new();
        let mut opened = reopen(memory.clone(), small()).unwrap();
        let mut told = Told::default();
        for _ in 0..7 {
            told.publish(&mut opened, &["a", "c"]);
        }
        drop(opened);
        memory.fail(Fault::next(kind).on("frames.new").errno(EIO).forever());
        let mut opened = reopen(memory.clone(), small()).unwrap();
        assert_eq!(opened.log.unread("a"), None);
        assert!(opened.log.shut("a").is_some() && opened.log.shut("c").is_some());
        let there = read(&opened.log.channel("a", random()));
        assert_eq!(there.messages.len(), told.0["a"].messages.len());
        let refused = told.publish(&mut opened, &["a"]);
        assert_eq!(refused, [Fate::Refused(Refused::Hindered)]);
        told.check_crash(&memory);
        open_again(&mut opened, &mut told, &memory);
    }
}

/// The next start took the records for ones of the start that had carried them, and the channel for another one.
#[test]
fn a_new_channel_that_starts_only_carry_keeps_every_place_that_was_told() {
    for starts in 1..4 {
        reset();
        let memory = Memory::new();
        let mut opened = reopen(memory.clone(), small()).unwrap();
        let mut told = Told::default();
        told.publish(&mut opened, &["a", "c"]);
        let mut epochs = vec![opened.log.channel("a", random()).epoch()];
        drop(opened);
        let fault = Fault::next(Kind::Open).on("channels/a/").errno(EIO);
        memory.fail(fault.forever());
        for _ in 0..starts {
            let mut opened = reopen(memory.clone(), small()).unwrap();
            assert!(opened.log.shut("a").is_some());
            if opened.log.unread("a").is_none() {
                epochs.push(opened.log.channel("a", random()).epoch());
            }
            turn_over(&mut opened, &mut told, &memory);
        }
        memory.forget_faults();
        let opened = reopen(memory.clone(), small()).unwrap();
        let channel = opened.log.channel("a", random());
        for epoch in epochs {
            assert_eq!(channel.end_of(epoch), Some(1), "after {starts} starts");
        }
        assert_eq!(read(&channel).all().len(), 1);
        // The machine may lose what no start has synced, and what the journal alone has.
        told.check_crash(&memory);
    }
}

/// The batches that the start had carried were missed after that, and channels got new epochs.
#[test]
fn what_a_start_has_carried_of_a_channel_is_not_missed_when_that_is_open_again() {
    reset();
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let mut told = Told::default();
    for _ in 0..7 {
        told.publish(&mut opened, &["a", "c"]);
    }
    drop(opened);
    let unreadable = Fault::next(Kind::List).on("channels/a").errno(EIO);
    memory.fail(unreadable.forever());
    let mut opened = reopen(memory.clone(), small()).unwrap();
    assert!(opened.log.unread("a").is_some());
    open_again(&mut opened, &mut told, &memory);
    let checkpoints = opened.log.numbers().checkpoints;
    while opened.log.numbers().checkpoints < checkpoints + 3 {
        told.publish(&mut opened, &["c"]);
        let crashed = reopen(memory.image(|_| Keep::None), small()).unwrap();
        assert!(!crashed.report.is_damaged(), "{:?}", crashed.report);
        check(&crashed, &told.0);
    }
}

/// The faults of files that cannot be synced, or written to, nor be made again.
fn faults() -> Vec<Vec<Fault>> {
    let new = Fault::next(Kind::Open).on("frames.new").errno(EACCES);
    let on = |kind| Fault::next(kind).on("channels/a/0").forever();
    vec![
        vec![on(Kind::Sync), on(Kind::Rename)],
        vec![on(Kind::Write)],
        vec![on(Kind::Sync).after(1), new.forever()],
        vec![
            Fault::next(Kind::Open)
                .on("channels/a/snapshot.new")
                .forever(),
        ],
        vec![
            Fault::next(Kind::Sync)
                .on("channels/a/snapshot.new")
                .forever(),
        ],
        vec![
            Fault::next(Kind::Rename)
                .on("channels/a/snapshot.new")
                .forever(),
        ],
    ]
}

#[test]
fn a_channel_whose_files_fail_while_the_log_runs_is_shut_alone_and_opened_again() {
    for (number, faults) in faults().into_iter().enumerate() {
        for commits in [0, 3, 6] {
            reset();
            let memory = Memory::new();
            let mut opened = reopen(memory.clone(), small()).unwrap();
            let mut told = Told::default();
            for _ in 0..commits {
                told.publish(&mut opened, &["a", "c"]);
            }
            for fault in &faults {
                memory.fail(fault.clone());
            }
            let mut rounds = 0;
            while opened.log.shut("a").is_none() {
                let fates = told.publish(&mut opened, &["a", "c"]);
                assert!(is_written(fates[1]), "faults {number}");
                assert_ne!(fates[0], Fate::Waiting);
                rounds += 1;
                assert!(rounds < 100, "faults {number}");
                told.check_crash(&memory);
            }
            assert_eq!(opened.log.health(), Health::Degraded);
            assert!(opened.log.why().unwrap().path.starts_with("channels/a"));
            let refused = told.publish(&mut opened, &["a"]);
            assert_eq!(refused, [Fate::Refused(Refused::Hindered)]);
            turn_over(&mut opened, &mut told, &memory);
            advance(1000);
            turn_over(&mut opened, &mut told, &memory);
            assert_eq!(opened.log.health(), Health::Degraded);
            open_again(&mut opened, &mut told, &memory);
        }
    }
}

/// A checkpoint waits while the committer goes on, and then the files of the channel fail for both: the committer
/// shuts it with what is newer, and the checkpoint adds what is older.
#[test]
fn a_channel_that_is_shut_by_the_committer_before_an_older_checkpoint_fails_is_opened_again() {
    let on = |kind| Fault::next(kind).on("channels/a/0").forever();
    for (length, before, late) in (0..8)
        .flat_map(|before| {
            let lengths = [3, 12, 40];
            lengths.map(|length| (0..4).map(move |late| (length, before, late)))
        })
        .flatten()
    {
        reset();
        let memory = Memory::new();
        let mut opened = reopen(memory.clone(), small()).unwrap();
        let mut told = Told::default();
        let mut sent = Vec::new();
        let mut publish = |opened: &mut Opened| {
            let message = format!("a {}", sent.len()).repeat(length).into_bytes();
            sent.push(send(opened, "a", Some("p"), &[message]));
        };
        for _ in 0..before {
            publish(&mut opened);
            settle(&mut opened);
        }
        for _ in 0..late {
            publish(&mut opened);
            opened.committer.step();
        }
        for kind in [Kind::Write, Kind::Sync] {
            memory.fail(on(kind));
        }
        for _ in 0..3 {
            publish(&mut opened);
            while opened.committer.step() {}
        }
        settle(&mut opened);
        for sent in &sent {
            told.note(sent);
        }
        told.check_crash(&memory);
        turn_over(&mut opened, &mut told, &memory);
        open_again(&mut opened, &mut told, &memory);
    }
}

#[test]
fn what_retention_cannot_delete_of_one_channel_does_not_keep_it_from_the_others() {
    for kind in [
        Kind::Open,
        Kind::Write,
        Kind::Sync,
        Kind::SyncDir,
        Kind::Rename,
    ] {
        reset();
        let memory = Memory::new();
        let mut options = small();
        // Two blocks of each segment, and two of each channel.
        options.max_disk = 40 * 4096;
        let mut opened = reopen(memory.clone(), options).unwrap();
        let mut told = Told::default();
        // The oldest messages are those of `a`, so they would be the first to go.
        for _ in 0..20 {
            told.publish(&mut opened, &["a"]);
            advance(10);
        }
        let place = if kind == Kind::SyncDir {
            "channels/a"
        } else {
            "channels/a/snapshot"
        };
        memory.fail(Fault::next(kind).on(place).forever());
        for _ in 0..200 {
            assert!(
                told.publish(&mut opened, &["c"])
                    .into_iter()
                    .all(is_written)
            );
            advance(300);
        }
        settle(&mut opened);
        assert_eq!(opened.log.health(), Health::Degraded, "{kind:?}");
        assert!(opened.log.why().unwrap().path.starts_with("channels/a"));
        let channel = |name| opened.log.channel(name, random());
        assert!(channel("c").first() > 0, "{kind:?}");
        assert!(opened.log.numbers().disk <= 40 * 4096, "{kind:?}");
        assert_eq!(read(&channel("a")).damaged, []);
        drop(opened);
        memory.forget_faults();
        for image in [memory.image(|_| Keep::None), memory.image_kept()] {
            let opened = reopen(image, small()).unwrap();
            assert!(
                !opened.report.is_damaged(),
                "{kind:?}: {:#?}",
                opened.report
            );
            for (name, known) in &told.0 {
                let there = read(&opened.log.channel(name, random()));
                assert_eq!(there.next, known.acknowledged, "{kind:?}, channel {name}");
                assert_eq!(there.damaged, []);
            }
        }
    }
}

/// What is carried into the other file of the journal is there at any time.
#[test]
fn a_crash_at_any_call_while_a_channel_is_shut_loses_nothing() {
    let script = |memory: &Memory, told: &mut Told| {
        reset();
        let Ok(mut opened) = reopen(memory.clone(), small()) else {
            return;
        };
        memory.fail(
            Fault::next(Kind::Write)
                .on("channels/a/0")
                .after(2)
                .forever(),
        );
        for _ in 0..40 {
            let number = told.0.get("a").map_or(0, |known| known.messages.len());
            told.publish(&mut opened, if number < 9 { &["a", "c"] } else { &["c"] });
            if memory.is_stopped() {
                return;
            }
        }
        memory.forget_faults();
        advance(1000);
        settle(&mut opened);
        told.publish(&mut opened, &["a", "c"]);
    };
    let whole = Memory::new();
    script(&whole, &mut Told::default());
    for call in whole.trace().iter().filter(|call| call.kind.changes()) {
        let memory = Memory::new();
        memory.stop_at(call.number);
        let mut told = Told::default();
        script(&memory, &mut told);
        for image in [
            memory.image(|_| Keep::None),
            memory.image_kept(),
            memory.image_kept_with(Keep::All),
            memory.image_random(call.number),
        ] {
            let opened = reopen(image, small()).unwrap();
            assert!(
                !opened.report.is_damaged(),
                "{call:?}: {:#?}",
                opened.report
            );
            for (name, known) in &told.0 {
                let there = read(&opened.log.channel(name, random()));
                assert_eq!(there.damaged, [], "{call:?}, channel {name}");
                let acknowledged = known.messages.iter().map(|(message, _)| message);
                let there = there.all();
                assert!(
                    there.len() >= known.messages.len(),
                    "{call:?}, channel {name}"
                );
                assert!(acknowledged.zip(&there).all(|(one, other)| one == other));
            }
        }
    }
}

/// A start, or a log that runs, carries what the journal has of a channel that is shut, and the power fails in the
/// middle of that: the batch is torn, and what it was to carry is still where it was.
#[test]
fn a_batch_that_carries_can_be_torn() {
    let torn = |part| {
        Fault::next(Kind::Sync)
            .on("journal/")
            .errno(EIO)
            .landing(part)
    };
    let parts = (0..8).map(|number| Keep::Prefix(150 * number + 50));
    let parts = parts.chain((0..4).map(Keep::Sectors));
    for (part, after) in parts.flat_map(|part| (0..4).map(move |after| (part, after))) {
        for (commits, runs) in (4..10).flat_map(|commits| [(commits, false), (commits, true)]) {
            reset();
            let memory = Memory::new();
            let mut opened = reopen(memory.clone(), small()).unwrap();
            let mut told = Told::default();
            for _ in 0..commits {
                told.publish(&mut opened, &["a", "c"]);
            }
            if runs {
                memory.fail(Fault::next(Kind::Write).on("channels/a/0").forever());
                while opened.log.shut("a").is_none() {
                    told.publish(&mut opened, &["a", "c"]);
                }
                memory.fail(torn(part).after(after));
                for _ in 0..20 {
                    told.publish(&mut opened, &["c"]);
                }
                drop(opened);
            } else {
                drop(opened);
                memory.fail(Fault::next(Kind::Write).on("channels/a/0").forever());
                memory.fail(torn(part).after(after));
                drop(reopen(memory.clone(), small()));
            }
            memory.forget_faults();
            for image in [memory.image(|_| Keep::None), memory.image_kept()] {
                let opened = reopen(image, small()).unwrap();
                assert!(
                    !opened.report.is_damaged(),
                    "{part:?} {after} {commits} {runs}"
                );
                for (name, known) in &told.0 {
                    let channel = opened.log.channel(name, random());
                    assert!(
                        channel.next() >= known.acknowledged,
                        "{part:?} {after} {commits} {runs}"
                    );
                    assert!(channel.producers()[0].messages >= known.acknowledged);
                    assert_eq!(read(&channel).damaged, []);
                }
            }
        }
    }
}
