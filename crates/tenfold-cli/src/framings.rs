//! `tenfold framings`: the presets, and how to write a line for what has none.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;
use tenfold::{Encoder, Framing, FramingError, PRESETS, Preset, Side};

use crate::failure::Failure;
use crate::flow::output::Stdout;

/// List the presets, and explain how to describe a framing in one line
#[derive(Args, Debug)]
pub(crate) struct Framings {
    /// Explain this framing, with a message in it; a preset or a line
    framing: Option<String>,

    /// One JSON object for each preset, and no explanation
    #[arg(long, conflicts_with = "framing")]
    json: bool,
}

const EXPLANATION: &str = r"
A framing is the rule by which a stream of bytes is cut into messages. It is one line:

  decimal:10                  ten characters of decimal length, padded with spaces (the default)
  decimal:08                  eight characters, padded with zeros
  decimal,end=:,close=\x2c    digits up to a `:`, the message, a `,` (a netstring)
  u8  u16be  u24le  u32be     a binary number of 1 to 64 bits, most or least significant byte first
  varint  ber  hex:4          other ways to write the number
  delim:\n                    ends at these bytes          fixed:64    always so many bytes
  content-length              a header block as LSP has    cobs slip hdlc    byte stuffing

Numbers take +A, -A and @O. A message is the frame with its length taken out; O bytes of it come
before the number, and the number plus A is how many come after it:

  u32be-4       the number counts its own 4 bytes, too
  u32be-4@1     the same after one byte of the message: PostgreSQL
  u24be+6       6 bytes of the message that the number does not count: HTTP/2

Options follow with commas: open=BYTES close=BYTES end=BYTES marks lax chars
BYTES are printable characters, or \n \r \t \0 \\ \xhh (`,` `/` and space are \x2c \x2f \x20)

  A/B           the first message by A, all others by B
  A // B        the client's messages by A, the server's by B
";

impl Framings {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let text = match &self.framing {
            Some(name) => explained(name)?,
            None if self.json => objects(),
            None => table() + EXPLANATION,
        };
        Stdout::open()?.write(text.as_bytes())
    }
}

/// One framing: its line, where it is from, and frames of it.
fn explained(name: &str) -> Result<String, Failure> {
    let framing: Framing = name.parse().map_err(|error: FramingError| {
        Failure::Usage(format!("{error}; `tenfold framings` lists the presets"))
    })?;
    let mut text = format!("{name}\n  line          {framing}\n");
    for preset in PRESETS.iter().filter(|preset| preset.name == name) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  written down  {}", preset.source);
        if let Some(maximum) = preset.maximum {
            let _ = writeln!(text, "  at most       {maximum} bytes a message");
        }
    }
    if framing.is_symmetric() {
        text += &frames(&framing, "frames", framing.client());
    } else {
        text += &frames(&framing, "client sends", framing.client());
        text += &frames(&framing, "server sends", framing.server());
    }
    text += "\nThe grammar is in `tenfold framings`.\n";
    Ok(text)
}

/// The first three messages of a side, as the bytes that it sends.
fn frames(framing: &Framing, label: &str, side: &Side) -> String {
    let mut encoder = if side == framing.client() {
        Encoder::connecting(framing)
    } else {
        Encoder::listening(framing)
    };
    let mut text = String::new();
    for message in SAMPLES {
        let mut frame = Vec::new();
        let label = if text.is_empty() { label } else { "" };
        let shown = message.escape_ascii();
        // A message that does not fit a framing (a fixed size, a part in front of the number) says so.
        let _ = match encoder.encode(message, &mut frame) {
            Ok(()) => writeln!(text, "  {label:12}  \"{shown}\" is {}", escaped(&frame)),
            Err(error) => writeln!(text, "  {label:12}  \"{shown}\" does not fit: {error}"),
        };
    }
    text
}

/// Messages that most framings can carry.
const SAMPLES: [&[u8]; 3] = [b"hello, world", b"", b"abc"];

/// The bytes as they are written in a framing's line and in most languages.
fn escaped(bytes: &[u8]) -> String {
    format!("\"{}\"", bytes.escape_ascii())
}

fn objects() -> String {
    let object = |preset: &Preset| {
        json!({
            "name": preset.name,
            "line": preset.line,
            "maximum": preset.maximum,
            "source": preset.source,
        })
    };
    let mut text = String::new();
    for preset in PRESETS {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", object(preset));
    }
    text
}

fn table() -> String {
    let width = |of: fn(&Preset) -> usize| PRESETS.iter().map(of).max().unwrap_or(0);
    let name_width = width(|preset| preset.name.len());
    let line_width = width(|preset| preset.line.len()).min(LINE_WIDTH);
    let mut text = format!(
        "{:name_width$}  {:line_width$}  written down in\n",
        "preset", "stands for"
    );
    for Preset {
        name, line, source, ..
    } in PRESETS
    {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:name_width$}  {line:line_width$}  {source}");
    }
    text
}

/// Longer lines stick out, so that the others stay near.
const LINE_WIDTH: usize = 32;
