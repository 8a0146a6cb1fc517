//! Frames on their way into a log, and the receipt that is told what becomes of them.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::Refused;
use crate::options::milliseconds;

/// About what a record takes in the journal, in bytes, with names of a usual length.
const OF_RECORD: usize = 128;

/// Frames to be committed.
pub struct Submission {
    /// Whole frames of `decimal:10`, in the order in which they get their seqs.
    pub(crate) frames: Bytes,
    /// How many they are.
    pub(crate) messages: u64,
    /// The ID of their producer, if it has named itself.
    pub(crate) producer: Option<Arc<str>>,
    /// What another log has noted of them.
    pub(crate) given: Option<Given>,
    pub(crate) receipt: Box<dyn Receipt>,
}

/// What a log has noted of frames that another log takes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// When they were committed, in milliseconds.
    pub(crate) time: u64,
    /// How many messages of each producer that has some among them were committed then.
    pub(crate) counts: Vec<(Arc<str>, u64)>,
}

impl Submission {
    /// Whole frames of `decimal:10`, in the order in which they get their seqs; how many they are; and the
    /// receipt that is told what becomes of them.
    pub fn new(frames: impl Into<Bytes>, messages: u64, receipt: impl Receipt + 'static) -> Self {
        Self {
            frames: frames.into(),
            messages,
            producer: None,
            given: None,
            receipt: Box::new(receipt),
        }
    }

    /// The same frames from a producer that has named itself. The log counts its messages.
    #[must_use]
    pub fn by(mut self, producer: impl Into<Arc<str>>) -> Self {
        self.producer = Some(producer.into());
        self
    }

    /// The same frames as another log has committed them: at this time (of which whole milliseconds are kept), and so that
    /// these producers had so many messages then. In the place of [`by`](Self::by).
    #[must_use]
    pub fn committed_elsewhere(
        mut self,
        time: SystemTime,
        counts: impl IntoIterator<Item = (Arc<str>, u64)>,
    ) -> Self {
        self.producer = None;
        self.given = Some(Given {
            time: milliseconds(time),
            counts: counts.into_iter().collect(),
        });
        self
    }

    /// What it takes of a batch, in bytes: frames with a time of their own have a record of their own.
    pub(crate) fn cost(&self) -> usize {
        let record = if self.given.is_some() { OF_RECORD } else { 0 };
        self.frames.len() + record
    }

    /// The producers that have messages among them.
    pub(crate) fn producers(&self) -> impl Iterator<Item = &Arc<str>> {
        let counts = self.given.iter().flat_map(|given| &given.counts);
        self.producer.iter().chain(counts.map(|(id, _)| id))
    }
}

/// Is told what becomes of frames. The committer calls it under its lock, so a call must return soon
/// and queue nothing.
///
/// Either [`refused`](Self::refused) is called, or [`committed`](Self::committed) and then
/// [`written`](Self::written). Within a channel the calls come in the order of the seqs.
pub trait Receipt: Send {
    /// The frames are on disk, in the journal. Readers must see them from now on, and the channel's files
    /// do not have them yet: the receipt has to make them visible from memory.
    fn committed(&mut self, commit: Commit);

    /// The frames can be read from the channel's files. This call does not come if the files could not
    /// be written; the next start of the log then takes the frames from the journal.
    fn written(self: Box<Self>);

    /// Nothing of them is kept.
    fn refused(self: Box<Self>, why: Refused);

    /// Why frames that these must follow were refused, if they were. Then these are refused as well. The
    /// committer asks just before the frames get their seqs, so nothing of a sequence of submissions is
    /// committed after a gap.
    fn must_follow(&self) -> Option<Refused> {
        None
    }
}

/// What the disk has of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commit {
    /// The seq of its first message.
    pub first: u64,
    /// How many messages of its producer are committed now; 0 without a producer.
    pub total: u64,
    /// When it was committed.
    pub time: SystemTime,
}

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission")
            .field("bytes", &self.frames.len())
            .field("messages", &self.messages)
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}
