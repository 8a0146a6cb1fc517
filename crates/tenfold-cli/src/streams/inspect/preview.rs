//! A message in a few characters.

use std::fmt::Write as _;

/// Appends the beginning of a message in at most `width` characters: text as it is, and what is none
/// escaped. `more` says that there is more of the message than `head`.
pub(crate) fn put(head: &[u8], more: bool, width: usize, out: &mut String) {
    let start = out.len();
    let mut left = width;
    for chunk in head.utf8_chunks() {
        for char in chunk.valid().chars() {
            let before = out.len();
            match char {
                '\\' => out.push_str("\\\\"),
                // Characters without a width, or that change the direction of the text, would mislead.
                '\0' => out.push_str("\\0"),
                '\n' | '\r' | '\t' => out.extend(char.escape_default()),
                '\u{1}'..='\u{7f}' if char.is_control() => {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\x{:02x}", u32::from(char));
                }
                _ if char.is_control() || is_invisible(char) => out.extend(char.escape_default()),
                _ => out.push(char),
            }
            let used = out[before..].chars().count();
            if used > left {
                out.truncate(before);
                return end(start, out, width);
            }
            left -= used;
        }
        for byte in chunk.invalid() {
            if left < 4 {
                return end(start, out, width);
            }
            // Writing to a string cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
            left -= 4;
        }
    }
    if more {
        end(start, out, width);
    }
}

/// Shows that there is more, in the place of the last character if there is no room.
fn end(start: usize, out: &mut String, width: usize) {
    if out[start..].chars().count() >= width {
        out.pop();
    }
    out.push('…');
}

fn is_invisible(char: char) -> bool {
    matches!(char, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(head: &[u8], more: bool, width: usize) -> String {
        let mut text = String::new();
        put(head, more, width, &mut text);
        text
    }

    #[test]
    fn text_stays_and_the_rest_is_escaped() {
        assert_eq!(preview("café".as_bytes(), false, 20), "café");
        assert_eq!(
            preview(b"a\nb\x1b[2J\xff\\", false, 40),
            r"a\nb\x1b[2J\xff\\"
        );
        assert_eq!(preview("a\u{202e}b".as_bytes(), false, 40), r"a\u{202e}b");
    }

    #[test]
    fn what_does_not_fit_is_cut_and_said() {
        assert_eq!(preview(b"hello, world", false, 12), "hello, world");
        assert_eq!(preview(b"hello, world", false, 8), "hello, …");
        assert_eq!(preview(b"hello", true, 8), "hello…");
        assert_eq!(preview(b"hello", true, 5), "hell…");
        assert_eq!(preview(b"\xff\xff\xff", false, 9), r"\xff\xff…");
    }
}
