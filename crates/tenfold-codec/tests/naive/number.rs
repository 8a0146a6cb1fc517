//! Reading and writing numbers, slowly: every prefix is held against the grammar from its start.

use super::model::Number;

/// What the start of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// All bytes are legal, and there must be more.
    Need,
    /// The byte at this place is the first after which nothing legal is left.
    Bad(usize),
    /// A number (`None`: over a u64) of this many bytes, its end included.
    Done(Option<u64>, usize),
}

/// Reads the number at the start of `bytes`.
pub(crate) fn read(number: &Number, lax: bool, bytes: &[u8]) -> Read {
    for length in 1..=bytes.len() {
        match judge(number, lax, &bytes[..length]) {
            Judgement::Illegal => return Read::Bad(length - 1),
            Judgement::Prefix => {}
            Judgement::Number(value) => return Read::Done(u64::try_from(value).ok(), length),
        }
    }
    Read::Need
}

enum Judgement {
    Illegal,
    /// Could become a number with more bytes.
    Prefix,
    /// `u128::MAX` stands for all that is too large to be counted.
    Number(u128),
}

fn judge(number: &Number, lax: bool, text: &[u8]) -> Judgement {
    match number {
        Number::Bits { bits, little } => {
            if text.len() < bits.div_ceil(8) {
                return Judgement::Prefix;
            }
            let mut bytes = text.to_vec();
            if *little {
                bytes.reverse();
            }
            Judgement::Number(big_endian(&bytes) % (1 << bits))
        }
        Number::Varint => judge_varint(text),
        Number::Ber => judge_ber(text),
        Number::Padded { width } => {
            let legal = if lax { is_lax } else { is_padded };
            judge_field(text, *width, 10, legal)
        }
        Number::Zeroed { width } => {
            let legal = if lax { is_lax } else { is_decimal };
            judge_field(text, *width, 10, legal)
        }
        Number::Hex { width } => judge_field(text, *width, 16, is_hex),
        Number::Ended { radix, end } => judge_ended(text, *radix, end),
    }
}

fn big_endian(bytes: &[u8]) -> u128 {
    let significant: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
    if significant.len() > 15 {
        return u128::MAX;
    }
    significant
        .iter()
        .fold(0, |value, &byte| value * 256 + u128::from(byte))
}

fn judge_varint(text: &[u8]) -> Judgement {
    let more = text[text.len() - 1] >= 0x80;
    if more {
        return if text.len() == 10 {
            Judgement::Illegal
        } else {
            Judgement::Prefix
        };
    }
    let value = text
        .iter()
        .rev()
        .fold(0, |value, &byte| value * 128 + u128::from(byte & 0x7f));
    Judgement::Number(value)
}

fn judge_ber(text: &[u8]) -> Judgement {
    match text[0] {
        first @ ..0x80 => Judgement::Number(first.into()),
        0x80 | 0xff => Judgement::Illegal,
        first if text.len() < usize::from(first - 0x80) + 1 => Judgement::Prefix,
        _ => Judgement::Number(big_endian(&text[1..])),
    }
}

/// A field, full or not: `legal` says whether its start can be the start of a legal one.
fn judge_field(text: &[u8], width: usize, radix: u32, legal: fn(&str) -> bool) -> Judgement {
    let Ok(text) = std::str::from_utf8(text) else {
        return Judgement::Illegal;
    };
    let digits = text.trim_matches(' ');
    if !legal(text) || significant(digits) > 20 {
        Judgement::Illegal
    } else if text.len() < width {
        Judgement::Prefix
    } else if digits.is_empty() {
        Judgement::Illegal
    } else {
        Judgement::Number(u128::from_str_radix(digits, radix).unwrap())
    }
}

fn significant(digits: &str) -> usize {
    digits.trim_start_matches('0').len()
}

fn is_decimal(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit())
}

/// Digits without a leading zero.
fn is_canonical(digits: &str) -> bool {
    digits == "0" || !digits.starts_with('0')
}

fn is_padded(text: &str) -> bool {
    let digits = text.trim_end_matches(' ');
    !digits.is_empty() && is_decimal(digits) && is_canonical(digits)
}

fn is_lax(text: &str) -> bool {
    is_decimal(text.trim_matches(' '))
}

fn judge_ended(text: &[u8], radix: u32, end: &[u8]) -> Judgement {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let count = text.iter().take_while(|b| is_digit(b)).count();
    let digits = std::str::from_utf8(&text[..count]).unwrap();
    let after = &text[count..];
    if count == 0 || !is_canonical(digits) || count > 20 || !end.starts_with(after) {
        Judgement::Illegal
    } else if after == end {
        Judgement::Number(u128::from_str_radix(digits, radix).unwrap())
    } else {
        Judgement::Prefix
    }
}

/// The shortest bytes of a number, its end included; nothing where it does not fit.
pub(crate) fn write(number: &Number, value: u64) -> Option<Vec<u8>> {
    let text = match number {
        Number::Bits { bits, little } => {
            if u128::from(value) >= 1 << bits {
                return None;
            }
            let mut bytes = value.to_be_bytes()[8 - bits.div_ceil(8)..].to_vec();
            if *little {
                bytes.reverse();
            }
            return Some(bytes);
        }
        Number::Varint => {
            let mut bytes = Vec::new();
            let mut left = value;
            while left >= 128 {
                bytes.push(u8::try_from(left % 128).unwrap() + 128);
                left /= 128;
            }
            bytes.push(u8::try_from(left).unwrap());
            return Some(bytes);
        }
        Number::Ber => {
            let bytes = value.to_be_bytes();
            let bytes: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
            return Some(match bytes[..] {
                [] => vec![0],
                [byte @ ..0x80] => vec![byte],
                _ => [&[0x80 + u8::try_from(bytes.len()).unwrap()], &bytes[..]].concat(),
            });
        }
        Number::Padded { width } => format!("{value:<width$}"),
        Number::Zeroed { width } => format!("{value:0width$}"),
        Number::Hex { width } => format!("{value:0width$x}"),
        Number::Ended { radix: 10, .. } => value.to_string(),
        Number::Ended { .. } => format!("{value:x}"),
    };
    let mut bytes = text.into_bytes();
    match number {
        Number::Ended { end, .. } => bytes.extend(end),
        _ if Some(bytes.len()) != number.size() => return None,
        _ => {}
    }
    Some(bytes)
}
