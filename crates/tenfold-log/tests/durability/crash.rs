//! The script ends at every call, and whatever a disk may hold then is opened again.

use std::collections::BTreeMap;

use tenfold_log::storage::{Keep, Kind, Memory};

use crate::is_full;
use crate::look::check_image;
use crate::model::{Expected, check, expected};
use crate::script::run;
use crate::support::{Fate, reopen, send, settle, small};

/// How closely is looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thoroughness {
    /// Subsets of unsynced changes are enumerated if there are no more changes than this.
    subsets: u32,
    /// Images by chance for each call.
    random: u64,
    /// Every how many bytes the last write is cut.
    stride: usize,
}

pub(crate) const QUICK: Thoroughness = Thoroughness {
    subsets: 5,
    random: 12,
    stride: 67,
};
const FULL: Thoroughness = Thoroughness {
    subsets: 10,
    random: 150,
    stride: 1,
};

fn thoroughness() -> Thoroughness {
    if is_full() { FULL } else { QUICK }
}

/// Ends the script at some of its calls, `part` of `parts`; returns how many images were looked at.
pub(crate) fn crash(how: Thoroughness, part: u64, parts: u64) -> u64 {
    let whole = Memory::new();
    assert!(run(&whole, true).is_clean);
    let calls = whole.trace();
    let mut images = 0;
    for call in &calls {
        if !call.kind.changes() || call.number % parts != part {
            continue;
        }
        let memory = Memory::new();
        memory.stop_at(call.number);
        let run = run(&memory, true);
        let channels = expected(&run);
        drop(run);
        let mut look = |image: Memory, words: &dyn std::fmt::Display| {
            images += 1;
            let words = format!("stopped at {call:?}, {words}");
            let seen = std::panic::catch_unwind(|| look(&image, &channels, images % 16 == 0));
            if let Err(panic) = seen {
                eprintln!("{words}");
                std::panic::resume_unwind(panic);
            }
        };
        look(memory.image_kept(), &"everything written");
        look(
            memory.image_kept_with(Keep::All),
            &"everything written, with this",
        );
        look(memory.image(|_| Keep::None), &"nothing unsynced");
        look(memory.image(|_| Keep::All), &"everything unsynced");
        if call.kind == Kind::Write {
            let length = usize::try_from(call.length).unwrap();
            for end in (1..length).step_by(how.stride) {
                look(
                    memory.image_kept_with(Keep::Prefix(end)),
                    &format_args!("{end} bytes of it"),
                );
            }
        }
        let pending = memory.pending().len();
        if pending <= how.subsets as usize {
            for subset in 0..1_u32 << pending {
                let mut number = 0;
                let image = memory.image(|_| {
                    number += 1;
                    let is_kept = subset >> (number - 1) & 1 == 1;
                    if is_kept { Keep::All } else { Keep::None }
                });
                look(image, &format_args!("the unsynced changes {subset:b}"));
            }
        }
        for seed in 0..how.random {
            look(memory.image_random(seed), &format_args!("seed {seed}"));
        }
    }
    images
}

/// Opens an image, looks, goes on with it, and opens it once more.
fn look(image: &Memory, channels: &BTreeMap<String, Expected>, goes_on: bool) {
    let again = image.image(|_| Keep::None);
    if goes_on {
        check_image(image);
    }
    let mut opened = reopen(image.clone(), small()).unwrap();
    check(&opened, channels);
    if !goes_on {
        return;
    }
    let message = b"and one more".to_vec();
    let names: Vec<String> = opened
        .log
        .channels()
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect();
    let mut nexts = Vec::new();
    for name in &names {
        let next = opened.log.channel(name, 0).next();
        let sent = send(&opened, name, None, std::slice::from_ref(&message));
        settle(&mut opened);
        assert_eq!(
            sent.fate(),
            Fate::Written {
                first: next,
                total: 0
            }
        );
        nexts.push((name.clone(), next));
    }
    drop(opened);
    let after = image.image(|_| Keep::None);
    let opened = reopen(after, small()).unwrap();
    assert!(!opened.report.is_damaged(), "{:#?}", opened.report);
    for (name, next) in nexts {
        let channel = opened.log.channel(&name, 0);
        assert_eq!(channel.next(), next + 1, "channel {name}");
    }
    // A recovery can end early, too.
    let twin = again.copy();
    drop(reopen(twin.clone(), small()).unwrap());
    for stop in (0..twin.calls()).step_by(7) {
        let image = again.copy();
        image.stop_at(stop);
        let _ = reopen(image.clone(), small());
        for image in [
            image.image(|_| Keep::None),
            image.image_kept(),
            image.image_random(stop),
        ] {
            check(&reopen(image, small()).unwrap(), channels);
        }
    }
}

/// The calls are shared out, so that the machine's processors share the work.
fn share(part: u64) {
    let images = crash(thoroughness(), part, 4);
    println!("{images} images");
    assert!(images > 1000, "{images} images");
}

#[test]
fn after_a_crash_at_any_call_everything_acknowledged_is_there_0() {
    share(0);
}

#[test]
fn after_a_crash_at_any_call_everything_acknowledged_is_there_1() {
    share(1);
}

#[test]
fn after_a_crash_at_any_call_everything_acknowledged_is_there_2() {
    share(2);
}

#[test]
fn after_a_crash_at_any_call_everything_acknowledged_is_there_3() {
    share(3);
}
