//! The servers that keep messages and acknowledge them, each behind the same few questions.
//!
//! | name | server | an acknowledgement |
//! |---|---|---|
//! | `hub` | `tenfold serve --data` | `ACK n`, after one sync of the journal for all that waited |
//! | `bare` | the same writes and syncs, and nothing else (`bare_log`) | the same |
//! | `redis` | Redis Streams, `appendfsync always` | an ID for each `XADD`, after one sync per turn of its loop |
//! | `hub:memory` | `tenfold serve` without `--data` | `ACK n`, when everybody can see the messages |
//! | `redis:memory` | without an append-only file | an ID for each `XADD` |
//! | `jetstream` | NATS JetStream, file storage | a JSON object for each message, **before** any sync |
//! | `jetstream:sync` | with `sync_interval: always`, since 2.10 | the same, after a sync for each message |

pub mod hub;
pub mod jetstream;
mod redis;

use std::io;
use std::net::TcpStream;
use std::path::PathBuf;

use crate::Result;
use crate::acks::Parse;
use crate::process::Process;
use crate::servers::{Envelope, Setup, kind};

/// A running server with an empty directory; it ends when this is dropped.
pub trait Store {
    fn process(&self) -> &Process;

    /// A connection that messages of a channel may be written to at once, and that gets an answer
    /// when they are durable.
    fn publish(&self, channel: &str) -> Result<TcpStream>;

    /// What is around a payload of this size when it is published.
    fn sent(&self, channel: &str, size: usize) -> Envelope;

    /// How the answers are read.
    fn acks(&self) -> Parse;

    /// How many syncs have made messages durable so far, if the server tells that.
    fn batches(&self) -> Result<Option<u64>> {
        Ok(None)
    }
}

/// Where a server has its data.
pub fn data(name: &str, setup: &Setup) -> PathBuf {
    setup.place.join(name.replace(':', "-"))
}

/// Makes that an empty directory.
pub fn empty_data(name: &str, setup: &Setup) -> io::Result<PathBuf> {
    let path = data(name, setup);
    match std::fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(&path)?;
    Ok(path)
}

/// Whether a server of this name keeps nothing on disk.
pub(crate) fn is_in_memory(name: &str) -> bool {
    name.ends_with(":memory")
}

/// Starts the server of this name, with nothing in its directory.
pub fn start(name: &str, setup: &Setup) -> Result<Box<dyn Store>> {
    let data = empty_data(name, setup)?;
    Ok(match kind(name) {
        "hub" if is_in_memory(name) => Box::new(hub::Hub::start_in_memory(name, setup)?),
        "hub" => Box::new(hub::Hub::start(name, setup, &data)?),
        "bare" => Box::new(hub::Hub::start_bare(name, setup, &data)?),
        "redis" => Box::new(redis::Redis::start(name, setup, &data)?),
        "jetstream" => Box::new(jetstream::JetStream::start(name, setup, &data)?),
        _ => return Err(format!("there is no server {name:?} that keeps messages").into()),
    })
}
