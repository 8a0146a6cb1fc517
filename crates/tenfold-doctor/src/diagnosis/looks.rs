//! What the bytes at the break look like by themselves.

use tenfold_codec::{Decoder, Framing, LooksLike, Side};

use super::syslog::begins_with_priority;
use super::{Finding, Scene, beginnings};
use crate::sides::{ends_digits, field, has_blocks, is_binary, is_delimited, plain_field};

/// Bytes that are looked at.
const LOOKED_AT: usize = 64;

pub(super) fn find(scene: Scene<'_>) -> Vec<Finding> {
    let bytes = scene.from(scene.broken());
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let guess = scene
        .error
        .looks_like()
        .or_else(|| by_native(bytes))
        .filter(|guess| !is_meant(*guess, scene.side) && leads_on(*guess, scene))
        .filter(|guess| *guess != LooksLike::Xml || !begins_with_priority(bytes));
    let mut findings: Vec<Finding> = by_bytes(scene, bytes).into_iter().collect();
    if is_utf16(bytes) || guess == Some(LooksLike::Utf16) {
        let where_ = if scene.broken() == 0 {
            "the header itself is UTF-16: the sender encodes header and text as one"
        } else {
            "the bytes after it are UTF-16: the length counts characters, and each has two bytes"
        };
        findings.push(Finding::new(
            "utf-16",
            88,
            format!(
                "this looks like UTF-16; {where_} (write the header in ASCII, and count bytes)"
            ),
        ));
    } else if let Some(guess) = guess {
        findings.push(finding(scene, guess, bytes));
    } else if is_binary(scene.side) && is_words(bytes) {
        findings.push(Finding::new(
            "text",
            40,
            "this is text where a binary length belongs: the sender writes no length before it, or one in digits",
        ));
    }
    findings
}

/// Whether these bytes are nothing but text.
fn is_words(bytes: &[u8]) -> bool {
    let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    bytes.len() > 7 && bytes.iter().all(is_text)
}

/// Whether nine of ten bytes are text.
pub(super) fn is_mostly_text(bytes: &[u8]) -> bool {
    let is_text = |byte: &&u8| matches!(byte, b' '..=b'~' | b'\n' | b'\r' | b'\t');
    bytes.iter().filter(is_text).count() * 10 >= bytes.len() * 9
}

/// What bytes tell that no text has.
fn by_bytes(scene: Scene<'_>, bytes: &[u8]) -> Option<Finding> {
    const ZEROS: usize = 16;
    if bytes.len() >= ZEROS && bytes.iter().all(|byte| *byte == 0) {
        return Some(Finding::new(
            "zeros",
            96,
            "these are zero bytes: a hole in a file, space that was reserved and never written, or memory that \
             nothing was put into",
        ));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Some(Finding::new(
            "byte-order-mark",
            96,
            "this is a byte order mark of UTF-8, which no length counts (write without one: in Python `utf-8` \
             and not `utf-8-sig`)",
        ));
    }
    let finding = beginnings::find(bytes)
        .or_else(|| line_ends(scene, bytes))
        .or_else(|| blank_line(scene, bytes))
        .or_else(|| dns(scene))
        .or_else(|| newline(scene, bytes));
    if finding.is_some() {
        return finding;
    }
    let header = bytes.get(..plain_field(scene.side)?)?;
    if let Some(finding) = written_otherwise(header) {
        return Some(finding);
    }
    let digits = header.iter().take_while(|byte| byte.is_ascii_digit());
    let (number, rest) = header.split_at(digits.count());
    let pad = *rest.first()?;
    let padding = rest.iter().skip_while(|byte| **byte == b' ').count();
    if !number.is_empty() && matches!(&rest[rest.len() - padding..], b"\n" | b"\r\n") {
        return Some(Finding::new(
            "padding",
            94,
            format!(
                "each header ends with \"{}\", which takes the place of spaces: the sender writes it with a newline \
                 (in Python, print() or a template that ends with one)",
                rest[rest.len() - padding..].escape_ascii()
            ),
        ));
    }
    // One other byte can be anything.
    let is_pad = pad == 0 || pad != b' ' && rest.len() > 1;
    let is_padded = !number.is_empty() && is_pad && rest.iter().all(|byte| *byte == pad);
    is_padded.then(|| {
        Finding::new(
            "padding",
            94,
            format!(
                "the sender pads the length with \"{}\", and not with spaces",
                pad.escape_ascii()
            ),
        )
    })
}

/// A length that is a number, and not in plain digits.
fn written_otherwise(header: &[u8]) -> Option<Finding> {
    let text = std::str::from_utf8(header).ok()?.trim_end_matches(' ');
    let is_all = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let how = if let Some(digits) = text.strip_prefix("0x") {
        let is_hex = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then_some("in hexadecimal, and not in decimal digits")
    } else if let Some((whole, fraction)) = text.split_once('.') {
        (is_all(whole) && is_all(fraction)).then_some(
            "with a fraction: it was calculated as a floating-point number (in Python, `//` divides whole numbers)",
        )
    } else {
        (text.contains([',', '_']) && text.split([',', '_']).all(is_all))
            .then_some("with separators between its digits")
    };
    how.map(|how| {
        let says = format!("the sender writes the length \"{text}\" {how}");
        Finding::new("number", 93, says)
    })
}

/// A block of headers whose lines end with a newline alone.
fn line_ends(scene: Scene<'_>, bytes: &[u8]) -> Option<Finding> {
    let newline = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, _) = bytes.split_at(newline);
    let is_bare = begins_block(line) && line.last() != Some(&b'\r');
    (is_bare && is_block(scene)).then(|| {
        Finding::new(
            "line-ends",
            94,
            "the sender ends the lines of its headers with a newline alone, and not with a carriage return and a \
             newline (in Python, a file in text mode, or print())",
        )
    })
}

/// A block of headers, and then the message without a blank line between.
fn blank_line(scene: Scene<'_>, bytes: &[u8]) -> Option<Finding> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let after = &bytes[end + 2..];
    let is_message = matches!(after, [b'{' | b'[' | b'<', ..]);
    (begins_block(bytes) && is_block(scene) && is_message).then(|| {
        Finding::new(
            "blank-line",
            94,
            "no blank line stands between the header and the message: the header ends with \\r\\n\\r\\n",
        )
    })
}

/// A message of DNS as it is in a datagram.
fn dns(scene: Scene<'_>) -> Option<Finding> {
    let bytes = scene.from(scene.broken());
    let is_dns = "dns"
        .parse::<Framing>()
        .is_ok_and(|dns| dns.client() == scene.side);
    let [_, _, flags, more, 0, 1, ..] = bytes else {
        return None;
    };
    if !is_dns || flags & 0x78 != 0 || more & 0x40 != 0 {
        return None;
    }
    // The question: a name in labels, a type and a class.
    let mut rest = bytes.get(12..)?;
    while let [size @ 1..=63, after @ ..] = rest {
        rest = after.get(usize::from(*size)..)?;
    }
    matches!(rest, [0, _, _, 0, 1 | 255, ..]).then(|| {
        Finding::new(
            "dns",
            97,
            "this is a message of DNS without the two bytes of its length, which belong before it on a stream: it is as \
             a datagram has it",
        )
    })
}

/// A newline that no length counts: after the last message, or after one with a header block.
fn newline(scene: Scene<'_>, bytes: &[u8]) -> Option<Finding> {
    if scene.error.index() == 0 {
        return None;
    }
    let (end, rest) = match bytes {
        [b'\r', b'\n', rest @ ..] => (r"\r\n", rest),
        [b'\n', rest @ ..] => (r"\n", rest),
        _ => return None,
    };
    if scene.ended && rest.is_empty() {
        let says = format!(
            "after the last message comes \"{end}\", in no frame: an editor has added it, or echo, or the sender \
             writes a newline after each"
        );
        return Some(Finding::new("extra-bytes", 93, says));
    }
    // If it stood after each, the second frame would have shown that.
    (scene.error.index() == 1 && is_block(scene) && begins_block(rest)).then(|| {
        let says =
            format!("the sender writes \"{end}\" after each message, which no length counts");
        Finding::new("trailing-bytes", 94, says)
    })
}

/// Whether the framing at hand is one of header blocks.
pub(super) fn is_block(scene: Scene<'_>) -> bool {
    has_blocks(scene.side)
}

/// What a header block begins with.
const NAME: &[u8] = b"content-length:";

/// Whether these bytes are the beginning of a header block.
fn begins_block(bytes: &[u8]) -> bool {
    bytes
        .get(..NAME.len())
        .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
}

/// Whether a header block is somewhere in these bytes.
pub(super) fn has_block(bytes: &[u8]) -> bool {
    bytes
        .windows(NAME.len())
        .any(|name| name.eq_ignore_ascii_case(NAME))
}

/// Whether this is what the framing at hand would have there, so that to say it explains nothing.
fn is_meant(guess: LooksLike, side: &Side) -> bool {
    match guess {
        LooksLike::Netstring => ends_digits(side, b":"),
        LooksLike::OctetCounted => ends_digits(side, b" "),
        LooksLike::ContentLength => has_blocks(side),
        LooksLike::Lines | LooksLike::Json | LooksLike::Xml => is_delimited(side),
        LooksLike::Mqtt => is(side, "mqtt"),
        LooksLike::BigEndian4(_) => is(side, "u32be"),
        LooksLike::LittleEndian4(_) => is(side, "u32le"),
        LooksLike::ZeroPadded => is(side, "decimal:010"),
        LooksLike::RightAligned => is(side, "decimal:10,lax"),
        LooksLike::Unpadded => field(side).is_none(),
        _ => false,
    }
}

fn is(side: &Side, line: &str) -> bool {
    line.parse::<Framing>()
        .is_ok_and(|framing| framing.client() == side)
}

/// Whether a length of four bytes has its message there, as far as that is known.
fn leads_on(guess: LooksLike, scene: Scene<'_>) -> bool {
    let (LooksLike::BigEndian4(length) | LooksLike::LittleEndian4(length)) = guess else {
        return true;
    };
    let end = scene.broken() + 4 + u64::from(length);
    !scene.ended || end <= scene.excerpt.end()
}

/// Whether a guess is told by bytes that hardly anything else begins with.
pub(crate) fn is_sure(guess: LooksLike) -> bool {
    matches!(
        guess,
        LooksLike::Http
            | LooksLike::Http2
            | LooksLike::Tls
            | LooksLike::Ssh
            | LooksLike::Json
            | LooksLike::Gzip
            | LooksLike::Resp
            | LooksLike::Nats
            | LooksLike::Proxy
    )
}

/// What the native framing's description says of these bytes, where the framing at hand says nothing.
pub(crate) fn by_native(bytes: &[u8]) -> Option<LooksLike> {
    let mut decoder = Decoder::new(Framing::default().client());
    decoder.feed(bytes);
    decoder.next_event().err()?.looks_like()
}

fn finding(scene: Scene<'_>, guess: LooksLike, bytes: &[u8]) -> Finding {
    let line = bytes
        .split(|b| matches!(b, b'\r' | b'\n'))
        .next()
        .unwrap_or_default()
        .escape_ascii();
    let (kind, certainty, says) = match guess {
        LooksLike::Http => (
            "http",
            95,
            format!(
                "this looks like HTTP: \"{line}\"; {}",
                if bytes.starts_with(b"HTTP/") {
                    "a web server answers here, or a proxy answers in the place of the sender"
                } else {
                    "a browser, a health check or a scanner talks to this port"
                }
            ),
        ),
        LooksLike::Tls => (
            "tls",
            95,
            "this looks like a TLS handshake: one side encrypts and the other does not (speak TLS on both, or \
             switch it off)"
                .to_owned(),
        ),
        LooksLike::Gzip => (
            "gzip",
            95,
            "this looks like gzip: the stream was compressed as a whole (unpack it first: gunzip), or a \
             compressed message is where a header belongs"
                .to_owned(),
        ),
        LooksLike::Json => (
            "json",
            90,
            "this looks like JSON without framing: the sender writes objects, and no length before them"
                .to_owned(),
        ),
        LooksLike::BigEndian4(_) | LooksLike::LittleEndian4(_) => {
            // It is a length only if it leads to the next frame.
            ("binary-length", 45, guess.to_string())
        }
        LooksLike::CharacterCount => ("characters", 80, guess.to_string()),
        LooksLike::Lines if scene.error.index() > 0 => (
            "lines",
            55,
            "this looks like lines of text, in no frame: something else writes to the same place (print, a log, an \
             error message)"
                .to_owned(),
        ),
        LooksLike::Lines => ("lines", 45, guess.to_string()),
        LooksLike::OctetCounted => ("number", 55, guess.to_string()),
        LooksLike::RightAligned => {
            ("number", 55, "this looks like a decimal number with spaces before it".to_owned())
        }
        LooksLike::ZeroPadded => {
            ("number", 55, "this looks like a decimal number with zeros before it".to_owned())
        }
        LooksLike::Signed => ("number", 70, guess.to_string()),
        // What the diagnosis of one frame finds out by itself says more.
        LooksLike::Unpadded | LooksLike::NewlineAfter | LooksLike::TooSmall(_) => ("number", 40, guess.to_string()),
        LooksLike::Netstring | LooksLike::ContentLength | LooksLike::Mqtt => {
            ("protocol", 60, guess.to_string())
        }
        _ => ("protocol", 90, guess.to_string()),
    };
    // In the middle of a stream that was right so far, a guess about the beginning is a weaker one.
    let certainty = if scene.error.index() > 0 && certainty < 90 {
        certainty - 10
    } else {
        certainty
    };
    Finding::new(kind, certainty, says)
}

/// Whether these bytes are text of which every other byte is zero.
pub(super) fn is_utf16(bytes: &[u8]) -> bool {
    let pairs: Vec<_> = bytes.chunks_exact(2).collect();
    let half = |zero: usize| {
        let text = |b: u8| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t');
        let fits = pairs.iter().filter(|p| p[zero] == 0 && text(p[1 - zero]));
        pairs.len() >= 3 && fits.count() * 10 >= pairs.len() * 8
    };
    // After a cut at an odd place the zeros are at the other side.
    half(0) || half(1)
}
