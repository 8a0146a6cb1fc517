//! A channel of a log that runs is deleted: it ends as a whole, at whatever call the machine ends or fails.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};

use tenfold_log::storage::{Call, Fault, Keep, Kind, Memory, Sharing, Storage};
use tenfold_log::{Health, Opened, Refused};

use crate::is_full;
use crate::script::message;
use crate::support::{
    Fate, Sent, advance, read, reopen, reset, send, send_to, settle, small, until,
};

const EINTR: i32 = 4;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// What became of a deletion, once that is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Result<(), Refused>>>>);

impl Told {
    fn get(&self) -> Option<Result<(), Refused>> {
        *self.0.lock().unwrap()
    }
}

fn delete(opened: &Opened, name: &str) -> Told {
    let told = Told::default();
    let tells = told.clone();
    let channel = opened.log.channel(name, 0);
    opened.log.delete(&channel, move |result| {
        let before = tells.0.lock().unwrap().replace(result);
        assert_eq!(before, None, "it is told once");
    });
    told
}

/// What was sent to `a` before the deletion and after it, and to `b` all the time.
#[derive(Default)]
struct Run {
    before: Vec<Sent>,
    after: Vec<Sent>,
    other: Vec<Sent>,
    told: Option<Told>,
    opened: Option<Opened>,
    /// How many calls were made before the deletion.
    begun: u64,
}

/// How the journal stands when `a` is deleted, and whether something else is committed meanwhile.
#[derive(Clone, Copy, Debug)]
struct Script {
    rounds: usize,
    is_alone: bool,
}

const SCRIPTS: [Script; 4] = [
    Script {
        rounds: 1,
        is_alone: true,
    },
    Script {
        rounds: 2,
        is_alone: true,
    },
    Script {
        rounds: 3,
        is_alone: false,
    },
    Script {
        rounds: 6,
        is_alone: false,
    },
];

/// `a` may have segments that have ended, and has a producer.
fn run(memory: &Memory, script: Script) -> Run {
    reset();
    let mut run = Run::default();
    let Ok(mut opened) = reopen(memory.clone(), small()) else {
        return run;
    };
    let some = |channel: &str, number: usize| -> Vec<Vec<u8>> {
        (0..3).map(|n| message(channel, number, n)).collect()
    };
    for number in 0..script.rounds {
        run.before
            .push(send(&opened, "a", Some("p"), &some("a", number)));
        run.other
            .push(send(&opened, "b", None, &some("b", number)[..1]));
        opened.committer.step();
        advance(7);
        if number % 2 == 1 {
            opened.checkpointer.step();
        }
    }
    settle(&mut opened);
    run.begun = memory.calls();
    run.told = Some(delete(&opened, "a"));
    if !script.is_alone {
        run.other.push(send(&opened, "b", None, &some("b", 9)[..1]));
    }
    settle(&mut opened);
    if run.told() == Some(Ok(())) {
        for number in 10..12 {
            run.after
                .push(send(&opened, "a", Some("p"), &some("a", number)));
            run.other
                .push(send(&opened, "b", None, &some("b", number)[..1]));
            settle(&mut opened);
        }
    }
    run.opened = Some(opened);
    run
}

fn is_acknowledged(sent: &Sent) -> bool {
    matches!(sent.fate(), Fate::Committed { .. } | Fate::Written { .. })
}

/// What a channel may have of what was sent, and how many of these messages it must have.
fn history(sent: &[Sent]) -> (Vec<Vec<u8>>, usize) {
    let kept = |sent: &&Sent| !matches!(sent.fate(), Fate::Refused(why) if why != Refused::Storage);
    let count = |sent: &[&Sent]| sent.iter().map(|sent| sent.messages.len()).sum();
    let sent: Vec<&Sent> = sent.iter().filter(kept).collect();
    let acknowledged = sent.iter().take_while(|sent| is_acknowledged(sent)).count();
    let messages = sent.iter().flat_map(|sent| sent.messages.clone());
    (messages.collect(), count(&sent[..acknowledged]))
}

impl Run {
    fn told(&self) -> Option<Result<(), Refused>> {
        self.told.as_ref().and_then(Told::get)
    }

    fn epoch_before(&self) -> u64 {
        self.before.first().map_or(0, |sent| sent.epoch)
    }

    /// Whether a log has everything that it must have, and nothing else.
    fn check(&self, opened: &Opened) {
        assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
        let found = |name: &str| {
            let channels = opened.log.channels();
            channels.into_iter().find(|channel| channel.name() == name)
        };
        let is = |name: &str, sent: &[Sent]| {
            let (messages, acknowledged) = history(sent);
            let all = found(name).map_or_else(Vec::new, |channel| {
                let read = read(&channel);
                assert_eq!(read.damaged, [], "channel {name}");
                assert!(name == "b" || read.first == 0, "channel {name}");
                let before = usize::try_from(read.first).unwrap();
                [messages[..before].to_vec(), read.all()].concat()
            });
            all.len() >= acknowledged && messages.starts_with(&all)
        };
        assert!(is("b", &self.other), "the other channel");
        let old_is_known = found("a").is_some_and(|a| a.end_of(self.epoch_before()).is_some());
        match (&self.told, self.told()) {
            (None, _) | (_, Some(Err(_))) if old_is_known || found("a").is_none() => {
                let may_be_gone = matches!(self.told(), Some(Err(Refused::Storage)));
                assert!(is("a", &self.before) || (may_be_gone && found("a").is_none()));
            }
            (_, Some(Ok(()))) => {
                assert!(
                    !old_is_known,
                    "no place in the old channel is one in the new"
                );
                assert!(is("a", &self.after));
            }
            (Some(_), None) => {
                let is_gone = found("a").is_none();
                assert!(is_gone || (old_is_known && is("a", &self.before)));
            }
            (told, _) => panic!("another channel: {:?}", told.as_ref().map(Told::get)),
        }
    }

    /// Opens what a disk may hold, looks, and goes on with it.
    fn look(&self, image: &Memory) {
        let mut opened = reopen(image.clone(), small()).unwrap();
        self.check(&opened);
        let files = image.files();
        let is_left = files.iter().any(|(path, _)| path.starts_with("deleted"));
        assert!(!is_left, "{files:?}");
        for name in ["a", "b"] {
            let sent = send(&opened, name, Some("q"), &[b"one more".to_vec()]);
            settle(&mut opened);
            assert!(matches!(sent.fate(), Fate::Written { .. }), "{name}");
        }
        let nexts = ["a", "b"].map(|name| opened.log.channel(name, 0).next());
        drop(opened);
        let again = reopen(image.image(|_| Keep::None), small()).unwrap();
        assert!(!again.report.is_damaged(), "{:#?}", again.report);
        let nexts_again = ["a", "b"].map(|name| again.log.channel(name, 0).next());
        assert_eq!(nexts, nexts_again);
    }
}

/// Calls the test with each call that the script makes from the deletion on, and names the call if that fails.
fn each_call(script: Script, test: impl Fn(&Call) + std::panic::RefUnwindSafe) {
    let whole = Memory::new();
    let run = run(&whole, script);
    assert_eq!(run.told(), Some(Ok(())));
    let all = run.before.iter().chain(&run.after).chain(&run.other);
    assert!(all.into_iter().all(is_acknowledged));
    let calls = whole.trace();
    for call in &calls[usize::try_from(run.begun).unwrap()..] {
        if let Err(panic) = std::panic::catch_unwind(|| test(call)) {
            eprintln!("at {call:?} of {script:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn after_a_crash_at_any_call_of_a_deletion_the_whole_channel_is_there_or_nothing_of_it() {
    let seeds = if is_full() { 100 } else { 3 };
    let images = std::cell::Cell::new(0);
    let images = std::panic::AssertUnwindSafe(&images);
    for script in SCRIPTS {
        each_call(script, |call| {
            if !call.kind.changes() {
                return;
            }
            let memory = Memory::new();
            memory.stop_at(call.number);
            let mut run = run(&memory, script);
            drop(run.opened.take());
            if memory.is_stopped() && run.told().is_some_and(|told| told.is_err()) {
                // The process that would be told has ended.
                run.told = Some(Told::default());
            }
            let look = |image: &Memory| {
                images.set(images.get() + 1);
                run.look(image);
            };
            look(&memory.image_kept());
            look(&memory.image_kept_with(Keep::All));
            look(&memory.image(|_| Keep::None));
            look(&memory.image(|_| Keep::All));
            for seed in 0..seeds {
                look(&memory.image_random(seed));
            }
        });
    }
    assert!(images.get() > 1000, "{} images", images.get());
}

#[test]
fn whatever_call_of_a_deletion_fails_somebody_is_told_and_nothing_else_is_lost() {
    for script in [SCRIPTS[0], SCRIPTS[2]] {
        each_call(script, |call| {
            for errno in [EIO, ENOSPC, EMFILE, EINTR] {
                let memory = Memory::new();
                memory.fail(Fault::at(call.number).errno(errno));
                let mut run = run(&memory, script);
                if let Some(opened) = &mut run.opened {
                    // What was put off is due again after a while.
                    advance(2000);
                    settle(opened);
                }
                if let Some(opened) = &run.opened {
                    assert!(run.told().is_some(), "errno {errno}: nobody is told");
                    if opened.log.health() == Health::Ok {
                        run.check(opened);
                    }
                }
                drop(run.opened.take());
                if call.kind != Kind::SyncDir {
                    // After a sync that failed, what reads see of a directory need not be on the disk: only a
                    // start of the machine tells.
                    run.look(&memory.image_kept());
                }
                for image in [
                    memory.image(|_| Keep::None),
                    memory.image(|_| Keep::All),
                    memory.image_random(call.number),
                ] {
                    run.look(&image);
                }
            }
        });
    }
}

/// The sync of the move has failed, and the next process is told by a later one that all is well. A power cut during
/// its start, or after it, brings the directory back.
pub(crate) fn lose_the_move() {
    for directory in ["deleted", "channels"] {
        let memory = Memory::new();
        let whole = Memory::new();
        run(&whole, SCRIPTS[0]);
        let calls = whole.trace().into_iter();
        let mut calls = calls.skip_while(|call| call.to.as_deref() != Some("deleted/a"));
        let sync = calls.find(|call| call.kind == Kind::SyncDir && call.path == directory);
        memory.fail(Fault::at(sync.unwrap().number));
        let mut run = run(&memory, SCRIPTS[0]);
        assert_eq!(run.told(), Some(Err(Refused::Storage)), "{directory}");
        drop(run.opened.take());
        let started = memory.image_kept();
        drop(reopen(started.clone(), small()).unwrap());
        for at in 0..=started.calls() {
            let starting = memory.image_kept();
            starting.stop_at(at);
            drop(reopen(starting.clone(), small()));
            for seed in 0..8 {
                run.look(&starting.image_random(seed));
            }
        }
    }
}

#[test]
fn a_channel_whose_move_is_not_durable_does_not_come_back_in_part() {
    lose_the_move();
}

#[test]
fn a_channel_that_gets_the_name_of_a_deleted_one_has_nothing_of_it() {
    let memory = Memory::new();
    let run = run(&memory, SCRIPTS[3]);
    let opened = run.opened.as_ref().unwrap();
    let channel = opened.log.channel("a", 0);
    assert_eq!(channel.first(), 0);
    assert_eq!(channel.end_of(run.epoch_before()), None);
    let producers = channel.producers();
    let counts: Vec<u64> = producers.iter().map(|one| one.messages).collect();
    assert_eq!(counts, [6], "of the new channel only");
    let sizes: u64 = opened.log.channels().iter().map(|one| one.disk()).sum();
    assert_eq!(opened.log.numbers().disk, sizes);
}

#[test]
fn a_deletion_waits_for_a_backup_and_nobody_waits_for_the_deletion() {
    let memory = Memory::new();
    reset();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    send(&opened, "a", None, &[b"one".to_vec()]);
    settle(&mut opened);
    let lock = memory.lock("CHECKPOINT", Sharing::Exclusive).unwrap();
    let told = delete(&opened, "a");
    settle(&mut opened);
    let sent = send(&opened, "b", None, &[b"two".to_vec()]);
    settle(&mut opened);
    assert!(is_acknowledged(&sent));
    assert_eq!(told.get(), None);
    drop(lock);
    settle(&mut opened);
    assert_eq!(told.get(), Some(Ok(())));
    let names: Vec<String> = opened
        .log
        .channels()
        .iter()
        .map(|one| one.name().into())
        .collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn a_deletion_that_the_disk_refuses_leaves_the_channel_as_it_was() {
    let memory = Memory::new();
    reset();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    send(&opened, "a", Some("p"), &[b"one".to_vec()]);
    settle(&mut opened);
    memory.fail(Fault::next(Kind::CreateDir).on("deleted").errno(13));
    let told = delete(&opened, "a");
    settle(&mut opened);
    assert_eq!(told.get(), Some(Err(Refused::Hindered)));
    assert_eq!(opened.log.health(), Health::Ok);
    let sent = send(&opened, "a", Some("p"), &[b"two".to_vec()]);
    settle(&mut opened);
    assert_eq!(sent.fate(), Fate::Written { first: 1, total: 2 });
    let told = delete(&opened, "a");
    settle(&mut opened);
    assert_eq!(told.get(), Some(Ok(())));
}

/// An empty channel of the same epoch had taken its place.
#[test]
fn a_channel_stays_readable_if_only_the_next_start_can_tell_whether_it_is_deleted() {
    let memory = Memory::new();
    reset();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let sent = send(&opened, "a", Some("p"), &[b"one".to_vec()]);
    settle(&mut opened);
    memory.fail(Fault::next(Kind::SyncDir).on("deleted"));
    let told = delete(&opened, "a");
    settle(&mut opened);
    assert_eq!(told.get(), Some(Err(Refused::Storage)));
    assert_eq!(opened.log.health(), Health::ReadOnly);
    let channel = opened.log.channel("a", 0);
    assert_eq!((channel.epoch(), channel.next()), (sent.epoch, 1));
    assert_eq!(read(&channel).all(), [b"one".to_vec()]);
}

#[test]
fn a_log_that_runs_by_itself_deletes_channels_while_others_are_written_to() {
    let memory = Memory::new();
    reset();
    let (log, _, threads) = reopen(memory, small()).unwrap().start().unwrap();
    let others: Vec<Sent> = (0..40_usize)
        .map(|round| {
            let sent = send_to(&log, "a", None, &[message("a", round, 0)]);
            until(|| matches!(sent.fate(), Fate::Written { first: 0, .. }));
            let other = send_to(&log, "b", None, &[message("b", round, 0)]);
            let (tells, told): (_, Receiver<_>) = mpsc::channel();
            log.delete(&log.channel("a", 0), move |result| {
                tells.send(result).unwrap();
            });
            assert_eq!(told.recv(), Ok(Ok(())), "round {round}");
            other
        })
        .collect();
    until(|| others.iter().all(is_acknowledged));
    assert!(threads.stop());
}

/// The journal can still have the frames of the channel that had the name before, at the same offsets.
#[test]
fn a_segment_that_is_made_again_has_nothing_of_a_deleted_channel_of_its_name() {
    // Shorter than the old ones, as long, and longer.
    for (old, new) in [(40, 9), (40, 40), (9, 40)] {
        reset();
        let memory = Memory::new();
        let mut options = small();
        options.journal = 16 * 4096;
        let mut opened = reopen(memory.clone(), options.clone()).unwrap();
        send(&opened, "a", None, &[vec![b'o'; old], vec![b'o'; old]]);
        settle(&mut opened);
        let told = delete(&opened, "a");
        settle(&mut opened);
        assert_eq!(told.get(), Some(Ok(())));
        let messages = [vec![b'n'; new], vec![b'n'; new]];
        let sent = send(&opened, "a", None, &messages);
        settle(&mut opened);
        assert!(is_acknowledged(&sent));
        memory.fail(Fault::next(Kind::Sync).on("channels/a/0").errno(EIO));
        let checkpoints = opened.log.numbers().checkpoints;
        while opened.log.numbers().checkpoints == checkpoints {
            let other = send(&opened, "c", None, &[vec![b'x'; 100]]);
            settle(&mut opened);
            assert!(is_acknowledged(&other));
        }
        settle(&mut opened);
        let is_there = |opened: &Opened| {
            assert_eq!(opened.log.health(), Health::Ok, "{:?}", opened.log.why());
            let there = read(&opened.log.channel("a", 0));
            assert_eq!((there.all(), there.damaged), (messages.to_vec(), vec![]));
        };
        is_there(&opened);
        is_there(&reopen(memory.image(|_| Keep::None), options).unwrap());
    }
}
