//! The hub with its log, on a disk that has troubles.
//!
//! The hub and the log are the real ones. The log's storage is in memory; what its two threads do is done by calls,
//! on threads that take turns with the simulation's ([`turns`](super::turns)). A call to the disk takes its time in
//! the middle of that, and all others go on meanwhile. The hub is a [`Process`](super::Process): it can be
//! stopped, and killed in the middle of a call. Then the next one starts with what a disk could hold.
//!
//! A run has some channels, producers that publish over some sessions, subscribers, a follower of all channels,
//! programs at plain ports, clients that ask whether what is acknowledged is visible, and one that publishes to a
//! channel, deletes it, and begins it again. At its end a hub starts on an older copy. What must hold is in [`check`], and as
//! [problems](record::Shared::problem) at the places where it is seen at once.

mod asking;
mod check;
mod clients;
mod copying;
mod deleting;
mod following;
mod record;
mod server;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use tenfold_log::planted::Mistake as OfLog;

use self::check::check;
use self::record::{Counts, Record};
use self::world::run;
use super::planted::{Mistake, Mistakes};
use super::{SEEDS, seeds};

/// Runs a seed and looks whether everything holds.
fn checked(seed: u64) -> Result<Record, String> {
    let record = run(seed);
    match check(&record) {
        Ok(()) => Ok(record),
        Err(problem) => Err(format!(
            "SEED={seed}: {problem}\n{}",
            record.trace.join("\n")
        )),
    }
}

#[test]
fn what_is_acknowledged_is_kept_once_and_visible_whatever_happens_to_the_disk() {
    let mut seen = Counts::default();
    for seed in seeds() {
        match checked(seed) {
            Ok(record) => seen.add(&record.counts),
            Err(problem) => panic!("{problem}"),
        }
    }
    if seeds().count() as u64 >= SEEDS {
        assert!(seen.is_eventful(), "{seen:?}");
    }
}

/// Beyond the seeds of the quick tier.
#[test]
fn seeds_that_have_found_a_mistake_once_find_it_no_more() {
    for seed in [
        2579, 4072, 4273, 5459, 5476, 5518, 6925, 5925, 7767, 8638, 13170, 13715,
    ] {
        checked(seed).unwrap_or_else(|problem| panic!("{problem}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in seeds().take(30) {
        assert_eq!(run(seed).trace, run(seed).trace, "SEED={seed}");
    }
}

/// Some of the seeds must find the mistake.
fn is_found(of_hub: Option<Mistake>, of_log: Option<OfLog>) {
    let mistakes = Mistakes { of_hub, of_log };
    let is_seen = |seed| {
        let run = || mistakes.make(|| checked(seed).is_err());
        // What the hub or its log says of itself counts as well.
        catch_unwind(AssertUnwindSafe(run)).unwrap_or(true)
    };
    let found = (0..500).find(|seed| is_seen(*seed));
    let seed = found.unwrap_or_else(|| panic!("{mistakes:?} is not found"));
    // It is the mistake that is found.
    checked(seed).unwrap();
}

#[test]
fn an_acknowledgement_before_the_sync_is_found() {
    is_found(None, Some(OfLog::AckBeforeSync));
}

#[test]
fn an_acknowledgement_before_the_message_is_visible_is_found() {
    is_found(Some(Mistake::AckBeforeVisible), None);
}

#[test]
fn messages_that_are_committed_behind_a_refused_one_are_found() {
    is_found(Some(Mistake::CommitBehindRefused), None);
}

#[test]
fn seqs_that_are_given_to_refused_messages_are_found() {
    is_found(Some(Mistake::CountRefused), None);
}

#[test]
fn an_epoch_that_is_told_by_two_starts_is_found() {
    is_found(None, Some(OfLog::KeepEpoch));
}

#[test]
fn producers_that_a_start_forgets_are_found() {
    is_found(None, Some(OfLog::ForgetProducers));
}

#[test]
fn a_failed_sync_that_is_repeated_is_found() {
    is_found(None, Some(OfLog::RetryFailedSync));
}
