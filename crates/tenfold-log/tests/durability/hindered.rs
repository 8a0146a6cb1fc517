//! What fails before anything is written refuses what needed it, and passes.

use std::sync::{Arc, Mutex};

use tenfold_log::storage::{Fault, Keep, Kind, Memory, Sharing, Storage};
use tenfold_log::{Health, Opened, Refused};

use crate::support::{Fate, Sent, advance, random, read, reopen, send, send_to, settle, small};

const EACCES: i32 = 13;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
const ENOMEM: i32 = 12;
const ENOSPC: i32 = 28;

fn log() -> (Memory, Opened, Told) {
    let memory = Memory::new();
    let opened = reopen(memory.clone(), small()).unwrap();
    let told = Told::default();
    let hears = told.clone();
    opened
        .log
        .on_fault(move |fault| hears.0.lock().unwrap().push(fault.clone()));
    (memory, opened, told)
}

/// The faults that were told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<tenfold_log::Fault>>>);

impl Told {
    fn take(&self) -> Vec<tenfold_log::Fault> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn message() -> Vec<Vec<u8>> {
    vec![vec![b'x'; 100]]
}

fn is_written(sent: &Sent) -> bool {
    matches!(sent.fate(), Fate::Written { .. })
}

/// Publishes to channels, one batch for all.
fn publish(opened: &mut Opened, channels: &[&str]) -> Vec<Sent> {
    let sent = channels
        .iter()
        .map(|channel| send(opened, channel, Some("p"), &message()))
        .collect();
    settle(opened);
    sent
}

#[test]
fn a_channel_whose_files_cannot_be_opened_is_refused_alone_and_tried_again() {
    for kind in [Kind::Open, Kind::CreateDir, Kind::SetLength, Kind::Reserve] {
        for (errno, refused) in [
            (EMFILE, Refused::Busy),
            (ENFILE, Refused::Busy),
            (ENOMEM, Refused::Busy),
            (EACCES, Refused::Hindered),
            (EIO, Refused::Hindered),
        ] {
            let (memory, mut opened, told) = log();
            assert!(publish(&mut opened, &["a", "c"]).iter().all(is_written));
            memory.fail(Fault::next(kind).on("channels/b").errno(errno));
            let sent = publish(&mut opened, &["a", "b", "c"]);
            assert!(is_written(&sent[0]) && is_written(&sent[2]), "{kind:?}");
            assert_eq!(sent[1].fate(), Fate::Refused(refused), "{kind:?} {errno}");
            assert_eq!(opened.log.health(), Health::Degraded);
            let why = opened.log.why_refused("b", refused).unwrap();
            assert!(why.path.starts_with("channels/b"), "{why}");
            assert_eq!(why.errno, Some(errno));
            assert_eq!(told.take(), [why]);
            // It passes, and nothing is left of it.
            let sent = publish(&mut opened, &["b"]);
            assert!(is_written(&sent[0]), "{kind:?} {errno}");
            assert_eq!(opened.log.health(), Health::Ok);
            drop(opened);
            let opened = reopen(memory.image_kept(), small()).unwrap();
            for (channel, count) in [("a", 2), ("b", 1), ("c", 2)] {
                let channel = opened.log.channel(channel, random());
                assert_eq!(read(&channel).messages.len(), count);
            }
        }
    }
}

#[test]
fn a_fault_that_lasts_is_told_once() {
    let (memory, mut opened, told) = log();
    memory.fail(
        Fault::next(Kind::Open)
            .on("channels/b")
            .errno(EACCES)
            .forever(),
    );
    for _ in 0..10 {
        let sent = publish(&mut opened, &["a", "b"]);
        assert!(is_written(&sent[0]));
        assert_eq!(sent[1].fate(), Fate::Refused(Refused::Hindered));
    }
    let faults = told.take();
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert_eq!(
        faults[0].why(),
        "open:channels/b/00000000000000000000.frames:EACCES"
    );
}

#[test]
fn the_first_failure_of_the_disk_is_kept_and_told() {
    let (memory, mut opened, told) = log();
    publish(&mut opened, &["a"]);
    memory.fail(Fault::next(Kind::Sync).on("journal/").forever());
    for _ in 0..3 {
        let sent = publish(&mut opened, &["a"]);
        assert_eq!(sent[0].fate(), Fate::Refused(Refused::Storage));
    }
    assert_eq!(opened.log.health(), Health::ReadOnly);
    let fault = opened.log.why().unwrap();
    assert_eq!((fault.call, fault.errno), ("fdatasync", Some(EIO)));
    assert_eq!(fault.why(), format!("fdatasync:{}:EIO", fault.path));
    assert_eq!(told.take(), [fault]);
    assert_eq!(told.take(), []);
}

/// Publishes until a checkpoint is waited for, which cannot be made; then lets it be made.
fn publish_while_hindered(
    (memory, mut opened, told): (Memory, Opened, Told),
    refused: Refused,
    health: Health,
    mend: impl FnOnce(&Memory),
) {
    let channel = opened.log.channel("a", random());
    let mut taken = read(&channel).messages.len();
    let fate = loop {
        let sent = publish(&mut opened, &["a"]);
        match sent[0].fate() {
            Fate::Written { .. } => taken += 1,
            fate => break fate,
        }
        assert!(taken < 1000);
    };
    assert_eq!(fate, Fate::Refused(refused));
    assert_eq!(opened.log.health(), health);
    let why = opened.log.why().unwrap();
    assert_eq!(told.take(), [why]);
    mend(&memory);
    settle(&mut opened);
    assert_eq!(opened.log.may_publish(), Ok(()));
    assert!(is_written(&publish(&mut opened, &["a"])[0]));
    assert_eq!(opened.log.health(), Health::Ok);
    assert_eq!(read(&channel).messages.len(), taken + 1);
}

#[test]
fn what_waits_for_a_checkpoint_whose_lock_cannot_be_opened_is_refused_until_it_can() {
    for (errno, refused) in [
        (EACCES, Refused::Hindered),
        (EIO, Refused::Hindered),
        (EMFILE, Refused::Busy),
    ] {
        let (memory, mut opened, told) = log();
        publish(&mut opened, &["a"]);
        memory.fail(Fault::next(Kind::Lock).errno(errno).forever());
        publish_while_hindered(
            (memory, opened, told),
            refused,
            Health::Degraded,
            |memory| {
                memory.forget_faults();
            },
        );
    }
}

#[test]
fn what_waits_for_a_checkpoint_without_space_or_files_is_refused_until_there_is_some() {
    for (errno, refused, health) in [
        (ENOSPC, Refused::Full, Health::Full),
        (EMFILE, Refused::Busy, Health::Degraded),
    ] {
        let (memory, mut opened, told) = log();
        publish(&mut opened, &["a"]);
        memory.fail(
            Fault::next(Kind::Open)
                .on("snapshot.new")
                .errno(errno)
                .forever(),
        );
        publish_while_hindered(
            (memory, opened, told),
            refused,
            health,
            Memory::forget_faults,
        );
    }
}

/// The health was well again after that batch, and the next publishers were told `FULL` all the same.
#[test]
fn a_batch_that_finds_space_while_a_checkpoint_finds_none_does_not_end_being_full() {
    let (memory, mut opened, told) = log();
    publish(&mut opened, &["a"]);
    let no_space = Fault::next(Kind::Open).on("snapshot.new").errno(ENOSPC);
    memory.fail(no_space.forever());
    let Opened {
        log,
        committer,
        mut checkpointer,
        ..
    } = opened;
    // The fault is told on the thread of the checkpointer, and the committer goes on meanwhile.
    let committer = Arc::new(Mutex::new(committer));
    let (hears, goes_on) = (told.clone(), Arc::clone(&committer));
    log.on_fault(move |fault| {
        hears.0.lock().unwrap().push(fault.clone());
        while goes_on.lock().unwrap().step() {}
    });
    let mut meanwhile = None;
    while told.take().is_empty() {
        while committer.lock().unwrap().step() {}
        meanwhile = Some(send_to(&log, "a", None, &message()));
        while checkpointer.step() {}
    }
    assert!(is_written(&meanwhile.unwrap()));
    assert_eq!(log.health(), Health::Full);
    assert_eq!(log.may_publish(), Err(Refused::Full));
    memory.forget_faults();
    advance(1000);
    while checkpointer.step() {}
    assert_eq!(log.health(), Health::Ok);
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for() {
    let (memory, mut opened, told) = log();
    publish(&mut opened, &["a"]);
    let lock = memory.lock("CHECKPOINT", Sharing::Shared).unwrap();
    let mut sent = Vec::new();
    while sent.last().is_none_or(is_written) {
        sent = publish(&mut opened, &["a"]);
    }
    assert_eq!(sent[0].fate(), Fate::Waiting);
    assert_eq!(told.take(), []);
    drop(lock);
    settle(&mut opened);
    assert!(is_written(&sent[0]));
}

/// A second sync of the same file would say that all is well.
#[test]
fn a_checkpoint_that_is_tried_again_repeats_no_sync_that_has_failed() {
    let (memory, mut opened, _) = log();
    let mut count = publish(&mut opened, &["a"]).len();
    memory.fail(Fault::next(Kind::Sync).on("frames"));
    // There is no space for new files at first.
    memory.fail(Fault::next(Kind::Open).on(".frames.new").errno(ENOSPC));
    memory.fail(Fault::next(Kind::Open).on(".frames.new").errno(EMFILE));
    let checkpoints = opened.log.numbers().checkpoints;
    let mut tries = 0;
    while opened.log.numbers().checkpoints == checkpoints {
        let sent = publish(&mut opened, &["a"]);
        count += sent.iter().filter(|sent| is_written(sent)).count();
        tries += 1;
        assert!(tries < 1000);
    }
    let trace = memory.trace();
    let failed = trace
        .iter()
        .position(|call| call.kind == Kind::Sync && call.path.contains("frames"))
        .unwrap();
    let path = &trace[failed].path;
    let again = trace[failed + 1..]
        .iter()
        .take_while(|call| call.kind != Kind::Rename || !call.path.contains(path))
        .any(|call| call.kind == Kind::Sync && call.path == *path);
    assert!(!again, "the sync of {path} was repeated");
    // What the disk holds is whole, even if the journal is not looked at.
    drop(opened);
    let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
    let channel = opened.log.channel("a", random());
    assert_eq!(read(&channel).messages.len(), count);
}

#[test]
fn a_log_that_was_full_is_well_again_when_there_is_space_although_nobody_publishes() {
    let (memory, mut opened, told) = log();
    publish(&mut opened, &["a"]);
    memory.set_space(memory.used_space());
    let sent = publish(&mut opened, &["b"]);
    assert_eq!(sent[0].fate(), Fate::Refused(Refused::Full));
    advance(5000);
    settle(&mut opened);
    assert_eq!(opened.log.health(), Health::Full, "there is still none");
    memory.unlimit_space();
    advance(5000);
    settle(&mut opened);
    assert_eq!(opened.log.health(), Health::Ok);
    assert_eq!(told.take().len(), 1);
}
