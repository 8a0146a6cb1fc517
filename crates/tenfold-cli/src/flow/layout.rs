//! Text for people in lines that fit.

use std::fmt::Write as _;
use std::io;

use crate::flow::output::Stdout;

/// Characters of a line where stdout is not a terminal, which would have a width.
const WIDTH: usize = 100;

/// The width of the terminal.
pub(crate) fn width(stdout: &Stdout) -> usize {
    if stdout.is_terminal() {
        columns()
    } else {
        WIDTH
    }
}

/// The same where stdout is not opened yet.
pub(crate) fn columns() -> usize {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| size.ws_col);
    match usize::from(columns) {
        0 => WIDTH,
        columns => columns,
    }
}

/// Text in lines of at most `width` characters, the later ones indented; with a newline at the end.
pub(crate) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let room = width.saturating_sub(indent).max(24);
    let (mut lines, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            let _ = write!(lines, "\n{:indent$}", "");
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines += word;
        used += length;
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_broken_between_words() {
        let text = wrapped("one two three four five six seven eight", 4, 28);
        assert_eq!(text, "one two three four five\n    six seven eight\n");
    }
}
