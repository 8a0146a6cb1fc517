//! `--on-bad`: what to do with a message that is not what it should be.

use clap::ValueEnum;

use crate::escape;
use crate::failure::Failure;
use crate::words::Words;

/// What to do with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnBad {
    /// End with an error; what came before it is printed
    #[default]
    Stop,
    /// Warn, and leave it out
    Skip,
    /// Print an object with the error in its place
    Show,
}

/// What is to be done after a bad message was dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dealt {
    LeftOut,
    ToBeShown,
}

/// Bytes of a bad message that its error shows.
const SHOWN: usize = 60;

impl OnBad {
    /// Deals with a message of which this is to be said, unless it is an error.
    pub(crate) fn deal_with(
        self,
        problem: &str,
        message: &[u8],
        words: &Words,
    ) -> Result<Dealt, Failure> {
        match self {
            Self::Stop => Err(Failure::Framing(format!(
                "{problem}; it is {} (--on-bad skip leaves such messages out, --on-bad show prints them)",
                quoted(message)
            ))),
            Self::Skip => {
                words.warning(format_args!("left out: {problem}"));
                Ok(Dealt::LeftOut)
            }
            Self::Show => Ok(Dealt::ToBeShown),
        }
    }
}

/// The beginning of a message, for an error.
fn quoted(message: &[u8]) -> String {
    let head = &message[..message.len().min(SHOWN)];
    let more = if head.len() < message.len() {
        "..."
    } else {
        ""
    };
    let mut text = String::new();
    for chunk in head.utf8_chunks() {
        for char in chunk.valid().chars() {
            if matches!(char, '"' | '\\') {
                text.push('\\');
            }
            escape::put_char(char, &mut text);
        }
        // What is cut off inside of a character says nothing.
        let is_cut = !more.is_empty() && head.ends_with(chunk.invalid());
        if !is_cut {
            chunk
                .invalid()
                .iter()
                .for_each(|byte| escape::put_byte(*byte, &mut text));
        }
    }
    format!("\"{text}{more}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_message_is_quoted() {
        assert_eq!(quoted(b"oops"), r#""oops""#);
        assert_eq!(quoted(b"a\"\x1b\xff\xfe"), r#""a\"\x1b\xff\xfe""#);
        assert_eq!(quoted(b""), r#""""#);
        let long = quoted("ü".repeat(100).as_bytes());
        assert_eq!(long, format!("\"{}...\"", "ü".repeat(30)));
    }
}
