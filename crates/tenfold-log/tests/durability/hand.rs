//! Which thread commits: the log's own, or the one that has just queued a submission.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tenfold_log::storage::{Fault, Kind, Memory};
use tenfold_log::{Commit, Health, Receipt, Refused, Submission};

use crate::support::{Fate, frames, queue, random, read, reopen, send_to, small, until};

/// A message that is not like any other.
fn message(who: usize, number: usize) -> Vec<u8> {
    format!("{who}: {number}").into_bytes()
}

#[test]
fn a_thread_that_is_the_only_one_to_submit_commits_by_itself() {
    let memory = Memory::new();
    let (log, _, threads) = reopen(memory.clone(), small()).unwrap().start().unwrap();
    let mut at_once = 0;
    for number in 0..1000 {
        let text = vec![number.to_string().into_bytes()];
        let (sent, pending) = queue(&log, "a", Some("p"), &text);
        pending.commit();
        at_once += u32::from(sent.fate() != Fate::Waiting);
        until(|| sent.fate() != Fate::Waiting);
        let (first, total) = (number, number + 1);
        until(|| sent.fate() == Fate::Written { first, total });
    }
    // The thread has the rest: those before which the journal was turned over.
    assert!(at_once > 500, "{at_once}");
    assert!(threads.stop());
    drop(log);
    let opened = reopen(memory.image_kept(), small()).unwrap();
    assert_eq!(opened.log.channel("a", 0).next(), 1000);
}

/// The checkpointer makes files of a channel again after a failed sync, with the channel locked: however long the
/// disk takes for that, a task of the hub must not wait for it. A seed of the simulation stood still there.
#[test]
fn a_thread_that_submits_does_not_commit_while_files_can_be_made_anew() {
    let memory = Memory::new();
    let opened = reopen(memory.clone(), small()).unwrap();
    let (log, _, steps, mut checkpointer) = opened.stepped();
    let (mut at_once, mut beside, mut while_shut) = (0, 0, 0);
    let mut publish = |channel, number| {
        let is_beside = checkpointer.has_work();
        let is_shut = log.shut("c").is_some();
        let (sent, pending) = queue(&log, channel, None, &[message(0, number)]);
        pending.commit();
        let is_done = sent.fate() != Fate::Waiting;
        assert!(!is_done || !(is_beside || is_shut), "{number}");
        at_once += u32::from(is_done);
        beside += u32::from(is_beside);
        while_shut += u32::from(is_shut);
        while steps.step() {}
        if sent.fate() == Fate::Waiting || number % 7 == 0 {
            while checkpointer.step() {}
            while steps.step() {}
        }
        assert_ne!(sent.fate(), Fate::Waiting);
    };
    for number in 0..300 {
        publish("a", number);
    }
    memory.fail(Fault::next(Kind::Write).on("channels/c/").forever());
    publish("c", 300);
    for number in 301..320 {
        publish("a", number);
    }
    assert!(at_once > 0 && beside > 0 && while_shut > 0);
}

#[test]
fn whichever_thread_commits_each_message_is_there_once_and_in_the_order_of_its_producer() {
    const EACH: usize = 500;
    let memory = Memory::new();
    let (log, _, threads) = reopen(memory.clone(), small()).unwrap().start().unwrap();
    let publish = |who: usize| {
        let (channel, producer) = (["a", "c"][who % 2], format!("p{who}"));
        let mut total = 0;
        for number in 0..EACH {
            let (sent, pending) = queue(&log, channel, Some(&producer), &[message(who, number)]);
            match (who + number * 7) % 5 {
                0 | 1 => drop(pending),
                _ => pending.commit(),
            }
            // Some wait for theirs, some queue one after the other.
            if number % 3 > 0 || number + 1 == EACH {
                until(|| matches!(sent.fate(), Fate::Written { .. }));
                let Fate::Written { total: now, .. } = sent.fate() else {
                    unreachable!();
                };
                assert!(
                    now > total && now == number as u64 + 1,
                    "{now} after {total}"
                );
                total = now;
            }
        }
    };
    std::thread::scope(|scope| {
        for who in 0..4 {
            scope.spawn(move || publish(who));
        }
    });
    assert!(threads.stop());
    drop(log);
    let opened = reopen(memory.image_kept(), small()).unwrap();
    for (channel, producers) in [("a", [0, 2]), ("c", [1, 3])] {
        let channel = opened.log.channel(channel, 0);
        let kept = read(&channel).all();
        assert_eq!(kept.len(), 2 * EACH);
        for who in producers {
            let expected: Vec<_> = (0..EACH).map(|number| message(who, number)).collect();
            let own = |kept: &&Vec<u8>| kept.starts_with(format!("{who}: ").as_bytes());
            let of_producer: Vec<_> = kept.iter().filter(own).cloned().collect();
            assert_eq!(of_producer, expected);
        }
    }
}

/// Goes to pieces when its frames are committed.
struct Panics;

impl Receipt for Panics {
    fn committed(&mut self, _: Commit) {
        panic!("as it is meant to");
    }

    fn written(self: Box<Self>) {}

    fn refused(self: Box<Self>, _why: Refused) {}
}

#[test]
fn after_a_commit_that_panics_nothing_is_written() {
    // As the first one, which is the thread's, and as a later one.
    for before in [0, 20] {
        panic_after(before);
    }
}

fn panic_after(before: usize) {
    let memory = Memory::new();
    let (log, _, threads) = reopen(memory.clone(), small()).unwrap().start().unwrap();
    for number in 0..before {
        let (sent, pending) = queue(&log, "a", None, &[message(1, number)]);
        pending.commit();
        until(|| matches!(sent.fate(), Fate::Written { .. }));
    }
    let channel = log.channel("a", random());
    let submission = Submission::new(frames(&[message(0, 0)]), 1, Panics);
    let pending = log.submit(&channel, submission);
    // Here, or on the log's thread.
    let _ = catch_unwind(AssertUnwindSafe(|| pending.commit()));
    let sent = send_to(&log, "a", None, &[message(0, 1)]);
    until(|| sent.fate() == Fate::Refused(Refused::Storage));
    assert_eq!(log.health(), Health::ReadOnly);
    assert!(!threads.stop());
    drop((log, Arc::clone(&channel)));
    let opened = reopen(memory.image_kept(), small()).unwrap();
    let kept = read(&opened.log.channel("a", 0)).all();
    assert_eq!(kept[before], message(0, 0));
    // What was in the same batch is kept, too, as it may be when a sync fails.
    assert!(kept.len() <= before + 2, "{kept:?}");
}
