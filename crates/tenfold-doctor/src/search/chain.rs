//! The first frames of a stream by one shape.

use super::number::{Kind, WIDEST};
use super::shape::Shape;
use crate::surprise::{Columns, LengthCost};
use crate::trial::Sample;

/// Frames of a framing that are looked at before it is known to be among the best.
const FIRST_FRAMES: usize = 24;

/// A field of digits that is never padded by more than one space is likelier to be a number that ends.
pub(super) const UNPADDED: f64 = 10.0;

/// The first frames by a shape.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// Bits that it saves, without those of its description.
    pub(super) bits: f64,
    pub(super) frames: usize,
    /// The bytes before the number, as far as they are alike in all frames.
    pub(super) opens: Vec<u8>,
    /// The last bytes of the frames, as far as they are alike.
    pub(super) closes: Vec<u8>,
    /// The number could be wider in all frames: what is beside it is what fills a number.
    is_narrow: bool,
    /// A field of digits is full in all frames but for one space at most, as if that ended them.
    pub(super) is_unpadded: bool,
    /// The bytes of the first frame's number, if those of all others are the same.
    number: Option<Vec<u8>>,
}

impl Shape {
    /// Goes through the first frames; nothing if they are none.
    pub(super) fn follow(self, sample: Sample<'_>) -> Option<Chain> {
        let bytes = sample.bytes;
        let (mut lengths, mut columns) = (LengthCost::default(), Columns::default());
        let mut chain = Chain {
            bits: -self.cost(),
            frames: 0,
            opens: Vec::new(),
            closes: Vec::new(),
            is_narrow: true,
            is_unpadded: true,
            number: None,
        };
        let (mut from, mut ended_well) = (0, false);
        while chain.frames < FIRST_FRAMES {
            if from == bytes.len() {
                ended_well = true;
                break;
            }
            let found = self.frame(&bytes[from..]);
            let Some((header, frame)) =
                found.and_then(|(header, end)| Some((header, bytes.get(from..from + end)?)))
            else {
                let is_cut =
                    !sample.whole && (found.is_some() || bytes.len() - from < self.at + WIDEST);
                if is_cut || self.number.can_be_cut() && is_little(from, bytes.len(), chain.frames)
                {
                    break;
                }
                return None;
            };
            let left = (bytes.len() - from) as u64;
            let parts = Parts::of(frame, self.at, header);
            chain.bits += self.saved(&parts, left, sample, &mut lengths, &mut columns);
            chain.note(self.number, &parts);
            from += frame.len();
        }
        if !self.may_be(&chain, ended_well) {
            return None;
        }
        if chain.is_unpadded {
            chain.bits -= UNPADDED;
        }
        chain.bits += columns.saved(0.0);
        if ended_well {
            chain.bits += mean_bits(bytes.len(), chain.frames);
        }
        (chain.frames > 0 && chain.bits > 0.0).then_some(chain)
    }

    /// Bits that the number of a frame saves; its message joins the columns.
    fn saved(
        self,
        parts: &Parts<'_>,
        left: u64,
        sample: Sample<'_>,
        lengths: &mut LengthCost,
        columns: &mut Columns,
    ) -> f64 {
        let Parts {
            before,
            digits,
            after,
        } = parts;
        let is_nothing = self.add > 0 && digits.iter().all(|byte| *byte == 0);
        if is_nothing || parts.are_one_byte() {
            return 0.0;
        }
        columns.add_parts(before, after, sample.rarity);
        let length = (before.len() + after.len()) as u64;
        (sample.rarity.bits(digits) - lengths.of(length, left)).max(-2.0)
    }

    /// Whether no other shape says the same of these frames in a better way.
    fn may_be(self, chain: &Chain, ended_well: bool) -> bool {
        let is_enough = self.is_plain() || chain.frames > 1;
        let begins_inside_a_number =
            !ended_well && self.add > 0 && self.number.is_filled_by(chain.closes.last());
        let is_a_part = !self.is_beginning() && chain.is_constant();
        is_enough && !chain.is_narrow && !begins_inside_a_number && !is_a_part
    }

    /// Whether a frame, after whole ones or none, ends after these bytes, but not by more than `most`.
    pub(super) fn leads_past(self, bytes: &[u8], most: usize) -> bool {
        let mut rest = bytes;
        while let Some((_, end)) = self.frame(rest) {
            match rest.get(end..) {
                Some(after) => rest = after,
                None => return end - rest.len() <= most,
            }
        }
        false
    }

    /// Whether frame follows upon frame up to the end, or to a last one that was cut.
    pub(super) fn lasts(self, sample: Sample<'_>) -> bool {
        let mut rest = sample.bytes;
        while !rest.is_empty() {
            match self.frame(rest).and_then(|(_, end)| rest.get(end..)) {
                Some(after) => rest = after,
                None if !sample.whole => break,
                // A stream that begins inside a message has frames, too: each is the end of one message and
                // the beginning of the next. The end of the last message is in none of them.
                None => return self.number.can_be_cut() && rest.len() != self.at,
            }
        }
        true
    }
}

/// A frame: what comes before its number, the number, and what comes after it.
#[derive(Clone, Copy, Debug)]
struct Parts<'a> {
    before: &'a [u8],
    digits: &'a [u8],
    after: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(frame: &'a [u8], at: usize, header: usize) -> Self {
        let (before, rest) = frame.split_at(at);
        let (digits, after) = rest.split_at(header);
        Self {
            before,
            digits,
            after,
        }
    }

    /// Whether the frame is one byte again and again.
    fn are_one_byte(&self) -> bool {
        let mut bytes = [self.before, self.digits, self.after].into_iter().flatten();
        let first = bytes.next();
        bytes.all(|byte| Some(byte) == first)
    }
}

impl Chain {
    /// How many bytes before the number are a mark, and not a part of the message: one is a type, and several
    /// that no text begins with are a mark; so is everything before the number that is alike.
    pub(super) fn mark(&self, at: usize) -> usize {
        let alike = self.opens.len();
        let is_text =
            |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || *byte == 0;
        match self.opens.first() {
            _ if alike < 2 || self.opens[0] == 0 => 0,
            _ if alike == at && self.frames > 2 => at,
            Some(first) if !is_text(first) => 2,
            _ => 0,
        }
    }

    /// Whether the number is the same in several frames: as well as a number, it is a part of the messages.
    fn is_constant(&self) -> bool {
        self.frames > 1 && self.number.is_some()
    }

    fn note(&mut self, number: Kind, parts: &Parts<'_>) {
        let Parts {
            before,
            digits,
            after,
        } = *parts;
        self.is_narrow &= number.could_be_wider(before, after);
        self.is_unpadded &= number.is_unpadded(digits);
        self.frames += 1;
        let last = &after[after.len().saturating_sub(4)..];
        if self.frames == 1 {
            self.opens = before.to_vec();
            self.closes = last.to_vec();
            self.number = Some(digits.to_vec());
            return;
        }
        self.number.take_if(|number| *number != digits);
        let alike = self
            .opens
            .iter()
            .zip(before)
            .take_while(|(a, b)| a == b)
            .count();
        self.opens.truncate(alike);
        let alike = self
            .closes
            .iter()
            .rev()
            .zip(last.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        self.closes.drain(..self.closes.len() - alike);
    }
}

/// Whether what is left after some frames can be a last one that was cut.
fn is_little(from: usize, total: usize, frames: usize) -> bool {
    frames > 2 && from * 10 >= total * 8
}

/// A chain of frames ends with the stream by chance once in as many times as a frame is long.
#[expect(clippy::cast_precision_loss, reason = "the logarithm of a length")]
fn mean_bits(total: usize, frames: usize) -> f64 {
    match frames {
        0 => 0.0,
        _ => ((total / frames + 1) as f64).log2(),
    }
}
