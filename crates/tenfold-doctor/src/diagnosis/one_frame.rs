//! The framing is right, and one frame is not: where the stream is right again, and what that says.

use tenfold_codec::{ByteOrder, ErrorKind, Framing, Number, Side};

use super::heads::head;
use super::near::near;
use super::syslog::begins_with_priority;
use super::{Finding, Scene};
use crate::numbers::{counted, grouped};
use crate::sides::{self, field, is_in_digits};
use crate::surprise::Rarity;
use crate::trial::{Sample, Trial, TrialEnd, is_padded};
use crate::walker::Frame;

/// How far to look for the next header.
const REACH: u64 = 32 * 1024;

/// The longest header that is read where a frame may begin.
const LONGEST_HEADER: usize = 64;

/// Messages that a place must lead to if they do not lead to the end.
const ENOUGH: u64 = 3;

/// The least that tells frames from other bytes.
const PROOF: f64 = 12.0;

/// Framings that are met beside another one.
const OTHERS: &[&str] = &[
    "u32be",
    "u32le",
    "u16be",
    "u16le",
    "decimal:10",
    "netstring",
    "u64be",
];

/// The longest message that is believed when nothing but four bytes says so.
const BELIEVED: u64 = 1 << 28;

/// The frame whose length cannot be right, and where the stream goes on.
#[derive(Clone, Copy, Debug)]
struct Gap {
    /// The frame that is wrong: the last good one, or the one that the end cuts.
    frame: Option<Frame>,
    /// Where it ends by its header.
    end: u64,
    /// Where the next frame really begins.
    next: u64,
}

pub(super) fn find(scene: Scene<'_>) -> Vec<Finding> {
    let side = scene.steady();
    let (_, bytes) = scene.excerpt.from(scene.last.map_or(0, |last| last.offset));
    let rarity = Rarity::of(bytes);
    let around = Surroundings {
        scene,
        side: &side,
        rarity: &rarity,
    };
    let mut findings = Vec::new();
    findings.extend(around.too_large());
    findings.extend(around.not_closed());
    findings.extend(around.interleaved_headers());
    findings.extend(around.frame_inside());
    findings.extend(around.framed_otherwise());
    // After a broken stuffed frame the next one has been looked for already.
    if side.is_stuffed() {
        return findings;
    }
    let Some(gap) = around.gap() else {
        return findings;
    };
    let encoded = around.text_encoded(gap);
    let log_line = around.log_line(gap);
    findings.push(if let Some(finding) = log_line {
        finding
    } else if gap.next > gap.end {
        around.too_much(gap)
    } else {
        too_little(gap)
    });
    findings.extend(encoded);
    findings
}

/// The bytes around the break, and the framing that holds there.
#[derive(Clone, Copy)]
struct Surroundings<'a> {
    scene: Scene<'a>,
    side: &'a Side,
    rarity: &'a Rarity,
}

impl Surroundings<'_> {
    /// Whether frames begin at this offset, surely enough.
    fn goes_on_at(&self, offset: u64) -> bool {
        let bytes = self.scene.from(offset);
        if !self.may_begin(bytes) {
            return false;
        }
        let trial = self.try_from(bytes);
        match trial.end {
            TrialEnd::Exact => trial.messages > 0 && trial.bits >= PROOF,
            TrialEnd::Open => trial.messages >= ENOUGH.min(2) && trial.bits >= PROOF,
            TrialEnd::Broken(_) => trial.messages >= ENOUGH && trial.bits >= 2.0 * PROOF,
        }
    }

    /// Whether it is worth to look for frames here: this is asked at each offset, and a header block may be 16 KiB
    /// long until it is none.
    fn may_begin(&self, bytes: &[u8]) -> bool {
        const USUAL_BLOCK: usize = 256;
        !sides::has_blocks(self.side) || head(self.side, bytes, USUAL_BLOCK).is_some()
    }

    fn try_from(&self, bytes: &[u8]) -> Trial {
        let sample = Sample {
            bytes,
            whole: self.scene.ended,
            rarity: self.rarity,
        };
        Trial::run_at_most(self.side, sample, None, 32)
    }

    /// Whether the stream is right at this offset, also because it is its end.
    fn is_right_at(&self, offset: u64) -> bool {
        (self.scene.ended && offset == self.scene.excerpt.end()) || self.goes_on_at(offset)
    }

    /// Looks for the next frame: first after the header of the frame that is wrong.
    fn gap(&self) -> Option<Gap> {
        let broken = self.scene.broken();
        if let Some(cut) = self.cut_frame() {
            let next = (broken + 1..self.scene.excerpt.end()).take(take(REACH));
            let next = next.into_iter().find(|at| self.goes_on_at(*at))?;
            return Some(Gap {
                frame: Some(cut),
                end: cut.offset + cut.size,
                next,
            });
        }
        let start = self.scene.last.map_or(0, |last| last.offset);
        let next = (start + 1..self.scene.excerpt.end())
            .take(take(REACH))
            .find(|at| *at != broken && self.goes_on_at(*at))?;
        Some(Gap {
            frame: self.scene.last,
            end: broken,
            next,
        })
    }

    /// The frame that the end of the stream cuts, by what its header says.
    fn cut_frame(&self) -> Option<Frame> {
        self.scene.error.is_truncated().then_some(())?;
        self.frame_at(self.scene.broken())
    }

    /// The frame that begins here by its header, whether all of it is there or not.
    fn frame_at(&self, offset: u64) -> Option<Frame> {
        let head = head(self.side, self.scene.from(offset), LONGEST_HEADER)?;
        Some(Frame {
            index: self.scene.error.index(),
            offset,
            size: head.length.checked_add(head.size as u64)?,
            length: head.length,
        })
    }

    /// A frame like the others, but for its size.
    fn too_large(&self) -> Option<Finding> {
        let ErrorKind::TooLarge { declared, limit } = self.scene.error.kind() else {
            return None;
        };
        let Some(declared) = declared else {
            let says = format!(
                "message {} has more than {} bytes, which is what is allowed, and its end is not among them: \
                 --max-message lets it through, if it is one",
                self.scene.error.index(),
                grouped(*limit)
            );
            return Some(Finding::new("too-large", 55, says));
        };
        let frame = self.frame_at(self.scene.broken())?;
        let end = frame.offset + frame.size;
        let count = counted(*declared, "byte");
        let index = frame.index;
        if self.is_right_at(end) {
            let says = format!(
                "message {index} is whole and has {count}, which is more than was allowed: --max-message {declared} \
                 lets it through"
            );
            return Some(Finding::new("too-large", 97, says));
        }
        let bytes = self.scene.from(frame.offset);
        let header = &bytes[..bytes.len().min(take(frame.size - frame.length))];
        // Digits and what pads them are hardly there by chance; any four bytes are a number.
        let is_header = is_in_digits(self.side) && (index > 0 || is_padded(header));
        // Its end is not at hand.
        let is_possible = !self.scene.ended && end > self.scene.excerpt.end();
        (is_possible && (is_header || *declared <= BELIEVED)).then(|| {
            let says = format!(
                "message {index} has {count}, if its length is right, which is more than was allowed: --max-message \
                 {declared} lets it through"
            );
            let certainty = if is_header { 90 } else { 40 };
            Finding::new("too-large", certainty, says)
        })
    }

    /// A frame that the next one begins in, before what closes it.
    fn not_closed(&self) -> Option<Finding> {
        let ErrorKind::BadClose { at } = self.scene.error.kind() else {
            return None;
        };
        let index = self.scene.error.index();
        self.goes_on_at(*at).then(|| {
            Finding::new(
                "run-together",
                90,
                format!(
                    "two frames run together: the bytes that close message {index} are missing, and at offset {at} \
                     the next frame begins in their place"
                ),
            )
        })
    }

    /// Two headers, and then the two payloads.
    fn interleaved_headers(&self) -> Option<Finding> {
        let first = self.cut_frame().or(self.scene.last)?;
        let header = first.size - first.length;
        if header == 0 || first.length == 0 {
            return None;
        }
        let second = self.frame_at(first.offset + header)?;
        let next = second.offset + second.size + first.length;
        (second.size - second.length == header && second.length > 0 && self.is_right_at(next)).then(|| {
            Finding::new(
                "run-together",
                90,
                format!(
                    "two frames run together: message {} is header, header, payload, payload; two threads write to \
                     one socket at once (write each frame in one piece, under a lock)",
                    first.index
                ),
            )
        })
    }

    /// A whole frame in the middle of another one, which goes on after it.
    fn frame_inside(&self) -> Option<Finding> {
        let outer = self.cut_frame().or(self.scene.last)?;
        let end = outer.offset + outer.size;
        let payload = end - outer.length;
        let strict = field(self.side).is_some();
        for at in (payload + 1..end.min(self.scene.excerpt.end())).take(take(REACH)) {
            let Some(inner) = self.frame_at(at).filter(|inner| inner.length > 0) else {
                continue;
            };
            let next = at + inner.size + (end - at);
            let at_the_end = strict && self.scene.ended && next == self.scene.excerpt.end();
            if at_the_end || self.goes_on_at(next) {
                return Some(Finding::new(
                    "run-together",
                    88,
                    format!(
                        "two frames run together: inside message {}, at offset {at}, is another whole frame; two \
                         threads write to one socket at once (write each frame in one piece, under a lock)",
                        outer.index
                    ),
                ));
            }
        }
        None
    }

    /// One frame by another framing, and from then on all is well.
    fn framed_otherwise(&self) -> Option<Finding> {
        let broken = self.scene.broken();
        if broken == 0 {
            return None;
        }
        let index = self.scene.error.index();
        for near in self.side.steps().iter().flat_map(near) {
            if self.leads_on(&near.side, false) {
                return Some(Finding::new(
                    near.kind,
                    82,
                    format!(
                        "message {index} alone is framed as {}, and the next one is right again: {}",
                        near.side, near.says
                    ),
                ));
            }
        }
        let others = OTHERS
            .iter()
            .filter_map(|line| line.parse::<Framing>().ok());
        let other = others
            .map(|framing| framing.client().clone())
            .find(|side| {
                side != self.side && self.leads_on(side, !self.scene.error.is_truncated())
            })?;
        Some(Finding::new(
            "other-framing",
            82,
            format!(
                "message {index} is framed as {other}, and those before it are not: two programs that frame \
                 differently write to one stream, or the sender changes its framing here"
            ),
        ))
    }

    /// Whether one frame by this framing leads from the break to a place where all is well; the end of
    /// the stream is one if `end` says so.
    fn leads_on(&self, side: &Side, end: bool) -> bool {
        let broken = self.scene.broken();
        let sample = Sample {
            bytes: self.scene.from(broken),
            whole: self.scene.ended,
            rarity: self.rarity,
        };
        let trial = Trial::run_at_most(side, sample, None, 1);
        let behind = broken + trial.explained;
        let at_the_end = end && self.scene.ended && behind == self.scene.excerpt.end();
        trial.messages == 1 && trial.bits > 3.0 && (at_the_end || self.goes_on_at(behind))
    }

    /// There are bytes between the end of a frame and the next one.
    fn too_much(&self, gap: Gap) -> Finding {
        let extra = self.scene.excerpt.between(gap.end, gap.next);
        let count = counted(gap.next - gap.end, "byte");
        let Some(frame) = gap.frame else {
            return Finding::new(
                "begins-inside",
                70,
                format!(
                    "the stream begins inside a frame: the first one that is whole begins at offset {} (the recording \
                     began too late, or the start of the first frame is missing)",
                    gap.next
                ),
            );
        };
        if let Some(finding) = self.characters(frame, gap) {
            return finding;
        }
        let header = frame.size - frame.length;
        let (certainty, says) = match extra {
            [b'\n' | 0] | [b'\r', b'\n'] => (
                80,
                format!(
                    "after message {} comes \"{}\", which its length does not count",
                    frame.index,
                    extra.escape_ascii()
                ),
            ),
            _ if extra.len() as u64 == header => (
                78,
                format!(
                    "the length of message {} is off by {header}, the header's own size: the sender takes it away \
                     once too often",
                    frame.index
                ),
            ),
            _ => (
                66,
                format!(
                    "{count} between message {} and the next header, at offset {}, are in no frame: a frame lost its \
                     header (is a frame's beginning missing?), or the length of message {} is too small by {}",
                    frame.index,
                    gap.next,
                    frame.index,
                    gap.next - gap.end
                ),
            ),
        };
        let kind = if certainty == 78 {
            "header-counted"
        } else {
            "extra-bytes"
        };
        Finding::new(kind, certainty, says)
    }

    /// Lines of text between two frames, or before the first one.
    fn log_line(&self, gap: Gap) -> Option<Finding> {
        let broken = self.scene.broken();
        let line = first_line(self.scene.excerpt.between(broken, gap.next))?;
        let place = match self.scene.error.index().checked_sub(1) {
            Some(before) => format!("after message {before}"),
            None => "before the first frame".to_owned(),
        };
        let says = format!(
            "text stands {place}, in no frame: \"{line}\" (something else writes to the same place: print, a log; it \
             belongs on stderr)"
        );
        Some(Finding::new("log-line", 91, says))
    }

    /// A byte of a binary length that a text encoder has replaced.
    fn text_encoded(&self, gap: Gap) -> Option<Finding> {
        const REPLACED: &[u8] = b"\xef\xbf\xbd";
        let frame = gap.frame?;
        let step = self.side.steps().last()?;
        let Some(Number::Bits { bits, order, .. }) = sides::number(step) else {
            return None;
        };
        let width = usize::from(bits.div_ceil(8));
        let bytes = self.scene.from(frame.offset);
        let header = bytes.get(..width)?;
        let is_replaced = (0..width).any(|at| bytes[at..].starts_with(REPLACED));
        // What the length would have to be, and whether only bytes of text are different.
        let length = gap.next.checked_sub(frame.offset + width as u64)?;
        let right = match order {
            ByteOrder::Big => length.to_be_bytes()[8 - width..].to_vec(),
            ByteOrder::Little => length.to_le_bytes()[..width].to_vec(),
        };
        let is_asked = header
            .iter()
            .zip(&right)
            .all(|(is, was)| is == was || *is == b'?' && *was >= 0x80);
        let instead = match (is_replaced, is_asked) {
            (true, _) => "EF BF BD, which is what UTF-8 writes",
            (_, true) => "a question mark",
            _ => return None,
        };
        let says = format!(
            "the length of message {} has {instead} in the place of a byte that is not ASCII: it went through a text \
             encoder, which lost that byte (write bytes, and no string that holds them)",
            frame.index
        );
        Some(Finding::new("text-encoded", 92, says))
    }

    /// The message and what is left over have as many characters as the length says bytes.
    fn characters(&self, frame: Frame, gap: Gap) -> Option<Finding> {
        let start = frame.offset + frame.size - frame.length;
        let all = self.scene.excerpt.between(start, gap.next);
        let in_utf16 = all.len() as u64 == 2 * frame.length && super::looks::is_utf16(all);
        let in_utf8 =
            std::str::from_utf8(all).is_ok_and(|text| text.chars().count() as u64 == frame.length);
        let in_units = std::str::from_utf8(all)
            .is_ok_and(|text| text.encode_utf16().count() as u64 == frame.length);
        let encoding = match (in_utf8 || in_units, in_utf16) {
            (true, _) => "UTF-8",
            (_, true) => "UTF-16",
            _ => return None,
        };
        Some(Finding::new(
            "characters",
            91,
            format!(
                "the header of message {} counted characters where bytes are counted: its {} are {} in {encoding} \
                 (encode first, then take the length)",
                frame.index,
                counted(frame.length, "character"),
                counted(all.len() as u64, "byte"),
            ),
        ))
    }
}

/// The first line of what is nothing but lines of text.
fn first_line(bytes: &[u8]) -> Option<String> {
    const SHOWN: usize = 60;
    let text = std::str::from_utf8(bytes).ok()?;
    if begins_with_priority(bytes) {
        return None;
    }
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\x1b');
    let words = text.chars().filter(|c| c.is_alphabetic()).count();
    let line = text.strip_suffix('\n')?.lines().next()?;
    (words > 3 && text.chars().all(is_text)).then(|| {
        let shown: String = line.chars().take(SHOWN).collect();
        let rest = if shown.len() < line.len() { "..." } else { "" };
        shown.escape_debug().to_string() + rest
    })
}

/// The next frame begins inside the one that is wrong.
fn too_little(gap: Gap) -> Finding {
    let Some(frame) = gap.frame else {
        return Finding::new("begins-inside", 60, "the stream begins inside a frame");
    };
    let header = frame.size - frame.length;
    let missing = gap.end - gap.next;
    let (index, next) = (frame.index, gap.next);
    if missing == header {
        return Finding::new(
            "header-counted",
            86,
            format!(
                "the length of message {index} counts its own header: it is off by {header}, the header's size"
            ),
        );
    }
    if next == frame.offset + header {
        return Finding::new(
            "missing-payload",
            84,
            format!(
                "the payload of message {index} is missing: its header says {}, and the next header follows at once",
                counted(frame.length, "byte")
            ),
        );
    }
    Finding::new(
        "missing-bytes",
        72,
        format!(
            "{} missing in message {index}: its header says {}, and the next header is at offset {next}, inside \
             it (a part of a frame was lost: a short write, or two senders one after the other)",
            match missing {
                1 => "1 byte is".to_owned(),
                _ => format!("{} are", counted(missing, "byte")),
            },
            counted(frame.length, "byte")
        ),
    )
}

fn take(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
