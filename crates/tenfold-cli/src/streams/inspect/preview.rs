//! A message in a few characters.

use crate::escape;

/// Appends the beginning of a message in at most `width` characters: text as it is, and what is none
/// escaped. `more` says that there is more of the message than `head`.
pub(crate) fn put(head: &[u8], more: bool, width: usize, out: &mut String) {
    let start = out.len();
    let mut left = width;
    for chunk in head.utf8_chunks() {
        for char in chunk.valid().chars() {
            let before = out.len();
            match char {
                // It begins an escape.
                '\\' => out.push_str("\\\\"),
                _ => escape::put_char(char, out),
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
            escape::put_byte(*byte, out);
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
