//! Numbers as they may be on the wire.

use tenfold_codec::{ByteOrder, FramingError, Number};

use crate::trial::is_padded;

/// The longest field of digits.
pub(super) const WIDEST: usize = 64;

/// Digits of the largest number.
const MOST_DIGITS: usize = 20;

/// A number as it may be on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Bytes(usize, ByteOrder),
    Varint,
    Decimal {
        width: usize,
        pad: Padding,
    },
    Hex(usize),
    Ended {
        hex: bool,
        end: [u8; 2],
        ends: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Padding {
    Left,
    Zeros,
    Right,
}

/// All numbers that these bytes may begin with.
pub(super) fn numbers(bytes: &[u8]) -> Vec<Kind> {
    let mut numbers = vec![Kind::Varint, Kind::Bytes(1, ByteOrder::Big)];
    for size in [2, 3, 4, 8] {
        numbers.extend([ByteOrder::Big, ByteOrder::Little].map(|order| Kind::Bytes(size, order)));
    }
    let run = |bytes: &[u8], is: fn(&u8) -> bool| {
        bytes
            .iter()
            .take(WIDEST)
            .take_while(|byte| is(byte))
            .count()
    };
    let digits = run(bytes, u8::is_ascii_digit);
    let spaces_before = run(bytes, |byte| *byte == b' ');
    let hex = run(bytes, u8::is_ascii_hexdigit).min(16);
    numbers.extend((2..=hex).map(Kind::Hex));
    numbers.extend(ended(bytes, false));
    numbers.extend(ended(bytes, true));
    if digits > 0 {
        let spaces = run(&bytes[digits..], |byte| *byte == b' ');
        let pad = if bytes[0] == b'0' && digits > 1 {
            Padding::Zeros
        } else {
            Padding::Left
        };
        let widths = match pad {
            Padding::Zeros => 2..=digits,
            _ if spaces > 0 => digits + 1..=(digits + spaces).min(WIDEST),
            _ => 1..=digits.min(MOST_DIGITS),
        };
        numbers.extend(widths.clone().map(|width| Kind::Decimal { width, pad }));
        // A number that fills its field does not say how others are padded.
        if pad == Padding::Left && spaces == 0 {
            numbers.extend(widths.map(|width| Kind::Decimal {
                width,
                pad: Padding::Zeros,
            }));
        }
    } else if spaces_before > 0 {
        let digits = run(&bytes[spaces_before..], u8::is_ascii_digit);
        let widths = spaces_before + 1..=(spaces_before + digits).min(WIDEST);
        numbers.extend(widths.map(|width| Kind::Decimal {
            width,
            pad: Padding::Right,
        }));
    }
    numbers
}

/// Digits, and one or two other bytes that end them.
fn ended(bytes: &[u8], hex: bool) -> Vec<Kind> {
    let is_digit = |byte: &u8| {
        if hex {
            byte.is_ascii_hexdigit()
        } else {
            byte.is_ascii_digit()
        }
    };
    let digits = bytes
        .iter()
        .take(MOST_DIGITS)
        .take_while(|byte| is_digit(byte))
        .count();
    let (Some(&first), Some(&second)) = (bytes.get(digits), bytes.get(digits + 1)) else {
        return Vec::new();
    };
    let mut numbers = Vec::new();
    if digits > 0 {
        for (end, ends) in [([first, 0], 1), ([first, second], 2)] {
            // Two bytes end a number where they are a usual pair.
            if ends == 1 || matches!(&end, b"\r\n" | b": " | b", " | b"; ") {
                numbers.push(Kind::Ended { hex, end, ends });
            }
        }
    }
    numbers
}

impl Kind {
    /// The number at the beginning of these bytes, and how many it takes.
    pub(super) fn read(self, bytes: &[u8]) -> Option<(usize, u64)> {
        match self {
            Self::Bytes(size, order) => {
                let bytes = bytes.get(..size)?;
                let join = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
                let number = match order {
                    ByteOrder::Big => bytes.iter().fold(0, join),
                    ByteOrder::Little => bytes.iter().rev().fold(0, join),
                };
                Some((size, number))
            }
            Self::Varint => {
                let size = bytes.iter().take(5).position(|byte| *byte < 0x80)? + 1;
                let join = |number: u64, byte: &u8| number << 7 | u64::from(byte & 0x7f);
                Some((size, bytes[..size].iter().rev().fold(0, join)))
            }
            Self::Decimal { width, pad } => {
                let field = bytes.get(..width)?;
                let digits = match pad {
                    Padding::Zeros => field,
                    Padding::Left => field.trim_suffix_spaces(),
                    Padding::Right => field.trim_prefix_spaces(),
                };
                let is_padded_otherwise =
                    pad != Padding::Zeros && digits.len() > 1 && digits[0] == b'0';
                (!is_padded_otherwise)
                    .then(|| number(digits, 10))
                    .flatten()
                    .map(|number| (width, number))
            }
            Self::Hex(width) => number(bytes.get(..width)?, 16).map(|number| (width, number)),
            Self::Ended { hex, end, ends } => {
                let end = &end[..ends];
                let digits = bytes
                    .iter()
                    .take(MOST_DIGITS + 1)
                    .position(|byte| *byte == end[0])?;
                let rest = &bytes[digits..];
                let is_padded = digits > 1 && bytes[0] == b'0';
                let number = number(&bytes[..digits], if hex { 16 } else { 10 })?;
                (rest.starts_with(end) && !is_padded).then_some((digits + ends, number))
            }
        }
    }

    pub(super) fn number(self) -> Result<Number, FramingError> {
        let width = |width: usize| u8::try_from(width).unwrap_or(u8::MAX);
        match self {
            Self::Bytes(size, order) => Number::bits(width(size * 8), order),
            Self::Varint => Ok(Number::Varint),
            Self::Decimal {
                width: of,
                pad: Padding::Zeros,
            } => Number::zero_padded_decimal(width(of)),
            Self::Decimal { width: of, .. } => Number::decimal(width(of)),
            Self::Hex(of) => Number::hex(width(of)),
            Self::Ended {
                hex: true,
                end,
                ends,
            } => Number::hex_ended_by(&end[..ends]),
            Self::Ended {
                hex: false,
                end,
                ends,
            } => Number::decimal_ended_by(&end[..ends]),
        }
    }

    /// Whether a wider number has the same value here: what is beside this one is what would fill it.
    pub(super) fn could_be_wider(self, before: &[u8], after: &[u8]) -> bool {
        match self {
            Self::Bytes(size, order) => {
                let Some((wider, _)) = [(2, 1), (3, 2), (4, 3), (8, 4)]
                    .into_iter()
                    .find(|(_, of)| *of == size)
                else {
                    return false;
                };
                let more = wider - size;
                let zeros = |bytes: Option<&[u8]>| {
                    bytes.is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
                };
                let before = zeros(before.len().checked_sub(more).map(|from| &before[from..]));
                let after = zeros(after.get(..more));
                match order {
                    _ if size == 1 => before || after,
                    ByteOrder::Big => before,
                    ByteOrder::Little => after,
                }
            }
            Self::Decimal {
                pad: Padding::Left, ..
            } => after.first() == Some(&b' ') || before.last() == Some(&b'0'),
            Self::Decimal {
                pad: Padding::Right,
                ..
            } => before.last() == Some(&b' '),
            Self::Decimal { .. } | Self::Hex(_) => before.last() == Some(&b'0'),
            Self::Ended { end, .. } => {
                before.last() == Some(&b'0') || after.first() == Some(&end[0])
            }
            Self::Varint => before.last() == Some(&0) || after.first() == Some(&0),
        }
    }

    /// Whether the number begins with such bytes where it is short. A stream that begins inside a number has
    /// frames, too, each of which ends with the first bytes of the next one's number.
    pub(super) fn is_filled_by(self, byte: Option<&u8>) -> bool {
        match self {
            Self::Bytes(2.., ByteOrder::Big) => byte == Some(&0),
            Self::Decimal {
                pad: Padding::Right,
                ..
            } => byte == Some(&b' '),
            Self::Decimal {
                pad: Padding::Zeros,
                ..
            }
            | Self::Hex(_) => byte == Some(&b'0'),
            _ => false,
        }
    }

    /// Whether a chain of frames that has got so far says something, also if the last one is cut. Every chain of
    /// small numbers gets to the end.
    pub(super) fn can_be_cut(self) -> bool {
        !matches!(self, Self::Bytes(1 | 2, _) | Self::Varint)
    }

    /// Whether it is written in so many bytes that one is hardly found where there is none.
    pub(super) fn is_long(self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(4 | 8, _) => true,
            Self::Decimal { width, .. } => width > 3 && is_padded(&bytes[..width]),
            Self::Hex(width) => width > 3 && bytes.starts_with(b"00"),
            _ => false,
        }
    }

    /// Whether it is not written in digits.
    pub(super) fn is_binary(self) -> bool {
        matches!(self, Self::Bytes(..) | Self::Varint)
    }

    /// Whether digits are ended by a byte that is not one.
    pub(super) fn is_ended(self) -> bool {
        matches!(self, Self::Ended { .. })
    }

    /// Whether these digits have at most one space after them.
    pub(super) fn is_unpadded(self, digits: &[u8]) -> bool {
        let is_field = matches!(
            self,
            Self::Decimal {
                pad: Padding::Left,
                ..
            }
        );
        is_field && !digits.ends_with(b"  ")
    }

    /// Bits that it takes to say which number it is.
    pub(super) fn cost(self) -> f64 {
        match self {
            Self::Bytes(1 | 2 | 4 | 8, _) => 0.0,
            Self::Bytes(..) | Self::Varint => 2.0,
            Self::Decimal { width: 1, .. } => 5.0,
            Self::Decimal { .. } | Self::Ended { hex: false, .. } => 1.0,
            Self::Hex(_) | Self::Ended { .. } => 3.0,
        }
    }
}

trait TrimSpaces {
    fn trim_suffix_spaces(&self) -> &[u8];
    fn trim_prefix_spaces(&self) -> &[u8];
}

impl TrimSpaces for [u8] {
    fn trim_suffix_spaces(&self) -> &[u8] {
        let spaces = self.iter().rev().take_while(|byte| **byte == b' ').count();
        &self[..self.len() - spaces]
    }

    fn trim_prefix_spaces(&self) -> &[u8] {
        let spaces = self.iter().take_while(|byte| **byte == b' ').count();
        &self[spaces..]
    }
}

fn number(digits: &[u8], base: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = char::from(*digit).to_digit(base)?;
        number
            .checked_mul(u64::from(base))?
            .checked_add(u64::from(digit))
    })
}
