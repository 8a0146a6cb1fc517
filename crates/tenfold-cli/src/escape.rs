//! Text that a terminal can be given: what could move its cursor, hide or turn text around is shown, and not
//! done. Whatever a peer or a file chose goes through here before a person sees it.

use std::borrow::Cow;
use std::fmt::Write as _;

use tenfold::text::is_hidden;

/// Appends bytes as text for a line on a terminal. Tabs stay.
pub(crate) fn put(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(line(bytes).as_bytes());
}

/// Bytes as text for a line on a terminal. Tabs stay.
pub(crate) fn line(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        put_except(chunk.valid(), &['\t'], &mut text);
        chunk
            .invalid()
            .iter()
            .for_each(|byte| put_byte(*byte, &mut text));
    }
    text
}

/// Words of our own that quote what others chose: their lines stay lines.
pub(crate) fn words(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    put_except(text, &['\t', '\n'], &mut shown);
    shown
}

/// A text in JSON, as JSON says the same.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    // Whatever is hidden is DEL, or not ASCII: JSON itself has no control characters in its strings.
    if text.bytes().all(|byte| byte < 0x7f) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_hidden(char) && !char.is_ascii_whitespace() {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(char);
        }
    }
    shown.into()
}

/// Appends a character, escaped if it is [hidden](is_hidden).
pub(crate) fn put_char(char: char, out: &mut String) {
    match char {
        '\0' => out.push_str("\\0"),
        '\n' | '\r' | '\t' => out.extend(char.escape_default()),
        '\u{1}'..='\u{7f}' if is_hidden(char) => put_byte(char as u8, out),
        _ if is_hidden(char) => out.extend(char.escape_unicode()),
        _ => out.push(char),
    }
}

/// Appends a byte that is not text.
pub(crate) fn put_byte(byte: u8, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{byte:02x}");
}

fn put_except(text: &str, kept: &[char], out: &mut String) {
    for char in text.chars() {
        if kept.contains(&char) {
            out.push(char);
        } else {
            put_char(char, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kind of character that is escaped, and how.
    const HIDDEN: &[(char, &str, &str)] = &[
        ('\0', r"\0", r"\u0000"),
        ('\u{4}', r"\x04", r"\u0004"),
        ('\u{1b}', r"\x1b", r"\u001b"),
        ('\u{7f}', r"\x7f", r"\u007f"),
        ('\u{9b}', r"\u{9b}", r"\u009b"),
        ('\u{61c}', r"\u{61c}", r"\u061c"),
        ('\u{202e}', r"\u{202e}", r"\u202e"),
        ('\u{2066}', r"\u{2066}", r"\u2066"),
        ('\u{2028}', r"\u{2028}", r"\u2028"),
        ('\u{e0041}', r"\u{e0041}", r"\udb40\udc41"),
    ];

    #[test]
    fn what_a_terminal_would_do_is_shown() {
        for (char, shown, _) in HIDDEN {
            let text = format!("a{char}b");
            assert_eq!(line(text.as_bytes()), format!("a{shown}b"));
            assert_eq!(words(&text), format!("a{shown}b"));
        }
    }

    #[test]
    fn json_says_the_same_without_what_a_terminal_would_do() {
        for (char, _, shown) in HIDDEN {
            let text = serde_json::json!({"text": format!("é{char}\"")}).to_string();
            let safe = json(&text);
            assert!(safe.contains(shown), "{safe}");
            assert!(safe.chars().all(|char| !is_hidden(char)), "{safe}");
            let value = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert_eq!(value(&safe), value(&text));
        }
        assert_eq!(json("{\n\t\"é\": 1\r\n}"), "{\n\t\"é\": 1\r\n}");
    }

    #[test]
    fn text_stays_as_it_is_and_other_bytes_are_escaped() {
        let family = "👩\u{200d}👧";
        assert_eq!(
            line(format!("café\tü {family}").as_bytes()),
            format!("café\tü {family}")
        );
        assert_eq!(line(b"a\nb\x80\xff"), r"a\nb\x80\xff");
        assert_eq!(words("a\nb\tc\r"), "a\nb\tc\\r");
    }
}
