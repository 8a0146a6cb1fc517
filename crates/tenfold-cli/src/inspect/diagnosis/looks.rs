//! What the bytes at the break look like by themselves.

use tenfold::{Decoder, Framing, LooksLike};

use super::{Finding, Scene};

/// Bytes that are looked at.
const LOOKED_AT: usize = 64;

pub(super) fn find(scene: Scene<'_>) -> Vec<Finding> {
    let bytes = scene.from(scene.broken());
    let bytes = &bytes[..bytes.len().min(LOOKED_AT)];
    let guess = scene.error.looks_like().or_else(|| by_native(bytes));
    let mut findings: Vec<Finding> = by_bytes(scene, bytes).into_iter().collect();
    if is_utf16(bytes) || guess == Some(LooksLike::Utf16) {
        let where_ = if scene.broken() == 0 {
            "the header itself is UTF-16: the sender encodes header and text as one"
        } else {
            "the bytes behind it are UTF-16: the length counts characters, and each has two bytes"
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
    }
    findings
}

/// What can be told by bytes that no text has.
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
    if let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, ..] = bytes {
        return Some(Finding::new(
            "pack",
            97,
            "this is a pack of git, which has no frame: a push ends its commands with a mark, and writes the \
             pack as it is (nothing is wrong with what comes before it)",
        ));
    }
    let line = scene.side.to_string();
    let width: usize = line.strip_prefix("decimal:")?.parse().ok()?;
    let header = bytes.get(..width)?;
    let digits = header.iter().take_while(|byte| byte.is_ascii_digit());
    let (number, rest) = header.split_at(digits.count());
    let pad = *rest.first()?;
    let is_padded = !number.is_empty() && pad != b' ' && rest.iter().all(|byte| *byte == pad);
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

/// What the native framing's description says of these bytes, where the framing at hand says nothing.
fn by_native(bytes: &[u8]) -> Option<LooksLike> {
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
             compressed message stands where a header belongs"
                .to_owned(),
        ),
        LooksLike::Json => (
            "json",
            90,
            "this looks like JSON without framing: the sender writes objects, and no length before them"
                .to_owned(),
        ),
        LooksLike::BigEndian4(_) | LooksLike::LittleEndian4(_) => {
            // The length must lead somewhere, or it is none.
            ("binary-length", 45, guess.to_string())
        }
        LooksLike::CharacterCount => ("characters", 80, guess.to_string()),
        LooksLike::Lines => ("lines", 45, guess.to_string()),
        LooksLike::RightAligned | LooksLike::ZeroPadded | LooksLike::OctetCounted => {
            ("number", 55, guess.to_string())
        }
        LooksLike::Signed => ("number", 70, guess.to_string()),
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
