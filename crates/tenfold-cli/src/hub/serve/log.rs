//! What the hub tells while it runs.

use clap::ValueEnum;
use tenfold::Address;
use tracing::{Level as Severity, info};
use tracing_subscriber::fmt;

use crate::flow::listening::listening;
use crate::words::{Level, Words};

/// `--log`: how to tell of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Log {
    /// A line of text for each
    #[default]
    Text,
    /// A JSON object for each
    Json,
}

/// `--log-level`: the least important line that is still told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogLevel {
    /// What failed for good
    Error,
    /// What went wrong and is tried again, too
    Warn,
    /// Each connection, too
    Info,
    /// What happens inside of one, too
    Debug,
}

impl LogLevel {
    fn severity(self) -> Severity {
        match self {
            Self::Error => Severity::ERROR,
            Self::Warn => Severity::WARN,
            Self::Info => Severity::INFO,
            Self::Debug => Severity::DEBUG,
        }
    }
}

impl Log {
    /// From now on what the hub tells is seen on stderr: from this level on, or else as `-q` and `-v` say.
    pub(super) fn start(self, level: Option<LogLevel>, words: &Words) {
        let by_words = match words.level() {
            Level::Quiet => LogLevel::Error,
            Level::Normal => LogLevel::Info,
            Level::Detailed => LogLevel::Debug,
        };
        let severity = level.unwrap_or(by_words).severity();
        let (words, is_colored) = (words.clone(), words.is_colored());
        let lines = fmt()
            .with_writer(move || words.line_of_library())
            .with_max_level(severity)
            .with_target(false);
        match self {
            Self::Text => lines.with_ansi(is_colored).init(),
            Self::Json => lines
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .init(),
        }
    }

    /// Says where clients can connect; `what` is offered there, if it is not everything.
    pub(super) fn listening(self, address: &Address, what: Option<&str>, words: &Words) {
        match (self, what) {
            (Self::Text, None) => words.note(listening(address, "sub CHANNEL -s ADDR")),
            (Self::Text, Some(what)) => words.note(format_args!("listening {address} ({what})")),
            (Self::Json, what) => info!(%address, plain = what, "listening"),
        }
    }
}
