//! How a number is read, byte by byte.
//!
//! [`NumberReader`] is the rule: one byte at a time, refusing at the first byte after which no
//! legal number exists. The readers in `at_once` are shortcuts for it, and give up whenever
//! something is out of the ordinary.

use super::{Base, ByteOrder, Number, Pad};

/// More significant digits than this are refused: a u64 has at most 20.
const MAX_DIGITS: u8 = 20;

/// What one more byte makes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The number goes on.
    More,
    /// The number ended with this byte; `None` where its value is over a u64.
    Done(Option<u64>),
    /// No legal number begins with these bytes.
    Bad,
}

/// Reads one number, a byte at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NumberReader {
    value: u64,
    /// The value passed a u64.
    over: bool,
    /// Bytes read so far.
    seen: usize,
    /// Significant digits so far; a single `0` counts as one.
    digits: u8,
    /// Bytes of padding or of the end read after the digits.
    after: usize,
    /// Bytes of a BER number still to come.
    left: u8,
}

impl NumberReader {
    /// Takes the next byte of the number.
    pub(crate) fn push(&mut self, number: &Number, byte: u8) -> Turn {
        self.seen += 1;
        match number {
            Number::Bits { bits, order } => self.push_bits(*bits, *order, byte),
            Number::Varint => self.push_varint(byte),
            Number::Ber => self.push_ber(byte),
            Number::Field { base, width, pad } => {
                let legal = match pad {
                    Pad::Space => self.push_padded(byte),
                    Pad::Zero => self.push_digit(*base, byte),
                    Pad::LaxSpace | Pad::LaxZero => self.push_lax(byte),
                };
                let full = self.seen == usize::from(*width);
                match (legal, full) {
                    (false, _) => Turn::Bad,
                    (true, false) => Turn::More,
                    (true, true) if self.digits == 0 && *pad != Pad::Zero => Turn::Bad,
                    (true, true) => self.done(),
                }
            }
            Number::Ended { base, end } => self.push_ended(*base, end, byte),
        }
    }

    fn done(&self) -> Turn {
        Turn::Done((!self.over).then_some(self.value))
    }

    fn push_bits(&mut self, bits: u8, order: ByteOrder, byte: u8) -> Turn {
        let size = usize::from(bits.div_ceil(8));
        if order == ByteOrder::Little {
            self.value |= u64::from(byte) << (8 * (self.seen - 1));
        } else {
            self.value = self.value << 8 | u64::from(byte);
        }
        if self.seen < size {
            return Turn::More;
        }
        Turn::Done(Some(self.value & (u64::MAX >> (64 - bits))))
    }

    fn push_varint(&mut self, byte: u8) -> Turn {
        let bits = u64::from(byte & 0x7f);
        match self.seen {
            10 if byte >= 0x80 => return Turn::Bad,
            10 if bits > 1 => self.over = true,
            seen => self.value |= bits << (7 * (seen - 1)),
        }
        if byte < 0x80 { self.done() } else { Turn::More }
    }

    fn push_ber(&mut self, byte: u8) -> Turn {
        if self.seen == 1 {
            match byte {
                0..0x80 => return Turn::Done(Some(u64::from(byte))),
                0x80 | 0xff => return Turn::Bad,
                _ => self.left = byte & 0x7f,
            }
            return Turn::More;
        }
        self.over |= self.value >> 56 != 0;
        self.value = self.value << 8 | u64::from(byte);
        self.left -= 1;
        if self.left == 0 {
            self.done()
        } else {
            Turn::More
        }
    }

    /// Digits without a leading zero, then only spaces.
    fn push_padded(&mut self, byte: u8) -> bool {
        if byte == b' ' {
            self.after += 1;
            return self.digits > 0;
        }
        self.after == 0 && self.push_canonical_digit(Base::Decimal, byte)
    }

    /// Spaces, digits, spaces.
    fn push_lax(&mut self, byte: u8) -> bool {
        if byte == b' ' {
            self.after += usize::from(self.digits > 0);
            return true;
        }
        if byte == b'0' && self.digits == 0 {
            // The first zero makes the field a number; later ones change nothing.
            self.digits = 1;
            return self.after == 0;
        }
        if self.digits == 1 && self.value == 0 && byte.is_ascii_digit() {
            self.digits = 0;
            let legal = self.after == 0 && self.push_digit(Base::Decimal, byte);
            self.digits = self.digits.max(1);
            return legal;
        }
        self.after == 0 && self.push_digit(Base::Decimal, byte)
    }

    fn push_ended(&mut self, base: Base, end: &[u8], byte: u8) -> Turn {
        if self.after > 0 || end.first() == Some(&byte) {
            if self.digits == 0 || end.get(self.after) != Some(&byte) {
                return Turn::Bad;
            }
            self.after += 1;
            return if self.after == end.len() {
                self.done()
            } else {
                Turn::More
            };
        }
        if self.push_canonical_digit(base, byte) {
            Turn::More
        } else {
            Turn::Bad
        }
    }

    /// A digit of a number that has no leading zero.
    fn push_canonical_digit(&mut self, base: Base, byte: u8) -> bool {
        if self.digits == 1 && self.value == 0 && !self.over {
            return false;
        }
        if byte == b'0' && self.digits == 0 {
            self.digits = 1;
            return true;
        }
        self.push_digit(base, byte)
    }

    /// Any digit; leading zeros are not significant.
    fn push_digit(&mut self, base: Base, byte: u8) -> bool {
        let radix = match base {
            Base::Decimal => 10,
            Base::Hex => 16,
        };
        let Some(digit) = char::from(byte).to_digit(radix) else {
            return false;
        };
        if digit == 0 && self.digits == 0 {
            return true;
        }
        if self.digits == MAX_DIGITS {
            return false;
        }
        self.digits += 1;
        match self
            .value
            .checked_mul(u64::from(radix))
            .and_then(|value| value.checked_add(u64::from(digit)))
        {
            Some(value) => self.value = value,
            None => self.over = true,
        }
        true
    }
}
