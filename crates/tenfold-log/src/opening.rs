//! How far the opening of a log is, and how it is ended early.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The opening of a log, for another thread that shows how far it is, or ends it. A log with many channels is
/// not open at once.
///
/// ```
/// use std::sync::Arc;
/// use tenfold_log::{OpenError, Options, open, storage::Disk};
/// # fn random() -> u64 { 4 }
/// # let directory = tempfile::tempdir()?;
///
/// let options = Options::new(random);
/// let opening = Arc::clone(&options.opening);
/// assert_eq!(opening.progress().to_string(), "looking at the channels: 0 of 0");
/// opening.end();
/// let disk = Arc::new(Disk::open(directory.path())?);
/// assert!(matches!(open(disk, options), Err(OpenError::Ended)));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Opening {
    progress: Mutex<Progress>,
    is_ended: AtomicBool,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// For how many channels it is done.
    pub done: usize,
    /// How many channels there are.
    pub of: usize,
}

/// What the opening of a log does for each channel, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Finding out what its files have.
    #[default]
    Looking,
    /// Finding out what the journal has of it that its files may not have.
    Replaying,
    /// Writing that to files.
    Writing,
}

impl Opening {
    /// How far it is now.
    pub fn progress(&self) -> Progress {
        *self.lock()
    }

    /// Ends it with [`OpenError::Ended`](crate::OpenError::Ended) as soon as it is between two channels, if it is
    /// not over before. Nothing is lost: the next start does the rest.
    pub fn end(&self) {
        self.is_ended.store(true, Relaxed);
    }

    /// Whether somebody wants it to end.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended.load(Relaxed)
    }

    /// So many channels are next.
    pub(crate) fn begin(&self, step: Step, of: usize) {
        *self.lock() = Progress { step, done: 0, of };
    }

    /// A channel is done.
    pub(crate) fn count(&self) {
        self.lock().done += 1;
    }

    /// An error if it is to end.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        if self.is_ended() {
            return Err(io::Error::other("the opening was ended"));
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One word: `looking`, `replaying` or `writing`.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Looking => "looking",
            Self::Replaying => "replaying",
            Self::Writing => "writing",
        })
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, done, of } = self;
        let doing = match step {
            Step::Looking => "looking at the channels",
            Step::Replaying => "reading what the journal has of the channels",
            Step::Writing => "writing what the journal has of the channels",
        };
        write!(f, "{doing}: {done} of {of}")
    }
}
