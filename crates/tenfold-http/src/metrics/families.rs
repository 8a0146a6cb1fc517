//! Which numbers there are, and what they are called.

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use tenfold_hub::{ChannelNumbers, LogMetrics, Metrics};

use super::exposition::{Family, Kind, Samples};

/// What all channels have that are not told under their names. A name of a channel does not begin so.
const OTHERS: &str = "_others";

/// Kinds of connections of which there may be none now.
const KINDS: &[&str] = &[
    "publisher",
    "subscriber",
    "follower",
    "times",
    "request",
    "plain-in",
    "plain-out",
    "plain-both",
    "http",
    "http-publisher",
    "http-reader",
];

/// What a hub that takes requests can be.
const STATUSES: &[&str] = &["ok", "slow", "degraded", "full", "read-only"];

const fn counter(
    name: &'static str,
    help: &'static str,
    samples: fn(&Metrics, &mut Samples<'_>),
) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
        samples,
    }
}

const fn gauge(
    name: &'static str,
    help: &'static str,
    samples: fn(&Metrics, &mut Samples<'_>),
) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
        samples,
    }
}

/// All of them, in the order in which they are written: the hub, its channels, and its log.
pub(super) const FAMILIES: &[Family] = &[
    gauge("tenfold_build_info", "The program; always 1.", |_, put| {
        put.put(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    }),
    gauge(
        "tenfold_start_time_seconds",
        "When the hub was started, in seconds since 1970.",
        |metrics, put| {
            let since = metrics.started.duration_since(UNIX_EPOCH);
            put.put(&[], since.unwrap_or_default().as_secs_f64());
        },
    ),
    gauge(
        "tenfold_status",
        "1 for what the hub is, in the words of HEALTH, and 0 for what it is not.",
        |metrics, put| {
            for status in STATUSES {
                let is = u8::from(*status == metrics.status);
                put.put(&[("status", status)], is);
            }
        },
    ),
    gauge(
        "tenfold_connections",
        "Connections, by kind as CLIENTS names them. Those of HTTP that ask for nothing now are of the kind http, too.",
        connections,
    ),
    gauge(
        "tenfold_connections_limit",
        "How many connections may publish or subscribe.",
        |metrics, put| put.put(&[], metrics.max_connections),
    ),
    counter(
        "tenfold_accepted_connections",
        "Connections that were accepted.",
        |metrics, put| put.put(&[], metrics.stats.connections_total),
    ),
    counter(
        "tenfold_accept_errors",
        "Attempts to accept a connection that the system refused.",
        |metrics, put| put.put(&[], metrics.stats.accept_errors),
    ),
    counter(
        "tenfold_refusals",
        "What clients were refused with, by code of the protocol.",
        |metrics, put| {
            for (code, count) in &metrics.refusals {
                put.put(&[("code", code.as_str())], count);
            }
        },
    ),
    counter(
        "tenfold_mistakes",
        "Mistakes of clients, for which a program has to be changed.",
        |metrics, put| {
            for (kind, count) in &metrics.mistakes {
                put.put(&[("kind", kind)], count);
            }
        },
    ),
    gauge(
        "tenfold_memory_bytes",
        "Memory that messages take.",
        |metrics, put| put.put(&[], metrics.memory),
    ),
    gauge(
        "tenfold_memory_limit_bytes",
        "Memory that messages may take (--memory).",
        |metrics, put| put.put(&[], metrics.max_memory),
    ),
    gauge("tenfold_channels", "Channels.", |metrics, put| {
        put.put(&[], metrics.stats.channels);
    }),
    counter(
        "tenfold_received_messages",
        "Messages that were committed.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.received_messages),
    ),
    counter(
        "tenfold_received_bytes",
        "Bytes of frames that were committed.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.received_bytes),
    ),
    gauge(
        "tenfold_kept_bytes",
        "Bytes of the frames that are kept.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.kept_bytes),
    ),
    gauge(
        "tenfold_publishers",
        "Connections that publish.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.publishers as u64),
    ),
    gauge(
        "tenfold_subscribers",
        "Connections that are sent messages; one that follows several channels counts in each of them.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.subscribers as u64),
    ),
    gauge(
        "tenfold_lag_messages",
        "Committed messages that the slowest subscriber has not been sent yet.",
        |metrics, put| by_channel(metrics, put, |numbers| numbers.lag),
    ),
    counter(
        "tenfold_sent_messages",
        "Messages given to the system for sending, over all subscribers.",
        |metrics, put| put.put(&[], metrics.stats.delivered),
    ),
    counter(
        "tenfold_sent_bytes",
        "Bytes given to the system for sending, over all subscribers.",
        |metrics, put| put.put(&[], metrics.stats.sent_bytes),
    ),
    counter(
        "tenfold_writes",
        "Writes to subscribers; each has as many messages as there are.",
        |metrics, put| put.put(&[], metrics.writes),
    ),
    counter(
        "tenfold_acks",
        "Acknowledgements that publishers were sent.",
        |metrics, put| put.put(&[], metrics.acks),
    ),
    counter(
        "tenfold_slow_subscribers_closed",
        "Subscribers that were closed because their place was no longer kept.",
        |metrics, put| put.put(&[], metrics.stats.closed_slow),
    ),
    gauge(
        "tenfold_disk_bytes",
        "Bytes that all channels take on disk, without the journal.",
        |metrics, put| of_log(metrics, |log| put.put(&[], log.numbers.disk)),
    ),
    gauge(
        "tenfold_disk_limit_bytes",
        "Bytes that all channels may take on disk (--max-disk).",
        |metrics, put| of_log(metrics, |log| put.put(&[], log.max_disk)),
    ),
    gauge(
        "tenfold_disk_wait_seconds",
        "For how long the disk, or a lock on it, has been waited for; 0 as long as that is not too long.",
        |metrics, put| of_log(metrics, |log| put.put(&[], log.waiting.as_secs_f64())),
    ),
    counter(
        "tenfold_disk_faults",
        "Calls to the disk that have failed. What is tried again counts once for as long as it fails.",
        |metrics, put| {
            of_log(metrics, |log| {
                for (call, error, count) in &log.faults {
                    put.put(&[("call", call), ("error", error)], count);
                }
            });
        },
    ),
    Family {
        name: "tenfold_journal_sync_seconds",
        kind: Kind::Histogram,
        help: "How long it took to write a batch to the journal and to sync it.",
        samples: |metrics, put| {
            of_log(metrics, |log| {
                let syncs = &log.syncs;
                put.put_times(&syncs.classes, syncs.longer, syncs.total);
            });
        },
    },
    counter(
        "tenfold_checkpoints",
        "Checkpoints that were made.",
        |metrics, put| of_log(metrics, |log| put.put(&[], log.numbers.checkpoints)),
    ),
    counter(
        "tenfold_removed_segments",
        "Segments that retention has deleted.",
        |metrics, put| of_log(metrics, |log| put.put(&[], log.numbers.removed)),
    ),
];

/// A connection of HTTP is in the list of clients only while it asks for something.
fn connections(metrics: &Metrics, put: &mut Samples<'_>) {
    let listed: u64 = metrics.connections.values().sum();
    let idle = (metrics.stats.connections as u64).saturating_sub(listed);
    let mut kinds: BTreeMap<_, _> = KINDS.iter().map(|kind| (*kind, 0)).collect();
    kinds.extend(&metrics.connections);
    *kinds.entry("http").or_default() += idle;
    for (kind, count) in kinds {
        put.put(&[("kind", kind)], count);
    }
}

fn by_channel(metrics: &Metrics, put: &mut Samples<'_>, number: impl Fn(&ChannelNumbers) -> u64) {
    for (channel, numbers) in &metrics.channels {
        put.put(&[("channel", channel.as_str())], number(numbers));
    }
    put.put(&[("channel", OTHERS)], number(&metrics.others));
}

fn of_log(metrics: &Metrics, with: impl FnOnce(&LogMetrics)) {
    if let Some(log) = &metrics.log {
        with(log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/http.md");

    #[test]
    fn the_page_lists_each_name_with_its_type_and_no_other() {
        let section = PAGE.split("\n## 10. Metrics\n").nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let rows = section.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `tenfold_")?.split('|').map(str::trim);
            let name = cells.next()?.trim_end_matches('`').to_owned();
            Some((format!("tenfold_{name}"), cells.next()?.to_owned()))
        });
        let families = FAMILIES.iter().map(|family| {
            let kind = format!("{:?}", family.kind).to_lowercase();
            (family.sample(), kind)
        });
        assert_eq!(rows.collect::<Vec<_>>(), families.collect::<Vec<_>>());
    }

    #[test]
    fn each_help_is_a_sentence_that_needs_no_escape() {
        for family in FAMILIES {
            assert!(family.help.ends_with('.'), "{}", family.name);
            assert!(!family.help.contains(['\\', '"', '\n']), "{}", family.name);
        }
    }
}
