//! Each call fails once, in each way.

use tenfold_log::Health;
use tenfold_log::storage::{Call, Fault, Keep, Kind, Memory};

use crate::model::{check, expected};
use crate::script::run;
use crate::support::{Fate, reopen, small};

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
        assert!(!waits, "something waits for ever");
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
    for call in memory
        .trace()
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
fn an_interrupted_or_a_short_call_is_no_error() {
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
    for call in calls.iter().filter(|call| call.kind == Kind::Reserve) {
        let memory = Memory::new();
        // The second try is for what is needed and no more.
        memory.fail(Fault::at(call.number).errno(ENOSPC));
        memory.fail(Fault::at(call.number + 1).errno(ENOSPC));
        let run = run(&memory, false);
        let full = |sent: &&crate::support::Sent| matches!(sent.fate(), Fate::Refused(_));
        refused += run.sent.iter().filter(full).count();
        let opened = run.opened.as_ref().unwrap();
        assert_ne!(opened.log.health(), Health::ReadOnly, "{call:?}");
        check(opened, &expected(&run));
    }
    assert!(refused > 0);
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    use crate::support::{random, send, settle};
    use tenfold_log::{Options, Refused};
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
            Fate::Visible { first, .. } => {
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
        crate::support::read(&opened.log.channel("a", 0))
            .messages
            .len() as u64,
        taken
    );
    memory.unlimit_space();
    assert_eq!(opened.log.may_publish(), Ok(()));
    let sent = send(&opened, "a", None, &[message]);
    settle(&mut opened);
    assert_eq!(
        sent.fate(),
        Fate::Visible {
            first: taken,
            total: 0
        }
    );
    assert_eq!(opened.log.health(), Health::Ok);
}
