//! How a hub treats its clients.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tenfold::protocol::{ChannelName, Pattern};
use tenfold_gate::Policy;

use crate::audit::Audit;
use crate::tls::Tls;
use crate::transport::SEND_BUFFER;
use crate::upstream::MirrorOptions;
use crate::when_slow::WhenSlow;

/// How a hub treats its clients: a limit on everything, each with its unit. Zero is never
/// "unlimited". The values of [`default`](Self::default) are those of `tenfold serve`.
///
/// ```
/// use std::time::Duration;
/// use tenfold_hub::{HubOptions, WhenSlow};
///
/// let mut options = HubOptions::default();
/// options.max_message = 1 << 20;
/// options.when_slow = vec![("audit.*".parse()?, WhenSlow::Wait(Duration::from_secs(60)))];
/// # Ok::<(), tenfold_hub::BadPattern>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubOptions {
    /// The largest message that is received, in bytes.
    pub max_message: u64,
    /// How long a client may take from its connection to the end of its request.
    pub request_timeout: Duration,
    /// How long a publisher may take from the first byte of a header to the last.
    pub header_timeout: Duration,
    /// How long the rest of a message that has begun may bring nothing (of a message beyond 4 KiB
    /// less than 4 KiB, of one over 1 MiB less than 64 KiB).
    pub stall_timeout: Duration,
    /// Connections that have not sent their request. When there are more, one of the address that has the most
    /// of them gives way.
    pub max_pending: usize,
    /// Connections at once.
    pub max_connections: usize,
    /// Channels at once.
    pub max_channels: usize,
    /// Channels without a message and without a publisher, which subscribers wait for. They are not
    /// among [`max_channels`](Self::max_channels).
    pub max_empty_channels: usize,
    /// Channels that one connection may follow by patterns.
    pub max_followed: usize,
    /// As [`max_followed`](Self::max_followed), for all connections together.
    pub max_followed_in_all: usize,
    /// Producers with a name of their own that a channel remembers; and as many temporary ones, which
    /// have not ended well.
    pub max_producers: usize,
    /// As [`max_producers`](Self::max_producers), for all channels together.
    pub max_producers_in_all: usize,
    /// Bytes that were received and not committed, of all publishers together. A message of the
    /// largest size always fits.
    pub max_uncommitted: usize,
    /// Messages over 1 MiB that are received at once.
    pub max_large: usize,
    /// What a channel keeps in memory, in bytes.
    pub channel_memory: usize,
    /// What all channels keep in memory together, in bytes.
    pub memory: usize,
    /// What happens to subscribers whose place can no longer be kept: `wait` or `close`, by the
    /// first pattern that fits the channel; `close` if none does. There is no `skip` in a hub.
    pub when_slow: Vec<(Pattern, WhenSlow)>,
    /// Who may do what. Without it nobody is asked who they are, and everything is allowed.
    pub policy: Option<Arc<Policy>>,
    /// How TLS is spoken at the ports that [do](crate::Port::over_tls). It can be replaced, and not taken away.
    pub tls: Option<Tls>,
    /// Is given a record of each request. It cannot be changed while the hub runs.
    pub audit: Option<Audit>,
    /// The hub is a mirror of another one. It cannot be changed while the hub runs, and needs a log.
    pub mirror: Option<MirrorOptions>,
    /// From where channels may be deleted. With a policy this needs the right as well.
    pub allow_delete: AllowDelete,
    /// How long clients have to take what is left when the hub ends.
    pub drain: Duration,
    /// The size of a socket's send buffer, in bytes, while there are few connections.
    pub send_buffer: usize,
    /// What the connections there are share when the next one gets its send buffer, in bytes: the
    /// more there are, the smaller it is, down to [`LEAST_SEND_BUFFER`](Self::LEAST_SEND_BUFFER).
    pub send_buffers: usize,
    /// Tells the time of a commit.
    pub clock: fn() -> SystemTime,
}

/// From where channels may be deleted. A hub sees that even if it does not ask who connects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AllowDelete {
    /// Clients on the hub's own machine: at a loopback address, or at a unix socket.
    #[default]
    Local,
    /// Everybody who can connect to a port for the protocol.
    Everybody,
    /// Nobody.
    Nobody,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            max_message: 16 << 20,
            request_timeout: Duration::from_secs(2),
            header_timeout: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(30),
            max_pending: 512,
            max_connections: 10_000,
            max_channels: 10_000,
            max_empty_channels: 10_000,
            max_followed: 10_000,
            max_followed_in_all: 1_000_000,
            max_producers: 10_000,
            max_producers_in_all: 100_000,
            max_uncommitted: 256 << 20,
            max_large: 8,
            channel_memory: 64 << 20,
            memory: 1 << 30,
            when_slow: Vec::new(),
            policy: None,
            tls: None,
            audit: None,
            mirror: None,
            allow_delete: AllowDelete::default(),
            drain: Duration::from_secs(10),
            send_buffer: SEND_BUFFER,
            send_buffers: 64 << 20,
            clock: SystemTime::now,
        }
    }
}

impl HubOptions {
    /// The smallest send buffer, in bytes: one write that is large enough to be worth a wake-up.
    pub const LEAST_SEND_BUFFER: usize = 64 * 1024;

    /// The send buffer of one more connection: clients that never read cost the system memory, and
    /// where there are many a small buffer is not slower.
    pub(crate) fn send_buffer(&self, connections: usize) -> usize {
        let share = self.send_buffers / connections.max(1);
        share.max(Self::LEAST_SEND_BUFFER).min(self.send_buffer)
    }

    /// These, with those of others that can be changed while a hub runs.
    pub(crate) fn changed(&self, to: &Self) -> Self {
        Self {
            request_timeout: to.request_timeout,
            header_timeout: to.header_timeout,
            stall_timeout: to.stall_timeout,
            max_connections: to.max_connections,
            max_channels: to.max_channels,
            max_empty_channels: to.max_empty_channels,
            max_producers: to.max_producers,
            max_producers_in_all: to.max_producers_in_all,
            // A hub that asks nobody goes on so, and one that asks does not stop asking.
            policy: match (&self.policy, &to.policy) {
                (Some(_), Some(policy)) => Some(Arc::clone(policy)),
                (policy, _) => policy.clone(),
            },
            tls: to.tls.clone().or_else(|| self.tls.clone()),
            allow_delete: to.allow_delete,
            drain: to.drain,
            ..self.clone()
        }
    }

    /// What happens to the slow subscribers of a channel.
    pub(crate) fn when_slow(&self, channel: &ChannelName) -> WhenSlow {
        let mut fitting = self
            .when_slow
            .iter()
            .filter(|(pattern, _)| pattern.fits(channel));
        fitting
            .next()
            .map_or(WhenSlow::Close, |(_, policy)| *policy)
    }
}
