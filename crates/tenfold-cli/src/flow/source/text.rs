//! Messages that are written as text, one line each: hexadecimal digits, or JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use tenfold::Event;

use super::{Decoded, Limits, Source};
use crate::failure::Failure;
use crate::flow::follow::Place;
use crate::flow::input::Input;
use crate::flow::payload::Written;

/// Reads lines and gives what they stand for.
#[derive(Debug)]
pub(super) struct Text {
    lines: Decoded,
    notation: Notation,
    limit: u64,
    /// Lines so far.
    line: u64,
    message: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Notation {
    Hex,
    /// Objects; the values in them are written in this format.
    Json(Option<Written>),
    Payload(Written),
}

/// What a line stands for.
enum Meaning {
    Message(Vec<u8>),
    Mark(u64),
}

impl Text {
    pub(super) fn hex(input: Input, limits: Limits) -> Self {
        Self::new(Notation::Hex, input, limits)
    }

    pub(super) fn json(input: Input, written: Option<Written>, limits: Limits) -> Self {
        Self::new(Notation::Json(written), input, limits)
    }

    /// Each line is a value.
    pub(super) fn payload(input: Input, written: Written, limits: Limits) -> Self {
        Self::new(Notation::Payload(written), input, limits)
    }

    fn new(notation: Notation, input: Input, limits: Limits) -> Self {
        // The longest line that can stand for a message of the largest size.
        let longest = match notation {
            Notation::Hex => limits.max_message.saturating_mul(2),
            // The shortest values take one byte, and `{"$base64":""},` and the like.
            Notation::Payload(_) | Notation::Json(Some(_)) => {
                limits.max_message.saturating_mul(16).saturating_add(4096)
            }
            Notation::Json(None) => limits.max_message.saturating_mul(6).saturating_add(4096),
        };
        let of_lines = Limits {
            max_message: longest,
            pieces: false,
            skip_bad: false,
        };
        Self {
            lines: Decoded::delimited(input, b"\n", of_lines),
            notation,
            limit: limits.max_message,
            line: 0,
            message: Vec::new(),
        }
    }
}

impl Source for Text {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let Some(Event::Message(line)) = self.lines.next()? else {
            return Ok(None);
        };
        self.line += 1;
        let meaning = match self.notation {
            Notation::Hex => hex(line).map(Meaning::Message),
            Notation::Json(written) => json(line, written),
            Notation::Payload(written) => value(written, line),
        };
        match meaning {
            Ok(Meaning::Mark(number)) => Ok(Some(Event::Mark(number))),
            Ok(Meaning::Message(message)) if message.len() as u64 > self.limit => {
                Err(Failure::Framing(format!(
                    "message too large in line {} of the input: {} bytes, the limit is {} (--max-message raises it)",
                    self.line,
                    message.len(),
                    self.limit
                )))
            }
            Ok(Meaning::Message(message)) => {
                self.message = message;
                Ok(Some(Event::Message(&self.message)))
            }
            Err(problem) => Err(Failure::Framing(format!(
                "line {} of the input {problem}",
                self.line
            ))),
        }
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        self.lines.wait()
    }

    fn place(&self) -> Option<Place> {
        self.lines.place()
    }
}

fn hex(line: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |at: usize| match line[at] {
        byte @ b'0'..=b'9' => Ok(byte - b'0'),
        byte @ b'a'..=b'f' => Ok(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Ok(byte - b'A' + 10),
        byte => Err(format!(
            "has \"{}\" at character {}, which is not a hexadecimal digit",
            byte.escape_ascii(),
            at + 1
        )),
    };
    let mut message = Vec::with_capacity(line.len() / 2);
    for at in (0..line.len()).step_by(2) {
        let high = digit(at)?;
        if at + 1 == line.len() {
            return Err("has an odd number of hexadecimal digits".to_owned());
        }
        message.push(high << 4 | digit(at + 1)?);
    }
    Ok(message)
}

/// The message for a value.
fn value(written: Written, json: &[u8]) -> Result<Meaning, String> {
    tenfold_payload::from_json(written.format(), json)
        .map(Meaning::Message)
        .map_err(|problem| problem.to_string())
}

/// Reads what `--out json` prints.
fn json(line: &[u8], written: Option<Written>) -> Result<Meaning, String> {
    const FORMS: &str = r#"is not {"text": ...}, {"base64": ...}, {"mark": ...} or, with --payload, {"value": ...}"#;
    let forms = || FORMS.to_owned();
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(line).map_err(|error| {
        if error.is_data() {
            return forms();
        }
        // It is one line, and its number was said.
        let error = error.to_string();
        format!(
            "is not JSON: {}",
            error.replace(" at line 1 column", " at character")
        )
    })?;
    // Which message it was, as `recv` and `sub` say, is not a part of it, nor is what they found wrong with it.
    let is_origin = |key: &str| matches!(key, "index" | "seq" | "time" | "channel" | "error");
    let mut entries = object.into_iter().filter(|(key, _)| !is_origin(key));
    let (Some((key, raw)), None) = (entries.next(), entries.next()) else {
        return Err(forms());
    };
    let text = || serde_json::from_str::<String>(raw.get()).map_err(|_| forms());
    match (key.as_str(), written) {
        ("text", _) => Ok(Meaning::Message(text()?.into_bytes())),
        ("base64", _) => STANDARD
            .decode(text()?)
            .map(Meaning::Message)
            .map_err(|error| format!("has bad base64: {error}")),
        ("mark", _) => {
            let number = serde_json::from_str(raw.get());
            number.map(Meaning::Mark).map_err(|_| forms())
        }
        ("value", Some(written)) => value(written, raw.get().as_bytes()),
        ("value", None) => Err(
            "has a value: `send` and `pub` write it with --payload json, cbor or msgpack"
                .to_owned(),
        ),
        _ => Err(forms()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_pairs_of_digits() {
        assert_eq!(hex(b"00fF"), Ok(vec![0, 255]));
        assert_eq!(hex(b""), Ok(vec![]));
        assert!(hex(b"0g").unwrap_err().contains("\"g\" at character 2"));
        assert!(hex(b"abc").unwrap_err().contains("odd"));
        assert!(hex(b"ab\r").is_err());
    }

    #[test]
    fn json_has_one_form_only() {
        let bytes = |line: &[u8]| match json(line, None) {
            Ok(Meaning::Message(message)) => Some(message),
            _ => None,
        };
        assert_eq!(
            bytes(br#"{"text": "caf\u00e9"}"#).unwrap(),
            "café".as_bytes()
        );
        assert_eq!(bytes(br#"{"base64": "//4="}"#).unwrap(), b"\xff\xfe");
        let with_origin =
            br#"{"seq":3,"time":"2026-11-26T18:44:02.053Z","channel":"ticks","text":"a"}"#;
        assert_eq!(bytes(with_origin).unwrap(), b"a");
        assert!(matches!(
            json(br#"{"mark": 1}"#, None),
            Ok(Meaning::Mark(1))
        ));
        for wrong in [
            &b"{"[..],
            b"",
            b"[]",
            b"{}",
            br#"{"text": 1}"#,
            br#"{"channel": "ticks"}"#,
            br#"{"base64": "*"}"#,
            br#"{"text": "a", "base64": ""}"#,
            br#"{"mark": -1}"#,
            br#"{"words": "a"}"#,
            br#"{"value": "a"}"#,
        ] {
            assert!(json(wrong, None).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
