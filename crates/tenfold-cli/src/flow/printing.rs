//! How `recv` and `sub` give out messages.

use clap::Args;
use tenfold::Side;

use crate::failure::Failure;
use crate::flow::exec::Exec;
use crate::flow::format::{Format, Origin, Out};
use crate::flow::on_bad::OnBad;
use crate::flow::output::{Output, Stdout};
use crate::flow::payload::Payload;
use crate::flow::pump::Told;
use crate::flow::template::Template;
use crate::words::Words;

/// `--out`, and what can take its place.
#[derive(Args, Clone, Debug)]
pub(crate) struct PrintOptions {
    /// How to print messages
    #[arg(long, short = 'o', value_enum, default_value_t)]
    out: Out,

    /// The same as --out json
    #[arg(long, conflicts_with = "out")]
    json: bool,

    /// Print a line like this for each message: %T is its time, %c its channel, %s its seq (or its number in
    /// the stream), %m the message, %% a percent sign; \t is a tab
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["out", "json"])]
    format: Option<Template>,

    /// Print the value that is in each message, as one line of JSON; with --out json, as the member "value"
    #[arg(long, value_name = "KIND", value_enum)]
    payload: Option<Payload>,

    /// Print nothing; run CMD for each message, one after the other, with the message as its stdin
    /// (with --payload, the line). The first that does not exit with 0 ends it
    #[arg(long, value_name = "CMD", conflicts_with_all = ["out", "json", "format"])]
    exec: Option<String>,

    /// The same for all messages that are there when CMD is started: its stdin has what would be printed
    #[arg(long, value_name = "CMD", conflicts_with = "exec")]
    exec_batch: Option<String>,

    /// What to do with a message that has no value of the --payload kind, or for which CMD does not exit with 0
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_bad: OnBad,
}

/// Where messages go.
#[derive(Clone, Debug)]
pub(crate) enum Printer {
    Stdout(Stdout),
    Exec(Exec),
}

impl PrintOptions {
    pub(crate) fn printer(&self, words: &Words) -> Result<Printer, Failure> {
        self.check()?;
        let stdout = Stdout::open()?;
        let command = self.exec.as_ref().or(self.exec_batch.as_ref());
        let takes_many = self.exec_batch.is_some();
        Ok(match command {
            Some(command) => {
                Printer::Exec(Exec::new(command, takes_many, self.on_bad, stdout, words))
            }
            None => Printer::Stdout(stdout),
        })
    }

    /// Whether a command runs for what comes.
    pub(crate) fn runs_command(&self) -> bool {
        self.exec.is_some() || self.exec_batch.is_some()
    }

    fn check(&self) -> Result<(), Failure> {
        let wrong = |words: &str| Err(Failure::Usage(words.to_owned()));
        let is_bad_possible =
            self.payload.is_some() || self.exec.is_some() || self.exec_batch.is_some();
        if self.on_bad != OnBad::Stop && !is_bad_possible {
            return wrong(
                "--on-bad is for --payload, --exec and --exec-batch: any message can be printed",
            );
        }
        if self.payload.is_some() && !matches!(self.out, Out::Lines | Out::Json) {
            return wrong("--payload prints lines or, with --out json, objects");
        }
        if self.on_bad == OnBad::Show && self.exec_batch.is_some() {
            return wrong("--on-bad show is for single messages: use --exec, or --on-bad skip");
        }
        Ok(())
    }

    /// The format of messages from this side for the printer.
    pub(crate) fn format(&self, side: &Side, printer: &Printer) -> Format {
        let escape = matches!(printer, Printer::Stdout(stdout) if stdout.is_terminal());
        if let Some(template) = &self.format {
            return Format::Template {
                template: template.clone(),
                payload: self.payload,
                escape,
            };
        }
        match (self.payload, printer) {
            (payload, _) if self.json || self.out == Out::Json => Format::Json(payload),
            (Some(payload), _) => Format::Payload(payload),
            (None, Printer::Exec(exec)) if exec.takes_one() => Format::Raw,
            (None, _) => Format::new(self.out, side, escape),
        }
    }

    pub(crate) fn on_bad(&self) -> OnBad {
        self.on_bad
    }

    /// The template, if there is one.
    pub(crate) fn template(&self) -> Option<&Template> {
        self.format.as_ref()
    }

    /// Whether the time of a message is wanted, in this format.
    pub(crate) fn wants_time(&self, format: &Format) -> bool {
        self.exec.is_some() || format.has_time()
    }

    /// What is to be told of the messages of a stream.
    pub(crate) fn told(&self, format: &Format, is_live: bool) -> Told {
        if is_live && self.wants_time(format) {
            Told::NumberAndTime
        } else {
            Told::Number
        }
    }
}

impl Printer {
    /// Whether commands take what is printed.
    pub(crate) fn is_command(&self) -> bool {
        matches!(self, Self::Exec(_))
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

    fn leave_out(&mut self) {
        if let Self::Exec(exec) = self {
            exec.leave_out();
        }
    }

    fn takes_one(&self) -> bool {
        match self {
            Self::Stdout(stdout) => stdout.takes_one(),
            Self::Exec(exec) => exec.takes_one(),
        }
    }
}
