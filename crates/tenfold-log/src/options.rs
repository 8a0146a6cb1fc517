//! How a log is kept.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::opening::Opening;
use crate::report::Finding;

/// How a log is kept: sizes in bytes. Zero is never "unlimited".
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tenfold_log::{Options, Retention};
///
/// fn random() -> u64 {
///     use std::hash::{BuildHasher, RandomState};
///     RandomState::new().hash_one(0)
/// }
///
/// let mut options = Options::new(random);
/// options.max_disk = 100 << 30;
/// options.retention = Arc::new(|channel| {
///     let mut retention = Retention::default();
///     if channel.starts_with("debug.") {
///         retention.max_age = Some(Duration::from_secs(3600));
///     }
///     retention
/// });
/// let kept = (options.retention)("debug.gps");
/// assert_eq!(kept.max_age, Some(Duration::from_secs(3600)));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The size of each of the two files of the journal. Larger ones mean fewer checkpoints, and a
    /// longer start after a crash.
    pub journal: u64,
    /// The largest segment with its index. It is also at most an eighth of the channel's limit, and of a
    /// channel's share of the limit of all.
    pub segment: u64,
    /// What all channels take on disk together. [`Log::set_max_disk`](crate::Log::set_max_disk) changes it later.
    pub max_disk: u64,
    /// What a channel keeps, by its name. It is asked each time, so the answer may change.
    pub retention: RetentionOf,
    /// Frames in one batch, in bytes. A larger submission is a batch of its own.
    pub max_batch: usize,
    /// Tells the time of a commit.
    pub clock: fn() -> SystemTime,
    /// Tells how long something takes. Whoever sets the clock does not change it.
    pub timer: fn() -> Instant,
    /// Is told what a person should know. It is called on the log's threads, so it must not wait.
    pub notice: Arc<dyn Fn(&Notice) + Send + Sync>,
    /// Makes random numbers, for new epochs and generations: no two starts may have the same.
    pub random: fn() -> u64,
    /// The log is a mirror: it has the histories of another log, its [source](crate::Log::follow_starts), and begins no
    /// epochs of its own, not at a start either.
    pub is_mirror: bool,
    /// Shows how far the opening is, and ends it.
    pub opening: Arc<Opening>,
}

/// How a log is opened, and where histories get random numbers of which nothing is known.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Opens {
    /// It is only looked at: the epochs are those of the last start.
    Looks,
    /// A start begins, with epochs of its own.
    Start(fn() -> u64),
    /// It is a mirror: it goes on with the epochs that it has.
    Mirror(fn() -> u64),
}

impl Opens {
    pub(crate) fn random(self) -> Option<fn() -> u64> {
        match self {
            Self::Looks => None,
            Self::Start(random) | Self::Mirror(random) => Some(random),
        }
    }
}

/// What a person should know of a log that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Messages have times that are yet to come: the clock was so far ahead when they were committed, or it
    /// is behind now.
    ClockIsBehind(Duration),
    /// Retention has deleted the oldest messages of a channel.
    Trimmed {
        /// The channel's name.
        channel: Arc<str>,
        /// The first seq that is kept.
        first: u64,
        /// How many segments were deleted.
        segments: usize,
    },
    /// Found in a channel that could not be recovered before the start was over.
    Found(Finding),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Found(finding) => finding.fmt(f),
            Self::ClockIsBehind(by) => {
                let seconds = by.as_secs();
                write!(
                    f,
                    "the clock is {seconds} s behind the newest message: it was wrong then, or is wrong now. \
                     What is committed from now on has the time that the clock says, and max-age counts from now for what is older"
                )
            }
            Self::Trimmed { channel, first, .. } => write!(
                f,
                "retention has deleted the messages of {channel} before seq {first}"
            ),
        }
    }
}

/// What a channel keeps, by its name.
pub type RetentionOf = Arc<dyn Fn(&str) -> Retention + Send + Sync>;

/// What a channel keeps: [`default`](Self::default) is 1 GiB, whatever its age. Retention deletes what is
/// beyond in whole segments, which are at most an eighth of a limit. The newest segment stays, unless it is
/// too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Bytes that its segments take on disk.
    pub max_bytes: u64,
    /// How old messages become.
    pub max_age: Option<Duration>,
    /// How many messages.
    pub max_messages: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 30,
            max_age: None,
            max_messages: None,
        }
    }
}

impl Options {
    /// The usual ones, with a source of random numbers.
    pub fn new(random: fn() -> u64) -> Self {
        Self {
            journal: 64 << 20,
            segment: 64 << 20,
            max_disk: 10 << 30,
            retention: Arc::new(|_| Retention::default()),
            max_batch: 4 << 20,
            clock: SystemTime::now,
            timer: Instant::now,
            notice: Arc::new(|_| {}),
            random,
            is_mirror: false,
            opening: Arc::default(),
        }
    }

    /// How a log is opened with them.
    pub(crate) fn opens(&self) -> Opens {
        if self.is_mirror {
            Opens::Mirror(self.random)
        } else {
            Opens::Start(self.random)
        }
    }

    /// The same without limits: a repair or a backup deletes nothing.
    pub(crate) fn keeping_everything(mut self) -> Self {
        self.max_disk = u64::MAX;
        self.retention = Arc::new(|_| Retention {
            max_bytes: u64::MAX,
            ..Retention::default()
        });
        self
    }

    /// How far a segment of a channel grows, if there are so many channels, which may take so much on disk
    /// together.
    pub(crate) fn growth(&self, retention: &Retention, channels: usize, max_disk: u64) -> Growth {
        let parts = (channels as u64).saturating_mul(PARTS);
        let share = (max_disk / parts.max(1)).max(LEAST_SHARE);
        let bytes = [self.segment, retention.max_bytes / PARTS, share]
            .into_iter()
            .fold(max_disk / PARTS, u64::min);
        let age = retention.max_age.map(|age| milliseconds_of(age) / PARTS);
        Growth {
            bytes: bytes.max(1),
            messages: retention
                .max_messages
                .map_or(u64::MAX, |most| most / PARTS)
                .max(1),
            age: age.unwrap_or(u64::MAX),
        }
    }

    /// Now, in milliseconds.
    pub(crate) fn now(&self) -> u64 {
        milliseconds((self.clock)())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("journal", &self.journal)
            .field("segment", &self.segment)
            .field("max_disk", &self.max_disk)
            .field("max_batch", &self.max_batch)
            .finish_non_exhaustive()
    }
}

/// How far a segment grows: what would make it go beyond one of these begins another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Growth {
    /// Bytes of its frames and of its index.
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
    /// From its first message to its newest one, in milliseconds.
    pub(crate) age: u64,
}

/// Retention deletes whole segments, so a limit is kept to about one part of so many.
pub(crate) const PARTS: u64 = 8;
/// With many channels a segment may be larger than their part of what all keep: it costs two files.
const LEAST_SHARE: u64 = 64 * 1024;

/// Whole milliseconds.
pub(crate) fn milliseconds_of(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, milliseconds_of)
}

/// The time that so many milliseconds since 1970 are.
pub(crate) fn time(milliseconds: u64) -> SystemTime {
    let since = Duration::from_millis(milliseconds);
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
