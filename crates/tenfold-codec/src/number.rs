//! The numbers that announce a length: how each is read, byte by byte, and written.
//!
//! [`NumberReader`] is the rule: one byte at a time, refusing at the first byte after which no
//! legal number exists. The whole-word readers in `fast` are shortcuts for it, and give up
//! whenever something is out of the ordinary.

use alloc::boxed::Box;
use core::fmt;

/// More significant digits than this are refused: a u64 has at most 20.
const MAX_DIGITS: u8 = 20;

/// Digits of the longest number a framing can describe (WIDTH is at most 64).
pub(crate) const MAX_WIDTH: usize = 64;

/// A number as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// The low `bits` bits of a whole number of bytes, big- or little-endian.
    Bits { bits: u8, little: bool },
    /// LEB128, at most 10 bytes.
    Varint,
    /// X.690 definite length.
    Ber,
    /// Digits in a field of this many characters.
    Field { base: Base, width: u8, pad: Pad },
    /// As many digits as it takes, and then these bytes.
    Ended { base: Base, end: Box<[u8]> },
}

/// The base of a number in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Base {
    Decimal,
    Hex,
}

/// What fills a field that is wider than its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Pad {
    /// Spaces after the digits.
    Space,
    /// Zeros before the digits.
    Zero,
    /// Written as `Space`; spaces on either side and leading zeros are read.
    LaxSpace,
    /// Written as `Zero`; spaces on either side and leading zeros are read.
    LaxZero,
}

impl Number {
    /// The number of the native framing, `decimal:10`.
    pub(crate) const NATIVE: Self = Self::Field {
        base: Base::Decimal,
        width: 10,
        pad: Pad::Space,
    };

    /// The bytes that end the number and are no digits.
    pub(crate) fn end(&self) -> &[u8] {
        match self {
            Self::Ended { end, .. } => end,
            _ => &[],
        }
    }

    pub(crate) fn is_lax(&self) -> bool {
        matches!(
            self,
            Self::Field {
                pad: Pad::LaxSpace | Pad::LaxZero,
                ..
            }
        )
    }

    /// How many bytes the number takes, where that does not depend on its value.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Bits { bits, .. } => Some(usize::from(bits.div_ceil(8))),
            Self::Field { width, .. } => Some(usize::from(*width)),
            _ => None,
        }
    }

    /// The bytes of the number that stay in the message: where it has bits that are no length,
    /// the whole number does.
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::Bits { bits, .. } if bits % 8 != 0 => usize::from(bits.div_ceil(8)),
            _ => 0,
        }
    }

    /// Clears the bits that are the length in a number that stays in the message.
    pub(crate) fn clear_length(&self, bytes: &mut [u8]) {
        self.each_length_byte(bytes.len(), |at, mask| bytes[at] &= !mask);
    }

    /// Whether the bits that the length will take are free.
    pub(crate) fn length_is_clear(&self, bytes: &[u8]) -> bool {
        let mut clear = true;
        self.each_length_byte(bytes.len(), |at, mask| clear &= bytes[at] & mask == 0);
        clear
    }

    /// Calls `f` with each byte of a number of `size` bytes and the bits in it that are length.
    fn each_length_byte(&self, size: usize, mut f: impl FnMut(usize, u8)) {
        let Self::Bits { bits, little } = self else {
            return;
        };
        let mut left = *bits;
        for significance in 0..size {
            let at = if *little {
                significance
            } else {
                size - 1 - significance
            };
            let here = left.min(8);
            left -= here;
            f(at, u8::try_from((1_u16 << here) - 1).unwrap_or(u8::MAX));
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = |base: &Base| match base {
            Base::Decimal => "decimal",
            Base::Hex => "hex",
        };
        match self {
            Self::Bits { bits: 8, .. } => f.write_str("u8"),
            Self::Bits { bits, little } => {
                write!(f, "u{bits}{}", if *little { "le" } else { "be" })
            }
            Self::Varint => f.write_str("varint"),
            Self::Ber => f.write_str("ber"),
            Self::Field {
                base: Base::Decimal,
                width,
                pad: Pad::Zero | Pad::LaxZero,
            } => write!(f, "decimal:0{width}"),
            Self::Field { base: b, width, .. } => write!(f, "{}:{width}", base(b)),
            Self::Ended { base: b, .. } => f.write_str(base(b)),
        }
    }
}

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
            Number::Bits { bits, little } => self.push_bits(*bits, *little, byte),
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

    fn push_bits(&mut self, bits: u8, little: bool, byte: u8) -> Turn {
        let size = usize::from(bits.div_ceil(8));
        if little {
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

/// The bytes of a written number, without its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumberBytes {
    bytes: [u8; MAX_WIDTH],
    len: u8,
}

impl NumberBytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.len)]
    }

    fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }
}

impl Default for NumberBytes {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_WIDTH],
            len: 0,
        }
    }
}

impl Number {
    /// Writes `value` in its one minimal, canonical form; `None` if it does not fit.
    pub(crate) fn write(&self, value: u64) -> Option<NumberBytes> {
        let mut out = NumberBytes::default();
        self.write_into(value, &mut out)?;
        Some(out)
    }

    /// The same, over a number written before.
    pub(crate) fn write_into(&self, value: u64, out: &mut NumberBytes) -> Option<()> {
        out.len = 0;
        match self {
            Self::Bits { bits, little } => write_bits(out, *bits, *little, value)?,
            Self::Varint => write_varint(out, value),
            Self::Ber => write_ber(out, value),
            Self::Field { base, width, pad } => {
                let count = base.count(value);
                let fill = usize::from(*width).checked_sub(count)?;
                out.len = *width;
                match pad {
                    Pad::Space | Pad::LaxSpace => {
                        out.bytes = [b' '; MAX_WIDTH];
                        base.write(value, &mut out.bytes[..count]);
                    }
                    Pad::Zero | Pad::LaxZero => {
                        out.bytes = [b'0'; MAX_WIDTH];
                        base.write(value, &mut out.bytes[fill..fill + count]);
                    }
                }
            }
            Self::Ended { base, .. } => {
                let count = base.count(value);
                out.len = u8::try_from(count).ok()?;
                base.write(value, &mut out.bytes[..count]);
            }
        }
        Some(())
    }
}

fn write_bits(out: &mut NumberBytes, bits: u8, little: bool, value: u64) -> Option<()> {
    if value > u64::MAX >> (64 - bits) {
        return None;
    }
    let size = usize::from(bits.div_ceil(8));
    if little {
        out.bytes[..8].copy_from_slice(&value.to_le_bytes());
    } else {
        out.bytes[..size].copy_from_slice(&value.to_be_bytes()[8 - size..]);
    }
    out.len = bits.div_ceil(8);
    Some(())
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits are kept")]
fn write_varint(out: &mut NumberBytes, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_ber(out: &mut NumberBytes, value: u64) {
    let bytes = value.to_be_bytes();
    if value < 0x80 {
        out.push(bytes[7]);
        return;
    }
    let significant = &bytes[value.leading_zeros() as usize / 8..];
    out.push(0x80 | u8::try_from(significant.len()).unwrap_or(8));
    for &byte in significant {
        out.push(byte);
    }
}

impl Base {
    /// How many digits a value has.
    fn count(self, value: u64) -> usize {
        let log = match self {
            Self::Decimal => value.checked_ilog10(),
            Self::Hex => value.checked_ilog2().map(|bits| bits / 4),
        };
        log.unwrap_or(0) as usize + 1
    }

    /// Fills `field` with the last digits of a value.
    fn write(self, value: u64, field: &mut [u8]) {
        match self {
            Self::Decimal => write_digits::<10>(value, field),
            Self::Hex => write_digits::<16>(value, field),
        }
    }
}

fn write_digits<const RADIX: u64>(mut value: u64, field: &mut [u8]) {
    for byte in field.iter_mut().rev() {
        let digit = usize::try_from(value % RADIX).unwrap_or(0);
        *byte = b"0123456789abcdef"[digit];
        value /= RADIX;
    }
}
