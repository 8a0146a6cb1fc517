//! A deletion from a log that no hub uses ends at each of its calls: the channel is there as it was, or nothing of it is; nothing happens to
//! the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use tenfold_log::delete;
use tenfold_log::storage::{Keep, Memory, Storage};

use crate::is_full;
use crate::model::{Expected, check, expected};
use crate::script::run;
use crate::support::{Fate, reopen, send, settle, small};

const DELETED: &str = "b";

/// What the next start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole,
    Nothing,
}

/// A log whose hub has ended without a word, and what its channels have: the journal is still to be replayed.
fn left_behind() -> (Memory, BTreeMap<String, Expected>) {
    let memory = Memory::new();
    let run = run(&memory, false);
    let channels = expected(&run);
    drop(run);
    (memory.image_kept(), channels)
}

fn delete_it(memory: &Memory) -> bool {
    let storage: Arc<dyn Storage> = Arc::new(memory.clone());
    delete(&storage, DELETED, small()).is_ok_and(|found| found)
}

/// Opens an image, and looks at it.
fn look(image: &Memory, channels: &BTreeMap<String, Expected>) -> Found {
    let opened = reopen(image.clone(), small()).unwrap();
    assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
    let is_there = opened
        .log
        .channels()
        .iter()
        .any(|channel| channel.name() == DELETED);
    let mut left = channels.clone();
    if !is_there {
        left.remove(DELETED);
    }
    check(&opened, &left);
    drop(opened);
    // What the deletion has put away is gone after a start.
    assert!(image.list("deleted").is_err());
    if is_there {
        Found::Whole
    } else {
        Found::Nothing
    }
}

/// Ends a deletion at every so many of its calls.
pub(crate) fn end_at_each_call(step: usize) {
    let (before, channels) = left_behind();
    assert!(channels.len() > 2 && channels.contains_key(DELETED));
    let whole = before.copy();
    assert!(delete_it(&whole));
    let mut seen = Vec::new();
    for call in (0..whole.calls()).step_by(step) {
        let memory = before.copy();
        memory.stop_at(call);
        assert!(!delete_it(&memory), "it ended at call {call}");
        let mut images = vec![
            memory.image_kept(),
            memory.image_kept_with(Keep::All),
            memory.image(|_| Keep::None),
            memory.image(|_| Keep::All),
        ];
        let random = if is_full() { 50 } else { 4 };
        images.extend((0..random).map(|seed| memory.image_random(seed)));
        for image in images {
            seen.push(look(&image, &channels));
            // Once more, and it is gone for good.
            if delete_it(&image) {
                let after = image.image(|_| Keep::None);
                assert_eq!(look(&after, &channels), Found::Nothing);
            }
        }
    }
    assert!(seen.contains(&Found::Whole) && seen.contains(&Found::Nothing));
    assert_eq!(seen.last(), Some(&Found::Nothing));
}

#[test]
fn a_deletion_that_ends_at_any_call_deletes_the_whole_channel_or_nothing() {
    end_at_each_call(1);
}

#[test]
fn a_deleted_channel_stays_away_and_its_name_begins_anew() {
    let (memory, channels) = left_behind();
    let old = reopen(memory.copy(), small()).unwrap();
    let epoch = old.log.channel(DELETED, 0).epoch();
    drop(old);
    assert!(delete_it(&memory));
    for image in [memory.image_kept(), memory.image(|_| Keep::None)] {
        assert_eq!(look(&image, &channels), Found::Nothing);
        let mut opened = reopen(image, small()).unwrap();
        let sent = send(&opened, DELETED, Some("p"), &[b"new".to_vec()]);
        settle(&mut opened);
        assert_eq!(sent.fate(), Fate::Written { first: 0, total: 1 });
        let channel = opened.log.channel(DELETED, 0);
        assert_eq!((channel.first(), channel.next()), (0, 1));
        assert_eq!(channel.end_of(epoch), None);
    }
}
