//! Each call fails once, in each way.

use std::sync::Arc;
use std::time::Duration;

use tenfold_log::storage::{Call, Fault, Keep, Kind, Memory};
use tenfold_log::{Health, Opened, Options, Refused, Retention};

use crate::model::{check, expected};
use crate::script::run;
use crate::support::{
    Fate, Sent, advance, clock, random, read, reopen, reset, send, send_to, settle, small, until,
};

const EIO: i32 = 5;
const EINTR: i32 = 4;
const ENOSPC: i32 = 28;

/// What becomes of the script when a call fails; then the process ends, or the machine.
pub(crate) fn fail(call: &Call, fault: Fault, has_failed: bool) {
    let memory = Memory::new();
    memory.fail(fault);
    let run = run(&memory, false);
    let channels = expected(&run);
    if let Some(opened) = &run.opened {
        let waits = run.sent.iter().any(|sent| sent.fate() == Fate::Waiting);
        assert!(!waits, "something waits forever");
        if opened.log.health() != Health::Ok {
            let why = opened.log.why().unwrap();
            assert!(!why.call.is_empty() && !why.path.is_empty(), "{why:?}");
        }
        if opened.log.health() == Health::Ok {
            // It goes on as if nothing had been.
            check(opened, &channels);
        }
    }
    if has_failed {
        never_again_after_a_failed_sync(&memory, call);
    }
    drop(run);
    for image in [
        memory.image_kept(),
        memory.image(|_| Keep::None),
        memory.image(|_| Keep::All),
        memory.image_random(call.number),
    ] {
        check(&reopen(image, small()).unwrap(), &channels);
    }
}

/// A journal whose sync, or write, has failed is not touched any more.
fn never_again_after_a_failed_sync(memory: &Memory, failed: &Call) {
    let is_broken = failed.kind == Kind::Sync && failed.path.starts_with("journal/");
    if !is_broken {
        return;
    }
    let calls = memory.trace();
    let is_written = |call: &Call| call.kind == Kind::Write && call.path == failed.path;
    // The first sync of a file that was just opened tells of writes of before, if any failed.
    if !calls
        .iter()
        .any(|call| call.number < failed.number && is_written(call))
    {
        return;
    }
    for call in calls
        .iter()
        .skip(usize::try_from(failed.number).unwrap() + 1)
    {
        let touches =
            call.path.starts_with("journal/") && matches!(call.kind, Kind::Sync | Kind::Write);
        assert!(!touches, "{call:?} after {failed:?}");
    }
}

/// Each call of the script fails, with each of some errors.
pub(crate) fn each_call(errors: &[Option<i32>], only: impl Fn(&Call) -> bool) {
    let whole = Memory::new();
    let ended = run(&whole, false);
    assert!(ended.all_went_well());
    let calls = whole.trace();
    for call in calls.iter().filter(|call| only(call)) {
        for error in errors {
            let fault = Fault::at(call.number);
            let fault = match error {
                Some(errno) => fault.errno(*errno),
                None => fault.short(),
            };
            let seen = std::panic::catch_unwind(|| fail(call, fault, error.is_some()));
            if let Err(panic) = seen {
                eprintln!("{call:?} failed with {error:?}");
                std::panic::resume_unwind(panic);
            }
        }
    }
}

#[test]
fn whatever_call_fails_nothing_is_acknowledged_falsely_and_nothing_hangs() {
    each_call(&[Some(EIO)], |_| true);
}

#[test]
fn whatever_call_finds_no_space_nothing_is_acknowledged_falsely_and_nothing_hangs() {
    each_call(&[Some(ENOSPC)], |_| true);
}

#[test]
fn whatever_call_is_interrupted_or_short_nothing_is_acknowledged_falsely_and_nothing_hangs() {
    each_call(&[Some(EINTR), None], |_| true);
}

#[test]
fn an_interrupted_or_a_short_call_is_not_an_error() {
    let whole = Memory::new();
    drop(run(&whole, false));
    let calls = whole.trace();
    for call in &calls {
        let is_sync = matches!(call.kind, Kind::Sync | Kind::SyncDir);
        if is_sync {
            continue;
        }
        let interrupted = Fault::at(call.number).errno(EINTR);
        for fault in [interrupted, Fault::at(call.number).short()] {
            let memory = Memory::new();
            memory.fail(fault);
            let run = run(&memory, true);
            assert!(run.error.is_none(), "{call:?}: {:?}", run.error);
            assert!(run.all_went_well(), "{call:?}");
            assert!(run.is_clean, "{call:?}");
        }
    }
}

#[test]
fn without_space_a_batch_is_refused_as_a_whole_and_the_next_one_is_taken() {
    let whole = Memory::new();
    drop(run(&whole, false));
    let calls = whole.trace();
    let mut refused = 0;
    for call in calls
        .iter()
        .filter(|call| call.kind == Kind::Reserve && call.path != "SPARE")
    {
        let memory = Memory::new();
        // The second try is for what is needed and no more.
        memory.fail(Fault::at(call.number).errno(ENOSPC));
        memory.fail(Fault::at(call.number + 1).errno(ENOSPC));
        let run = run(&memory, false);
        let full = |sent: &&Sent| matches!(sent.fate(), Fate::Refused(_));
        refused += run.sent.iter().filter(full).count();
        let opened = run.opened.as_ref().unwrap();
        assert_ne!(opened.log.health(), Health::ReadOnly, "{call:?}");
        check(opened, &expected(&run));
    }
    assert!(refused > 0);
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    let memory = Memory::new();
    let mut options = Options::new(random);
    options.journal = 64 * 1024;
    let mut opened = reopen(memory.clone(), options).unwrap();
    memory.set_space(memory.used_space() + 300_000);
    let message = vec![b'x'; 10_000];
    let mut taken = 0;
    loop {
        let sent = send(&opened, "a", None, std::slice::from_ref(&message));
        settle(&mut opened);
        match sent.fate() {
            Fate::Written { first, .. } => {
                assert_eq!(first, taken);
                taken += 1;
            }
            fate => {
                assert_eq!(fate, Fate::Refused(Refused::Full));
                break;
            }
        }
    }
    assert!(taken > 5, "{taken}");
    assert_eq!(opened.log.health(), Health::Full);
    assert_eq!(opened.log.may_publish(), Err(Refused::Full));
    assert_eq!(
        read(&opened.log.channel("a", 0)).messages.len() as u64,
        taken
    );
    memory.unlimit_space();
    assert_eq!(opened.log.may_publish(), Ok(()));
    let sent = send(&opened, "a", None, &[message]);
    settle(&mut opened);
    assert_eq!(
        sent.fate(),
        Fate::Written {
            first: taken,
            total: 0
        }
    );
    assert_eq!(opened.log.health(), Health::Ok);
}

/// Empty messages, one in each commit, need more space in the index than in the frames' file.
#[test]
pub(crate) fn a_disk_that_is_full_by_the_index_alone_refuses_and_goes_on() {
    const BLOCK: u64 = 4096;
    reset();
    let memory = Memory::new();
    let mut options = Options::new(random);
    options.clock = clock;
    // Large enough that no checkpoint comes, whose snapshot would need space as well.
    options.journal = 256 * BLOCK;
    let mut opened = reopen(memory.clone(), options).unwrap();
    let commit = |opened: &mut Opened| {
        // Commits of different times have entries of their own.
        advance(1);
        let sent = send(opened, "a", None, &[Vec::new()]);
        settle(opened);
        sent.fate()
    };
    // There is a block for each of the segment's files, and nothing ahead.
    memory.set_space(memory.used_space() + 2 * BLOCK);
    let mut taken = 0;
    let refused = loop {
        match commit(&mut opened) {
            Fate::Written { first, .. } => assert_eq!(first, taken),
            fate => break fate,
        }
        taken += 1;
    };
    assert_eq!(refused, Fate::Refused(Refused::Full));
    assert_eq!(opened.log.health(), Health::Full);
    let channel = opened.log.channel("a", 0);
    assert!(channel.bytes() < BLOCK / 2, "the frames need a block more");
    assert_eq!(read(&channel).messages.len() as u64, taken);
    memory.unlimit_space();
    let (first, total) = (taken, 0);
    assert_eq!(commit(&mut opened), Fate::Written { first, total });
    assert_eq!(opened.log.health(), Health::Ok);
    drop((channel, opened));
    let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
    assert_eq!(opened.log.channel("a", 0).next(), taken + 1);
}

#[test]
fn on_a_full_disk_retention_makes_space() {
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), aging()).unwrap();
    let message = vec![b'x'; 400];
    for round in 1..=3 {
        for _ in 0..20 {
            send(&opened, "a", Some("p"), std::slice::from_ref(&message));
            advance(10);
            settle(&mut opened);
        }
        // Something else takes all that is left; and then everything is too old.
        memory.set_space(1);
        let sent = send(&opened, "a", Some("p"), &[vec![b'x'; 10_000]]);
        settle(&mut opened);
        assert_eq!(sent.fate(), Fate::Refused(Refused::Full));
        advance(10_000);
        settle(&mut opened);
        // A checkpoint has found no space meanwhile, and the newest segment has to end.
        settle(&mut opened);
        assert_eq!(opened.log.channel("a", 0).first(), round * 20);
        memory.unlimit_space();
        // What was used for that is kept again.
        advance(10_000);
        settle(&mut opened);
        assert_eq!(opened.log.may_publish(), Ok(()));
    }
    drop(opened);
    let opened = reopen(memory.image_kept(), aging()).unwrap();
    let channel = opened.log.channel("a", 0);
    assert_eq!((channel.first(), channel.next()), (60, 60));
    assert_eq!(channel.producers()[0].messages, 60);
}

#[test]
fn a_log_without_space_stops_all_the_same_and_refuses_what_waits() {
    let memory = Memory::new();
    let mut options = aging();
    // No checkpoint before the last one.
    options.journal = 64 * 4096;
    let opened = reopen(memory.clone(), options).unwrap();
    let (log, _, threads) = opened.start().unwrap();
    let mut sent = Vec::new();
    for number in 0..300 {
        if number == 9 {
            // There is space for one snapshot, so no checkpoint of three channels is done.
            memory.set_space(1);
        }
        let channel = ["a", "b", "c"][number % 3];
        let message = format!("{number:0400}").into_bytes();
        sent.push(send_to(&log, channel, Some("p"), &[message]));
        if number < 9 {
            until(|| sent[number].fate() != Fate::Waiting);
        }
    }
    assert!(!threads.stop());
    drop(log);
    let opened = reopen(memory.image(|_| Keep::None), aging()).unwrap();
    let mut acknowledged = 0;
    for channel in ["a", "b", "c"] {
        let of_channel = sent.iter().filter(|sent| sent.channel == channel);
        let kept: Vec<_> = of_channel
            .filter(|sent| match sent.fate() {
                Fate::Written { .. } => true,
                Fate::Refused(Refused::Full) => false,
                fate => panic!("{fate:?}"),
            })
            .flat_map(|sent| sent.messages.clone())
            .collect();
        assert_eq!(read(&opened.log.channel(channel, 0)).all(), kept);
        acknowledged += kept.len();
    }
    assert!((9..300).contains(&acknowledged), "{acknowledged}");
}

/// The device refuses what is not synced, for a while. The process ends and starts again, on the same mount.
pub(crate) fn refuse_writes_and_start_again(commits: usize) {
    let memory = Memory::new();
    reset();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let mut sent = Vec::new();
    for number in 0..commits {
        let channel = ["a", "b", "c"][number % 3];
        let message = format!("{number:0120}").into_bytes();
        sent.push(send(&opened, channel, Some("p"), &[message]));
        if !opened.committer.step() {
            assert!(opened.checkpointer.step() && opened.committer.step());
        }
        assert!(matches!(sent[number].fate(), Fate::Written { .. }));
        if number % 4 == 3 {
            opened.checkpointer.step();
        }
    }
    drop(opened);
    memory.refuse_writes();
    let opened = reopen(memory.clone(), small()).unwrap();
    assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
    drop(opened);
    // Then the power fails.
    for image in [memory.image(|_| Keep::None), memory.image_kept()] {
        let opened = reopen(image, small()).unwrap();
        assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
        for channel in ["a", "b", "c"] {
            let all = sent.iter().filter(|sent| sent.channel == channel);
            let all: Vec<_> = all.flat_map(|sent| sent.messages.clone()).collect();
            let there = read(&opened.log.channel(channel, 0));
            assert!(there.damaged.is_empty());
            let trimmed = usize::try_from(there.first).unwrap();
            assert_eq!(
                there.all(),
                all[trimmed..],
                "channel {channel}, {commits} commits"
            );
        }
    }
}

#[test]
fn after_refused_writes_one_start_writes_everything_acknowledged_again() {
    for commits in 1..40 {
        refuse_writes_and_start_again(commits);
    }
}

/// A part of the segment that the journal's frames belong to cannot be read any more.
#[test]
fn a_bad_block_does_not_keep_the_log_from_starting_and_the_old_file_is_kept() {
    reset();
    let memory = Memory::new();
    let mut options = small();
    options.segment = 100_000;
    let message = |number: usize| vec![vec![b'a' + u8::try_from(number).unwrap(); 3000]];
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    for number in 0..4 {
        send(&opened, "a", None, &message(number));
        settle(&mut opened);
        advance(1);
    }
    assert!(opened.stop());
    let mut opened = reopen(memory.clone(), options.clone()).unwrap();
    send(&opened, "a", None, &message(4));
    settle(&mut opened);
    drop(opened);
    let path = "channels/a/00000000000000000000.frames";
    let before = memory.read(path).unwrap();
    // All of it at once cannot be read, and neither can the second block.
    memory.fail(Fault::next(Kind::ReadDurable).on(path));
    memory.fail(Fault::next(Kind::ReadDurable).on(path).after(1));
    let opened = reopen(memory.clone(), options).unwrap();
    assert_eq!(memory.faults(), 0);
    assert!(opened.report.is_damaged());
    let aside = "aside/a-00000000000000000000.frames";
    assert!(
        opened.report.findings[0].text.ends_with(aside),
        "{:?}",
        opened.report
    );
    assert_eq!(memory.read(aside).unwrap(), before);
    let there = read(&opened.log.channel("a", 0));
    assert_eq!(there.damaged, [(1, 2), (2, 3)]);
    for number in [0, 3, 4] {
        assert_eq!(there.messages[&(number as u64)], message(number)[0]);
    }
}

/// What is acknowledged is in the journal alone, and something else has taken the rest of the disk.
#[test]
fn a_log_starts_on_a_full_disk_serves_everything_and_goes_on_when_there_is_space() {
    const BLOCK: u64 = 4096;
    let memory = Memory::new();
    let run = run(&memory, false);
    let channels = expected(&run);
    drop(run);
    let crashed = memory.image(|_| Keep::None);
    let mut starts = 0;
    for blocks in 0.. {
        let image = crashed.copy();
        image.set_space(image.used_space() + blocks * BLOCK);
        let mut opened = reopen(image.clone(), small()).unwrap();
        check(&opened, &channels);
        if opened.log.health() == Health::Ok {
            assert!(opened.report.findings.is_empty(), "{:#?}", opened.report);
            break;
        }
        starts += 1;
        assert_eq!(opened.log.health(), Health::Full);
        let why = opened.log.why().unwrap();
        assert!(!why.call.is_empty() && !why.path.is_empty(), "{why:?}");
        assert!(why.why().ends_with(":ENOSPC"), "{why:?}");
        let message = b"and one more".to_vec();
        let sent = send(&opened, "a", None, std::slice::from_ref(&message));
        settle(&mut opened);
        if let Fate::Written { .. } = sent.fate() {
            // The old STARTS that this start has replaced took the block that was missing.
            assert_eq!(opened.log.health(), Health::Ok);
            continue;
        }
        assert_eq!(sent.fate(), Fate::Refused(Refused::Full));
        check(&opened, &channels);
        // The process ends, and starts again: nothing is lost by that.
        if blocks % 2 == 0 {
            assert!(!opened.stop());
            opened = reopen(image.clone(), small()).unwrap();
            check(&opened, &channels);
        }
        image.unlimit_space();
        assert_eq!(opened.log.may_publish(), Ok(()));
        let sent = send(&opened, "a", None, &[message]);
        settle(&mut opened);
        let (first, total) = (channels["a"].messages.len() as u64, 0);
        assert_eq!(sent.fate(), Fate::Written { first, total });
        assert_eq!(opened.log.health(), Health::Ok);
        drop(opened);
        let opened = reopen(image.image(|_| Keep::None), small()).unwrap();
        assert_eq!(opened.log.channel("a", 0).next(), first + 1);
        assert_eq!(read(&opened.log.channel("a", 0)).damaged, []);
    }
    assert!(starts > 2, "{starts}");
}

/// Small files, and messages that are too old after a second.
fn aging() -> Options {
    let mut options = small();
    options.retention = Arc::new(|_| {
        let mut retention = Retention::default();
        retention.max_age = Some(Duration::from_secs(1));
        retention
    });
    options
}

/// A device refuses writes now and then, while the committer is always some batches before a checkpoint that is late.
/// So a checkpoint rebuilds a segment whose old files the committer has noted for the next one, whether it has ended
/// that segment meanwhile or has written nothing to it since. If a sync of those old files fails as well, the segment
/// must not be rebuilt from them: the journal has only what is newer.
#[test]
fn a_segment_that_one_checkpoint_has_rebuilt_is_left_alone_by_the_next() {
    // How many batches go into a segment varies against how many go into a file of the journal.
    for length in [30, 60, 120] {
        for refused in 0..10 {
            for again in refused + 1..refused + 8 {
                for late in 2..5 {
                    refuse_writes_twice(length, [refused, again], late);
                }
            }
        }
    }
}

fn refuse_writes_twice(length: usize, refused: [usize; 2], late: usize) {
    let story = format!("{length} bytes, refused after {refused:?}, checkpoints after {late}");
    reset();
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    let mut sent = Vec::new();
    for number in 0..24 {
        let message = format!("{number:0length$}").into_bytes();
        sent.push(send(&opened, "a", Some("p"), &[message]));
        if !opened.committer.step() {
            assert!(opened.checkpointer.step() && opened.committer.step());
        }
        if refused.contains(&number) {
            memory.refuse_writes();
        }
        if number % late == 0 {
            opened.checkpointer.step();
        }
    }
    for sent in &sent {
        assert!(
            matches!(sent.fate(), Fate::Written { .. }),
            "{story}: {:?}, {:?}",
            sent.fate(),
            opened.log.why()
        );
    }
    drop(opened);
    let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
    assert!(!opened.report.is_damaged(), "{story}: {:#?}", opened.report);
    let all: Vec<_> = sent.iter().flat_map(|sent| sent.messages.clone()).collect();
    assert_eq!(read(&opened.log.channel("a", 0)).all(), all, "{story}");
}

/// A disk fills up, and a checkpoint that has found no space waits when the log is told to stop. The stop must not
/// forget it: nobody else has the counts of the producers that the journal is then said to be done with.
#[test]
fn a_log_that_stops_while_a_checkpoint_waits_for_space_keeps_what_it_waits_with() {
    let mut stops = [0, 0];
    let cases = [60, 100, 200, 400].map(|length| (0..12).map(move |blocks| (length, blocks)));
    for (length, blocks) in cases.into_iter().flatten() {
        let story = format!("{length} bytes, {blocks} blocks");
        reset();
        let memory = Memory::new();
        let mut opened = reopen(memory.clone(), small()).unwrap();
        let mut sent = Vec::new();
        for number in 0..40 {
            if number == 1 {
                memory.set_space(memory.used_space() + blocks * 4096);
            }
            let message = format!("{number:0length$}").into_bytes();
            sent.push(send(&opened, "a", Some("p"), &[message]));
            settle(&mut opened);
        }
        let is_kept = |sent: &&Sent| matches!(sent.fate(), Fate::Written { .. });
        let kept: Vec<_> = sent.iter().filter(is_kept).collect();
        let is_clean = opened.stop();
        stops[usize::from(is_clean)] += 1;
        memory.unlimit_space();
        let opened = reopen(memory.image(|_| Keep::None), small()).unwrap();
        let channel = opened.log.channel("a", 0);
        let producers = channel.producers();
        let counts: Vec<_> = producers.iter().map(|one| one.messages).collect();
        assert_eq!(counts, [kept.len() as u64], "{story}, {is_clean}");
        let all: Vec<_> = kept.iter().flat_map(|sent| sent.messages.clone()).collect();
        assert_eq!(read(&channel).all(), all, "{story}, {is_clean}");
    }
    assert!(stops.iter().all(|stops| *stops > 0), "{stops:?}");
}
