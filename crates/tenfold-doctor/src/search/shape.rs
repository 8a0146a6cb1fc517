//! Where a number is in a frame, how far it is from the truth, and what the grammar calls that.

use tenfold_codec::{FramingError, Step};

use super::chain::{Chain, UNPADDED};
use super::number::{Kind, Padding};

/// Bits that it takes to say that a framing is one of those that somebody has made for themselves.
pub(super) const MADE: f64 = 5.0;

/// A number, after how many bytes of the message it comes, and how far it is from the truth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) number: Kind,
    pub(super) at: usize,
    pub(super) add: i64,
}

impl Shape {
    /// The shapes of a number that a frame begins with, and that is the truth or counts itself, too.
    pub(super) fn plain(number: Kind) -> Vec<Self> {
        let shape = |add| Self { number, at: 0, add };
        let counts_header = shape(0)
            .fixed_size()
            .and_then(|size| i64::try_from(size).ok());
        [Some(0), counts_header.map(|size| -size)]
            .into_iter()
            .flatten()
            .map(shape)
            .collect()
    }

    /// How long the number and the whole frame are.
    pub(super) fn frame(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let (header, number) = self.number.read(bytes.get(self.at..)?)?;
        let body = usize::try_from(i64::try_from(number).ok()?.checked_add(self.add)?).ok()?;
        let end = body.checked_add(self.at + header)?;
        Some((header, end))
    }

    /// Bits of the description.
    pub(super) fn cost(self) -> f64 {
        let at = match self.at {
            0 => 0.0,
            // Text has many numbers.
            _ if self.is_text() => 32.0,
            1 => 2.0,
            _ => 4.0,
        };
        let is_byte = matches!(self.number, Kind::Bytes(1, _) | Kind::Varint);
        let is_odd = is_byte && !matches!((self.at, self.add), (0, 0 | -1) | (1, 0));
        let odd = if is_odd { 10.0 } else { 0.0 };
        at + self.number.cost() + self.cost_of_add() + odd
    }

    /// Whether the number is what a frame begins with, and the truth: one frame is enough to believe it.
    pub(super) fn is_plain(self) -> bool {
        self.at == 0 && (self.add == 0 || self.counts_header())
    }

    /// Whether a number that is the same in all frames may be one, and not a part of the messages.
    pub(super) fn is_beginning(self) -> bool {
        (self.add == 0 || self.counts_header()) && (self.at == 0 || !self.is_text())
    }

    /// Whether the number counts itself, too, and maybe what comes before it.
    pub(super) fn counts_header(self) -> bool {
        self.fixed_size().is_some_and(|size| {
            let off = self.add.unsigned_abs();
            self.add < 0 && (off == size as u64 || off == (size + self.at) as u64)
        })
    }

    fn cost_of_add(self) -> f64 {
        match self.add {
            0 => 0.0,
            _ if self.counts_header() => 2.0,
            -2..=2 => 4.0,
            _ => 6.0,
        }
    }

    fn is_text(self) -> bool {
        !self.number.is_binary()
    }

    fn fixed_size(self) -> Option<usize> {
        match self.number {
            Kind::Bytes(size, _) => Some(size),
            Kind::Decimal { width, .. } | Kind::Hex(width) => Some(width),
            Kind::Varint | Kind::Ended { .. } => None,
        }
    }

    /// This shape in the words of the grammar, and with the constants that its frames have, each with the
    /// bits of its description.
    pub(super) fn steps(self, chain: &Chain) -> Vec<Result<(Step, f64), FramingError>> {
        let step = |open: &[u8], close: &[u8]| {
            let (at, add) = (
                self.at - open.len(),
                self.add
                    .checked_sub_unsigned(close.len() as u64)
                    .unwrap_or(self.add),
            );
            let mut step = Step::number(self.number.number()?)
                .with_add(add)?
                .with_at(at)?;
            if matches!(
                self.number,
                Kind::Decimal {
                    pad: Padding::Right,
                    ..
                }
            ) {
                step = step.with_lax()?;
            }
            if !open.is_empty() {
                step = step.with_open(open)?;
            }
            if !close.is_empty() {
                step = step.with_close(close)?;
            }
            let bare = Self {
                number: self.number,
                at,
                add,
            };
            let constants = cost_of_constant(open) + cost_of_constant(close);
            let unpadded = if chain.is_unpadded { UNPADDED } else { 0.0 };
            Ok((step, MADE + bare.cost() + constants + unpadded))
        };
        let mut steps = vec![step(&[], &[])];
        if chain.frames < 2 {
            return steps;
        }
        let open = &chain.opens[..chain.mark(self.at)];
        let most = usize::try_from(self.add)
            .unwrap_or(0)
            .min(chain.closes.len());
        let close = &chain.closes[chain.closes.len() - most..];
        if !open.is_empty() {
            steps.push(step(open, &[]));
        }
        if !close.is_empty() {
            steps.push(step(&[], close));
        }
        if !open.is_empty() && !close.is_empty() {
            steps.push(step(open, close));
        }
        steps
    }
}

/// Bytes that no text has at its beginning, and ends of lines, are what people put around a message. What else
/// is alike in all messages is rather a part of them.
fn cost_of_constant(bytes: &[u8]) -> f64 {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match bytes.first() {
        None => 0.0,
        Some(first) if is_text(first) => bytes.iter().map(|_| 8.0).sum(),
        Some(_) => -6.0,
    }
}
