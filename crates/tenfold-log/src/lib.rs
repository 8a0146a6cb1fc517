//! The log of Tenfold: durable channels as files.
//!
//! A *channel* is an append-only sequence of messages, kept as the frames that stand on the wire. Frames
//! are committed in *batches*: one sync of the *journal* makes the frames of all channels durable that
//! were queued by then. Afterwards they are written to each channel's *segments*, files that are pure
//! wire bytes, with an *index* that proves them. `docs/log-format.md` is normative: it has every byte,
//! the recovery as a table, and what is assumed of the disk.
//!
//! This crate does files and nothing else: no sockets, no async runtime. [`Storage`] is its only door
//! to the disk.
//!
//! # How to use it
//!
//! [`open`] recovers a directory and gives [`Opened`]. Its [`start`](Opened::start) runs the log on two
//! threads; tests drive its parts by hand instead.
//!
//! - [`Log`]: its channels; [`submit`](Log::submit) queues frames, and a [`Receipt`] is told what becomes
//!   of them.
//! - [`Channel`]: one channel's history; [`reader`](Channel::reader) gives a [`Reader`], which reads whole
//!   checked frames back.
//! - [`Committer`] makes batches durable, [`Checkpointer`] frees the journal and applies retention.
//! - [`verify`], [`repair`], [`backup`] and [`stats`] are what an operator asks for.
//!
//! # Modules
//!
//! | what | where |
//! |---|---|
//! | formats as bytes | `batch`, `entry`, `snapshot`, `format`, `names`, `frames` |
//! | writing | `log` → `hand` → `plan` → `committer` → `journal`, `segment` → `checkpoint`, `retention`, `rebuild` |
//! | reading | `reader`, `index` |
//! | for operators | `look`, `verify`, `repair`, `backup` |
//! | opening | `open`, `scan`, `recovery`, `report` |
//! | the disk | `storage`, `whole` |

mod aside;
mod backup;
mod batch;
mod channel;
mod checkpoint;
mod checkpointer;
mod committer;
mod common;
mod crc;
mod directory;
mod entry;
mod error;
mod format;
mod frames;
mod hand;
mod health;
mod index;
mod journal;
mod little_endian;
mod log;
mod look;
mod names;
mod open;
mod options;
mod plan;
#[cfg(feature = "planted")]
pub mod planted;
mod reader;
mod rebuild;
mod recovery;
mod repair;
mod report;
mod retention;
mod scan;
mod segment;
mod snapshot;
mod spare;
pub mod storage;
mod submission;
mod verify;
mod whole;

pub use backup::backup;
pub use channel::Channel;
pub use checkpointer::Checkpointer;
pub use committer::Committer;
pub use error::{OpenError, ReadError, Refused};
pub use frames::Frames;
pub use hand::Pending;
pub use health::{Health, Numbers};
pub use log::Log;
pub use look::{ChannelStats, Stats, stats};
pub use open::{Opened, Threads, open};
pub use options::{Options, Retention, RetentionOf};
pub use reader::Reader;
pub use repair::repair;
pub use report::{Finding, Report};
pub use storage::Storage;
pub use submission::{Commit, Receipt, Submission};
pub use verify::verify;
