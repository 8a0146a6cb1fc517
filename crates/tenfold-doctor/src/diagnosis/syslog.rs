//! Syslog, of which three framings are in use (RFC 6587): a count before each message, and a newline or a NUL
//! after it.

use tenfold_codec::{Framing, Side};

use super::{Finding, Scene, Works};
use crate::sides::ends_digits;
use crate::surprise::Rarity;
use crate::trial::Trial;

pub(super) fn find(scene: Scene<'_>) -> Option<Finding> {
    let bytes = scene.from(scene.broken());
    if !begins_with_priority(bytes) {
        return None;
    }
    let is_counted = ends_digits(scene.side, b" ");
    let index = scene.error.index();
    if index > 0 {
        return is_counted.then(|| {
            Finding::new(
                "syslog-mixed",
                95,
                format!(
                    "message {index} begins with its priority, and no count stands before it: the sender mixes lines \
                     and octet counting, or two senders share the stream (set all of them to octet counting, RFC \
                     6587, 3.4.1)"
                ),
            )
        });
    }
    let (end, name) = ending(bytes);
    let works = works(scene, end);
    let wanted = if is_counted {
        "no count stands before them: set the sender to octet counting, or read them so"
    } else {
        "nothing stands before them"
    };
    Some(Finding {
        works,
        ..Finding::new(
            "syslog-lines",
            95,
            format!("these are messages of syslog that end with {name}; {wanted}"),
        )
    })
}

/// `<34>` and what else is a priority.
pub(crate) fn begins_with_priority(bytes: &[u8]) -> bool {
    let [b'<', rest @ ..] = bytes else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    matches!(digits, 1..=3) && rest.get(digits) == Some(&b'>')
}

/// The framing that ends these messages.
fn ending(bytes: &[u8]) -> (&'static str, &'static str) {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 0);
    let is_next = |at: usize| {
        let rest = &bytes[at + 1..];
        rest.is_empty() || begins_with_priority(rest)
    };
    if ends.next().is_some_and(|(at, _)| is_next(at)) {
        return (r"delim:\0", "a NUL");
    }
    let line = bytes.split(|byte| *byte == b'\n').next();
    match line {
        Some([.., b'\r']) => (r"delim:\r\n", "a carriage return and a newline"),
        _ => (r"delim:\n", "a newline"),
    }
}

fn works(scene: Scene<'_>, line: &str) -> Option<Works> {
    let side: Side = line.parse::<Framing>().ok()?.client().clone();
    let rarity = Rarity::of(scene.excerpt.beginning());
    let sample = scene.beginning(&rarity)?;
    let trial = Trial::run(&side, sample, None);
    (side != *scene.side && trial.is_complete())
        .then(|| super::framings::works(side, &trial, sample))
}
