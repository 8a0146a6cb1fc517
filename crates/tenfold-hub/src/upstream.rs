//! The hub that a mirror follows, and how far the mirror is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenfold::Hubs;
use tenfold::asynchronous::{Connect, Connecting};
use tenfold::protocol::{ChannelName, Pattern, Token};
use tokio::time::Instant;

/// Has a hub be a mirror of another one: `docs/mirrors.md`. It needs a log that was opened as
/// [one of a mirror](tenfold_log::Options::is_mirror).
#[derive(Clone)]
#[non_exhaustive]
pub struct MirrorOptions {
    /// The source, or several hubs that have the same: the next one after each failure.
    pub hubs: Hubs,
    /// Which channels: all that fit one of these.
    pub patterns: Vec<Pattern>,
    /// Who the mirror is, for a hub that asks.
    pub token: Option<Token>,
    /// How connections to one of the hubs are made.
    pub(crate) connect: Connector,
    /// Whether publishers of the mirror are passed on to the source. Otherwise they are refused.
    pub publish: bool,
}

/// Begins to make a connection to one of the hubs, whose turn it is.
type Connector = Arc<dyn Fn(&mut Hubs) -> Connecting + Send + Sync>;

impl MirrorOptions {
    /// A mirror of all channels, which passes publishers on.
    pub fn new(hubs: impl Into<Hubs>, patterns: Vec<Pattern>) -> Self {
        Self {
            hubs: hubs.into(),
            patterns,
            token: None,
            connect: Arc::new(Connect::connect),
            publish: true,
        }
    }

    /// Has connections made in another way: with TLS as a client says, for example.
    #[must_use]
    pub fn connecting(
        mut self,
        connect: impl Fn(&mut Hubs) -> Connecting + Send + Sync + 'static,
    ) -> Self {
        self.connect = Arc::new(connect);
        self
    }
}

impl fmt::Debug for MirrorOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorOptions")
            .field("hubs", &self.hubs)
            .field("patterns", &self.patterns)
            .field("publish", &self.publish)
            .finish_non_exhaustive()
    }
}

/// How far a mirror is.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) options: MirrorOptions,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when there is no connection on which everything was told.
    away_since: Option<Instant>,
    /// The seq of the next message to be committed of each channel, as the source has told it.
    next: BTreeMap<ChannelName, u64>,
}

impl Upstream {
    pub(crate) fn new(options: MirrorOptions) -> Self {
        Self {
            options,
            state: Mutex::new(State {
                away_since: Some(Instant::now()),
                next: BTreeMap::new(),
            }),
        }
    }

    /// Whether the mirror has heard of all channels and epochs on the connection that it has now.
    pub(crate) fn is_current(&self) -> bool {
        self.lock().away_since.is_none()
    }

    /// For how many seconds it was not.
    pub(crate) fn away(&self) -> Option<u64> {
        let since = self.lock().away_since?;
        Some(since.elapsed().as_secs())
    }

    pub(crate) fn came(&self) {
        self.lock().away_since = None;
    }

    pub(crate) fn went(&self) {
        self.lock().away_since.get_or_insert_with(Instant::now);
    }

    /// The source has come so far in a channel.
    pub(crate) fn note(&self, channel: &ChannelName, next: u64) {
        self.lock().next.insert(channel.clone(), next);
    }

    pub(crate) fn forget(&self, channel: &ChannelName) {
        self.lock().next.remove(channel);
    }

    /// By how many messages the mirror is behind what the source has told. `next` says how far the mirror is in a
    /// channel.
    pub(crate) fn behind(&self, next: impl Fn(&ChannelName) -> u64) -> u64 {
        let told = self.lock().next.clone();
        let behind = told
            .iter()
            .map(|(name, told)| told.saturating_sub(next(name)));
        behind.sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
