//! Channels take turns, however much is queued for one of them.

use tenfold_log::Opened;
use tenfold_log::storage::Memory;

use crate::support::{Fate, Sent, read, reopen, reset, send, settle, small};

/// Frames of a quarter of what a batch takes.
const QUARTER: usize = 1000;

fn is_waiting(sent: &Sent) -> bool {
    sent.fate() == Fate::Waiting
}

/// A message of a number, which makes a frame of this many bytes.
fn numbered(number: usize, bytes: usize) -> Vec<u8> {
    format!("{number:>width$}", width = bytes - 10).into_bytes()
}

/// Commits one batch, which may have to wait for a checkpoint.
fn batch(opened: &mut Opened) {
    while !opened.committer.step() {
        assert!(opened.checkpointer.step());
    }
}

#[test]
fn a_quiet_channel_waits_for_one_batch_and_not_for_all_that_others_have_queued() {
    reset();
    let mut options = small();
    options.max_batch = 4 * QUARTER;
    let mut opened = reopen(Memory::new(), options).unwrap();
    let mut floods = [Vec::new(), Vec::new()];
    for number in 0..40 {
        for (flood, name) in floods.iter_mut().zip(["a", "c"]) {
            flood.push(send(&opened, name, None, &[numbered(number, QUARTER)]));
        }
    }
    batch(&mut opened);
    for count in 1..10 {
        let quiet = send(&opened, "quiet", None, &[numbered(count, 20)]);
        assert!(is_waiting(&quiet));
        batch(&mut opened);
        assert!(!is_waiting(&quiet), "{count}");
        // The floods take turns as well.
        let waiting = floods
            .each_ref()
            .map(|flood| flood.iter().filter(|sent| is_waiting(sent)).count());
        assert!(waiting[0].abs_diff(waiting[1]) <= 1, "{waiting:?}");
        assert!(waiting[0] > 0);
    }
    settle(&mut opened);
    for (flood, name) in floods.iter().zip(["a", "c"]) {
        assert!(!flood.iter().any(is_waiting));
        let numbers: Vec<_> = (0..40).map(|number| numbered(number, QUARTER)).collect();
        let channel = opened.log.channel(name, 0);
        assert_eq!(read(&channel).all(), numbers);
    }
}

#[test]
fn a_channel_that_was_quiet_has_saved_up_no_turns() {
    reset();
    let mut options = small();
    options.max_batch = 4 * QUARTER;
    let mut opened = reopen(Memory::new(), options).unwrap();
    let mut old: Vec<_> = (0..20)
        .map(|number| send(&opened, "a", None, &[numbered(number, QUARTER)]))
        .collect();
    for _ in 0..3 {
        batch(&mut opened);
    }
    let new: Vec<_> = (0..20)
        .map(|number| send(&opened, "c", None, &[numbered(number, QUARTER)]))
        .collect();
    old.retain(is_waiting);
    let before = old.len();
    for _ in 0..2 {
        batch(&mut opened);
    }
    let left = [&old, &new].map(|flood| flood.iter().filter(|sent| is_waiting(sent)).count());
    assert_eq!(before - left[0] + 20 - left[1], 8, "two batches");
    assert!((before - left[0]).abs_diff(20 - left[1]) <= 2, "{left:?}");
}
