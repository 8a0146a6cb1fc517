//! How a number is written.

use super::{Base, ByteOrder, MAX_WIDTH, Number, Pad};

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
            Self::Bits { bits, order } => write_bits(out, *bits, *order, value)?,
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

fn write_bits(out: &mut NumberBytes, bits: u8, order: ByteOrder, value: u64) -> Option<()> {
    if value > u64::MAX >> (64 - bits) {
        return None;
    }
    let size = usize::from(bits.div_ceil(8));
    if order == ByteOrder::Little {
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
