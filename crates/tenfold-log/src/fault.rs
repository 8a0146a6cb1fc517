//! What has failed: which call, on which path, with which error, and when.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::SystemTime;

use crate::error::Refused;
use crate::storage::{Failed, SyncFailed};
use crate::whole::{is_full, is_momentary};

/// A call to the disk that has failed.
///
/// `Display` is for people (`fdatasync of journal/0.journal: Input/output error (os error 5)`);
/// [`why`](Self::why) is one word for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The system's call.
    pub call: &'static str,
    /// What it was about: a path within the log's directory.
    pub path: String,
    /// The system's number of the error, if it was one of the system's.
    pub errno: Option<i32>,
    /// When it failed.
    pub at: SystemTime,
    /// What became of the frames that needed it.
    pub refused: Refused,
    words: String,
}

impl Fault {
    /// For its words.
    pub(crate) fn of(error: &io::Error) -> Self {
        Self::new(error, Refused::Hindered, SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn new(error: &io::Error, refused: Refused, at: SystemTime) -> Self {
        let sync = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<SyncFailed>());
        let error = sync.map_or(error, |SyncFailed(error)| error);
        let (call, path, source) = match Failed::of(error) {
            Some(failed) => (failed.call, failed.path.clone(), &failed.source),
            None => ("", String::new(), error),
        };
        let errno = source
            .raw_os_error()
            .or_else(|| is_full(source).then_some(ENOSPC));
        Self {
            call,
            path,
            errno,
            at,
            refused,
            words: source.to_string(),
        }
    }

    /// One word for programs: `CALL:PATH:ERRNO`, such as `fdatasync:journal/0.journal:EIO`. An error
    /// without a usual name has its number there, and one that is not of the system `-`.
    pub fn why(&self) -> String {
        let path = self.path.replace(|c: char| !c.is_ascii_graphic(), "?");
        let or_dash = |word: &str| if word.is_empty() { "-" } else { word }.to_owned();
        let error = self.error_name();
        format!("{}:{}:{error}", or_dash(self.call), or_dash(&path))
    }

    /// The last part of [`why`](Self::why): `EIO`, a number, or `-`.
    pub fn error_name(&self) -> String {
        let Some(errno) = self.errno else {
            return "-".to_owned();
        };
        name(errno).map_or_else(|| errno.to_string(), str::to_owned)
    }

    /// Whether it is the same call, path and error.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (self.call, &self.path, self.errno) == (other.call, &other.path, other.errno)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.call.is_empty() {
            return f.write_str(&self.words);
        }
        write!(f, "{} of {}: {}", self.call, self.path, self.words)
    }
}

impl Error for Fault {}

/// What is refused for want of something, before anything was written: only what needed it.
pub(crate) fn refusal(error: &io::Error) -> Refused {
    if is_full(error) {
        Refused::Full
    } else if is_momentary(error) {
        Refused::Busy
    } else {
        Refused::Hindered
    }
}

const ENOSPC: i32 = 28;

/// The usual names of errors that calls to a disk have.
fn name(errno: i32) -> Option<&'static str> {
    Some(match errno {
        1 => "EPERM",
        2 => "ENOENT",
        5 => "EIO",
        6 => "ENXIO",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        17 => "EEXIST",
        19 => "ENODEV",
        20 => "ENOTDIR",
        21 => "EISDIR",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        27 => "EFBIG",
        ENOSPC => "ENOSPC",
        30 => "EROFS",
        40 => "ELOOP",
        95 => "EOPNOTSUPP",
        117 => "EUCLEAN",
        122 => "EDQUOT",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::whole::synced;

    fn fault(error: &io::Error) -> Fault {
        Fault::new(error, Refused::Storage, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_fault_has_call_path_and_errno_also_of_a_sync() {
        let eio = || {
            let source = io::Error::from_raw_os_error(5);
            Failed::error("fdatasync", "journal/0.journal", Path::new("/d"), source)
        };
        for error in [eio(), synced(Err(eio())).unwrap_err()] {
            let fault = fault(&error);
            assert_eq!(fault.why(), "fdatasync:journal/0.journal:EIO");
            assert_eq!(
                fault.to_string(),
                "fdatasync of journal/0.journal: Input/output error (os error 5)"
            );
        }
    }

    #[test]
    fn an_error_that_no_call_has_returned_is_told_in_its_words() {
        let fault = fault(&io::Error::other("it is in pieces"));
        assert_eq!(
            (fault.why().as_str(), fault.to_string().as_str()),
            ("-:-:-", "it is in pieces")
        );
    }

    #[test]
    fn what_is_missing_for_a_moment_or_for_one_channel_is_told_from_a_sync_that_has_failed() {
        for (errno, refused) in [
            (12, Refused::Busy),
            (23, Refused::Busy),
            (24, Refused::Busy),
            (28, Refused::Full),
            (122, Refused::Full),
            (5, Refused::Hindered),
            (13, Refused::Hindered),
        ] {
            let open = || {
                let source = io::Error::from_raw_os_error(errno);
                Failed::error("open", "a", Path::new("a"), source)
            };
            assert_eq!(refusal(&open()), refused);
            let not_opened = synced(Err(open())).unwrap_err();
            assert_eq!(refusal(&not_opened), refused, "nothing was synced");
            let sync = io::Error::from_raw_os_error(errno);
            let sync = Failed::error("fsync", "a", Path::new("a"), sync);
            let failed = synced(Err(sync)).unwrap_err();
            assert_eq!(refusal(&failed), Refused::Hindered);
        }
    }
}
