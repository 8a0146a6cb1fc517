#![doc = include_str!("../README.md")]
//!
//! # Where to find what
//!
//! [`open`] recovers a directory and gives [`Opened`]. Its [`start`](Opened::start) runs the log on two
//! threads. A test can drive its [`Committer`] and [`Checkpointer`] by hand instead; a simulation has it
//! [`stepped`](Opened::stepped).
//!
//! - [`Log`]: its channels. [`submit`](Log::submit) queues a [`Submission`], and a [`Receipt`] is told what
//!   becomes of it.
//! - [`Channel`]: one channel's history. Its [`reader`](Channel::reader) is a [`Reader`], which reads whole
//!   checked [`Frames`] back.
//! - [`Options`] and [`Retention`]: how large everything becomes, and what is kept.
//! - [`Storage`]: the only door to the disk; [`storage::Disk`] is the real one.
//! - [`verify`], [`repair`], [`backup`] and [`stats`]: what an operator asks for.

#[cfg(not(target_os = "linux"))]
compile_error!(
    "tenfold-log runs on Linux: it needs fallocate without a change of length, preadv2 with RWF_NOWAIT, O_DIRECT and flock"
);

// A log and what goes into it.
mod chain;
mod channel;
mod condition;
mod health;
mod log;
mod mirror;
mod open;
mod options;
mod submission;

// Committing: the queue, the plan of a batch, the journal, then the segments.
mod committer;
mod common;
mod deletion;
mod hand;
mod journal;
mod plan;
mod plausible;
mod proven;
mod queue;
mod segment;

// After the commit: checkpoints, retention, segments that are made again.
mod checkpoint;
mod checkpointer;
mod deleting;
mod rebuild;
mod retention;
mod side_by_side;
mod spare;
mod sync_times;
mod trimming;

// Channels whose files fail, and what the journal keeps for them.
mod carry;
mod reopen;
mod shut;

// Reading back.
mod index;
mod reader;

// Starting: what the files hold, and what is made of it.
mod aside;
mod opening;
mod recovery;
mod renewal;
mod report;
mod scan;

// For operators.
mod backup;
mod delete;
mod deleted;
mod look;
mod repair;
mod verify;

// Formats as bytes: docs/log-format.md.
mod batch;
mod crc;
mod entry;
mod format;
mod frames;
mod little_endian;
mod names;
mod snapshot;
mod starts;

// The disk, and calls to it that are carried through.
mod directory;
mod draft;
mod error;
mod fault;
pub mod storage;
mod whole;

// Mistakes on purpose, for the tests.
#[cfg(feature = "planted")]
pub mod planted;

pub use backup::backup;
pub use chain::{Lineage, Link};
pub use channel::{Channel, Producer};
pub use checkpointer::Checkpointer;
pub use committer::Committer;
pub use condition::Stall;
pub use delete::delete;
pub use error::{OpenError, ReadError, Refused};
pub use fault::Fault;
pub use frames::Frames;
pub use hand::Pending;
pub use health::{Health, Numbers};
pub use log::Log;
pub use look::{ChannelStats, Stats, stats};
pub use open::{Opened, Steps, Threads, open};
pub use opening::{Opening, Progress, Step};
pub use options::{Notice, Options, Retention, RetentionOf};
pub use reader::{Committed, Reader};
pub use repair::repair;
pub use report::{Finding, Report};
pub use starts::Start;
pub use storage::Storage;
pub use submission::{Commit, Receipt, Submission};
pub use sync_times::SyncTimes;
pub use verify::verify;
