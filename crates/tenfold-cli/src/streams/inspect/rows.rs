//! One line for each message: a table for people, or JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::ZonedDateTime;
use serde_json::json;
use tenfold_doctor::{Found, Frame, SHOWN, WHOLE};

use super::fields::{self, Field};
use super::preview;
use super::span::Span;
use crate::escape;
use crate::flow::paint::Paint;
use crate::flow::payload::Payload;

/// How lines are made.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) json: bool,
    pub(crate) paint: Paint,
    /// Characters of a line.
    pub(crate) width: usize,
    pub(crate) columns: Columns,
    /// What the messages are, if the values in them are to be shown.
    pub(crate) payload: Option<Payload>,
    /// Which messages have rows; all, if nothing is said.
    pub(crate) messages: Option<Span>,
    /// Numbers that are shown beside each message.
    pub(crate) fields: Arc<[Field]>,
}

/// What a row has beside the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Columns {
    /// Its place and its length.
    Plain,
    /// The time of arrival, too.
    Timed,
    /// The connection and the direction, too.
    Directed,
}

/// Which direction of which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) connection: u64,
    pub(crate) client: bool,
}

/// When bytes arrived, as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    clock: String,
    full: String,
}

impl Stamp {
    pub(crate) fn now() -> Self {
        Self::of(&ZonedDateTime::now())
    }

    pub(crate) fn of(time: &ZonedDateTime) -> Self {
        Self {
            clock: time.strftime("%H:%M:%S%.6f").to_string(),
            full: time.strftime("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string(),
        }
    }
}

impl Who {
    /// The client's messages point to the server.
    pub(crate) fn arrow(self) -> &'static str {
        if self.client { "->" } else { "<-" }
    }

    pub(crate) fn name(self) -> &'static str {
        if self.client { "client" } else { "server" }
    }
}

impl Rows {
    /// The titles of the columns.
    pub(crate) fn title(&self, out: &mut Vec<u8>) {
        if self.json {
            return;
        }
        let who = if self.columns == Columns::Directed {
            "CONN     "
        } else {
            ""
        };
        let time = if self.columns >= Columns::Timed {
            "  TIME           "
        } else {
            ""
        };
        let title = format!(
            "{who}{:>7}  {:>10}  {:>8}{time}{}  MESSAGE",
            "INDEX",
            "OFFSET",
            "LENGTH",
            fields::titles(&self.fields)
        );
        out.extend_from_slice(self.paint.bold(&title).as_bytes());
        out.push(b'\n');
    }

    /// The line of what was found.
    pub(crate) fn put(
        &self,
        found: Found<'_>,
        who: Option<Who>,
        stamp: Option<&Stamp>,
        out: &mut Vec<u8>,
    ) {
        if self
            .messages
            .is_some_and(|messages| !is_in(found, messages))
        {
            return;
        }
        if self.json {
            self.object(found, who, stamp, out);
        } else {
            self.line(found, who, stamp, out);
        }
    }

    fn line(&self, found: Found<'_>, who: Option<Who>, stamp: Option<&Stamp>, out: &mut Vec<u8>) {
        let mut text = String::with_capacity(128);
        let mut plain = 31;
        if let Some(who) = who.filter(|_| self.columns == Columns::Directed) {
            let arrow = if who.client {
                self.paint.cyan(who.arrow())
            } else {
                self.paint.yellow(who.arrow())
            };
            let _ = write!(text, "{:<4} {arrow}  ", who.connection);
            plain += 9;
        }
        let (index, offset, length) = match found {
            Found::Message(frame, _) => (
                frame.index.to_string(),
                frame.offset,
                frame.length.to_string(),
            ),
            Found::Mark(offset, _) => ("-".to_owned(), offset, "-".to_owned()),
            Found::LeftOut(skipped) => {
                let reason = skipped.reason();
                (reason.index().to_string(), reason.offset(), "-".to_owned())
            }
        };
        let _ = write!(
            text,
            "{}  {offset:>10}  {length:>8}",
            self.paint.dim(&format!("{index:>7}"))
        );
        if self.columns >= Columns::Timed {
            let clock = stamp.map_or("", |stamp| &stamp.clock);
            text += &self.paint.dim(&format!("  {clock:<15}"));
            plain += 17;
        }
        let numbers = match found {
            Found::Message(_, head) => fields::line(&self.fields, Some(head)),
            _ => fields::line(&self.fields, None),
        };
        text += &numbers;
        plain += numbers.len();
        text += "  ";
        let width = self.width.saturating_sub(plain).max(16);
        match found {
            Found::Message(frame, head) => match self.value(frame, head) {
                None => {
                    let shown = &head[..head.len().min(SHOWN)];
                    let more = frame.length > shown.len() as u64;
                    preview::put(shown, more, width, &mut text);
                }
                Some(Ok(value)) => preview::put(value.as_bytes(), false, width, &mut text),
                Some(Err(problem)) => text += &self.paint.red(&problem),
            },
            Found::Mark(_, number) => text += &self.paint.dim(&format!("mark {number}")),
            Found::LeftOut(skipped) => {
                text += &self.paint.red(&format!("left out: {}", skipped.reason()));
            }
        }
        let end = text.trim_end().len();
        out.extend_from_slice(&text.as_bytes()[..end]);
        out.push(b'\n');
    }

    /// The value in a message, as JSON, or why there is none; nothing if it is not wanted.
    fn value(&self, frame: Frame, head: &[u8]) -> Option<Result<String, String>> {
        let payload = self.payload?;
        if frame.length > head.len() as u64 {
            let limit = WHOLE / 1024;
            return Some(Err(format!(
                "is larger than {limit} KiB: `recv --payload` shows it"
            )));
        }
        Some(
            tenfold_payload::to_json(payload.format(), head).map_err(|problem| problem.to_string()),
        )
    }

    fn object(&self, found: Found<'_>, who: Option<Who>, stamp: Option<&Stamp>, out: &mut Vec<u8>) {
        out.push(b'{');
        if let Some(who) = who {
            // Writing to a vector cannot fail.
            let _ = write!(
                out,
                "\"connection\":{},\"from\":\"{}\",",
                who.connection,
                who.name()
            );
        }
        match found {
            Found::Message(frame, head) => {
                place(frame, out);
                if !self.fields.is_empty() {
                    out.extend_from_slice(fields::member(&self.fields, head).as_bytes());
                }
                match self.value(frame, head) {
                    None => bytes(frame, head, out),
                    // It is JSON already.
                    Some(Ok(value)) => {
                        out.extend_from_slice(b",\"value\":");
                        out.extend_from_slice(escape::json(&value).as_bytes());
                    }
                    Some(Err(problem)) => {
                        out.extend_from_slice(
                            format!(",\"error\":{}", json!(without_verb(&problem))).as_bytes(),
                        );
                        bytes(frame, head, out);
                    }
                }
            }
            Found::Mark(offset, number) => {
                let _ = write!(out, "\"offset\":{offset},\"mark\":{number}");
            }
            Found::LeftOut(skipped) => {
                let reason = skipped.reason();
                let says = json!(reason.to_string());
                let _ = write!(
                    out,
                    "\"index\":{},\"offset\":{},\"left_out\":{says}",
                    reason.index(),
                    reason.offset()
                );
            }
        }
        if let Some(stamp) = stamp {
            let _ = write!(out, ",\"time\":\"{}\"", stamp.full);
        }
        out.extend_from_slice(b"}\n");
    }
}

/// Whether this is one of these messages; a mark is none.
fn is_in(found: Found<'_>, messages: Span) -> bool {
    match found {
        Found::Message(frame, _) => messages.has(frame.index),
        Found::LeftOut(skipped) => messages.has(skipped.reason().index()),
        Found::Mark(..) => false,
    }
}

/// A problem without the verb that follows a number of a message.
fn without_verb(problem: &str) -> &str {
    problem.strip_prefix("is ").unwrap_or(problem)
}

/// Where a message stands. The members are written by hand, because this is done for each.
fn place(frame: Frame, out: &mut Vec<u8>) {
    for (name, number) in [
        ("\"index\":", frame.index),
        (",\"offset\":", frame.offset),
        (",\"size\":", frame.size),
        (",\"length\":", frame.length),
    ] {
        out.extend_from_slice(name.as_bytes());
        put_number(number, out);
    }
}

/// The first bytes of a message.
fn bytes(frame: Frame, head: &[u8], out: &mut Vec<u8>) {
    let shown = &head[..head.len().min(SHOWN)];
    let cut = frame.length > shown.len() as u64;
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The cut can stand inside a character.
        Err(error) if cut && error.error_len().is_none() => {
            std::str::from_utf8(&shown[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    };
    if let Some(text) = text {
        out.extend_from_slice(b",\"text\":");
        put_string(text, out);
    } else {
        let _ = write!(out, ",\"base64\":\"{}\"", STANDARD.encode(shown));
    }
    if cut {
        out.extend_from_slice(b",\"cut\":true");
    }
}

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn put_string(text: &str, out: &mut Vec<u8>) {
    let plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\' | 0x7f);
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(escape::json(text).as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(escape::json(&json!(text).to_string()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        index: 3,
        offset: 1230,
        size: 15,
        length: 5,
    };

    fn rows(json: bool) -> Rows {
        Rows {
            json,
            paint: Paint(false),
            width: 60,
            columns: Columns::Plain,
            payload: None,
            messages: None,
            fields: Arc::default(),
        }
    }

    fn line(json: bool, found: Found<'_>) -> String {
        let mut out = Vec::new();
        rows(json).put(found, None, None, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_row_has_the_place_and_the_message() {
        assert_eq!(
            line(false, Found::Message(FRAME, b"hello")),
            "      3        1230         5  hello\n"
        );
        assert_eq!(
            line(false, Found::Mark(8, 0)),
            "      -           8         -  mark 0\n"
        );
    }

    #[test]
    fn a_row_is_no_wider_than_the_terminal() {
        let frame = Frame {
            length: 1000,
            ..FRAME
        };
        let line = line(false, Found::Message(frame, &[b'x'; 1000]));
        assert_eq!(line.trim_end().chars().count(), 60);
    }

    #[test]
    fn json_is_json_whatever_the_message_is() {
        for head in [
            b"hello".as_slice(),
            b"a\"\\\n\x7f",
            b"\xff\xfe",
            "é\u{2028}".as_bytes(),
        ] {
            let frame = Frame {
                length: head.len() as u64,
                ..FRAME
            };
            let object: serde_json::Value =
                serde_json::from_str(&line(true, Found::Message(frame, head))).unwrap();
            assert_eq!(object["offset"], 1230);
            match std::str::from_utf8(head) {
                Ok(text) => assert_eq!(object["text"], text),
                Err(_) => assert_eq!(object["base64"], STANDARD.encode(head)),
            }
        }
        let long = "é".repeat(200);
        let frame = Frame {
            length: 400,
            ..FRAME
        };
        let object: serde_json::Value =
            serde_json::from_str(&line(true, Found::Message(frame, long.as_bytes()))).unwrap();
        assert_eq!(object["text"].as_str().unwrap().chars().count(), SHOWN / 2);
        assert_eq!(object["cut"], true);
    }
}
