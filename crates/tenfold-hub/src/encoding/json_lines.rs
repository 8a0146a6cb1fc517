//! Messages as objects, each on a line of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenfold::text::is_hidden;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends a message: what `tenfold sub --out json` says of it that is in the message itself.
pub(super) fn put(seq: u64, message: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"seq\":");
    put_number(seq, out);
    if let Ok(text) = str::from_utf8(message) {
        out.extend_from_slice(b",\"text\":\"");
        put_text(text, out);
    } else {
        out.extend_from_slice(b",\"base64\":\"");
        put_base64(message, out);
    }
    out.extend_from_slice(b"\"}\n");
}

/// Appends a number in decimal.
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

pub(super) fn put_base64(message: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + message.len().div_ceil(3) * 4, b'=');
    // There is room for exactly that.
    let _ = STANDARD.encode_slice(message, &mut out[start..]);
}

/// Appends what is between the quotes of a string. What a terminal would do something else with than show it is escaped.
fn put_text(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut done = 0;
    while let Some(next) = bytes[done..].iter().position(|byte| !is_plain(*byte)) {
        let at = done + next;
        out.extend_from_slice(&bytes[done..at]);
        let Some(char) = text[at..].chars().next() else {
            break;
        };
        done = at + char.len_utf8();
        put_char(char, &bytes[at..done], out);
    }
    out.extend_from_slice(&bytes[done..]);
}

/// Whether a byte is a character that is itself in a string.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn put_char(char: char, bytes: &[u8], out: &mut Vec<u8>) {
    let short: &[u8] = match char {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\u{8}' => b"\\b",
        '\u{c}' => b"\\f",
        _ if is_hidden(char) => {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(HEX[usize::from(*unit >> shift & 15)]);
                }
            }
            return;
        }
        _ => bytes,
    };
    out.extend_from_slice(short);
}
