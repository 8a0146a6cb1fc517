//! Sources of messages: streams of bytes, arguments, a clock.

mod decoded;
mod given;
mod paced;
mod text;
mod ticker;
mod whole;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use clap::ValueEnum;
use tenfold::{Event, Side};

pub(crate) use decoded::{Decoded, describe};
pub(crate) use given::Given;
pub(crate) use paced::{Paced, rate};
use text::Text;
pub(crate) use ticker::{Ticker, fill_in};
use whole::Whole;

use crate::failure::Failure;
use crate::flow::follow::Place;
use crate::flow::input::Input;
use crate::flow::payload::Written;

/// Gives messages, and says when it would have to wait for the next.
pub(crate) trait Source {
    /// The next thing that is there without waiting.
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure>;

    /// Waits for more; false at the end.
    fn wait(&mut self) -> Result<bool, Failure>;

    /// Where the messages that were given end in the file that is followed, if one is.
    fn place(&self) -> Option<Place> {
        None
    }
}

/// `--in`: how messages are written in the input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum In {
    /// Each line is a message; the last one needs no newline
    #[default]
    Lines,
    /// The same for lines that end with CR LF
    Crlf,
    /// Each message in its frame, as it is on the wire
    Frames,
    /// Each message ends at a NUL; the last one needs none
    Nul,
    /// All of the input is one message
    Whole,
    /// Pairs of hexadecimal digits, one line for each message
    Hex,
    /// One object for each message, as `recv --out json` prints them
    Json,
}

/// What to accept, and how to give it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the largest message.
    pub(crate) max_message: u64,
    /// Whether messages that are larger than usual are given in pieces.
    pub(crate) pieces: bool,
    /// Whether a message that is too large or broken is left out, if the next can be found.
    pub(crate) skip_bad: bool,
}

/// The messages for the values that are in an input: its lines, or the member `value` of its objects.
pub(crate) fn payloads(
    format: Option<In>,
    input: Input,
    written: Written,
    limits: Limits,
) -> Result<Box<dyn Source + Send>, Failure> {
    match format {
        None | Some(In::Lines) => Ok(Box::new(Text::payload(input, written, limits))),
        Some(In::Json) => Ok(Box::new(Text::json(input, Some(written), limits))),
        Some(_) => Err(Failure::Usage(
            "with --payload each line is a value, or with --in json has one".to_owned(),
        )),
    }
}

impl In {
    /// Whether each line is a message.
    pub(crate) fn has_lines(self) -> bool {
        matches!(self, Self::Lines | Self::Crlf | Self::Hex | Self::Json)
    }

    /// The messages of an input in this format; `side` is that of `frames`.
    pub(crate) fn open(self, input: Input, side: &Side, limits: Limits) -> Box<dyn Source + Send> {
        match self {
            Self::Frames => Box::new(Decoded::frames(input, side, limits)),
            Self::Lines => Box::new(Decoded::delimited(input, b"\n", limits)),
            Self::Crlf => Box::new(Decoded::delimited(input, b"\r\n", limits)),
            Self::Nul => Box::new(Decoded::delimited(input, b"\0", limits)),
            Self::Whole => Box::new(Whole::new(input, limits)),
            Self::Hex => Box::new(Text::hex(input, limits)),
            Self::Json => Box::new(Text::json(input, None, limits)),
        }
    }
}

/// The messages that are given as arguments, as they are or as values.
pub(crate) fn given(messages: &[OsString], written: Option<Written>) -> Result<Given, Failure> {
    let message = |(at, message): (usize, &OsString)| {
        let message = message.clone().into_vec();
        match written {
            None => Ok(message),
            Some(written) => tenfold_payload::from_json(written.format(), &message)
                .map_err(|problem| Failure::Framing(format!("MESSAGE {} {problem}", at + 1))),
        }
    };
    let messages: Result<_, _> = messages.iter().enumerate().map(message).collect();
    messages.map(Given::new)
}
