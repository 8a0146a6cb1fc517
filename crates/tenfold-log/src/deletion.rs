//! A channel that is to be deleted while the log runs, and how far that is.

use std::fmt;
use std::sync::Arc;

use crate::channel::Channel;
use crate::error::Refused;

/// A channel that is to be deleted.
#[derive(Debug)]
pub(crate) struct Deletion {
    pub(crate) channel: Arc<Channel>,
    pub(crate) progress: Progress,
    told: Told,
}

/// How far a deletion is, and so whose turn it is.
///
/// ```text
///   asked           committer      begins a checkpoint of everything
///   checkpointing   committer      writes into the journal that nothing before the checkpoint is needed
///   forgotten       checkpointer   moves the channel's directory away
///   moved           checkpointer   makes that durable, and removes the files
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Asked,
    /// The checkpoint is of all batches before this number.
    Checkpointing(u64),
    /// The journal has nothing of the channel that a start would bring back.
    Forgotten,
    Moved,
}

struct Told(Box<dyn FnOnce(Result<(), Refused>) + Send>);

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Told")
    }
}

impl Deletion {
    pub(crate) fn new(
        channel: Arc<Channel>,
        told: impl FnOnce(Result<(), Refused>) + Send + 'static,
    ) -> Self {
        Self {
            channel,
            progress: Progress::Asked,
            told: Told(Box::new(told)),
        }
    }

    /// Whether the checkpointer has to go on with it.
    pub(crate) fn is_forgotten(&self) -> bool {
        matches!(self.progress, Progress::Forgotten | Progress::Moved)
    }

    /// Tells whoever has asked for it. To be called without a lock.
    pub(crate) fn end(self, result: Result<(), Refused>) {
        (self.told.0)(result);
    }
}
