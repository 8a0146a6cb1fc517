//! Errors of calls to a storage, which say what the call was and what it was about.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error of the system, the call that it came from, and the path that it is about.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) call: &'static str,
    /// The path within the storage.
    pub(crate) path: String,
    /// The path as the user knows it.
    shown: PathBuf,
    pub(crate) source: io::Error,
}

impl Failed {
    /// An error of the same kind as `source` that names the call and the path.
    pub(crate) fn error(
        call: &'static str,
        path: &str,
        shown: &Path,
        source: impl Into<io::Error>,
    ) -> io::Error {
        let source = source.into();
        let failed = Self {
            call,
            path: path.to_owned(),
            shown: shown.to_owned(),
            source,
        };
        io::Error::new(failed.source.kind(), failed)
    }

    /// The failed call that an error tells of.
    pub(crate) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.shown.display(), self.source)
    }
}

impl Error for Failed {
    /// The system's error, with its number.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// A sync that has failed, or the sync of a directory. After that it is not known what is durable, so its
/// error is never one that passes, whatever its number says.
#[derive(Debug)]
pub(crate) struct SyncFailed(pub(crate) io::Error);

impl fmt::Display for SyncFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a sync has failed: {}", self.0)
    }
}

impl Error for SyncFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Whether an error says that the process, or the system, has too many files open.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(number_of(error), Some(ENFILE | EMFILE))
}

/// The system's number of an error.
pub(crate) fn number_of(error: &io::Error) -> Option<i32> {
    Failed::of(error)
        .map_or(error, |failed| &failed.source)
        .raw_os_error()
}
