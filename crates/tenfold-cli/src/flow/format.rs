//! How messages are written in files and pipes.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use serde_json::json;
use tenfold::{EncodeError, Encoder, Event, Side};

use crate::flow::payload::Payload;

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
    /// One object for each message: {"text": ...}, or {"base64": ...} where it is not UTF-8
    Json,
}

/// Turns events into the bytes of an output.
#[derive(Debug)]
pub(crate) enum Format {
    Lines { escape: bool },
    Frames(Box<Encoder>),
    Nul,
    Hex,
    Raw,
    Json,
    Payload(Payload),
}

/// Which message of which channel something is, where there are several channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) channel: &'a str,
    pub(crate) seq: u64,
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
            Out::Json => Self::Json,
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

    /// Appends what an event is in this format; on an error nothing, unless it is a piece.
    pub(crate) fn put(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Result<(), Unfit> {
        match self {
            Self::Frames(encoder) => frame(encoder, event, out).map_err(Unfit::Frame)?,
            Self::Payload(payload) => {
                // Marks have no payload, and large messages are not given in pieces.
                if let Event::Message(message) = event {
                    let line = tenfold_payload::to_json(payload.format(), message)
                        .map_err(Unfit::Payload)?;
                    out.extend_from_slice(line.as_bytes());
                    out.push(b'\n');
                }
            }
            Self::Json => json_line(None, event, out),
            Self::Lines { .. } | Self::Nul | Self::Hex | Self::Raw => match event {
                Event::Message(message) => {
                    self.payload(message, out);
                    self.end(out);
                }
                Event::Data(piece) => self.payload(piece, out),
                Event::End => self.end(out),
                // Marks are not messages; the others have no bytes.
                _ => {}
            },
        }
        Ok(())
    }

    /// [`put`](Self::put) for a message of one of several channels: lines begin with the name of the channel and a
    /// tab, objects have it as a member. Frames and raw messages have no place for it.
    pub(crate) fn put_from(
        &mut self,
        origin: Origin<'_>,
        message: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Unfit> {
        let begin = out.len();
        match self {
            Self::Json => {
                json_line(Some(origin), Event::Message(message), out);
                return Ok(());
            }
            Self::Lines { .. } | Self::Nul | Self::Hex | Self::Payload(_) => {
                out.extend_from_slice(origin.channel.as_bytes());
                out.push(b'\t');
            }
            Self::Frames(_) | Self::Raw => {}
        }
        let put = self.put(Event::Message(message), out);
        if put.is_err() {
            out.truncate(begin);
        }
        put
    }

    fn payload(&self, bytes: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Lines { escape: true } => escaped(bytes, out),
            Self::Hex => put_hex(bytes, out),
            _ => out.extend_from_slice(bytes),
        }
    }

    fn end(&self, out: &mut Vec<u8>) {
        match self {
            Self::Lines { .. } | Self::Hex => out.push(b'\n'),
            Self::Nul => out.push(0),
            Self::Frames(_) | Self::Raw | Self::Json | Self::Payload(_) => {}
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

fn json_line(origin: Option<Origin<'_>>, event: Event<'_>, out: &mut Vec<u8>) {
    let mut object = match event {
        Event::Message(message) => match std::str::from_utf8(message) {
            Ok(text) => json!({ "text": text }),
            Err(_) => json!({ "base64": STANDARD.encode(message) }),
        },
        Event::Mark(number) => json!({ "mark": number }),
        _ => return,
    };
    if let Some(Origin { channel, seq }) = origin {
        object["channel"] = channel.into();
        object["seq"] = seq.into();
    }
    out.extend_from_slice(object.to_string().as_bytes());
    out.push(b'\n');
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

/// Text for a terminal: what could move the cursor or worse is shown and not done.
pub(crate) fn escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            if char.is_control() && char != '\t' {
                text.extend(char.escape_default());
            } else {
                text.push(char);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use tenfold::Framing;

    fn all(out: Out, terminal: bool, events: &[Event<'_>]) -> Vec<u8> {
        let mut format = Format::new(out, Framing::default().server(), terminal);
        let mut bytes = Vec::new();
        for event in events {
            format.put(*event, &mut bytes).unwrap();
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
            "\\u{1b}[2Jcafé\tü\\n\\u{9b}\n\\x80\n"
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
