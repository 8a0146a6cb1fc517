//! Lengths that count something else than the bytes of the message: each message of the stream is as long
//! as a measure says that no framing has.

use tenfold_codec::{Number, Shape, Side, Step};

use super::heads::head;
use super::{Finding, Scene};
use crate::sides;
use crate::surprise::Rarity;

/// The longest header that is read.
const LONGEST_HEADER: usize = 256;

/// The least that tells frames from other bytes.
const PROOF: f64 = 12.0;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// What a length counts.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Measure {
    /// Characters of UTF-8.
    Characters,
    /// UTF-16 units of a text that is sent as UTF-8.
    Units,
    /// UTF-16 units of a text that is sent as UTF-16.
    WideUnits,
    /// The bytes that Python prints between `b'` and `'`.
    Printed,
    /// The message without the byte order mark before it.
    Unmarked,
    /// The header, too, which is not always as long.
    WithHeader,
    /// So many bytes more than the message has, or fewer.
    Off(i64),
    /// The bytes, in decimal digits of four bits each.
    Packed,
}

const MEASURES: &[Measure] = &[
    Measure::Printed,
    Measure::Unmarked,
    Measure::Characters,
    Measure::Units,
    Measure::WideUnits,
    Measure::Packed,
    Measure::WithHeader,
    Measure::Off(1),
    Measure::Off(-1),
    Measure::Off(2),
    Measure::Off(-2),
];

/// The measure by which the whole stream is right, if there is one.
pub(super) fn find(scene: Scene<'_>) -> Option<Finding> {
    let [step] = scene.side.steps() else {
        return None;
    };
    let bytes = scene.excerpt.beginning();
    let rarity = Rarity::of(bytes);
    scene.beginning(&rarity)?;
    let stream = Stream {
        scene,
        step,
        bytes,
        rarity: &rarity,
    };
    let mut measures = MEASURES.iter().filter(|measure| measure.applies_to(step));
    let measure = measures.find(|measure| stream.is_right_by(**measure))?;
    // What the grammar can say is found as a framing that is near.
    let is_near = *measure == Measure::Characters && step.clone().with_chars().is_ok();
    (!is_near).then(|| measure.finding(!step.close().is_empty()))
}

impl Measure {
    fn applies_to(self, step: &Step) -> bool {
        let has_block = matches!(step.shape(), Shape::ContentLength);
        let Some(number) = sides::number(step) else {
            return has_block && self != Self::Packed;
        };
        if !matches!(step.shape(), Shape::Number { add: 0, at: 0, .. }) || step.counts_chars() {
            return false;
        }
        let has_end = matches!(number, Number::Ended { .. });
        match self {
            // The grammar can say the others, and so they are found as framings that are near.
            Self::WithHeader => has_end,
            Self::Off(_) => has_end || !step.close().is_empty(),
            Self::Packed => matches!(number, Number::Bits { bits: 16, .. }),
            _ => true,
        }
    }

    /// How long the message is at the beginning of these bytes.
    fn length(self, bytes: &[u8], header: &[u8], number: u64) -> Option<usize> {
        let count = usize::try_from(number).ok()?;
        match self {
            Self::Characters => text_of(bytes, count, |_| 1),
            Self::Units => text_of(bytes, count, char::len_utf16),
            Self::WideUnits => {
                let length = count.checked_mul(2)?;
                is_wide(bytes.get(..length)?).then_some(length)
            }
            Self::Printed => printed(bytes, count),
            Self::Unmarked => bytes
                .starts_with(MARK)
                .then(|| count.checked_add(MARK.len()))?,
            Self::WithHeader => count.checked_sub(header.len()),
            Self::Off(off) => count.checked_add_signed(isize::try_from(-off).ok()?),
            Self::Packed => header.iter().try_fold(0_usize, |number, byte| {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                (high < 10 && low < 10).then(|| number * 100 + high * 10 + low)
            }),
        }
    }

    fn finding(self, is_closed: bool) -> Finding {
        let (kind, says) = match self {
            Self::Characters => ("characters", super::near::CHARACTERS.to_owned()),
            Self::Units => (
                "utf-16-units",
                "each length counts UTF-16 units, as the length of a string does in JavaScript, Java and C#: encode \
                 first, then take the length (Buffer.byteLength(text), text.getBytes(UTF_8).length, \
                 Encoding.UTF8.GetByteCount(text))"
                    .to_owned(),
            ),
            Self::WideUnits => (
                "utf-16-units",
                "each length counts characters of UTF-16, and each of them has two bytes: encode first, then take \
                 the length of the bytes (and UTF-8 is what others expect)"
                    .to_owned(),
            ),
            Self::Printed => (
                "repr",
                "each message is bytes of Python as it prints them, with b and quotes around, and the length is that \
                 of the bytes themselves: send them as they are, not in an f-string or with str()"
                    .to_owned(),
            ),
            Self::Unmarked => (
                "byte-order-mark",
                "each message begins with a byte order mark of UTF-8, which its length does not count: write without \
                 one (in Python `utf-8` and not `utf-8-sig`, in C# `new UTF8Encoding(false)`)"
                    .to_owned(),
            ),
            Self::WithHeader => (
                "header-counted",
                "each length counts its own digits and what ends them: take the length of the message alone"
                    .to_owned(),
            ),
            Self::Off(off @ 1..) => (
                "off-by",
                format!(
                    "each length is {off} more than the message has: the sender counts what it does not write (a \
                     newline, the NUL of a string)"
                ),
            ),
            Self::Off(off) => (
                "off-by",
                format!(
                    "each length is {} less than the message has: the sender writes something with it that it does \
                     not count (a newline)",
                    off.unsigned_abs()
                ),
            ),
            Self::Packed => (
                "packed-digits",
                "each length is written in decimal digits of four bits (BCD), and not as a binary number: 01 23 is \
                 123"
                    .to_owned(),
            ),
        };
        let certainty = match self {
            // A framing that is near explains the same, and can be used; but then each message has the bytes that
            // close it.
            Self::Off(_) if is_closed => 94,
            Self::Off(_) => 90,
            Self::WithHeader => 96,
            _ => 93,
        };
        Finding::new(kind, certainty, says)
    }
}

/// The beginning of a stream, to be measured.
#[derive(Clone, Copy)]
struct Stream<'a> {
    scene: Scene<'a>,
    step: &'a Step,
    bytes: &'a [u8],
    rarity: &'a Rarity,
}

impl Stream<'_> {
    /// Whether frame follows upon frame by this measure, past the break and up to the end of what is there.
    #[expect(clippy::cast_precision_loss, reason = "the logarithm of a length")]
    fn is_right_by(self, measure: Measure) -> bool {
        let side = Side::from(self.step.clone());
        let (mut at, mut frames, mut differ, mut bits) = (0, 0, 0, 0.0);
        while at < self.bytes.len() {
            let rest = &self.bytes[at..];
            let Some((head, end)) = self.frame(&side, rest, measure) else {
                // The last frame may be cut.
                break;
            };
            let Some(frame) = rest.get(..end) else { break };
            let header = &frame[..head.size];
            bits += self.rarity.bits(header) - ((rest.len() + 1) as f64).log2();
            differ += usize::from(end - head.size - self.step.close().len() != length(head.length));
            frames += 1;
            at += end;
        }
        let is_all = at == self.bytes.len();
        let is_most = frames > 2 && at * 10 >= self.bytes.len() * 8;
        let is_past = at as u64 > self.scene.broken();
        let is_whole = if self.scene.ended {
            is_all
        } else {
            is_all || is_most
        };
        is_whole && is_past && differ > 0 && frames > 1 && bits >= PROOF
    }

    /// The header of a frame, and where the frame ends.
    fn frame(
        self,
        side: &Side,
        bytes: &[u8],
        measure: Measure,
    ) -> Option<(super::heads::Head, usize)> {
        let head = head(side, bytes, LONGEST_HEADER)?;
        let (header, rest) = bytes.split_at(head.size);
        let message = measure.length(rest, header, head.length)?;
        let close = self.step.close();
        rest.get(message..)?
            .starts_with(close)
            .then_some((head, head.size + message + close.len()))
    }
}

fn length(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Bytes of the text that has so many characters, each as large as `size` says.
fn text_of(bytes: &[u8], count: usize, size: impl Fn(char) -> usize) -> Option<usize> {
    let bytes = &bytes[..bytes.len().min(count.checked_mul(4)?)];
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
    };
    let (mut left, mut end) = (count, 0);
    for c in text.chars() {
        if left == 0 {
            break;
        }
        left = left.checked_sub(size(c))?;
        end += c.len_utf8();
    }
    (left == 0).then_some(end)
}

/// Whether these bytes are text in UTF-16.
fn is_wide(bytes: &[u8]) -> bool {
    let is_text = |join: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| join([pair[0], pair[1]]));
        char::decode_utf16(units).all(|c| c.is_ok_and(|c| !c.is_control() || c.is_whitespace()))
    };
    is_text(u16::from_le_bytes) || is_text(u16::from_be_bytes)
}

/// Bytes of what Python prints for so many bytes.
fn printed(bytes: &[u8], count: usize) -> Option<usize> {
    let [b'b', quote @ (b'\'' | b'"'), ..] = bytes else {
        return None;
    };
    let mut at = 2;
    for _ in 0..count {
        at += match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'\\', Some(b'x')) => 4,
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    (bytes.get(at) == Some(quote)).then_some(at + 1)
}
