//! Bytes as hexadecimal digits and as characters, side by side.

use crate::flow::paint::Paint;
use std::fmt::Write as _;
use std::ops::Range;

/// Characters of a line with 16 bytes.
const FULL: usize = 2 + 8 + 2 + 16 * 3 + 1 + 2 + 16 + 1;

/// Bytes of a stream, to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Dump<'a> {
    pub(crate) bytes: &'a [u8],
    /// Offset in the stream of the first of them.
    pub(crate) offset: u64,
    /// The place to point at, as an offset in the stream.
    pub(crate) mark: Option<u64>,
    /// Offsets of the bytes of the frame that are not of the message.
    pub(crate) header: Range<u64>,
    pub(crate) paint: Paint,
    /// Characters of the terminal's lines.
    pub(crate) width: usize,
}

impl Dump<'_> {
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let each = self.each();
        for (n, line) in self.bytes.chunks(each).enumerate() {
            let offset = self.offset + (n * each) as u64;
            self.line(offset, line, &mut text);
            if let Some(mark) = self.mark
                && (offset..offset + each as u64).contains(&mark)
            {
                self.marker(usize::try_from(mark - offset).unwrap_or(0), &mut text);
            }
        }
        text
    }

    /// Bytes of a line.
    fn each(&self) -> usize {
        if self.width < FULL { 8 } else { 16 }
    }

    fn line(&self, offset: u64, bytes: &[u8], text: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(text, "  {}  ", self.paint.dim(&format!("{offset:08x}")));
        for n in 0..self.each() {
            if n == 8 {
                text.push(' ');
            }
            match bytes.get(n) {
                Some(byte) => {
                    *text += &(self.colored(offset + n as u64, &format!("{byte:02x}")) + " ");
                }
                None => text.push_str("   "),
            }
        }
        text.push_str(" |");
        for (n, byte) in bytes.iter().enumerate() {
            let char = match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            };
            *text += &self.colored(offset + n as u64, &char.to_string());
        }
        text.push_str("|\n");
    }

    fn colored(&self, offset: u64, shown: &str) -> String {
        if self.mark == Some(offset) {
            self.paint.red(shown)
        } else if self.header.contains(&offset) {
            self.paint.cyan(shown)
        } else {
            shown.to_owned()
        }
    }

    /// A line with fingers on one byte, in both columns.
    fn marker(&self, at: usize, text: &mut String) {
        let each = self.each();
        let hex = 2 + 8 + 2 + at * 3 + usize::from(at >= 8);
        let ascii = 2 + 8 + 2 + each * 3 + usize::from(each > 8) + 2 + at;
        let line = format!("{:hex$}^^{:rest$}^", "", "", rest = ascii - hex - 2);
        *text += &self.paint.red(&line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finger_points_at_the_byte_in_both_columns() {
        let bytes: Vec<u8> = (b'a'..=b't').collect();
        for (mark, width) in (0..20).flat_map(|mark| [(mark, 80), (mark, FULL), (mark, 60)]) {
            let dump = Dump {
                bytes: &bytes,
                offset: 32,
                mark: Some(32 + mark),
                header: 0..0,
                paint: Paint(false),
                width,
            };
            let text = dump.text();
            assert!(text.lines().all(|line| line.len() <= width), "{text}");
            let lines: Vec<&str> = text.lines().collect();
            let finger = lines.iter().position(|line| line.contains('^')).unwrap();
            let (above, at) = (lines[finger - 1], lines[finger].find("^^").unwrap());
            let byte = bytes[usize::try_from(mark).unwrap()];
            assert_eq!(&above[at..at + 2], format!("{byte:02x}"));
            assert_eq!(above.as_bytes()[lines[finger].rfind('^').unwrap()], byte);
        }
    }
}
