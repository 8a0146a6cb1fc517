//! Why a stream breaks: bytes in, findings out. No I/O.
//!
//! ```text
//!   framings.rs   the whole stream by another framing: one that is near, or one that is not
//!   counted.rs    the whole stream by lengths that count something else than bytes
//!   undone.rs     the whole stream without what a text encoder or a text mode did to it
//!   one_frame.rs  the framing is right, and one frame is not: where is it right again?
//!   ends.rs       a delimiter that the stream has nowhere
//!   looks.rs      what the bytes at the break look like by themselves
//!   beginnings.rs what begins with bytes of its own: an archive, a pickle, a pack
//!   syslog.rs     syslog in a framing of syslog that is another one
//!   serial.rs     Modbus RTU over TCP
//! ```
//!
//! Each of them looks at the same [`Scene`], and gives findings with a certainty. The surest is the
//! cause that is shown; the others follow.

pub(crate) mod beginnings;
mod counted;
mod ends;
mod framings;
mod heads;
pub(crate) mod looks;
mod near;
mod one_frame;
pub(crate) mod serial;
pub(crate) mod syslog;
mod undone;

use tenfold_codec::{DecodeError, ErrorKind, Part, Side};

use crate::excerpt::{BEGINNING, Excerpt};
use crate::numbers::counted;
use crate::sides::{has_blocks, is_delimited, is_in_digits};
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, is_padded};
use crate::walker::{Frame, Walker};

/// A stream that broke, as far as its bytes are at hand.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Scene<'a> {
    /// What the stream was read as.
    pub side: &'a Side,
    /// Where it broke, and how.
    pub error: &'a DecodeError,
    /// The bytes that are still at hand.
    pub excerpt: &'a Excerpt,
    /// The last good frame.
    pub last: Option<Frame>,
    /// Whether the bytes at hand reach to the end of the stream.
    pub ended: bool,
    /// Messages so far, with those that were left out.
    pub messages: u64,
    /// Broken frames that were left out.
    pub left_out: u64,
}

/// One thing that is known or suspected about a broken stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// A name for programs.
    pub kind: &'static str,
    /// One or two sentences for people.
    pub says: String,
    /// From 0 to 100: the likelier finding is shown first.
    pub certainty: u8,
    /// A framing that would have worked, if one was found.
    pub works: Option<Works>,
}

/// A framing that would have worked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Works {
    /// The framing.
    pub side: Side,
    /// How many messages it finds.
    pub messages: u64,
    /// Bytes that are in whole frames of it.
    pub bytes: u64,
    /// Bytes that it was tried on.
    pub of: u64,
    /// These are all bytes of the stream.
    pub is_whole: bool,
}

impl Finding {
    pub(crate) fn new(kind: &'static str, certainty: u8, says: impl Into<String>) -> Self {
        Self {
            kind,
            says: says.into(),
            certainty,
            works: None,
        }
    }
}

/// The findings about a broken stream, the likeliest first. There is at least one.
pub fn diagnose(scene: Scene<'_>) -> Vec<Finding> {
    let mut findings = framings::find(scene);
    findings.extend(one_frame::find(scene));
    findings.extend(counted::find(scene));
    findings.extend(undone::find(scene));
    findings.extend(syslog::find(scene));
    findings.extend(serial::find(scene));
    findings.extend(ends::find(scene));
    findings.extend(ends::broken(scene));
    findings.extend(looks::find(scene));
    findings.extend(cut(scene));
    // A finding that could be chance is left out where another one is sure.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.certainty));
    drop_lines_of_others(&mut findings);
    if findings
        .iter()
        .any(|finding| finding.certainty > framings::GUESS)
    {
        findings.retain(|finding| {
            finding.kind != "other-framing" || finding.certainty != framings::GUESS
        });
    }
    let surest = findings.first().map_or(0, |finding| finding.certainty);
    findings.retain(|finding| finding.certainty + 40 >= surest);
    findings.dedup_by_key(|finding| finding.kind);
    findings.truncate(3);
    if findings.is_empty() {
        findings.push(Finding::new(
            "unknown",
            0,
            "these bytes are not a frame, and look like nothing known: is the length before them right?",
        ));
    }
    findings
}

/// Bytes that are not a stream of messages can have lines or numbers, too. A person who reads them by
/// those gains nothing, so no such framing is proposed; nor is one frame to blame where all are alike.
fn drop_lines_of_others(findings: &mut Vec<Finding>) {
    let Some(first) = findings.first() else {
        return;
    };
    let lines = matches!(
        first.kind,
        "http" | "tls" | "gzip" | "compressed" | "utf-16" | "protocol" | "repr"
    );
    let all = matches!(
        first.kind,
        "zeros"
            | "pack"
            | "padding"
            | "byte-order-mark"
            | "file"
            | "line-ends"
            | "blank-line"
            | "newlines"
            | "text-encoded"
            | "characters"
            | "utf-16-units"
            | "off-by"
            | "header-counted"
            | "packed-digits"
            | "repr"
            | "dns"
            | "modbus-rtu"
            | "syslog-mixed"
            | "syslog-lines"
            | "log-line"
    );
    let surest = first.clone();
    findings.retain(|finding| {
        let works = finding.works.as_ref();
        let is_other = works.is_some_and(|works| all || lines && is_delimited(&works.side));
        let is_local = all
            && matches!(
                finding.kind,
                "extra-bytes" | "missing-bytes" | "begins-inside" | "characters" | "text-encoded"
            );
        *finding == surest || !(is_other || is_local)
    });
}

/// The stream ended inside a frame.
fn cut(scene: Scene<'_>) -> Option<Finding> {
    let ErrorKind::Truncated {
        part,
        have,
        missing,
    } = scene.error.kind()
    else {
        return None;
    };
    let index = scene.error.index();
    if !has_evidence(scene) {
        return missing.map(|missing| {
            let says = format!(
                "as {} message {index} would have {} more than there are: the stream is cut, or it is framed otherwise",
                scene.side,
                counted(missing, "byte")
            );
            Finding::new("cut", 20, says)
        });
    }
    let says = match (part, have, missing) {
        (Part::Payload, 0, Some(missing)) => format!(
            "the stream ends after the header of message {index}, and the {} that it announces never came: \
             the sender wrote a header and no payload, or ended in between",
            counted(*missing, "byte")
        ),
        (_, _, Some(missing)) => format!(
            "the stream ends inside message {index}, and {} of it are missing: the sender ended, or the \
             recording was cut, in the middle of a frame",
            counted(*missing, "byte")
        ),
        (_, _, None) => format!(
            "the stream ends inside message {index}, and nothing there ends it: the sender ended, or the \
             recording was cut, in the middle of a frame"
        ),
    };
    Some(Finding::new("cut", 50, says))
}

/// Whether the bytes before the end are frames of this framing, and hardly by chance.
fn has_evidence(scene: Scene<'_>) -> bool {
    let rarity = Rarity::of(scene.excerpt.beginning());
    let Some(sample) = scene.beginning(&rarity) else {
        // The framing has lasted for long.
        return true;
    };
    let header = scene.error.header();
    let says_so = is_in_digits(scene.side) && is_padded(header) || has_blocks(scene.side);
    let trial = Trial::run(scene.side, sample, None);
    says_so || trial.bits > 10.0 || is_delimited(scene.side) && trial.messages > 0
}

impl<'a> Scene<'a> {
    /// The scene where this walker broke.
    pub fn of(walker: &'a Walker, error: &'a DecodeError) -> Self {
        Self {
            side: walker.side(),
            error,
            excerpt: walker.excerpt(),
            last: walker.last().filter(|last| last.offset < error.offset()),
            ended: walker.has_ended(),
            messages: walker.index(),
            left_out: walker.left_out(),
        }
    }

    /// Offset of the frame that could not be read.
    fn broken(self) -> u64 {
        self.error.offset()
    }

    /// The bytes from an offset on.
    fn from(self, offset: u64) -> &'a [u8] {
        let (at, bytes) = self.excerpt.from(offset);
        if at == offset { bytes } else { &[] }
    }

    /// The first bytes of the stream, if the break is among them.
    fn beginning(self, rarity: &'a Rarity) -> Option<Sample<'a>> {
        let bytes = self.excerpt.beginning();
        (self.broken() < bytes.len() as u64).then_some(Sample {
            bytes,
            whole: self.ended && self.excerpt.end() <= BEGINNING as u64,
            rarity,
        })
    }

    /// The side without its first steps, as it goes on forever.
    pub fn steady(self) -> Side {
        let last = self.side.steps().last();
        last.map_or_else(|| self.side.clone(), |step| step.clone().into())
    }
}

#[cfg(test)]
mod tests;
