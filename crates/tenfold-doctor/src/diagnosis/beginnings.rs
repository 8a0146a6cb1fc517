//! Bytes that begin something else, and are told by a few bytes of their own.
//!
//! Sources: RFC 1950 (zlib), RFC 8878 (Zstandard), RFC 854 (Telnet), the xz, bzip2, ZIP and ELF
//! formats, PNG and PDF, git's pack format, and Python's `pickle` and `repr()`.

use super::Finding;

/// A finding about these bytes, if they begin so.
pub(crate) fn find(bytes: &[u8]) -> Option<Finding> {
    if let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, ..] = bytes {
        return Some(Finding::new(
            "pack",
            97,
            "this is a pack of git, which has no frame: a push ends its commands with a mark, and writes the \
             pack as it is (nothing is wrong with what comes before it)",
        ));
    }
    if let Some(name) = compressed(bytes) {
        return Some(Finding::new(
            "compressed",
            92,
            format!(
                "this looks like {name}: the stream was compressed as a whole (unpack it first), or a compressed \
                 message is where a header belongs"
            ),
        ));
    }
    if let Some(name) = file(bytes) {
        return Some(Finding::new(
            "file",
            92,
            format!("this looks like {name}: it was sent as it is, and no length before it"),
        ));
    }
    if let [0x80, 2..=5, rest @ ..] = bytes
        && matches!(rest, [0x95 | b'}' | b']' | b'(' | b'c' | b'X', ..])
    {
        return Some(Finding::new(
            "pickle",
            90,
            "this looks like a pickle of Python: the sender writes it, and no length before it",
        ));
    }
    if is_repr(bytes) {
        return Some(Finding::new(
            "repr",
            94,
            "this looks like the bytes of Python as it prints them, with b and quotes around: the sender made text \
             of them with str() or in an f-string (send them as they are, or decode() them first)",
        ));
    }
    if matches!(bytes, [0xff, 0xfb..=0xfe, _, 0xff, 0xfa..=0xfe, ..]) {
        return Some(Finding::new(
            "protocol",
            90,
            "this looks like Telnet, which negotiates options: connect with a program that does not (nc)",
        ));
    }
    None
}

fn compressed(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("Zstandard"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => Some("bzip2"),
        [0x04, 0x22, 0x4d, 0x18, ..] => Some("LZ4"),
        // Excerpt of 32 KiB, and the four levels that there are.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, _, ..] => Some("zlib"),
        _ => None,
    }
}

fn file(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [b'P', b'K', 3, 4, ..] => Some("a ZIP archive"),
        [0x7f, b'E', b'L', b'F', ..] => Some("a program (ELF)"),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', ..] => Some("a PNG picture"),
        [0xff, 0xd8, 0xff, ..] => Some("a JPEG picture"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("a PDF"),
        _ => None,
    }
}

/// `b'...'` with more of it than chance would have.
fn is_repr(bytes: &[u8]) -> bool {
    let [b'b', quote @ (b'\'' | b'"'), rest @ ..] = bytes else {
        return false;
    };
    rest.len() >= 2
        && rest
            .iter()
            .take_while(|byte| *byte != quote)
            .all(|byte| matches!(byte, b' '..=b'~'))
}
