//! One history: appends, rolls, checkpoints, retention, and a clean stop.

use tenfold_log::storage::Memory;
use tenfold_log::{OpenError, Opened};

use crate::support::{Fate, Sent, advance, reopen, reset, send, small};

/// What a script has done to a storage, as far as it came.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) sent: Vec<Sent>,
    /// The log, if it was opened and not stopped.
    pub(crate) opened: Option<Opened>,
    /// It could not be opened.
    pub(crate) error: Option<OpenError>,
    /// The clean stop went well.
    pub(crate) is_clean: bool,
}

/// More steps than any script takes: a script that needs more is in a loop.
const MOST_STEPS: usize = 10_000;

enum Op {
    /// So many messages for a channel, of a producer.
    Send(&'static str, Option<&'static str>, usize),
    Commit,
    Check,
    Later,
}

use Op::{Check, Commit, Later, Send};

/// 30 messages, about 4 KiB.
const SCRIPT: &[Op] = &[
    Send("a", Some("p"), 1),
    Commit,
    Send("a", Some("q"), 2),
    Send("b", Some("p"), 1),
    Commit,
    Later,
    Send("b", None, 3),
    Commit,
    Check,
    Send("a", Some("p"), 2),
    Send("b", Some("p"), 2),
    Commit,
    Later,
    Send("b", Some("r"), 2),
    Commit,
    Check,
    Later,
    Send("b", Some("p"), 3),
    Send("a", None, 1),
    Commit,
    Send("c", Some("p"), 1),
    Commit,
    Check,
    Send("b", Some("p"), 3),
    Commit,
    Check,
    Later,
    Send("b", Some("p"), 4),
    Commit,
    Send("b", Some("q"), 1),
    Send("c", None, 1),
    Commit,
    Check,
    Send("a", Some("p"), 2),
    Commit,
    Send("b", Some("p"), 1),
    Commit,
];

/// Runs the script. With `stop`, it ends with a clean stop.
pub(crate) fn run(memory: &Memory, stop: bool) -> Run {
    reset();
    let mut run = Run {
        sent: Vec::new(),
        opened: None,
        error: None,
        is_clean: false,
    };
    let mut opened = match reopen(memory.clone(), small()) {
        Ok(opened) => opened,
        Err(error) => {
            run.error = Some(error);
            return run;
        }
    };
    for op in SCRIPT {
        match *op {
            Send(channel, producer, count) => {
                let number = run.sent.len();
                let message = |n| message(channel, number, n);
                let messages: Vec<Vec<u8>> = (0..count).map(message).collect();
                run.sent.push(send(&opened, channel, producer, &messages));
            }
            Commit => {
                opened.committer.step();
            }
            Check => {
                opened.checkpointer.step();
            }
            Later => advance(7),
        }
    }
    for step in 0.. {
        assert!(step < MOST_STEPS, "the log does not come to rest");
        if opened.committer.step() || opened.checkpointer.step() {
            continue;
        }
        // What waits for a checkpoint that could not be made is refused now.
        if !opened.committer.step() {
            break;
        }
    }
    if stop {
        run.is_clean = opened.stop();
    } else {
        run.opened = Some(opened);
    }
    run
}

/// Messages differ in content and length; some are longer than a segment may be.
pub(crate) fn message(channel: &str, number: usize, n: usize) -> Vec<u8> {
    let text = format!("{channel} {number} {n} ");
    let length = match number {
        5 => 700,
        number => 60 + (number * 37 + n * 101) % 120,
    };
    let mut message = text.repeat(length / text.len() + 1).into_bytes();
    message.truncate(length);
    message
}

impl Run {
    /// All fates are known, and nothing was refused.
    pub(crate) fn all_went_well(&self) -> bool {
        self.sent
            .iter()
            .all(|sent| matches!(sent.fate(), Fate::Written { .. }))
    }
}

#[test]
fn the_script_rolls_segments_turns_the_journal_over_and_trims() {
    let memory = Memory::new();
    let run = run(&memory, false);
    assert!(run.all_went_well());
    let messages: usize = run.sent.iter().map(|sent| sent.messages.len()).sum();
    let bytes: usize = run
        .sent
        .iter()
        .flat_map(|sent| &sent.messages)
        .map(Vec::len)
        .sum();
    assert_eq!(messages, 30);
    assert!((3000..5000).contains(&bytes), "{bytes}");
    let opened = run.opened.unwrap();
    let numbers = opened.log.numbers();
    assert!(numbers.checkpoints >= 3, "{numbers:?}");
    assert!(numbers.removed >= 2, "{numbers:?}");
    assert!(opened.log.channel("b", 0).first() > 0);
}
