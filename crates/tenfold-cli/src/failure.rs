//! Why a command did not succeed, and the exit code that says so.

use std::fmt;

/// What ended a command early. The words fit after `tenfold: error: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The arguments contradict each other.
    Usage(String),
    /// Nothing accepts connections at the address.
    Connect(String),
    /// The data does not follow the framing, or a message cannot be framed.
    Framing(String),
    /// The same, and it was said in full where it was found.
    Diagnosed,
    /// Nothing came for as long as `--timeout` says.
    TimedOut(String),
    /// The hub does not know who this is, or does not allow it.
    Denied(String),
    /// The person at the terminal has had enough.
    Interrupted,
    /// The reader of stdout went away, as in `recv | head`. That is not a mistake, and nothing is said.
    OutputClosed,
    /// Everything else: the machine's fault, or a goal that was not reached.
    Other(String),
}

/// The exit codes, as the manual lists them.
pub(crate) const EXIT_CODES: &[(u8, &str)] = &[
    (
        0,
        "success; also when stdout was closed, and after SIGTERM when all was delivered",
    ),
    (1, "failure; also when --count was not reached"),
    (2, "wrong usage"),
    (3, "could not connect"),
    (
        4,
        "the data does not follow the framing, or a message does not fit it",
    ),
    (5, "time-out"),
    (6, "not authorised"),
    (130, "interrupted"),
];

impl Failure {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Other(_) => 1,
            Self::Usage(_) => 2,
            Self::Connect(_) => 3,
            Self::Framing(_) | Self::Diagnosed => 4,
            Self::TimedOut(_) => 5,
            Self::Denied(_) => 6,
            Self::Interrupted => 130,
        }
    }

    /// The same, in other words.
    pub(crate) fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Usage(words) => Self::Usage(change(words)),
            Self::Connect(words) => Self::Connect(change(words)),
            Self::Framing(words) => Self::Framing(change(words)),
            Self::TimedOut(words) => Self::TimedOut(change(words)),
            Self::Denied(words) => Self::Denied(change(words)),
            Self::Other(words) => Self::Other(change(words)),
            Self::Interrupted | Self::OutputClosed | Self::Diagnosed => self,
        }
    }

    /// Whether it is one for a program that counts, too.
    pub(crate) fn is_failure(&self) -> bool {
        self.code() != 0
    }

    /// Whether a person has to be told.
    pub(crate) fn is_silent(&self) -> bool {
        matches!(
            self,
            Self::OutputClosed | Self::Interrupted | Self::Diagnosed
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(words)
            | Self::Connect(words)
            | Self::Framing(words)
            | Self::TimedOut(words)
            | Self::Denied(words)
            | Self::Other(words) => f.write_str(words),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Diagnosed => f.write_str("the data does not follow the framing"),
            Self::OutputClosed => f.write_str("the reader of stdout went away"),
        }
    }
}
