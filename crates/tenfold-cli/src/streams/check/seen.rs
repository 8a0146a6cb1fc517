//! What was seen of the messages that were sent: in what a program prints, or in what it sends back.

use std::collections::VecDeque;

use clap::ValueEnum;
use serde_json::Value;

use super::case::Case;
use crate::escape;

/// `--as`: how the program prints messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum As {
    /// Each message is a line; other lines may stand between them
    #[default]
    Lines,
    /// Each message ends at a NUL
    Nul,
    /// Pairs of hexadecimal digits, one line for each message
    Hex,
    /// A JSON string, or an object with the member "text", in one line for each message
    Json,
}

/// What a program prints around each message, as in `received: hello`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Around {
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
}

/// Most pieces of output that are kept because they have a message in them and something else.
const STRANGE: usize = 4;
/// Bytes that are kept of each.
const SHOWN: usize = 64;
/// What a program may print for each byte that it is sent.
const FOR_EACH_BYTE: u64 = 64;

/// Looks for the messages of a case, in their order, in what comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    form: As,
    around: Around,
    expected: Vec<Vec<u8>>,
    found: Vec<bool>,
    /// The first that may come next.
    next: usize,
    half: Option<Vec<u8>>,
    rest: Vec<u8>,
    /// Bytes of the messages.
    sent: u64,
    /// A message came a second time.
    pub(super) twice: bool,
    /// The half of a message was taken for a whole one.
    pub(super) took_half: bool,
    /// What has a message in it, and more.
    pub(super) strange: Vec<String>,
    /// Messages that stand together in one piece of output.
    pub(super) together: bool,
    /// What came last that is none of the messages.
    last: VecDeque<Vec<u8>>,
}

impl Seen {
    pub(super) fn new(case: &Case, form: As, around: &Around) -> Self {
        let texts = case.messages.iter().map(|text| text.clone().into_bytes());
        Self {
            form,
            around: around.clone(),
            expected: texts.collect(),
            found: vec![false; case.messages.len()],
            sent: case.messages.iter().map(|text| text.len() as u64).sum(),
            half: case.half.clone().map(String::into_bytes),
            ..Self::default()
        }
    }

    /// Takes what a program has printed.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let end = if self.form == As::Nul { 0 } else { b'\n' };
        let mut pieces = bytes.split(|byte| *byte == end);
        // What is before the first end belongs to what came before, and what is after the last has not ended.
        let mut piece = pieces.next();
        for next in pieces {
            self.rest.extend_from_slice(piece.unwrap_or_default());
            let whole = std::mem::take(&mut self.rest);
            self.piece(&whole);
            piece = Some(next);
        }
        self.rest.extend_from_slice(piece.unwrap_or_default());
    }

    /// The output has ended; its last line may have no newline.
    pub(super) fn end(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.piece(&rest);
        }
    }

    fn piece(&mut self, piece: &[u8]) {
        match self.form {
            As::Lines => {
                let line = piece.strip_suffix(b"\r").unwrap_or(piece).to_vec();
                let inner = line
                    .strip_prefix(self.around.before.as_slice())
                    .and_then(|line| line.strip_suffix(self.around.after.as_slice()));
                self.message(inner.unwrap_or(&line));
            }
            As::Nul => self.message(piece),
            As::Hex => self.message(&from_hex(piece).unwrap_or_default()),
            As::Json => match serde_json::from_slice(piece) {
                Ok(Value::String(text)) => self.message(text.as_bytes()),
                Ok(Value::Object(object)) => {
                    let text = object.get("text").and_then(Value::as_str);
                    self.message(text.unwrap_or_default().as_bytes());
                }
                _ => {}
            },
        }
    }

    /// Takes one message, or what was taken for one.
    pub(super) fn message(&mut self, message: &[u8]) {
        let is_it = |at: &usize| self.expected[*at] == message;
        if let Some(at) = (self.next..self.expected.len()).find(is_it) {
            self.found[at] = true;
            self.next = at + 1;
            return;
        }
        if !message.is_empty() && self.expected.iter().any(|expected| expected == message) {
            self.twice = true;
            return;
        }
        if let Some(half) = &self.half
            && message.len() >= 4
            && half.starts_with(message)
        {
            self.took_half = true;
            return;
        }
        self.strange(message);
    }

    fn strange(&mut self, piece: &[u8]) {
        let inside = |text: &&Vec<u8>| !text.is_empty() && position(piece, text).is_some();
        let messages = self.expected.iter().filter(inside).count();
        if messages > 0 && self.strange.len() < STRANGE {
            self.strange.push(shown(piece));
        }
        self.together |= messages > 1;
        if self.last.len() == STRANGE {
            self.last.pop_front();
        }
        if !piece.is_empty() {
            self.last
                .push_back(piece[..piece.len().min(SHOWN)].to_vec());
        }
    }

    /// What is around the first message, if it was printed with something around it.
    pub(super) fn around_the_first(&self) -> Option<Around> {
        let first = self.expected.first()?;
        let piece = self
            .last
            .iter()
            .find(|piece| position(piece, first).is_some())?;
        let at = position(piece, first)?;
        Some(Around {
            before: piece[..at].to_vec(),
            after: piece[at + first.len()..].to_vec(),
        })
    }

    /// How many bytes of output a program may have for what it is sent.
    pub(super) fn most(&self) -> u64 {
        FOR_EACH_BYTE * self.sent
    }

    /// Whether every message was seen.
    pub(super) fn is_complete(&self) -> bool {
        self.found.iter().all(|found| *found)
    }

    /// The indexes of the messages that were not seen.
    pub(super) fn missing(&self) -> Vec<usize> {
        (0..self.found.len())
            .filter(|at| !self.found[*at])
            .collect()
    }

    /// The last thing that came and is none of the messages.
    pub(super) fn last_words(&self) -> Option<String> {
        self.last.back().map(|piece| shown(piece))
    }
}

/// Text for a person, of which a terminal does nothing.
fn shown(piece: &[u8]) -> String {
    let cut = &piece[..piece.len().min(SHOWN)];
    let text = escape::line(cut);
    if cut.len() < piece.len() {
        text + "..."
    } else {
        text
    }
}

fn position(piece: &[u8], text: &[u8]) -> Option<usize> {
    piece
        .windows(text.len().max(1))
        .position(|window| window == text)
}

fn from_hex(line: &[u8]) -> Option<Vec<u8>> {
    let digits = std::str::from_utf8(line).ok()?.trim();
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::case::cases;
    use super::*;

    fn seen(name: &str, form: As, output: &[u8]) -> Seen {
        let cases = cases(10, 1000);
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let mut seen = Seen::new(case, form, &Around::default());
        for byte in output {
            seen.feed(&[*byte]);
        }
        seen.end();
        seen
    }

    #[test]
    fn other_lines_may_stand_between_the_messages() {
        let output = b"new message, 11 bytes\nmessage one\nlen 11\nmessage two\r\nmessage three";
        assert!(seen("three", As::Lines, output).is_complete());
        assert_eq!(seen("three", As::Lines, &output[..40]).missing(), [1, 2]);
    }

    #[test]
    fn messages_in_one_line_do_not_count() {
        let seen = seen("three", As::Lines, b"message one11        message two\n");
        assert!(seen.together);
        assert_eq!(seen.missing(), [0, 1, 2]);
    }

    #[test]
    fn an_empty_message_is_an_empty_line() {
        assert!(seen("empty", As::Lines, b"before\n\nafter\n").is_complete());
        assert_eq!(seen("empty", As::Lines, b"before\nafter\n").missing(), [1]);
    }

    #[test]
    fn a_message_comes_once() {
        assert!(seen("whole", As::Lines, b"hello, world\nhello, world\n").twice);
    }

    #[test]
    fn the_other_forms_are_read() {
        assert!(seen("accent", As::Hex, b"c3a9\n").is_complete());
        assert!(seen("accent", As::Json, b"{\"text\":\"\\u00e9\"}\n").is_complete());
        assert!(seen("accent", As::Json, "\"é\"\n".as_bytes()).is_complete());
        assert!(
            seen(
                "three",
                As::Nul,
                b"message one\0message two\0message three\0"
            )
            .is_complete()
        );
    }

    #[test]
    fn what_stands_around_a_message_is_learned() {
        let first = seen("whole", As::Lines, b"Received: hello, world!\n");
        let around = first.around_the_first().unwrap();
        assert_eq!(
            (around.before.as_slice(), around.after.as_slice()),
            (&b"Received: "[..], &b"!"[..])
        );
    }

    #[test]
    fn half_of_a_message_is_not_one() {
        assert!(seen("ends-inside", As::Lines, b"the last whole one\nonly hal\n").took_half);
    }

    #[test]
    fn what_is_shown_does_nothing_to_a_terminal() {
        let strange = seen("whole", As::Lines, b"\x1b[2Jhello, world\n").strange;
        assert_eq!(strange, ["\\x1b[2Jhello, world"]);
    }
}
