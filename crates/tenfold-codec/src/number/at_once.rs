//! Numbers read at once, where they are whole and plainly right at the start of a slice.
//!
//! These are the readers of the fast path. Whatever is out of the ordinary they leave to
//! [`NumberReader`](super::NumberReader), which is the rule.

use super::{Base, MAX_WIDTH};

/// The bytes after a constant, if they begin with it. Most constants are empty or have a byte or
/// two, for which a call of `memcmp` would cost more than the rest of the loop.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is part of the loop")]
pub(crate) fn strip<'a>(bytes: &'a [u8], constant: &[u8]) -> Option<&'a [u8]> {
    if constant.is_empty() {
        return Some(bytes);
    }
    let (head, rest) = bytes.split_at_checked(constant.len())?;
    head.iter()
        .zip(constant)
        .all(|(a, b)| a == b)
        .then_some(rest)
}

/// A reader of numbers of N bytes.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is part of the loop")]
pub(crate) fn fixed<const N: usize>(
    value: impl Fn(&[u8; N]) -> u64,
) -> impl FnMut(&[u8]) -> Option<(u64, usize)> {
    move |bytes| Some((value(bytes.first_chunk()?), N))
}

pub(crate) fn fold<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    bytes.fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Runs of equal headers cost one comparison each. It is not the parsing that is saved but the
/// wait: a compared header is a guess that the processor goes on with, while a parsed one must
/// be finished before the next header's place is known.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is part of the loop")]
pub(crate) fn remembered<const N: usize>(
    zero: [u8; N],
    parse: impl Fn(&[u8; N]) -> Option<u64>,
) -> impl FnMut(&[u8]) -> Option<(u64, usize)> {
    // What is remembered must be legal from the start.
    let mut last = zero;
    let mut value = 0;
    move |bytes| {
        let header: &[u8; N] = bytes.first_chunk()?;
        if *header != last {
            value = parse(header)?;
            last = *header;
        }
        Some((value, N))
    }
}

/// The field of the number 0, padded with spaces.
pub(crate) fn padded_zero<const N: usize>() -> [u8; N] {
    let mut field = [b' '; N];
    if let Some(first) = field.first_mut() {
        *first = b'0';
    }
    field
}

/// The same as `remembered` for fields of any width.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is part of the loop")]
pub(crate) fn remembered_field(
    width: usize,
    zero: [u8; MAX_WIDTH],
    parse: impl Fn(&[u8]) -> Option<u64>,
) -> impl FnMut(&[u8]) -> Option<(u64, usize)> {
    let mut last = zero;
    let mut value = 0;
    move |bytes| {
        let field = bytes.get(..width)?;
        let last = &mut last[..width];
        if *field != *last {
            value = parse(field)?;
            last.copy_from_slice(field);
        }
        Some((value, width))
    }
}

/// Digits without a leading zero, then spaces to the end of the field.
pub(crate) fn padded(field: &[u8]) -> Option<u64> {
    let count = field.iter().position(|&b| b == b' ').unwrap_or(field.len());
    let (number, pad) = field.split_at(count);
    if pad.iter().any(|&b| b != b' ') {
        return None;
    }
    canonical(Base::Decimal, number)
}

/// Digits and what ends them, and the size of both.
#[inline]
pub(crate) fn ended(base: Base, end: &[u8], bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *end.first()?;
    // 20 digits are the most there can be.
    let count = bytes.iter().take(21).position(|&b| b == first)?;
    strip(&bytes[count..], end)?;
    Some((canonical(base, &bytes[..count])?, count + end.len()))
}

/// At least one digit, and no leading zero.
#[inline]
pub(crate) fn canonical(base: Base, number: &[u8]) -> Option<u64> {
    match number {
        [] | [b'0', _, ..] => None,
        _ => digits(base, number),
    }
}

/// Only digits; a value that could be over a u64 is left to the slow path.
#[inline]
pub(crate) fn digits(base: Base, number: &[u8]) -> Option<u64> {
    let (radix, most) = match base {
        Base::Decimal => (10, 19),
        Base::Hex => (16, 16),
    };
    if number.len() > most {
        return None;
    }
    let mut value = 0;
    for &byte in number {
        value = value * u64::from(radix) + u64::from(char::from(byte).to_digit(radix)?);
    }
    Some(value)
}

#[inline]
pub(crate) fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    if first < 0x80 {
        return Some((first.into(), 1));
    }
    let mut value = u64::from(first & 0x7f);
    for (at, &byte) in bytes.iter().enumerate().take(9).skip(1) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some((value, at + 1));
        }
    }
    None
}

#[inline]
pub(crate) fn ber(bytes: &[u8]) -> Option<(u64, usize)> {
    let (&first, rest) = bytes.split_first()?;
    match first {
        0..=0x7f => Some((first.into(), 1)),
        0x81..=0x88 => {
            let size = usize::from(first & 0x7f);
            Some((fold(rest.get(..size)?.iter()), 1 + size))
        }
        _ => None,
    }
}
