//! What the bytes of a bad header look like: a help for people, never part of a verdict.

use core::fmt;

use crate::framing::{Shape, Step};
use crate::number::{Base, Number, Pad};

/// A guess at what a peer sends instead of frames. It helps people, and decides nothing.
///
/// ```
/// use tenfold_codec::LooksLike;
///
/// let guess = LooksLike::BigEndian4(5).to_string();
/// assert_eq!(guess, "this looks like a 4-byte binary length, 5 (framing u32be)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LooksLike {
    /// An HTTP/1 request or response.
    Http,
    /// The preface of an HTTP/2 client.
    Http2,
    /// A TLS handshake.
    Tls,
    /// The greeting of SSH.
    Ssh,
    /// A header block as LSP and DAP have it.
    ContentLength,
    /// JSON text.
    Json,
    /// XML or HTML.
    Xml,
    /// gzip.
    Gzip,
    /// A netstring.
    Netstring,
    /// Octet-counted syslog, or another number that ends at its first space.
    OctetCounted,
    /// RESP, the protocol of Redis.
    Resp,
    /// The text protocol of NATS.
    Nats,
    /// The first packet of an MQTT client.
    Mqtt,
    /// A greeting of the PROXY protocol.
    Proxy,
    /// A length of four bytes, most significant first.
    BigEndian4(u32),
    /// A length of four bytes, least significant first.
    LittleEndian4(u32),
    /// A decimal number with spaces before it.
    RightAligned,
    /// A decimal number with zeros before it.
    ZeroPadded,
    /// A decimal number with a sign.
    Signed,
    /// A decimal number with the message directly after it.
    Unpadded,
    /// The end of a line after the message before, which its header did not count.
    NewlineAfter,
    /// UTF-16.
    Utf16,
    /// The message before was longer than its header said: its characters were counted.
    CharacterCount,
    /// The message before was this many bytes longer than its header said.
    TooSmall(usize),
    /// Lines of text.
    Lines,
}

/// The largest number that is taken for a binary length.
const PLAUSIBLE: u32 = 1 << 26;

/// What the framing itself has where its length stands. A guess of the same is left out: it would
/// not help the person who reads the error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// A native header, or something else that no guess speaks of.
    Other,
    /// A decimal number in another form than the native one.
    Decimal,
    /// A binary number.
    Binary,
    /// A header block.
    Block,
}

impl Expected {
    pub(crate) fn of(step: &Step) -> Self {
        match &step.shape {
            Shape::ContentLength => Self::Block,
            Shape::Number { number, .. } => match number {
                Number::Bits { .. } | Number::Varint | Number::Ber => Self::Binary,
                Number::Field {
                    pad: Pad::Space, ..
                } => Self::Other,
                Number::Field { base, .. } | Number::Ended { base, .. } => match base {
                    Base::Decimal => Self::Decimal,
                    Base::Hex => Self::Other,
                },
            },
            _ => Self::Other,
        }
    }
}

impl LooksLike {
    /// Guesses from the first bytes of the bad frame, which is the message of this index.
    pub(crate) fn guess(bytes: &[u8], index: u64, expected: Expected) -> Option<Self> {
        Self::by_beginning(bytes)
            .filter(|guess| (*guess, expected) != (Self::ContentLength, Expected::Block))
            .or_else(|| Self::by_newline(bytes, index, expected))
            .or_else(|| Self::by_characters(bytes, index))
            .or_else(|| Self::by_decimal(bytes).filter(|_| expected != Expected::Decimal))
            .or_else(|| Self::by_binary(bytes).filter(|_| expected != Expected::Binary))
            .or_else(|| Self::by_text(bytes).filter(|_| expected != Expected::Block))
    }

    fn by_beginning(bytes: &[u8]) -> Option<Self> {
        const BEGINNINGS: &[(&[u8], LooksLike)] = &[
            (b"PRI * HTTP/2", LooksLike::Http2),
            (b"GET ", LooksLike::Http),
            (b"POST ", LooksLike::Http),
            (b"HEAD ", LooksLike::Http),
            (b"PUT ", LooksLike::Http),
            (b"DELETE ", LooksLike::Http),
            (b"PATCH ", LooksLike::Http),
            (b"OPTIONS ", LooksLike::Http),
            (b"CONNECT {", LooksLike::Nats),
            (b"CONNECT ", LooksLike::Http),
            (b"TRACE ", LooksLike::Http),
            (b"HTTP/", LooksLike::Http),
            (b"SSH-", LooksLike::Ssh),
            (b"\x1f\x8b", LooksLike::Gzip),
            (b"INFO {", LooksLike::Nats),
            (b"PROXY ", LooksLike::Proxy),
            (b"\r\n\r\n\0\r\nQUIT\n", LooksLike::Proxy),
            (b"\xff\xfe", LooksLike::Utf16),
            (b"\xfe\xff", LooksLike::Utf16),
            (b"<", LooksLike::Xml),
            (b"{\"", LooksLike::Json),
            (b"[{", LooksLike::Json),
            (b"{}", LooksLike::Json),
        ];
        if let Some((_, guess)) = BEGINNINGS
            .iter()
            .find(|(start, _)| bytes.starts_with(start))
        {
            return Some(*guess);
        }
        let head = bytes.get(..15).unwrap_or_default();
        if head.eq_ignore_ascii_case(b"content-length:") {
            return Some(Self::ContentLength);
        }
        match bytes {
            [0x16, 3, 0..=4, ..] => Some(Self::Tls),
            [0x10, _, 0, 4, b'M', b'Q', b'T', b'T', ..] => Some(Self::Mqtt),
            [b'*' | b'$', b'0'..=b'9', rest @ ..] if ends_line(rest) => Some(Self::Resp),
            [0, a, 0, b, ..] | [a, 0, b, 0, ..] if a.is_ascii_graphic() && b.is_ascii_graphic() => {
                Some(Self::Utf16)
            }
            _ => None,
        }
    }

    /// The rest of a message whose length was too small: text, and then a header again. If there are
    /// characters of several bytes in it, characters were counted.
    fn by_characters(bytes: &[u8], index: u64) -> Option<Self> {
        if index == 0 {
            return None;
        }
        let next =
            (1..bytes.len().saturating_sub(9)).find(|&at| is_native_header(&bytes[at..at + 10]));
        let Some(rest) = bytes.iter().position(|b| !b.is_ascii()) else {
            let next = next.filter(|&at| !has_controls(&bytes[..at]));
            return next.map(Self::TooSmall);
        };
        let end = next.unwrap_or(bytes.len());
        let text = &bytes[..end];
        // The cut can stand inside a character.
        let skip = text
            .iter()
            .take(3)
            .take_while(|&&b| b & 0xc0 == 0x80)
            .count();
        let is_text = match core::str::from_utf8(&text[skip..]) {
            Ok(_) => true,
            Err(error) => next.is_none() && error.error_len().is_none(),
        };
        (rest < end && is_text && !has_controls(text)).then_some(Self::CharacterCount)
    }

    /// The end of a line where a header should be, and then nothing yet, or the beginning of a header.
    fn by_newline(bytes: &[u8], index: u64, expected: Expected) -> Option<Self> {
        let ([b'\r', b'\n', rest @ ..] | [b'\n' | b'\r', rest @ ..]) = bytes else {
            return None;
        };
        let is_text = matches!(expected, Expected::Other | Expected::Decimal);
        let goes_on = rest.first().is_none_or(u8::is_ascii_digit);
        (index > 0 && is_text && goes_on).then_some(Self::NewlineAfter)
    }

    fn by_decimal(bytes: &[u8]) -> Option<Self> {
        let digits = |from: &[u8]| from.iter().take_while(|b| b.is_ascii_digit()).count();
        match bytes {
            [b' ', rest @ ..] => {
                let spaces = rest.iter().take_while(|&&b| b == b' ').count();
                (digits(&rest[spaces..]) > 0).then_some(Self::RightAligned)
            }
            [b'+' | b'-', rest @ ..] => (digits(rest) > 0).then_some(Self::Signed),
            [b'0'..=b'9', ..] => {
                let count = digits(bytes);
                match bytes.get(count) {
                    Some(b':') => Some(Self::Netstring),
                    Some(b' ') if bytes[0] != b'0' && bytes.get(count + 1) != Some(&b' ') => {
                        Some(Self::OctetCounted)
                    }
                    _ if bytes[0] == b'0' && count > 1 => Some(Self::ZeroPadded),
                    Some(_) => is_unpadded(bytes, count).then_some(Self::Unpadded),
                    None => None,
                }
            }
            _ => None,
        }
    }

    fn by_binary(bytes: &[u8]) -> Option<Self> {
        let word: [u8; 4] = *bytes.first_chunk()?;
        let (big, little) = (u32::from_be_bytes(word), u32::from_le_bytes(word));
        if big < PLAUSIBLE && big.leading_zeros() >= 8 && big > 0 {
            Some(Self::BigEndian4(big))
        } else if little < PLAUSIBLE && word[3] == 0 && little > 0 {
            Some(Self::LittleEndian4(little))
        } else {
            None
        }
    }

    fn by_text(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < 4 || has_controls(bytes) || bytes[0].is_ascii_digit() {
            return None;
        }
        let text = core::str::from_utf8(bytes).is_ok_and(|text| text.contains('\n'));
        text.then_some(Self::Lines)
    }
}

/// Whether a number of so many digits is followed by a message of that length, and then by the next number.
/// A longer message is not all there; then a letter, a quote or a bracket after the number is enough, and
/// a date or a decimal fraction is not taken for it.
fn is_unpadded(bytes: &[u8], digits: usize) -> bool {
    let number = bytes[..digits].iter().try_fold(0_usize, |number, digit| {
        number
            .checked_mul(10)?
            .checked_add(usize::from(digit - b'0'))
    });
    let rest = &bytes[digits..];
    match number.and_then(|number| rest.get(number)) {
        Some(next) => next.is_ascii_digit(),
        None if number == Some(rest.len()) => true,
        None => rest
            .first()
            .is_some_and(|b| b.is_ascii_alphabetic() || b"{[\"<".contains(b)),
    }
}

fn has_controls(bytes: &[u8]) -> bool {
    let is_space = |b: &u8| matches!(b, b'\n' | b'\r' | b'\t');
    bytes.iter().any(|b| b.is_ascii_control() && !is_space(b))
}

/// Digits up to a CR LF.
fn ends_line(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    bytes[digits..].starts_with(b"\r\n")
}

/// Whether these ten bytes are a header of `decimal:10`.
fn is_native_header(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0
        && (digits == 1 || bytes[0] != b'0')
        && bytes[digits..].iter().all(|&b| b == b' ')
        && bytes.len() - digits > 1
}

impl fmt::Display for LooksLike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
            Self::Tls => "TLS (is the peer set to encrypt?)",
            Self::Ssh => "SSH",
            Self::ContentLength => "Content-Length headers (framing content-length)",
            Self::Json => "JSON without framing",
            Self::Xml => "XML or HTML",
            Self::Gzip => "gzip",
            Self::Netstring => "a netstring (framing netstring)",
            Self::OctetCounted => "a number that ends at a space (framing syslog)",
            Self::Resp => "RESP, the protocol of Redis",
            Self::Nats => "the text protocol of NATS",
            Self::Mqtt => "MQTT (framing mqtt)",
            Self::Proxy => "the PROXY protocol",
            Self::BigEndian4(n) => {
                return write!(
                    f,
                    "this looks like a 4-byte binary length, {n} (framing u32be)"
                );
            }
            Self::LittleEndian4(n) => {
                return write!(
                    f,
                    "this looks like a 4-byte binary length, {n} (framing u32le)"
                );
            }
            Self::RightAligned => "a right-aligned number (framing decimal:10,lax)",
            Self::ZeroPadded => "a zero-padded number (framing decimal:010)",
            Self::Signed => "a number with a sign",
            Self::Unpadded => {
                "a number without padding (fill it with spaces up to the width of the header)"
            }
            Self::NewlineAfter => {
                "the end of a line after the message before, which its length does not count \
                 (print, not println)"
            }
            Self::Utf16 => "UTF-16",
            Self::CharacterCount => {
                return f.write_str(
                    "this looks like the rest of the message before: its header counted characters \
                     where bytes are counted (encode first, then take the length)",
                );
            }
            Self::TooSmall(by) => {
                return write!(
                    f,
                    "this looks like the rest of the message before: its length was {by} too small (it counts \
                     bytes, not characters)"
                );
            }
            Self::Lines => "lines of text (framing line)",
        };
        write!(f, "this looks like {name}")
    }
}
