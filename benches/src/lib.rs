//! The hub measured from outside: the load clients, the servers they are pointed at, and what they
//! need. The binaries that measure are `fanout`, `latency` and `idle`, and with a log on disk
//! `durable`, `replay`, `restart` and `channels`. `engine` (the hub's engine behind the flags of
//! `tenfold broadcast`), `relay` (the bare block relay that everything is compared with),
//! `bare_log` and `bare_replay` (bare loops over the same files as the log's) are measured.

use std::error::Error;

pub mod acks;
pub mod bare_log;
pub mod disk;
pub mod drain;
pub mod fill;
pub mod frames;
pub mod journal;
pub mod open_loop;
pub mod options;
pub mod poll;
pub mod process;
pub mod publish;
pub mod server_args;
pub mod servers;
pub mod slow_flush;
pub mod stamps;
pub mod stores;
pub mod table;
pub mod windows;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;
