//! The numbers that announce a length: which there are.

pub(crate) mod at_once;
mod reading;
mod writing;

use alloc::boxed::Box;
use core::fmt;

pub(crate) use reading::{NumberReader, Turn};
pub(crate) use writing::NumberBytes;

/// Digits of the longest number a framing can describe (WIDTH is at most 64).
pub(crate) const MAX_WIDTH: usize = 64;

/// A number as it is on the wire.
///
/// A program makes one with a constant or a constructor, and asks it with methods or `match`. The
/// variants cannot be built by hand, so every `Number` is one that a framing can have.
///
/// ```
/// use tenfold_codec::{Base, ByteOrder, Framing, Number};
///
/// let mysql = Framing::number(Number::bits(24, ByteOrder::Little)?);
/// assert_eq!(mysql.to_string(), "u24le");
/// assert_eq!(Number::NATIVE.base(), Some(Base::Decimal));
/// assert_eq!(Number::NATIVE.size(), Some(10));
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Number {
    /// The low `bits` bits of a whole number of bytes.
    #[non_exhaustive]
    Bits {
        /// 1 to 64.
        bits: u8,
        /// [`ByteOrder::Big`] where the number is a single byte.
        order: ByteOrder,
    },
    /// LEB128, at most 10 bytes.
    Varint,
    /// X.690 definite length.
    Ber,
    /// Digits in a field of this many characters.
    #[non_exhaustive]
    Field {
        /// The base of the digits.
        base: Base,
        /// Characters of the field, 1 to 64.
        width: u8,
        /// What fills the rest of the field.
        pad: Pad,
    },
    /// As many digits as it takes, and then the bytes of `end`.
    #[non_exhaustive]
    Ended {
        /// The base of the digits.
        base: Base,
        /// At least one byte, of which the first is not a digit.
        end: Box<[u8]>,
    },
}

/// Which byte of a binary number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ByteOrder {
    /// The most significant byte comes first (`be`).
    Big,
    /// The least significant byte comes first (`le`).
    Little,
}

/// The base of a number in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Base {
    /// Digits `0` to `9`.
    Decimal,
    /// Digits `0` to `9` and `a` to `f`; upper case is read, too.
    Hex,
}

/// What fills a field that is wider than its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pad {
    /// Spaces after the digits.
    Space,
    /// Zeros before the digits.
    Zero,
    /// Written as [`Space`](Self::Space); spaces on either side and leading zeros are read
    /// (`lax`).
    LaxSpace,
    /// Written as [`Zero`](Self::Zero); spaces on either side and leading zeros are read (`lax`).
    LaxZero,
}

impl Number {
    /// The number of the native framing, `decimal:10`: ten characters, left-aligned, padded with
    /// spaces.
    pub const NATIVE: Self = Self::Field {
        base: Base::Decimal,
        width: 10,
        pad: Pad::Space,
    };
    /// `u8`: one byte.
    pub const U8: Self = Self::binary(8, ByteOrder::Big);
    /// `u16be`: two bytes, the most significant first.
    pub const U16_BE: Self = Self::binary(16, ByteOrder::Big);
    /// `u16le`: two bytes, the least significant first.
    pub const U16_LE: Self = Self::binary(16, ByteOrder::Little);
    /// `u32be`: four bytes, the most significant first.
    pub const U32_BE: Self = Self::binary(32, ByteOrder::Big);
    /// `u32le`: four bytes, the least significant first.
    pub const U32_LE: Self = Self::binary(32, ByteOrder::Little);
    /// `u64be`: eight bytes, the most significant first.
    pub const U64_BE: Self = Self::binary(64, ByteOrder::Big);
    /// `u64le`: eight bytes, the least significant first.
    pub const U64_LE: Self = Self::binary(64, ByteOrder::Little);

    const fn binary(bits: u8, order: ByteOrder) -> Self {
        Self::Bits { bits, order }
    }

    /// The base, of a number in characters.
    pub fn base(&self) -> Option<Base> {
        match self {
            Self::Field { base, .. } | Self::Ended { base, .. } => Some(*base),
            _ => None,
        }
    }

    /// The order of the bytes, of a number of several bytes with a fixed count of bits.
    pub fn byte_order(&self) -> Option<ByteOrder> {
        match self {
            Self::Bits { bits: 9.., order } => Some(*order),
            _ => None,
        }
    }

    /// The bytes after the digits that end the number; empty where nothing has to.
    pub fn end(&self) -> &[u8] {
        match self {
            Self::Ended { end, .. } => end,
            _ => &[],
        }
    }

    /// Whether spaces on either side and leading zeros are read (`lax`).
    pub fn is_lax(&self) -> bool {
        matches!(
            self,
            Self::Field {
                pad: Pad::LaxSpace | Pad::LaxZero,
                ..
            }
        )
    }

    /// How many bytes the number takes, where that does not depend on its value.
    pub fn size(&self) -> Option<usize> {
        match self {
            Self::Bits { bits, .. } => Some(usize::from(bits.div_ceil(8))),
            Self::Field { width, .. } => Some(usize::from(*width)),
            _ => None,
        }
    }

    /// How many bytes of the number stay in the message: all of them where the number has bits
    /// that are not part of the length, else none.
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
        let Self::Bits { bits, order } = self else {
            return;
        };
        let mut left = *bits;
        for significance in 0..size {
            let at = match order {
                ByteOrder::Little => significance,
                ByteOrder::Big => size - 1 - significance,
            };
            let here = left.min(8);
            left -= here;
            f(at, u8::try_from((1_u16 << here) - 1).unwrap_or(u8::MAX));
        }
    }

    /// Prints the number's place in a line; its `end` and `lax` are options of the step.
    pub(crate) fn write_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |base: &Base| match base {
            Base::Decimal => "decimal",
            Base::Hex => "hex",
        };
        match self {
            Self::Bits { bits: 8, .. } => f.write_str("u8"),
            Self::Bits { bits, order } => {
                let order = match order {
                    ByteOrder::Big => "be",
                    ByteOrder::Little => "le",
                };
                write!(f, "u{bits}{order}")
            }
            Self::Varint => f.write_str("varint"),
            Self::Ber => f.write_str("ber"),
            Self::Field {
                base: Base::Decimal,
                width,
                pad: Pad::Zero | Pad::LaxZero,
            } => write!(f, "decimal:0{width}"),
            Self::Field { base, width, .. } => write!(f, "{}:{width}", name(base)),
            Self::Ended { base, .. } => f.write_str(name(base)),
        }
    }
}
