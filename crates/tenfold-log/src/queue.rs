//! Submissions that wait to be committed, and in which order they are.
//!
//! Channels take turns. A publisher that has queued 64 MiB for one channel must not have a message of another channel wait
//! until all of that is on disk, so the order is not that of coming. It is as if the channels were served side by
//! side, a byte of each at a time:
//!
//! ```text
//!   bytes that each channel has been served   0        256 KiB     512 KiB     768 KiB
//!   a, which has queued much                  [ first ][ second   ][ third    ][ fourth ...
//!   b, which comes when a's second is next              [b]
//! ```
//!
//! Each submission has a place on that line: where the one before it of its channel ends, but never before the
//! place that is being served. The submission with the lowest place is the next one. So those of one channel stay
//! in the order in which they were queued, and a channel that has queued little waits for one batch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::channel::Channel;
use crate::submission::Submission;

/// Submissions that wait to be committed.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: BTreeMap<Place, Queued>,
    /// Where the next submission of a channel begins, by the channel's name; without those that would begin at
    /// the place that is being served.
    ends: HashMap<Arc<str>, u64>,
    /// The place of what was taken last.
    served: u64,
    /// How many were queued so far.
    count: u64,
    /// The committer's thread has to look at the queue.
    pub(crate) is_called: bool,
    pub(crate) ending: bool,
}

/// Where a submission begins on the line, and how many were queued before it.
type Place = (u64, u64);

/// Frames on their way into a channel.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) channel: Arc<Channel>,
    pub(crate) submission: Submission,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Queues a submission. Whether it is the only one.
    pub(crate) fn add(&mut self, queued: Queued) -> bool {
        let is_only = self.is_empty();
        let name = Arc::clone(&queued.channel.name);
        let end = self.ends.entry(name).or_insert(self.served);
        let begin = *end;
        *end += queued.submission.frames.len() as u64;
        self.waiting.insert((begin, self.count), queued);
        self.count += 1;
        is_only
    }

    /// Takes the next submissions to be committed together: the first one, and more up to so many bytes, for up
    /// to so many channels.
    pub(crate) fn take(&mut self, most_bytes: usize, most_channels: usize) -> Vec<Queued> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        let mut channels = HashSet::new();
        while let Some(next) = self.waiting.first_entry() {
            bytes += next.get().submission.cost();
            channels.insert(Arc::as_ptr(&next.get().channel));
            if !taken.is_empty() && (bytes > most_bytes || channels.len() > most_channels) {
                break;
            }
            self.served = next.key().0;
            taken.push(next.remove());
        }
        self.ends.retain(|_, end| *end > self.served);
        taken
    }
}
