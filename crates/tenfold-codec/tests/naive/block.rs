//! The header block of `content-length`, a line at a time.

use super::number::Read;

/// The most bytes of a block.
const MOST: usize = 16 * 1024;

/// Reads the block at the start of `bytes`.
pub(crate) fn read(bytes: &[u8]) -> Read {
    let end = match read_lines(bytes) {
        Read::Done(_, size) => size,
        Read::Bad(at) => at,
        Read::Need => bytes.len(),
    };
    let unlimited = read_lines(bytes);
    if end > MOST || (end == MOST && matches!(unlimited, Read::Bad(_))) {
        return Read::Bad(MOST);
    }
    unlimited
}

fn read_lines(bytes: &[u8]) -> Read {
    let mut values: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    loop {
        let Some(first) = bytes.get(at) else {
            return Read::Need;
        };
        if *first == b'\r' {
            if values.is_empty() {
                return Read::Bad(at);
            }
            return match bytes.get(at + 1) {
                None => Read::Need,
                Some(b'\n') => Read::Done(value_of(values[0]), at + 2),
                Some(_) => Read::Bad(at + 1),
            };
        }
        let name = run(bytes, at, is_token);
        let colon = at + name.len();
        match bytes.get(colon) {
            None => return Read::Need,
            Some(b':') if !name.is_empty() => {}
            Some(_) => return Read::Bad(colon),
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Read::Bad(colon);
        }
        let cr = if name.eq_ignore_ascii_case(b"content-length") {
            let blanks = run(bytes, colon + 1, |byte| byte == b' ' || byte == b'\t');
            let start = colon + 1 + blanks.len();
            let digits = run(bytes, start, |byte| byte.is_ascii_digit());
            if digits.starts_with(b"0") && digits.len() > 1 {
                return Read::Bad(start + 1);
            }
            if digits.len() > 20 {
                return Read::Bad(start + 20);
            }
            let cr = start + digits.len();
            let is_same = values.iter().all(|value| *value == digits);
            if cr < bytes.len() && (digits.is_empty() || bytes[cr] == b'\r' && !is_same) {
                return Read::Bad(cr);
            }
            values.push(digits);
            cr
        } else {
            colon + 1 + run(bytes, colon + 1, is_text).len()
        };
        for (place, expected) in [(cr, b'\r'), (cr + 1, b'\n')] {
            match bytes.get(place) {
                None => return Read::Need,
                Some(byte) if *byte != expected => return Read::Bad(place),
                Some(_) => {}
            }
        }
        at = cr + 2;
    }
}

fn run(bytes: &[u8], from: usize, wanted: impl Fn(u8) -> bool) -> &[u8] {
    let rest = bytes.get(from..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| wanted(**byte)).count();
    &rest[..length]
}

/// The characters of a token, RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(char::from(byte)) && byte < 0x80
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || byte == b' ' || byte.is_ascii_graphic() || byte >= 0x80
}

fn value_of(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
