//! `tenfold framings`: the presets, and how to write a line for what has none.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;
use tenfold::{PRESETS, Preset};

use crate::failure::Failure;
use crate::flow::output::Stdout;

/// List the presets, and explain how to describe a framing in one line
#[derive(Args, Debug)]
pub(crate) struct Framings {
    /// One JSON object for each preset, and no explanation
    #[arg(long)]
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
        let text = if self.json {
            objects()
        } else {
            table() + EXPLANATION
        };
        Stdout::open()?.write(text.as_bytes())
    }
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
