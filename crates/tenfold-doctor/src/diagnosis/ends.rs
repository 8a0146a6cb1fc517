//! Bytes that end each message, and that the stream has nowhere, or after frames that are none.

use tenfold_codec::{ErrorKind, Shape};

use super::{Finding, Scene};
use crate::numbers::{counted, grouped};

/// Frames that are broken for the most part.
pub(super) fn broken(scene: Scene<'_>) -> Option<Finding> {
    let (left_out, all) = (scene.left_out, scene.messages);
    (left_out * 2 > all).then(|| {
        let says = format!(
            "{} of {} are broken: the stream is stuffed otherwise, or not at all",
            grouped(left_out),
            counted(all, "frame")
        );
        Finding::new("not-stuffed", 60, says)
    })
}

pub(super) fn find(scene: Scene<'_>) -> Option<Finding> {
    let [step] = scene.side.steps() else {
        return None;
    };
    let Shape::Delim(end) = step.shape() else {
        return None;
    };
    let open = step.open();
    let (at, bytes) = scene.excerpt.from(0);
    // Where the beginning is not at hand, nothing is known of it.
    if scene.error.index() > 0 || at > 0 || bytes.is_empty() {
        return None;
    }
    let of = if scene.ended {
        format!("the {} of this stream", counted(bytes.len() as u64, "byte"))
    } else {
        format!("the first {}", counted(bytes.len() as u64, "byte"))
    };
    let (name, begin) = (end.escape_ascii(), open.escape_ascii());
    let opens = count(bytes, open);
    match scene.error.kind() {
        ErrorKind::BadHeader { .. } if !open.is_empty() && opens == 0 => Some(Finding::new(
            "never-begins",
            40,
            format!(
                "\"{begin}\", which begins each message, is nowhere in {of}: the sender writes no frame around its \
                 messages, or another one"
            ),
        )),
        ErrorKind::Truncated { .. } | ErrorKind::TooLarge { .. } if count(bytes, end) == 0 => {
            let says = match opens {
                0 | 1 => format!(
                    "\"{name}\", which ends each message, is nowhere in {of}: the sender ends them with something \
                     else, or with nothing"
                ),
                _ => format!(
                    "\"{name}\", which ends each message, is nowhere in {of}, and \"{begin}\", which begins one, is \
                     there {} times: the sender leaves out the end of each message",
                    grouped(opens)
                ),
            };
            Some(Finding::new("never-ends", 40, says))
        }
        _ => None,
    }
}

/// How often these bytes are in others.
fn count(bytes: &[u8], wanted: &[u8]) -> u64 {
    if wanted.is_empty() {
        return 0;
    }
    let found = bytes.windows(wanted.len()).filter(|at| *at == wanted);
    found.count() as u64
}
