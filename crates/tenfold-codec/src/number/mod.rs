//! The numbers that announce a length: which there are.

mod reading;
mod writing;

use alloc::boxed::Box;
use core::fmt;

pub(crate) use reading::{NumberReader, Turn};
pub(crate) use writing::NumberBytes;

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
