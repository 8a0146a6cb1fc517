//! The header of the native framing, `decimal:10`.

use crate::fast::padded;

/// A native header of one to seven digits, eight bytes at a time.
pub(crate) fn length(header: &[u8; 10]) -> Option<u64> {
    const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    let word = u64::from_le_bytes(*header.first_chunk()?);
    // A space lacks the bit that all digits have; the first byte is the lowest.
    let digits = (!word & 0x1010_1010_1010_1010).trailing_zeros() / 8;
    if digits == 0 || digits == 8 || header[8..] != *b"  " {
        return padded(header);
    }
    let unused = 64 - 8 * digits;
    if word >> (8 * digits) != SPACES >> (8 * digits) {
        return None;
    }
    if digits <= 4 {
        return short(header, digits);
    }
    // The digits, moved to the high bytes, with zeros before them.
    let text = word << unused | ZEROS & (u64::MAX >> (8 * digits));
    let low = text.wrapping_sub(ZEROS);
    if (low | text.wrapping_add(0x4646_4646_4646_4646)) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    if header[0] == b'0' && digits > 1 {
        return None;
    }
    // Eight digits to a number: neighbours to pairs, pairs to fours, fours to one.
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

/// The same for up to four digits, and a step shorter: most messages are, and every cycle here
/// is one that the next header waits for.
#[inline]
fn short(header: &[u8; 10], digits: u32) -> Option<u64> {
    const ZEROS: u32 = u32::from_ne_bytes([b'0'; 4]);
    let word = u32::from_le_bytes(*header.first_chunk()?);
    let text = word << (32 - 8 * digits) | ZEROS.checked_shr(8 * digits).unwrap_or(0);
    let low = text.wrapping_sub(ZEROS);
    if (low | text.wrapping_add(0x4646_4646)) & 0x8080_8080 != 0 || header[0] == b'0' && digits > 1
    {
        return None;
    }
    let pairs = low.wrapping_mul(10).wrapping_add(low >> 8) & 0x00ff_00ff;
    Some(u64::from(
        pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0xffff,
    ))
}
