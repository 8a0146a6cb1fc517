//! `tenfold convert`: one framing to another.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use tenfold::{Event, Framing, FramingError, Side};

use crate::failure::Failure;
use crate::flow::format::Format;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::options::{SideName, side_of_file};
use crate::flow::output::Stdout;
use crate::flow::pump::{Sink, pump};
use crate::flow::source::{In, Limits, Source};
use crate::signals;
use crate::units;
use crate::words::Words;

/// Turn one framing into another, from stdin or a file to stdout
#[derive(Args, Debug)]
#[command(after_help = "\
What TO cannot carry is refused, with the message and the reason; the messages before it are
written. A message over 16 MiB, where --max-message allows it, goes through in pieces and in
constant memory if both framings announce the length, or if TO is `hex`.

Examples:
  tenfold convert decimal:10 u32be < in > out
  tenfold convert netstring json messages.txt
  echo '{\"text\": \"hello\"}' | tenfold convert json lsp")]
pub(crate) struct Convert {
    /// What comes in: a framing, or `json` or `hex` for one message on each line
    from: Notation,

    /// What goes out: a framing, or `json` or `hex`
    to: Notation,

    /// What to read; `-` is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    /// Whose frames these are, where client and server frame differently
    #[arg(long, value_name = "SIDE")]
    side: Option<SideName>,
}

/// How messages are written in a stream.
#[derive(Clone, Debug)]
enum Notation {
    Frames(Framing),
    Hex,
    Json,
}

impl FromStr for Notation {
    type Err = FramingError;

    fn from_str(text: &str) -> Result<Self, FramingError> {
        Ok(match text {
            "hex" => Self::Hex,
            "json" => Self::Json,
            line => Self::Frames(line.parse()?),
        })
    }
}

impl Convert {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        signals::end_between_writes()?;
        let mut source = self.source()?;
        let mut sink = Sink::new(self.format()?, Stdout::open()?, words);
        pump(&mut *source, &mut sink, &Goal::new(None), words)?;
        words.detail(format_args!("{} messages", sink.messages()));
        Ok(())
    }

    fn source(&self) -> Result<Box<dyn Source>, Failure> {
        let input = Input::file_or_stdin(&self.file)?;
        let limits = Limits {
            max_message: self.max_message,
            pieces: self.allows_pieces()?,
            skip_bad: false,
        };
        let native = Framing::default();
        let source = match &self.from {
            Notation::Hex => In::Hex.open(input, native.server(), limits),
            Notation::Json => In::Json.open(input, native.server(), limits),
            Notation::Frames(framing) => In::Frames.open(input, self.side(framing)?, limits),
        };
        Ok(match self.to {
            Notation::Hex => Box::new(Unmarked(source)),
            _ => source,
        })
    }

    fn format(&self) -> Result<Format, Failure> {
        Ok(match &self.to {
            Notation::Hex => Format::Hex,
            Notation::Json => Format::Json(None),
            Notation::Frames(framing) => Format::frames(self.side(framing)?),
        })
    }

    /// Whether a large message need not be there as a whole before it is written.
    fn allows_pieces(&self) -> Result<bool, Failure> {
        Ok(match (&self.from, &self.to) {
            (Notation::Frames(from), Notation::Frames(to)) => {
                self.side(from)?.announces_length() && self.side(to)?.announces_length()
            }
            (Notation::Frames(_), Notation::Hex) => true,
            _ => false,
        })
    }

    fn side<'a>(&self, framing: &'a Framing) -> Result<&'a Side, Failure> {
        side_of_file(framing, self.side)
    }
}

/// Refuses marks, which the target has no place for.
struct Unmarked(Box<dyn Source + Send>);

impl Source for Unmarked {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        match self.0.next()? {
            Some(Event::Mark(number)) => Err(Failure::Framing(format!(
                "cannot write the mark {number} as hex: marks go only to json, and to framings that have them"
            ))),
            event => Ok(event),
        }
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        self.0.wait()
    }
}
