//! `BYTES` of the grammar: constants of any bytes, written in printable characters.

use alloc::vec::Vec;
use core::fmt;

/// Prints bytes in the shortest escapes that the grammar reads back.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0 {
            match byte {
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\t' => f.write_str("\\t")?,
                0 => f.write_str("\\0")?,
                b'\\' => f.write_str("\\\\")?,
                b',' | b'/' => write!(f, "\\x{byte:02x}")?,
                0x21..=0x7e => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// Reads escaped bytes; on failure says at which byte of `text`, and what is wrong there.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, (usize, &'static str)> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                let (value, length) = escape(&bytes[at..]).map_err(|problem| (at, problem))?;
                out.push(value);
                at += length;
                continue;
            }
            b',' | b'/' | b' ' => return Err((at, "must be written \\x2c, \\x2f or \\x20")),
            0x21..=0x7e => out.push(byte),
            _ => return Err((at, "is not printable ASCII: write it as \\xhh")),
        }
        at += 1;
    }
    if out.is_empty() {
        return Err((0, "needs at least one byte"));
    }
    Ok(out)
}

/// One escape at the start of `bytes`: its value and how long it is.
fn escape(bytes: &[u8]) -> Result<(u8, usize), &'static str> {
    match bytes.get(1) {
        Some(b'n') => Ok((b'\n', 2)),
        Some(b'r') => Ok((b'\r', 2)),
        Some(b't') => Ok((b'\t', 2)),
        Some(b'0') => Ok((0, 2)),
        Some(b'\\') => Ok((b'\\', 2)),
        Some(b'x') => {
            let digit = |at: usize| bytes.get(at).and_then(|&b| char::from(b).to_digit(16));
            match (digit(2), digit(3)) {
                #[expect(clippy::cast_possible_truncation, reason = "two hex digits are a byte")]
                (Some(high), Some(low)) => Ok(((high * 16 + low) as u8, 4)),
                _ => Err("\\x needs two hex digits"),
            }
        }
        _ => Err("is not an escape: there are \\n \\r \\t \\0 \\\\ and \\xhh"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_byte_survives_printing_and_reading() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&Escaped(&all).to_string()), Ok(all));
    }

    #[test]
    fn a_wrong_escape_is_pointed_at() {
        assert_eq!(unescape("ab\\q").unwrap_err().0, 2);
        assert_eq!(unescape("ab\\x1").unwrap_err().0, 2);
        assert_eq!(unescape("a b").unwrap_err().0, 1);
        assert_eq!(unescape("é").unwrap_err().0, 0);
        assert!(unescape("").is_err());
    }
}
