//! The messages of a body that has many, one on each line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use serde::Deserialize;
use tenfold::protocol::{Code, Refusal};

use crate::problem::Problem;

/// Reads the messages of `application/x-ndjson` as they are received.
///
/// ```
/// use bytes::BytesMut;
/// use tenfold_http::Posted;
///
/// let mut posted = Posted::new(1000);
/// posted.receive(b"{\"text\":\"hello\"}\n{\"base64\":");
/// assert_eq!(posted.next(false)?, Some(b"hello".to_vec()));
/// assert_eq!(posted.next(false)?, None);
/// posted.receive(b"\"AP8=\"}");
/// assert_eq!(posted.next(true)?, Some(vec![0, 255]));
/// # Ok::<(), tenfold_http::Problem>(())
/// ```
#[derive(Debug)]
pub struct Posted {
    received: BytesMut,
    /// How much of it has no LF in it.
    searched: usize,
    /// The number of the line, from 0, for errors.
    line: u64,
    max_message: u64,
}

#[derive(Deserialize)]
struct Line {
    text: Option<String>,
    base64: Option<String>,
}

/// What a line may have beside the message, in bytes.
const AROUND: u64 = 1024;

impl Posted {
    /// Messages have at most so many bytes.
    pub fn new(max_message: u64) -> Self {
        Self {
            received: BytesMut::new(),
            searched: 0,
            line: 0,
            max_message,
        }
    }

    /// Takes what was received.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// The next message; `None` if more has to come first. `ended`: nothing more comes, so the last line may be without LF.
    pub fn next(&mut self, ended: bool) -> Result<Option<Vec<u8>>, Problem> {
        loop {
            let found = self.received[self.searched..]
                .iter()
                .position(|byte| *byte == b'\n');
            let (line, length) = match found {
                Some(at) => (self.searched + at, self.searched + at + 1),
                None if ended && !self.received.is_empty() => {
                    (self.received.len(), self.received.len())
                }
                None => {
                    self.searched = self.received.len();
                    return self.check_length().map(|()| None);
                }
            };
            self.searched = line;
            self.check_length()?;
            let message = self.message(&self.received[..line])?;
            self.received.advance(length);
            self.searched = 0;
            self.line += 1;
            if message.is_some() {
                return Ok(message);
            }
        }
    }

    fn check_length(&self) -> Result<(), Problem> {
        let limit = self.max_message.saturating_mul(2).saturating_add(AROUND);
        if self.searched as u64 > limit {
            let refusal = Refusal::new(
                Code::TooLarge,
                "a line is longer than twice the largest message",
            );
            return Err(Problem::from(
                &refusal.with("message", self.line).with("limit", limit),
            ));
        }
        Ok(())
    }

    /// The message of a line; `None` if the line is empty.
    fn message(&self, line: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let bad = || {
            let words = "each line is a JSON object with either text, a string, or base64";
            let refusal = Refusal::new(Code::Proto, words).with("message", self.line);
            Problem::from(&refusal)
        };
        let message = match serde_json::from_slice(line).map_err(|_| bad())? {
            Line {
                text: Some(text),
                base64: None,
            } => text.into_bytes(),
            Line {
                text: None,
                base64: Some(base64),
            } => STANDARD.decode(base64).map_err(|_| bad())?,
            _ => return Err(bad()),
        };
        if message.len() as u64 > self.max_message {
            let refusal = Refusal::new(Code::TooLarge, "the message is larger than the limit");
            let refusal = refusal
                .with("message", self.line)
                .with("length", message.len())
                .with("limit", self.max_message);
            return Err(Problem::from(&refusal));
        }
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Status;
    use proptest::prelude::*;

    fn all(bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, Problem> {
        let mut posted = Posted::new(100);
        let mut messages = Vec::new();
        for part in bytes.chunks(step) {
            posted.receive(part);
            while let Some(message) = posted.next(false)? {
                messages.push(message);
            }
        }
        while let Some(message) = posted.next(true)? {
            messages.push(message);
        }
        Ok(messages)
    }

    #[test]
    fn what_is_not_a_message_is_refused_with_its_number() {
        for wrong in [
            "{}",
            "[]",
            "1",
            "text",
            "{\"text\":1}",
            "{\"text\":\"a\",\"base64\":\"YQ==\"}",
            "{\"base64\":\"Y\"}",
            "{\"text\":\"a\"}{\"text\":\"b\"}",
            "{\"text\":\"\u{e9}\"",
            "{\"text\":\"a\",\"text\":\"b\"}",
        ] {
            let problem =
                all(format!("\n{{\"text\":\"a\"}}\n{wrong}\n").as_bytes(), 7).expect_err(wrong);
            assert_eq!(problem.code(), Some("PROTO"), "{wrong}");
            assert!(problem.to_string().contains("\"message\":2"), "{problem}");
        }
    }

    #[test]
    fn a_large_message_and_a_line_without_end_are_refused() {
        let large = format!("{{\"text\":\"{}\"}}\n", "a".repeat(101));
        assert_eq!(
            all(large.as_bytes(), 50).unwrap_err().status(),
            Status::TOO_LARGE
        );
        let endless = "a".repeat(1225);
        assert_eq!(
            all(endless.as_bytes(), 50).unwrap_err().status(),
            Status::TOO_LARGE
        );
    }

    proptest! {
        #[test]
        fn messages_are_the_same_however_they_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..8),
            step in 1_usize..60,
        ) {
            let mut lines = String::new();
            for (seq, message) in messages.iter().enumerate() {
                let object = match str::from_utf8(message) {
                    Ok(text) => serde_json::json!({"seq": seq, "text": text}),
                    Err(_) => serde_json::json!({"seq": seq, "base64": STANDARD.encode(message)}),
                };
                lines.push_str(&object.to_string());
                lines.push_str("\r\n\n");
            }
            prop_assert_eq!(all(lines.trim_end().as_bytes(), step), Ok(messages));
        }
    }
}
