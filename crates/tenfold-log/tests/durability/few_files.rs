//! A log of more channels than files can be open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tenfold_log::storage::{FewFiles, Keep, Kind, Memory, Storage};
use tenfold_log::{Opened, Options, Refused, Retention, backup, delete, open, stats, verify};

use crate::crash::{QUICK, crash};
use crate::faults::{each_call, refuse_writes_and_start_again};
use crate::support::{
    Fate, Sent, advance, clock, random, read, reopen, reset, send, settle, small, with_few_files,
};

const EIO: i32 = 5;
const EMFILE: i32 = 24;

/// More channels than there are descriptors.
const CHANNELS: usize = 300;
/// Descriptors of the process. The journal and what a checkpoint opens for a moment need some of them.
const DESCRIPTORS: u64 = 48;
const FILES: usize = 40;

fn few(memory: &Memory) -> Arc<dyn Storage> {
    Arc::new(FewFiles::new(Arc::new(memory.clone()), FILES))
}

fn options() -> Options {
    let mut options = Options::new(random);
    options.clock = clock;
    options.journal = 1 << 20;
    options
}

fn start(memory: &Memory, options: Options) -> Opened {
    open(few(memory), options).unwrap()
}

fn name(number: usize) -> String {
    format!("channel{number:03}")
}

fn message(number: usize, round: usize) -> Vec<u8> {
    format!("{round} of {number}").into_bytes()
}

/// Publishes to all channels at once.
fn publish(opened: &mut Opened, round: usize) {
    let one = |number| send(opened, &name(number), Some("p"), &[message(number, round)]);
    let sent: Vec<Sent> = (0..CHANNELS).map(one).collect();
    settle(opened);
    for sent in sent {
        assert!(
            matches!(sent.fate(), Fate::Written { .. }),
            "{:?}",
            sent.fate()
        );
    }
}

/// All channels have so many messages.
fn check(opened: &Opened, rounds: usize) {
    for number in 0..CHANNELS {
        let there = read(&opened.log.channel(&name(number), 0));
        let expected: Vec<_> = (0..rounds).map(|round| message(number, round)).collect();
        assert_eq!(there.all(), expected, "{}", name(number));
    }
}

#[test]
fn every_channel_is_written_read_recovered_copied_and_deleted() {
    reset();
    let memory = Memory::new();
    memory.set_files(DESCRIPTORS);
    let mut opened = start(&memory, options());
    publish(&mut opened, 0);
    check(&opened, 1);
    publish(&mut opened, 1);
    check(&opened, 2);
    // The process ends without a last checkpoint, and the next one stops well.
    drop(opened);
    let mut opened = start(&memory, options());
    check(&opened, 2);
    publish(&mut opened, 2);
    assert!(opened.stop());

    let storage = few(&memory);
    assert_eq!(verify(&storage, &mut |_, _| {}).unwrap().findings, []);
    assert_eq!(stats(&storage).unwrap().channels.len(), CHANNELS);
    let copy = Memory::new();
    copy.set_files(DESCRIPTORS);
    backup(&storage, &few(&copy), options(), &mut |_, _| {}).unwrap();
    check(&start(&copy, options()), 3);
    assert!(delete(&storage, &name(7), options()).unwrap());
    assert_eq!(stats(&storage).unwrap().channels.len(), CHANNELS - 1);

    let mut opened = start(&memory, options());
    let deleted = Arc::new(AtomicUsize::new(0));
    for number in 100..200 {
        let told = Arc::clone(&deleted);
        let channel = opened.log.channel(&name(number), 0);
        opened.log.delete(&channel, move |result| {
            assert_eq!(result, Ok(()));
            told.fetch_add(1, SeqCst);
        });
    }
    settle(&mut opened);
    assert_eq!(deleted.load(SeqCst), 100);
    drop(opened);
    let opened = start(&memory, options());
    assert_eq!(opened.log.channels().len(), CHANNELS - 101);
}

#[test]
fn retention_deletes_the_segments_of_every_channel() {
    reset();
    let memory = Memory::new();
    memory.set_files(DESCRIPTORS);
    let mut options = options();
    options.retention = Arc::new(|_| {
        let mut retention = Retention::default();
        retention.max_age = Some(Duration::from_secs(1));
        retention
    });
    let mut opened = start(&memory, options);
    publish(&mut opened, 0);
    check(&opened, 1);
    advance(10_000);
    settle(&mut opened);
    settle(&mut opened);
    for number in 0..CHANNELS {
        let channel = opened.log.channel(&name(number), 0);
        assert_eq!(
            (channel.first(), channel.next()),
            (1, 1),
            "{}",
            name(number)
        );
    }
    let is_segment = |path: &str| path.ends_with(".frames") || path.ends_with(".index");
    let files = memory.files();
    assert!(!files.iter().any(|(path, _)| is_segment(path)), "{files:?}");
    publish(&mut opened, 1);
}

/// Something else takes descriptors that the log had.
#[test]
fn with_fewer_descriptors_than_it_was_told_a_log_goes_on() {
    reset();
    let memory = Memory::new();
    let mut opened = start(&memory, options());
    publish(&mut opened, 0);
    memory.set_files(12);
    for number in 0..CHANNELS {
        let mut fate = Fate::Refused(Refused::Busy);
        for _ in 0..5 {
            if fate == Fate::Refused(Refused::Busy) {
                let sent = send(&opened, &name(number), Some("p"), &[message(number, 1)]);
                settle(&mut opened);
                fate = sent.fate();
            }
        }
        assert!(matches!(fate, Fate::Written { .. }), "{fate:?}");
    }
    check(&opened, 2);
    drop(opened);
    check(&start(&memory, options()), 2);
}

#[test]
fn after_a_crash_at_any_call_with_few_files_everything_acknowledged_is_there() {
    let parts = if crate::is_full() { 1 } else { 12 };
    let images = with_few_files(3, || crash(QUICK, 0, parts));
    assert!(images > 100, "{images} images");
}

#[test]
fn whatever_call_fails_with_few_files_nothing_is_acknowledged_falsely_and_nothing_hangs() {
    let is_one = |number: u64| crate::is_full() || number % 5 == 2;
    with_few_files(3, || {
        each_call(&[Some(EIO), Some(EMFILE)], |call| {
            is_one(call.number) || call.kind == Kind::Sync
        });
    });
}

#[test]
fn after_refused_writes_with_few_files_one_start_writes_everything_acknowledged_again() {
    with_few_files(3, || {
        for commits in 1..20 {
            refuse_writes_and_start_again(commits);
        }
    });
}

/// The device refuses what is not synced, and the system tells of it only where a file is open. The log
/// writes these files once more from the journal.
pub(crate) fn writes_are_refused_while_few_files_are_open() {
    const SEVERAL: usize = 6;
    reset();
    let memory = Memory::new();
    memory.forget_errors_of_closed_files();
    let few = FewFiles::new(Arc::new(memory.clone()), 3);
    let mut opened = open(Arc::new(few), options()).unwrap();
    let sent: Vec<_> = (0..SEVERAL)
        .map(|number| send(&opened, &name(number), None, &[message(number, 0)]))
        .collect();
    // A checkpoint is due, and two channels have written to more files than these.
    while opened.committer.step() {}
    memory.refuse_writes();
    assert!(opened.stop());
    for sent in &sent {
        assert!(
            matches!(sent.fate(), Fate::Written { .. }),
            "{:?}",
            sent.fate()
        );
    }
    let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
    for number in 0..SEVERAL {
        let there = read(&opened.log.channel(&name(number), 0));
        assert_eq!(there.damaged, []);
        assert_eq!(there.all(), [message(number, 0)]);
    }
}

#[test]
fn what_the_device_refuses_is_not_lost_while_few_files_are_open() {
    writes_are_refused_while_few_files_are_open();
}
