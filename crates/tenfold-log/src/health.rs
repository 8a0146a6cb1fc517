//! How a log is, and its numbers.

/// How a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Everything can be written.
    Ok,
    /// Something takes too long: a batch more than a second, or the lock of a checkpoint more than ten.
    Slow,
    /// Something could not be done, and is tried again: a channel is shut, or could not be written to within
    /// the last minute, or nothing can be deleted of it; or a checkpoint cannot be made.
    Degraded,
    /// There was no space for the last batch.
    Full,
    /// The disk has failed, and nothing is written until the log is opened again.
    ReadOnly,
}

/// A log's numbers at one moment; those that count only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Numbers {
    /// Bytes of the frames of all segments.
    pub bytes: u64,
    /// Bytes that all segments take on disk: frames, indexes, and what is reserved for them.
    pub disk: u64,
    /// Batches that were made durable, each with one sync of the journal.
    pub batches: u64,
    /// Messages in them.
    pub messages: u64,
    /// Checkpoints that were made.
    pub checkpoints: u64,
    /// Segments that retention has removed.
    pub removed: u64,
}
