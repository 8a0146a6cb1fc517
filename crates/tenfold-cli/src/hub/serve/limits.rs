//! The hub's limits as options.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tenfold_hub::{AllowDelete, BadPattern, HubOptions, Pattern, WhenSlow};
use tracing::{info, warn};

use super::machine;
use crate::descriptors::Descriptors;
use crate::units;

/// Of the memory that there is, one of so many parts is for messages. The others are for what the limits of
/// this page do not count, for the system's buffers of sockets and files, and for other programs.
const PART: u64 = 4;
/// As little as a hub can do with, in bytes.
const LEAST_MEMORY: usize = 1 << 20;

/// A limit on everything.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits (0 is never \"unlimited\")")]
pub(super) struct LimitOptions {
    /// What to do about a subscriber whose place can no longer be kept: hold the publishers for T
    /// (30s) and then close it, or close it at once. For the channels that fit PATTERN (a name, or
    /// the start of one and `*`); the first that fits counts; may be given several times [default: close]
    #[arg(long, value_name = "[PATTERN:]wait[=T]|close", value_parser = when_slow, value_delimiter = ',')]
    when_slow: Vec<(Pattern, WhenSlow)>,

    /// The largest message that is received
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    /// What a channel keeps in memory
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::memory)]
    channel_memory: usize,

    /// Memory for messages: what is being received (at most a quarter), what is on its way to the disk (as
    /// much), what slow subscribers have begun (as much), what is being read from files (as much, and at most
    /// 64 MiB), and the newest of all channels, which have what is left; it is taken from the largest. Each
    /// part has room for one message, however large. With what the allocator adds, at most half as much again
    /// is resident, and besides about 30 MiB, and 5 KiB for each connection and each channel [default: a
    /// quarter of what the machine, or the control group, has]
    #[arg(long, value_name = "SIZE", value_parser = units::memory)]
    memory: Option<usize>,

    /// Connections at once; more are told that the hub is busy
    #[arg(long, value_name = "N", default_value = "10000", value_parser = units::count::<usize>)]
    max_connections: usize,

    /// Channels at once
    #[arg(long, value_name = "N", default_value = "10000", value_parser = units::count::<usize>)]
    max_channels: usize,

    /// Channels that subscribers wait for, and that have no message yet; `--max-channels` does not
    /// count them
    #[arg(long, value_name = "N", default_value = "10000", value_parser = units::count::<usize>)]
    max_empty_channels: usize,

    /// Channels that one connection may follow by patterns
    #[arg(long, value_name = "N", default_value = "10000", value_parser = units::count::<usize>)]
    max_followed: usize,

    /// Channels that all connections together may follow by patterns
    #[arg(long, value_name = "N", default_value = "1000000", value_parser = units::count::<usize>)]
    max_followed_in_all: usize,

    /// Producers with a name of their own that a channel remembers
    #[arg(long, value_name = "N", default_value = "10000", value_parser = units::count::<usize>)]
    max_producers: usize,

    /// Producers with a name of their own that all channels remember together
    #[arg(long, value_name = "N", default_value = "100000", value_parser = units::count::<usize>)]
    max_producers_in_all: usize,

    /// Connections that have not sent their request; when there are more, one of the address that has the
    /// most of them gives way
    #[arg(long, value_name = "N", default_value = "512", value_parser = units::count::<usize>)]
    max_pending: usize,

    /// What was received and not committed, of all publishers together; never more than a quarter of
    /// --memory, and never less than the largest message
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = units::memory)]
    max_uncommitted: usize,

    /// Messages over 1 MiB that are received at once
    #[arg(long, value_name = "N", default_value = "8", value_parser = units::count::<usize>)]
    max_large: usize,

    /// How long a client may take from its connection to the end of its request
    #[arg(long, value_name = "T", default_value = "2s", value_parser = units::duration)]
    request_timeout: Duration,

    /// How long a publisher may take from the first byte of a header to the last
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    header_timeout: Duration,

    /// How long a message that has begun may bring nothing, or next to nothing
    #[arg(long, value_name = "T", default_value = "30s", value_parser = units::duration)]
    stall_timeout: Duration,

    /// Who may delete channels (`tenfold delete`): clients on this machine, everybody who can connect, or
    /// nobody. With --auth a client needs the right as well, and the default is all
    #[arg(long, value_name = "WHO", value_enum, default_value_t)]
    allow_delete: Who,

    /// How long clients have to take what is left when the hub ends; then they are cut
    #[arg(long, value_name = "T", default_value = "10s", value_parser = units::duration)]
    pub(super) drain: Duration,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Who {
    /// Clients at a loopback address or a unix socket
    #[default]
    Local,
    /// Everybody who can connect
    All,
    /// Nobody
    None,
}

impl From<Who> for AllowDelete {
    fn from(who: Who) -> Self {
        match who {
            Who::Local => Self::Local,
            Who::All => Self::Everybody,
            Who::None => Self::Nobody,
        }
    }
}

/// Reads `wait`, `wait=5s`, `ticks:close` or `log.*:wait`.
fn when_slow(text: &str) -> Result<(Pattern, WhenSlow), String> {
    let (pattern, policy) = text.split_once(':').unwrap_or(("*", text));
    let pattern = pattern
        .parse()
        .map_err(|error: BadPattern| format!("{error}, before the colon"))?;
    let policy = match policy {
        "wait" => WhenSlow::default(),
        "close" => WhenSlow::Close,
        _ => match policy.strip_prefix("wait=") {
            Some(time) => WhenSlow::Wait(units::duration(time)?),
            None => return Err("write wait, wait=T or close".to_owned()),
        },
    };
    Ok((pattern, policy))
}

impl LimitOptions {
    /// The options of a hub, with as many connections as there can be.
    pub(super) fn fitted(&self, has_data: bool) -> HubOptions {
        let mut options = self.options();
        fit(&mut options, Descriptors::raised(), has_data);
        options
    }

    /// Tells how much memory a hub takes that was not given any number.
    pub(super) fn tell_memory(&self) {
        if let (None, Some(there_is)) = (self.memory, machine::memory()) {
            info!(
                memory = crate::numbers::size(self.memory() as u64),
                "messages are kept in a part of the {}'s memory", there_is.of
            );
        }
    }

    /// What was given, or else a part of what there is.
    fn memory(&self) -> usize {
        if let Some(bytes) = self.memory {
            return bytes;
        }
        let Some(there_is) = machine::memory() else {
            return HubOptions::default().memory;
        };
        let memory = usize::try_from(there_is.bytes / PART).unwrap_or(usize::MAX);
        memory.max(LEAST_MEMORY)
    }

    fn options(&self) -> HubOptions {
        let mut options = HubOptions::default();
        options.when_slow.clone_from(&self.when_slow);
        options.max_message = self.max_message;
        options.channel_memory = self.channel_memory;
        options.memory = self.memory();
        options.max_connections = self.max_connections;
        options.max_channels = self.max_channels;
        options.max_empty_channels = self.max_empty_channels;
        options.max_followed = self.max_followed;
        options.max_followed_in_all = self.max_followed_in_all;
        options.max_producers = self.max_producers;
        options.max_producers_in_all = self.max_producers_in_all;
        options.max_pending = self.max_pending;
        options.max_uncommitted = self.max_uncommitted;
        options.max_large = self.max_large;
        options.request_timeout = self.request_timeout;
        options.header_timeout = self.header_timeout;
        options.stall_timeout = self.stall_timeout;
        options.allow_delete = self.allow_delete.into();
        options.drain = self.drain;
        options
    }
}

/// Lowers what does not fit the number of files that may be open, and says so.
fn fit(options: &mut HubOptions, descriptors: Descriptors, has_data: bool) {
    let fitting = descriptors.connections(has_data);
    if options.max_connections.saturating_add(options.max_pending) <= fitting {
        return;
    }
    options.max_pending = options.max_pending.min((fitting / 4).max(1));
    let most = fitting - options.max_pending;
    if options.max_connections > most {
        options.max_connections = most;
        warn!(
            files = descriptors.count(),
            max_connections = most,
            "the limit of open files leaves room for fewer connections than --max-connections says (`ulimit -n`)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_the_files_that_may_be_open() {
        let fitted = |files, has_data| {
            let mut options = HubOptions::default();
            fit(&mut options, Descriptors::of(files), has_data);
            (options.max_connections, options.max_pending)
        };
        assert_eq!(fitted(1 << 20, true), (10_000, 512));
        assert_eq!(fitted(1024, false), (744, 248));
        assert_eq!(fitted(1024, true), (372, 124));
        assert_eq!(fitted(128, true), (36, 12));
        assert_eq!(fitted(8, true), (1, 1));
    }

    #[test]
    fn a_policy_may_be_for_some_channels() {
        assert_eq!(when_slow("close").unwrap().1, WhenSlow::Close);
        let (pattern, policy) = when_slow("log.*:wait=5s").unwrap();
        assert_eq!(policy, WhenSlow::Wait(Duration::from_secs(5)));
        assert!(pattern.fits(&"log.debug".parse().unwrap()));
        assert!(!pattern.fits(&"ticks".parse().unwrap()));
        for wrong in ["", "skip", "wait=0s", "wait=soon", "A:close", ":close"] {
            assert!(when_slow(wrong).is_err(), "{wrong}");
        }
    }
}
