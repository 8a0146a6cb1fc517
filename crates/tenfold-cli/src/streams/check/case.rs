//! What a program that receives is sent, and in which writes.

use tenfold::{EncodeError, Encoder};

/// Known messages, and how they are cut up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// A name for programs.
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) says: String,
    /// What has to be printed.
    pub(super) messages: Vec<String>,
    /// A message of which only a half is sent, and which must not be printed.
    pub(super) half: Option<String>,
    how: How,
}

/// How the frames of a case go into writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    /// A write for each message.
    Whole,
    /// A write for each byte.
    Bytes,
    /// Two writes: the first ends one byte before the message begins.
    CutInHeader,
    /// Two writes: the first ends where the message begins.
    CutAfterHeader,
    /// Two writes: the first ends in the middle of the message.
    CutInMessage,
    /// Two writes: the first ends inside a character of two bytes or more.
    CutInCharacter,
    /// All messages in one write.
    Together,
    /// The first write ends in the middle of the second message.
    OneAndAHalf,
}

/// A text whose characters have one to four bytes.
const MIXED: &str = "déjà vu: 10 €, 日本語, 🦀🦀🦀";

/// All cases. `header` is how many bytes of a frame come before its message; `size` how many bytes
/// the large message has.
pub(super) fn cases(header: usize, size: usize) -> Vec<Case> {
    let mut cases = vec![
        case(
            "whole",
            "one message, in one write",
            &["hello, world"],
            How::Whole,
        ),
        case(
            "bytes",
            "one message, and each byte in a write of its own",
            &["byte by byte"],
            How::Bytes,
        ),
    ];
    if header > 1 {
        let says = format!(
            "one message in two writes, cut after {} bytes: inside the header",
            header - 1
        );
        cases.push(case(
            "cut-in-header",
            says,
            &["after a cut header"],
            How::CutInHeader,
        ));
    }
    if header > 0 {
        let says = format!("one message in two writes, cut after {header} bytes: after the header");
        let messages = ["after its header"];
        cases.push(case(
            "cut-after-header",
            says,
            &messages,
            How::CutAfterHeader,
        ));
    }
    cases.extend([
        case(
            "cut-in-message",
            "one message in two writes, cut in its middle",
            &["cut in its middle"],
            How::CutInMessage,
        ),
        // Odd lengths, so that no message ends where a recv(16) does by chance.
        case(
            "three",
            "three messages in one write",
            &["message one", "message two", "message three"],
            How::Together,
        ),
        case(
            "one-and-a-half",
            "one message and a half in one write, and then the other half",
            &["the whole one", "the one in halves"],
            How::OneAndAHalf,
        ),
        case(
            "empty",
            "an empty message between two others",
            &["before", "", "after"],
            How::Whole,
        ),
        case(
            "accent",
            "\"é\", which is one character and two bytes",
            &["é"],
            How::Whole,
        ),
        case(
            "utf-8",
            "characters of one to four bytes, in one write",
            &[MIXED],
            How::Whole,
        ),
        case(
            "cut-character",
            "the same in two writes, cut inside a character",
            &[MIXED],
            How::CutInCharacter,
        ),
        large(size),
    ]);
    cases.push(Case {
        half: Some("only half of this".to_owned()),
        ..case(
            "ends-inside",
            "a whole message, then half of one, then the end of the stream",
            &["the last whole one"],
            How::OneAndAHalf,
        )
    });
    cases
}

fn case(name: &'static str, says: impl Into<String>, messages: &[&str], how: How) -> Case {
    Case {
        name,
        says: says.into(),
        messages: messages.iter().map(|&message| message.to_owned()).collect(),
        half: None,
        how,
    }
}

fn large(size: usize) -> Case {
    let says = format!(
        "a message of {} bytes, and a short one",
        crate::numbers::grouped(size as u64)
    );
    let text: String = "0123456789abcdef".chars().cycle().take(size).collect();
    case("large", says, &[&text, "after the large one"], How::Whole)
}

impl Case {
    /// The bytes of each write. `payload` makes a message of a text.
    pub(super) fn writes(
        &self,
        encoder: &mut Encoder,
        payload: impl Fn(&str) -> Vec<u8>,
    ) -> Result<Vec<Vec<u8>>, EncodeError> {
        let texts = self.messages.iter().chain(&self.half);
        let frames = texts.map(|text| Frame::new(encoder, &payload(text)));
        let frames: Vec<Frame> = frames.collect::<Result<_, _>>()?;
        let mut parts: Vec<Vec<u8>> = frames.iter().map(|frame| frame.bytes.clone()).collect();
        match self.how {
            How::Whole => {}
            How::Bytes => parts = parts.concat().iter().map(|byte| vec![*byte]).collect(),
            How::Together => parts = vec![parts.concat()],
            How::CutInHeader => parts = in_two(parts.concat(), frames[0].header - 1),
            How::CutAfterHeader => parts = in_two(parts.concat(), frames[0].header),
            How::CutInMessage => parts = in_two(parts.concat(), frames[0].middle()),
            How::CutInCharacter => parts = in_two(parts.concat(), frames[0].inside_a_character()),
            How::OneAndAHalf => {
                parts = in_two(parts.concat(), frames[0].bytes.len() + frames[1].middle());
            }
        }
        if self.half.is_some() {
            parts.truncate(1);
        }
        Ok(parts)
    }
}

fn in_two(mut bytes: Vec<u8>, at: usize) -> Vec<Vec<u8>> {
    let rest = bytes.split_off(at);
    vec![bytes, rest]
}

/// A message in its frame.
struct Frame {
    bytes: Vec<u8>,
    /// Bytes before the message.
    header: usize,
}

impl Frame {
    fn new(encoder: &mut Encoder, message: &[u8]) -> Result<Self, EncodeError> {
        let mut bytes = Vec::new();
        encoder.encode(message, &mut bytes)?;
        let header = header_of(&bytes, message);
        Ok(Self { bytes, header })
    }

    fn middle(&self) -> usize {
        self.header + (self.bytes.len() - self.header) / 2
    }

    /// After the first byte of the last character that has more than one.
    fn inside_a_character(&self) -> usize {
        let leads = |byte: &u8| *byte >= 0xc0;
        self.bytes
            .iter()
            .rposition(leads)
            .map_or(self.bytes.len() / 2, |at| at + 1)
    }
}

/// How many bytes of a frame come before its message.
pub(super) fn header_of(frame: &[u8], message: &[u8]) -> usize {
    let is_there = |at: &usize| frame[*at..].starts_with(message);
    (0..frame.len()).find(is_there).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold::Framing;

    fn writes(name: &str) -> Vec<Vec<u8>> {
        let framing = Framing::default();
        let cases = cases(10, 1000);
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let mut encoder = Encoder::new(framing.server());
        case.writes(&mut encoder, |text| text.as_bytes().to_vec())
            .unwrap()
    }

    fn text(name: &str) -> Vec<String> {
        let parts = writes(name).into_iter();
        parts
            .map(|part| String::from_utf8_lossy(&part).into_owned())
            .collect()
    }

    #[test]
    fn a_header_is_cut_after_nine_bytes_and_after_ten() {
        assert_eq!(text("cut-in-header"), ["18       ", " after a cut header"]);
        assert_eq!(text("cut-after-header"), ["16        ", "after its header"]);
    }

    #[test]
    fn each_byte_travels_alone() {
        let parts = writes("bytes");
        assert_eq!(parts.len(), 22);
        assert_eq!(parts.concat(), b"12        byte by byte");
    }

    #[test]
    fn the_second_message_is_cut_in_its_middle() {
        assert_eq!(
            text("one-and-a-half"),
            ["13        the whole one17        the one ", "in halves"]
        );
        assert_eq!(
            text("ends-inside"),
            ["18        the last whole one17        only hal"]
        );
    }

    #[test]
    fn a_character_is_cut_after_its_first_byte() {
        let parts = writes("cut-character");
        assert_eq!(parts[0].last(), Some(&0xf0));
        assert_eq!(parts[1], b"\x9f\xa6\x80");
        assert!(String::from_utf8(parts.concat()).is_ok());
    }

    #[test]
    fn no_two_messages_of_a_case_are_alike() {
        for case in cases(4, 100) {
            let mut messages = case.messages.clone();
            messages.dedup();
            assert_eq!(messages, case.messages, "{}", case.name);
        }
    }
}
