//! The bytes of a pickle, one argument after the other.

use std::fmt::Write as _;

use crate::Problem;

/// Where the machine stands in its program.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reading<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(super) fn rest(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or_else(|| self.cut())?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, Problem> {
        self.array().map(u32::from_le_bytes)
    }

    /// As many bytes as the next 1, 4 or 8 bytes say.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8], Problem> {
        let mut length = [0; 8];
        length[..width].copy_from_slice(self.take(width)?);
        let length = u64::from_le_bytes(length);
        self.take(usize::try_from(length).map_err(|_| self.cut())?)
    }

    /// Up to the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a [u8], Problem> {
        let rest = &self.bytes[self.at..];
        let end = memchr(rest).ok_or_else(|| self.cut())?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    /// A line of ASCII, such as a number or a name.
    pub(super) fn word(&mut self) -> Result<&'a str, Problem> {
        let start = self.at;
        std::str::from_utf8(self.line()?).map_err(|_| {
            Problem::is_no(
                "pickle",
                format_args!("the line at byte {start} is not text"),
            )
        })
    }

    fn cut(&self) -> Problem {
        let at = self.bytes.len();
        Problem::is_no(
            "pickle",
            format_args!("it ends in the middle, at byte {at}"),
        )
    }
}

fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// A number of any size in two's complement, least significant byte first.
pub(super) fn long(bytes: &[u8]) -> Result<i128, String> {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let fill = if is_negative { 0xff } else { 0 };
    let mut wide = [fill; 16];
    if bytes.len() <= wide.len() {
        wide[..bytes.len()].copy_from_slice(bytes);
        return Ok(i128::from_le_bytes(wide));
    }
    Err(hexadecimal(bytes, is_negative))
}

fn hexadecimal(bytes: &[u8], is_negative: bool) -> String {
    let mut carry = is_negative;
    let magnitude: Vec<u8> = bytes
        .iter()
        .map(|byte| {
            let byte = if is_negative { !byte } else { *byte };
            let (byte, overflow) = byte.overflowing_add(u8::from(carry));
            carry = overflow;
            byte
        })
        .collect();
    let mut digits = String::with_capacity(2 * magnitude.len());
    for byte in magnitude.iter().rev() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    let sign = if is_negative { "-" } else { "" };
    format!("{sign}0x{}", digits.trim_start_matches('0'))
}

/// What stands in a string of protocol 0: `'it\'s'`.
pub(super) fn quoted(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (quote, inside) = match line {
        [first @ (b'\'' | b'"'), inside @ .., last] if first == last => (*first, inside),
        _ => return None,
    };
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        match (byte, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits).ok()?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                rest = behind;
            }
            (b'\\', [escape, behind @ ..]) => {
                bytes.push(match escape {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'\\' | b'\'' | b'"' => *escape,
                    _ => return None,
                });
                rest = behind;
            }
            (byte, _) if *byte == quote || *byte == b'\\' => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    Some(bytes)
}

/// A line of protocol 0 in Python's raw-unicode-escape: Latin-1 with `\u` and `\U`.
pub(super) fn raw_unicode(line: &[u8]) -> Option<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let [byte, behind @ ..] = rest {
        let width = match (byte, behind.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            _ => {
                text.push(char::from(*byte));
                rest = behind;
                continue;
            }
        };
        let digits = std::str::from_utf8(behind.get(1..=width)?).ok()?;
        text.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
        rest = &behind[width + 1..];
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_read() {
        assert_eq!(long(b""), Ok(0));
        assert_eq!(long(b"\x00\xff"), Ok(-256));
        assert_eq!(long(&[0xff; 16]), Ok(-1));
        let mut least = [0; 17];
        least[16] = 0x80;
        assert_eq!(long(&least), Err(format!("-0x80{}", "0".repeat(32))));
    }

    #[test]
    fn strings_of_protocol_0_are_read() {
        assert_eq!(quoted(br"'it\'s\x00\n'").unwrap(), b"it's\0\n");
        assert_eq!(quoted(br#""a""#).unwrap(), b"a");
        assert_eq!(quoted(br"'a\'"), None);
        assert_eq!(quoted(b"a"), None);
        assert_eq!(
            raw_unicode(b"\xe9\\u20ac\\U0001f600\\x").unwrap(),
            "é€😀\\x"
        );
        assert_eq!(raw_unicode(b"\\ud800"), None);
    }
}
