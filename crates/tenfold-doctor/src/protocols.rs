//! Protocols of text that are not lines, although each of their lines is one: what they begin with.
//!
//! Sources: the protocols of Redis (RESP) and memcached, STOMP 1.2, RFC 3261 (SIP), RFC 2326 (RTSP), RFC 9112 (HTTP),
//! ISO 28500 (WARC), and what `xxd` and `hexdump` write.

/// What these bytes begin, if it is such a protocol.
pub(crate) fn of(bytes: &[u8]) -> Option<&'static str> {
    let (line, rest) = first_line(bytes)?;
    let text = std::str::from_utf8(line).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        [.., "SIP/2.0"] | ["SIP/2.0", ..] => {
            Some("SIP, whose messages are header blocks with a body")
        }
        [.., "RTSP/1.0" | "RTSP/2.0"] | ["RTSP/1.0" | "RTSP/2.0", ..] => {
            Some("RTSP, whose messages are header blocks with a body")
        }
        [_, _, "HTTP/1.0" | "HTTP/1.1"] | ["HTTP/1.0" | "HTTP/1.1", ..] => {
            Some("HTTP, whose messages are header blocks with a body")
        }
        ["WARC/1.0" | "WARC/1.1"] => Some("WARC, whose records are header blocks with a body"),
        [
            "set" | "add" | "replace" | "append" | "prepend",
            _,
            numbers @ ..,
        ] if are_numbers(numbers, 3) => {
            Some("the protocol of memcached, whose values have their length before them")
        }
        ["VALUE", _, numbers @ ..] if are_numbers(numbers, 2) => {
            Some("the protocol of memcached, whose values have their length before them")
        }
        [command] if is_stomp(command) && rest.contains(&0) => {
            Some("STOMP, whose frames are header blocks with a body that ends with NUL")
        }
        [name, ..] if name.eq_ignore_ascii_case("content-length:") => {
            Some("header blocks with Content-Length (framing content-length)")
        }
        _ if is_resp(line, rest) => {
            Some("RESP, the protocol of Redis, whose strings have their length before them")
        }
        [offset, ..] if is_dump(offset, text) => {
            Some("bytes as a dump shows them, and not the bytes")
        }
        _ => None,
    }
}

/// The first line without its end, and what follows it.
fn first_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const LONGEST: usize = 1024;
    let end = bytes.iter().take(LONGEST).position(|byte| *byte == b'\n')?;
    let line = &bytes[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &bytes[end + 1..]))
}

fn are_numbers(words: &[&str], least: usize) -> bool {
    words.len() >= least
        && words[..least]
            .iter()
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_stomp(command: &str) -> bool {
    matches!(
        command,
        "CONNECT" | "STOMP" | "CONNECTED" | "SEND" | "SUBSCRIBE" | "MESSAGE" | "RECEIPT" | "ERROR"
    )
}

/// An array or a string, and then what may follow it.
fn is_resp(line: &[u8], rest: &[u8]) -> bool {
    let [b'*' | b'$', digits @ ..] = line else {
        return false;
    };
    let is_length = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_length && (line[0] == b'$' || matches!(rest, [b'*' | b'$' | b':' | b'+' | b'-', ..]))
}

/// An offset in hexadecimal digits, and then pairs of them.
fn is_dump(offset: &str, line: &str) -> bool {
    let digits = offset.trim_end_matches(':');
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let pairs: Vec<&str> = line[offset.len()..].split_whitespace().take(4).collect();
    // A number in digits is a date or an amount, too.
    digits.len() >= 7
        && digits.starts_with("0000")
        && is_hex(digits)
        && pairs.len() == 4
        && pairs
            .iter()
            .all(|pair| matches!(pair.len(), 2 | 4) && is_hex(pair))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_of_text_are_known_by_their_first_line() {
        for (bytes, name) in [
            ("*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "RESP"),
            ("INVITE sip:a@example.test SIP/2.0\r\n\r\n", "SIP"),
            ("WARC/1.0\r\nWARC-Type: warcinfo\r\n", "WARC"),
            ("set a 0 0 5\r\nhello\r\n", "memcached"),
            ("CONNECT\nhost:a\n\n\0", "STOMP"),
            ("HTTP/1.1 200 OK\r\n\r\n", "HTTP"),
            ("00000000: 3520 2020 2020 2020  5       \n", "dump"),
            ("00000000  35 20 20 20 20 20 20 20  |5       |\n", "dump"),
        ] {
            let known = of(bytes.as_bytes());
            assert!(
                known.is_some_and(|known| known.contains(name)),
                "{bytes}: {known:?}"
            );
        }
        for lines in [
            "hello\nthere\n",
            "$ ls\n",
            "* one\n* two\n",
            "set a\n",
            "CONNECT\n",
            "20261127 08 00 00 00\n",
        ] {
            assert_eq!(of(lines.as_bytes()), None, "{lines}");
        }
    }
}
