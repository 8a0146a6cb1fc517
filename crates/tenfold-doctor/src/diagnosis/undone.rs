//! Streams that went through something that takes bytes for text: it is undone, and then the framing is right.

use super::{Finding, Scene};
use crate::sides;
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, TrialEnd};

/// The least that tells frames from other bytes.
const PROOF: f64 = 12.0;

/// What may have been done to a stream.
struct Change {
    kind: &'static str,
    says: &'static str,
    /// The bytes as they were before, if it was done to these.
    undo: fn(&[u8]) -> Option<Vec<u8>>,
}

const CHANGES: &[Change] = &[
    Change {
        kind: "newlines",
        says: "each newline of the stream has become a carriage return and a newline, which no length counts; without \
               that all frames are right: something writes in text mode (use binary mode: sys.stdout.buffer, `wb`, \
               _setmode(..., _O_BINARY)), or a terminal is between",
        undo: without_returns,
    },
    Change {
        kind: "newlines",
        says: "each carriage return and newline of the stream has become a newline alone; with both all frames are \
               right: something reads or copies it in text mode (use binary mode)",
        undo: with_returns,
    },
    Change {
        kind: "text-encoded",
        says: "the stream went through a text encoder: each byte from 0x80 on has become two bytes of UTF-8, and with \
               them undone all frames are right (write bytes, and no string that holds them)",
        undo: from_utf8,
    },
];

pub(super) fn find(scene: Scene<'_>) -> Option<Finding> {
    if sides::is_delimited(scene.side) {
        return None;
    }
    let rarity = Rarity::of(scene.excerpt.beginning());
    let sample = scene.beginning(&rarity)?;
    let as_it_was = Trial::run(scene.side, sample, None).score();
    let change = CHANGES.iter().find(|change| {
        // An encoder leaves digits as they are.
        if change.kind == "text-encoded" && !sides::is_binary(scene.side) {
            return false;
        }
        let Some(bytes) = (change.undo)(sample.bytes) else {
            return false;
        };
        let rarity = Rarity::of(&bytes);
        let undone = Sample {
            bytes: &bytes,
            whole: sample.whole,
            rarity: &rarity,
        };
        let trial = Trial::run(scene.side, undone, None);
        let is_right = match trial.end {
            TrialEnd::Exact => true,
            TrialEnd::Open => trial.messages > 2,
            TrialEnd::Broken(_) => false,
        };
        is_right && trial.score() > PROOF.max(as_it_was * 1.2)
    })?;
    Some(Finding::new(change.kind, 91, change.says))
}

/// Without the carriage return before each newline, where each has one.
fn without_returns(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut undone = Vec::with_capacity(bytes.len());
    let mut newlines = 0;
    for byte in bytes {
        if *byte == b'\n' {
            newlines += 1;
            undone.pop_if(|before| *before == b'\r')?;
        }
        undone.push(*byte);
    }
    (newlines > 0).then_some(undone)
}

/// With a carriage return before each newline, where none has one.
fn with_returns(bytes: &[u8]) -> Option<Vec<u8>> {
    let has_returns = bytes.windows(2).any(|pair| pair == b"\r\n");
    let mut undone = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if *byte == b'\n' {
            undone.push(b'\r');
        }
        undone.push(*byte);
    }
    (!has_returns && undone.len() > bytes.len()).then_some(undone)
}

/// The bytes whose numbers these characters have.
fn from_utf8(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        // The excerpt may end inside a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let undone: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(c).ok()).collect();
    undone.filter(|undone| undone.len() < bytes.len())
}
