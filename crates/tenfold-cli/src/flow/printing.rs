//! How `recv` and `sub` give out messages.

use clap::Args;
use tenfold::Side;

use crate::failure::Failure;
use crate::flow::exec::Exec;
use crate::flow::format::{Format, Origin, Out};
use crate::flow::output::{Output, Stdout};
use crate::flow::payload::Payload;

/// `--out`, and what can take its place.
#[derive(Args, Clone, Debug)]
pub(crate) struct PrintOptions {
    /// How to print messages
    #[arg(long, short = 'o', value_enum, default_value_t)]
    out: Out,

    /// The same as --out json
    #[arg(long, conflicts_with = "out")]
    json: bool,

    /// Print the value that is in each message, as one line of JSON
    #[arg(long, value_name = "KIND", value_enum, conflicts_with_all = ["out", "json"])]
    payload: Option<Payload>,

    /// Print nothing; run CMD for each message, one after the other, with the message as its stdin
    /// (with --payload, the line). The first that does not exit with 0 ends it
    #[arg(long, value_name = "CMD", conflicts_with_all = ["out", "json"])]
    exec: Option<String>,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub(crate) enum Printer {
    Stdout(Stdout),
    Exec(Exec),
}

impl PrintOptions {
    pub(crate) fn printer(&self) -> Result<Printer, Failure> {
        Ok(match &self.exec {
            Some(command) => Printer::Exec(Exec::new(command)),
            None => Printer::Stdout(Stdout::open()?),
        })
    }

    /// The format of messages from this side for the printer.
    pub(crate) fn format(&self, side: &Side, printer: &Printer) -> Format {
        match (self.payload, printer) {
            (Some(payload), _) => Format::Payload(payload),
            (None, Printer::Exec(_)) => Format::Raw,
            (None, Printer::Stdout(_)) if self.json => Format::Json,
            (None, Printer::Stdout(stdout)) => Format::new(self.out, side, stdout.is_terminal()),
        }
    }
}

impl Output for Printer {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        match self {
            Self::Stdout(stdout) => stdout.take(bytes, messages),
            Self::Exec(exec) => exec.take(bytes, messages),
        }
    }

    fn comes_from(&mut self, origin: Origin<'_>) {
        if let Self::Exec(exec) = self {
            exec.comes_from(origin);
        }
    }

    fn takes_one(&self) -> bool {
        match self {
            Self::Stdout(stdout) => stdout.takes_one(),
            Self::Exec(exec) => exec.takes_one(),
        }
    }
}
