//! Why a log cannot be opened, frames are refused, or nothing can be read.

use std::fmt;
use std::io;

/// Why a log cannot be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process uses it.
    Locked,
    /// This version does not know its formats. The text is the first line that it does not know.
    Format(String),
    /// The directory has files, and is not a log.
    NotALog,
    /// There is nothing in the directory, and nothing was to be made there.
    Empty,
    /// The directory is a log without `channels/`, and nothing was to be made there.
    NoChannels {
        /// Whether a hub has had it open, so that there was a `channels/`.
        was_open: bool,
    },
    /// It was [ended](crate::Opening::end) before it was over.
    Ended,
    /// The storage has failed; the text says what was being done.
    Io(&'static str, io::Error),
}

impl OpenError {
    pub(crate) fn io(doing: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io(doing, error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked => f.write_str(
                "another hub uses this directory: end it first, or choose another directory",
            ),
            Self::Format(line) => write!(
                f,
                "the directory was written by another version: \"{}\" is not known here; use the version that wrote it, or a newer one",
                line.escape_debug()
            ),
            Self::NotALog => f.write_str(
                "the directory has files, but no FORMAT: it is not a log (a new one is made only in a directory that is empty or new)",
            ),
            Self::Empty => f.write_str(
                "the directory is empty: it is not a log, or the first start on it has ended early",
            ),
            Self::NoChannels { was_open: true } => f.write_str(
                "channels/ is missing in it, and with that all messages but the newest: put it back from where it was moved to, \
                 or a backup in the place of the whole directory, before a hub starts on it",
            ),
            Self::NoChannels { was_open: false } => f.write_str(
                "channels/ is not there yet, because the first start on it has ended early: there are no messages, \
                 and the next start makes it",
            ),
            Self::Ended => f.write_str("the opening was ended before it was over; the next one does the rest"),
            Self::Io(doing, error) if crate::whole::is_full(error) => write!(
                f,
                "{doing}: no space left on the disk ({error}); free some, or make the journal smaller"
            ),
            Self::Io(doing, error) => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            _ => None,
        }
    }
}

/// Why frames are not committed. Nothing of them is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// There is no space.
    Full,
    /// There are too few open files, or there is too little memory, at the moment; or somebody holds the
    /// lock of a checkpoint for too long. It is tried again with the next frames.
    Busy,
    /// What has to be done first fails: a file of the channel cannot be opened, or the channel is shut, so that
    /// other channels are not concerned; or the lock that a checkpoint needs cannot be opened. It is tried again.
    Hindered,
    /// The disk has failed; nothing is written any more. If this is said of frames that were queued,
    /// it is not known whether the disk has them.
    Storage,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no space left on the disk",
            Self::Busy => "too few open files, or too little memory, at the moment",
            Self::Hindered => "what has to be done first fails",
            Self::Storage => "the disk has failed",
        })
    }
}

impl std::error::Error for Refused {}

/// Why nothing can be read at a seq.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Retention has deleted the message; the oldest that is kept has this seq.
    Trimmed {
        /// The oldest seq.
        first: u64,
    },
    /// The message is damaged, with all others from `first` up to but not including `next`.
    Corrupt {
        /// The first seq of the damaged range.
        first: u64,
        /// The seq after it.
        next: u64,
    },
    /// The message is not committed yet: it is the next one.
    End,
    /// The seq is greater than that of the next message.
    Future,
    /// The read would have to wait for the disk.
    WouldBlock,
    /// More would have to be read than may be.
    Large {
        /// How many bytes.
        bytes: u64,
    },
    /// The storage has failed.
    Io(io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::WouldBlock {
            Self::WouldBlock
        } else {
            Self::Io(error)
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trimmed { first } => write!(f, "no longer kept; the oldest is {first}"),
            Self::Corrupt { first, next } => {
                write!(
                    f,
                    "messages {first} to {} are damaged",
                    next.saturating_sub(1)
                )
            }
            Self::End => f.write_str("not committed yet"),
            Self::Future => f.write_str("that seq has not been reached"),
            Self::WouldBlock => f.write_str("not in memory"),
            Self::Large { bytes } => write!(f, "{bytes} bytes would have to be read"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}
