//! How messages are written in files and pipes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde_json::json;
use tenfold::{EncodeError, Encoder, Event, Side};

use crate::escape;
use crate::flow::payload::Payload;
use crate::flow::template::Template;

/// `--out`: how `recv` prints messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Out {
    /// Each message and a newline; control characters are escaped on a terminal
    #[default]
    Lines,
    /// Each message in its frame, as it is on the wire
    Frames,
    /// Each message and a NUL
    Nul,
    /// Pairs of hexadecimal digits, one line for each message
    Hex,
    /// The messages and nothing between them
    Raw,
    /// One object for each message: its number, its time, its channel, and the message as "text", or
    /// as "base64" where it is not UTF-8
    Json,
}

/// Turns events into the bytes of an output.
#[derive(Debug)]
pub(crate) enum Format {
    Lines {
        escape: bool,
    },
    Frames(Box<Encoder>),
    Nul,
    Hex,
    Raw,
    /// Objects; with a payload they have the value that is in each message.
    Json(Option<Payload>),
    Payload(Payload),
    Template {
        template: Template,
        payload: Option<Payload>,
        escape: bool,
    },
}

/// What is known of a message beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin<'a> {
    /// How many messages came before it, in its channel or in the stream.
    pub(crate) number: u64,
    /// When it was committed or, if it is of no channel, when it came.
    pub(crate) time: Option<&'a str>,
    pub(crate) channel: Option<&'a str>,
    /// Messages of other channels come beside it.
    pub(crate) among_others: bool,
}

impl Origin<'_> {
    /// Of a message of which only its number is known.
    pub(crate) fn numbered(number: u64) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }
}

/// Why a message has no place in a format. The words follow its number.
#[derive(Debug)]
pub(crate) enum Unfit {
    Frame(EncodeError),
    Payload(tenfold_payload::Problem),
}

impl Format {
    pub(crate) fn new(out: Out, side: &Side, terminal: bool) -> Self {
        match out {
            Out::Lines => Self::Lines { escape: terminal },
            Out::Frames => Self::frames(side),
            Out::Nul => Self::Nul,
            Out::Hex => Self::Hex,
            Out::Raw => Self::Raw,
            Out::Json => Self::Json(None),
        }
    }

    pub(crate) fn frames(side: &Side) -> Self {
        Self::Frames(Box::new(Encoder::new(side)))
    }

    /// Whether a large message can be given in pieces, although a failure in its middle could not
    /// be taken back.
    pub(crate) fn takes_pieces(&self) -> bool {
        matches!(self, Self::Lines { .. } | Self::Nul | Self::Hex | Self::Raw)
    }

    /// Whether it has a place for the time of a message.
    pub(crate) fn has_time(&self) -> bool {
        match self {
            Self::Json(_) => true,
            Self::Template { template, .. } => template.has_time(),
            _ => false,
        }
    }

    /// Appends what an event is in this format; on an error nothing, unless it is a piece.
    ///
    /// Of a message among those of other channels, lines begin with the name of the channel and a tab. Frames and
    /// raw messages have no place for it.
    pub(crate) fn put(
        &mut self,
        event: Event<'_>,
        origin: Option<Origin<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        match self {
            Self::Frames(encoder) => return frame(encoder, event, out).map_err(Unfit::Frame),
            Self::Json(payload) => return json_line(*payload, origin, event, out),
            Self::Payload(payload) => {
                // Marks have no payload, and large messages are not given in pieces.
                if let Event::Message(message) = event {
                    let line = value(*payload, message)?;
                    put_channel(origin, out);
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
            Self::Template {
                template,
                payload,
                escape,
            } => {
                if let Event::Message(message) = event {
                    match payload {
                        Some(payload) => {
                            let line = value(*payload, message)?;
                            template.put(origin, line.as_bytes(), *escape, out);
                        }
                        None => template.put(origin, message, *escape, out),
                    }
                }
            }
            Self::Lines { .. } | Self::Nul | Self::Hex => match event {
                Event::Message(message) => {
                    put_channel(origin, out);
                    self.payload(message, out);
                    self.end(out);
                }
                Event::Data(piece) => self.payload(piece, out),
                Event::End => self.end(out),
                // Marks are not messages; the others have no bytes.
                _ => {}
            },
            Self::Raw => {
                if let Event::Message(bytes) | Event::Data(bytes) = event {
                    out.extend_from_slice(bytes);
                }
            }
        }
        Ok(())
    }

    fn payload(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Lines { escape: true } => escape::put(bytes, out),
            Self::Hex => put_hex(bytes, out),
            _ => out.extend_from_slice(bytes),
        }
    }

    fn end(&self, out: &mut Vec<u8>) {
        match self {
            Self::Nul => out.push(0),
            _ => out.push(b'\n'),
        }
    }
}

impl Unfit {
    /// Says it of the message with this index.
    pub(crate) fn of(&self, index: u64) -> String {
        match self {
            Self::Frame(error) => format!("cannot frame message {index}: {error}"),
            Self::Payload(problem) => format!("message {index} {problem}"),
        }
    }

    /// The problem alone.
    pub(crate) fn error(&self) -> String {
        match self {
            Self::Frame(error) => format!("cannot be framed: {error}"),
            Self::Payload(problem) => {
                let words = problem.to_string();
                words.strip_prefix("is ").unwrap_or(&words).to_owned()
            }
        }
    }
}

/// The value in a message, as JSON on one line.
fn value(payload: Payload, message: &[u8]) -> Result<String, Unfit> {
    let value = tenfold_payload::to_json(payload.format(), message).map_err(Unfit::Payload)?;
    Ok(escape::json(&value).into_owned())
}

fn put_channel(origin: Option<Origin<'_>>, out: &mut Vec<u8>) {
    if let Some(Origin {
        channel: Some(channel),
        among_others: true,
        ..
    }) = origin
    {
        out.extend_from_slice(channel.as_bytes());
        out.push(b'\t');
    }
}

fn frame(encoder: &mut Encoder, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match event {
        Event::Message(message) => encoder.encode(message, out),
        Event::Mark(number) => encoder.mark(number, out),
        Event::Begin { length } => encoder.begin(length, out),
        Event::Data(piece) => encoder.data(piece, out),
        Event::End => encoder.end(out),
        _ => Ok(()),
    }
}

/// One object for a message or a mark, on a line of its own.
fn json_line(
    payload: Option<Payload>,
    origin: Option<Origin<'_>>,
    event: Event<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Unfit> {
    match event {
        Event::Message(message) => {
            let value = payload.map(|payload| value(payload, message)).transpose()?;
            out.push(b'{');
            put_origin(origin, out);
            match value {
                Some(value) => {
                    out.extend_from_slice(b"\"value\":");
                    out.extend_from_slice(value.as_bytes());
                }
                None => put_message(message, out),
            }
        }
        Event::Mark(number) => out.extend_from_slice(format!("{{\"mark\":{number}").as_bytes()),
        _ => return Ok(()),
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// The object of a message that something is wrong with.
pub(crate) fn put_bad(error: &str, origin: Origin<'_>, message: &[u8], out: &mut Vec<u8>) {
    out.push(b'{');
    put_origin(Some(origin), out);
    out.extend_from_slice(
        format!("\"error\":{},", escape::json(&json!(error).to_string())).as_bytes(),
    );
    put_message(message, out);
    out.extend_from_slice(b"}\n");
}

/// The members that say which message it is. Names of channels and times need no escapes.
fn put_origin(origin: Option<Origin<'_>>, out: &mut Vec<u8>) {
    let Some(origin) = origin else {
        return;
    };
    let mut text = String::with_capacity(64);
    let number = match origin.channel {
        Some(_) => "seq",
        None => "index",
    };
    // Writing to a string cannot fail.
    let _ = write!(text, "\"{number}\":{},", origin.number);
    if let Some(time) = origin.time {
        let _ = write!(text, "\"time\":\"{time}\",");
    }
    if let Some(channel) = origin.channel {
        let _ = write!(text, "\"channel\":\"{channel}\",");
    }
    out.extend_from_slice(text.as_bytes());
}

/// The member that has the message.
fn put_message(message: &[u8], out: &mut Vec<u8>) {
    if let Ok(text) = str::from_utf8(message) {
        out.extend_from_slice(b"\"text\":");
        out.extend_from_slice(escape::json(&json!(text).to_string()).as_bytes());
    } else {
        out.extend_from_slice(b"\"base64\":\"");
        out.extend_from_slice(STANDARD.encode(message).as_bytes());
        out.push(b'"');
    }
}

/// Bytes as lower-case pairs of digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    put_hex(bytes, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold::Framing;

    fn all(out: Out, terminal: bool, events: &[Event<'_>]) -> Vec<u8> {
        let mut format = Format::new(out, Framing::default().server(), terminal);
        let mut bytes = Vec::new();
        for event in events {
            format.put(*event, None, &mut bytes).unwrap();
        }
        bytes
    }

    #[test]
    fn a_message_in_pieces_looks_like_a_whole_one() {
        let whole = [Event::Message(b"hello, \xff"), Event::Message(b"")];
        let pieces = [
            Event::Begin { length: Some(8) },
            Event::Data(b"hel"),
            Event::Data(b"lo, \xff"),
            Event::End,
            Event::Begin { length: Some(0) },
            Event::End,
        ];
        for out in [Out::Lines, Out::Frames, Out::Nul, Out::Hex, Out::Raw] {
            assert_eq!(all(out, false, &whole), all(out, false, &pieces), "{out:?}");
        }
    }

    fn message_bytes() -> &'static [u8] {
        "\x1b[2Jcafé\tü\n\u{9b}".as_bytes()
    }

    #[test]
    fn a_terminal_is_protected_and_a_pipe_is_not() {
        let message = [Event::Message(message_bytes()), Event::Message(b"\x80")];
        let plain = [message_bytes(), b"\n\x80\n".as_slice()].concat();
        assert_eq!(all(Out::Lines, false, &message), plain);
        assert_eq!(
            String::from_utf8(all(Out::Lines, true, &message)).unwrap(),
            "\\x1b[2Jcafé\tü\\n\\u{9b}\n\\x80\n"
        );
    }

    #[test]
    fn json_has_text_base64_and_marks() {
        let events = [
            Event::Message("é\"\n".as_bytes()),
            Event::Message(b"\xff\xfe"),
            Event::Mark(0),
        ];
        let lines = "{\"text\":\"é\\\"\\n\"}\n{\"base64\":\"//4=\"}\n{\"mark\":0}\n";
        assert_eq!(
            String::from_utf8(all(Out::Json, true, &events)).unwrap(),
            lines
        );
    }
}
