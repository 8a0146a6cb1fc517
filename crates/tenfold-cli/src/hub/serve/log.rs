//! What the hub tells while it runs.

use clap::ValueEnum;
use tenfold::Address;
use tracing::{Level as Severity, info};
use tracing_subscriber::fmt;

use crate::stderr;
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

impl Log {
    /// From now on what the hub tells is seen on stderr.
    pub(super) fn start(self, words: &Words) {
        let severity = match words.level() {
            Level::Quiet => Severity::ERROR,
            Level::Normal => Severity::INFO,
            Level::Detailed => Severity::DEBUG,
        };
        let lines = fmt()
            .with_writer(stderr::Line::default)
            .with_max_level(severity)
            .with_target(false);
        match self {
            Self::Text => lines.with_ansi(words.is_colored()).init(),
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
            (Self::Text, None) => words.note(format_args!("listening {address}")),
            (Self::Text, Some(what)) => words.note(format_args!("listening {address} ({what})")),
            (Self::Json, what) => info!(%address, plain = what, "listening"),
        }
    }
}
