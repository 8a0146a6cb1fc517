//! The servers that are compared, each behind the same few questions: who they are, how one
//! subscribes and publishes, and what is around a payload on either side.
//!
//! | name | server | a message at the subscriber |
//! |---|---|---|
//! | `hub` | `tenfold serve` | a frame of `decimal:10` |
//! | `follow` | the same, whose subscribers say `FOLLOW` for the one channel | the same, and a heading before each run |
//! | `tls` | the same, whose subscribers come over TLS | the same, in records |
//! | `relay`, `engine` | the bare block relay; the hub's engine behind one socket | the same |
//! | `redis` | Redis pub/sub | an array of three strings in RESP |
//! | `nats` | NATS core | `MSG` and its payload |
//! | `zmq` | a proxy of libzmq's XSUB and XPUB | one frame of ZMTP that begins with the channel |

pub mod broadcast;
pub mod hub;
pub mod nats;
pub mod redis;
pub mod tls;
mod zmq;

use std::io::Read;
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::process::Process;

/// The channel of all measurements.
pub const CHANNEL: &str = "ticks";

/// A running server; it ends when this is dropped.
pub trait Server {
    fn process(&self) -> &Process;

    /// A connection at which all messages arrive that are published after this has returned, and
    /// nothing else but `interjection`.
    fn subscribe(&self) -> Result<TcpStream>;

    /// A subscriber whose messages are read. It never waits.
    fn receive(&self) -> Result<Box<dyn Arrivals>> {
        let socket = self.subscribe()?;
        socket.set_nonblocking(true)?;
        Ok(Box::new(socket))
    }

    /// A connection that messages may be written to at once.
    fn publish(&self) -> Result<TcpStream>;

    /// What is around a payload of this size when it is published.
    fn sent(&self, size: usize) -> Envelope;

    /// What is around a payload of this size when it arrives at a subscriber.
    fn delivered(&self, size: usize) -> Envelope;

    /// Whether subscribers are also sent something that is not counted apart from messages.
    fn has_headings(&self) -> bool {
        false
    }

    /// What the server may put between two messages of a subscriber; it begins with another byte
    /// than a message.
    fn interjection(&self) -> &'static [u8] {
        b""
    }
}

/// What arrives at a subscriber, and where to wait for it.
pub trait Arrivals: Read + AsFd {}

impl Arrivals for TcpStream {}

/// What stands before and after a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub before: Vec<u8>,
    pub after: &'static [u8],
}

impl Envelope {
    /// A whole message.
    pub fn around(&self, payload: &[u8]) -> Vec<u8> {
        [&self.before, payload, self.after].concat()
    }

    /// How long a message with a payload of this size is.
    pub fn len(&self, size: usize) -> usize {
        self.before.len() + size + self.after.len()
    }
}

/// What a server is started with.
pub struct Setup {
    /// How many subscribers there will be, for those servers that wait for them.
    pub clients: usize,
    /// The `tenfold` program.
    pub tenfold: PathBuf,
    /// Further arguments of servers: a name and a text that is split at spaces.
    pub args: Vec<(String, String)>,
    /// A folder for what servers write.
    pub place: PathBuf,
}

impl Setup {
    pub fn args(&self, name: &str) -> impl Iterator<Item = &str> {
        self.args
            .iter()
            .filter(move |(server, _)| server == name)
            .flat_map(|(_, args)| args.split_whitespace())
    }

    /// Where a server is to write its addresses; what another has left there is removed.
    pub fn port_file(&self) -> PathBuf {
        let file = self.place.join("ports");
        let _ = std::fs::remove_file(&file);
        file
    }

    pub fn file(&self, name: &str) -> PathBuf {
        Path::join(&self.place, name)
    }
}

/// The server of a name: `redis:x` is redis with the arguments of `--args-redis:x`.
pub fn kind(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Starts the server of this name.
pub fn start(name: &str, setup: &Setup) -> Result<Box<dyn Server>> {
    Ok(match kind(name) {
        "hub" => Box::new(hub::Hub::start(name, setup)?),
        "follow" => Box::new(hub::Hub::start(name, setup)?.following()),
        "tls" => Box::new(tls::Tls::start(name, setup)?),
        "relay" | "engine" => Box::new(broadcast::Broadcast::start(name, setup)?),
        "redis" => Box::new(redis::Redis::start(name, setup)?),
        "nats" => Box::new(nats::Nats::start(name, setup)?),
        "zmq" => Box::new(zmq::Zmq::start(name, setup)?),
        "tenfold" => return Err("tenfold sends files; `hub` is what takes a publisher".into()),
        _ => return Err(format!("there is no server {name:?}").into()),
    })
}
