//! Submissions that wait to be committed.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::channel::Channel;
use crate::submission::Submission;

/// Submissions that wait to be committed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Queued>,
    /// The committer's thread has to look at the queue.
    pub(crate) is_called: bool,
    pub(crate) ending: bool,
}

/// Frames on their way into a channel.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) channel: Arc<Channel>,
    pub(crate) submission: Submission,
}
