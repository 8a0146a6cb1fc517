//! The hub's last words.

use std::time::Duration;

use serde_json::json;
use tenfold_hub::HubStats;

use crate::failure::Failure;
use crate::numbers::{counted, grouped, time};
use crate::words::Words;

/// Some did not take the end.
pub(super) fn cut(connections: u64, drain: Duration) -> Failure {
    Failure::Other(format!(
        "{} did not take the end within {drain:?} (--drain), and had to be cut",
        counted(connections, "connection")
    ))
}

/// For a program that asked for it, or for people.
pub(super) fn at_end(stats: &HubStats, result: &Result<(), Failure>, json: bool, words: &Words) {
    if json {
        words.object(&json!({
            "connections": stats.connections_total,
            "cut": stats.connections,
            "channels": stats.channels,
            "messages": stats.messages,
            "delivered": stats.delivered,
            "closed_slow": stats.closed_slow,
            "accept_errors": stats.accept_errors,
            "seconds": stats.uptime.as_secs_f64(),
            "error": result.as_ref().err().map(ToString::to_string),
        }));
        return;
    }
    let slow = match stats.closed_slow {
        0 => String::new(),
        slow => format!(", {} closed as too slow", counted(slow, "subscriber")),
    };
    words.note(format_args!(
        "served {} for {}: {} in {}, {} delivered{slow}",
        counted(stats.connections_total, "connection"),
        time(stats.uptime),
        counted(stats.messages, "message"),
        counted(stats.channels as u64, "channel"),
        grouped(stats.delivered),
    ));
}
