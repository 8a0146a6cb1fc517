//! What a broadcast says to people.

use std::io;
use std::time::{Duration, Instant};

use bytesize::ByteSize;
use serde_json::json;
use tenfold_hub::{ClientEvent, ClientReport, End, Stats};
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::failure::Failure;
use crate::numbers::{counted, grouped, per_second};
use crate::words::Words;

/// How often the line of progress changes: often enough to live, seldom enough to be read.
const EVERY: Duration = Duration::from_millis(500);

/// The line of progress: how much there was since the last one.
pub(super) struct Rates {
    interval: Interval,
    last: (Instant, Stats),
}

impl Rates {
    pub(super) fn new() -> Self {
        let mut interval = interval(EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            interval,
            last: (Instant::now(), Stats::default()),
        }
    }

    /// Waits until it is time for the next.
    pub(super) async fn due(&mut self) {
        self.interval.tick().await;
    }

    pub(super) fn line(&mut self, stats: &Stats) -> String {
        let now = Instant::now();
        let (then, before) = std::mem::replace(&mut self.last, (now, *stats));
        let time = now.duration_since(then);
        let bytes = per_second(stats.bytes - before.bytes, time);
        format!(
            "{}, {}; sending {} messages/s, {}/s",
            messages(stats.messages),
            clients(stats.clients as u64),
            grouped(per_second(stats.delivered - before.delivered, time)),
            ByteSize::b(bytes),
        )
    }
}

/// Tells of one client.
pub(super) fn on_event(event: &ClientEvent, words: &Words) {
    match event {
        ClientEvent::Connected(peer) => words.detail(format_args!("{peer} connected")),
        ClientEvent::Ended(report) => on_end(report, words),
        ClientEvent::AcceptFailed(error) => {
            words.warning(format_args!(
                "cannot accept a client: {error}; trying again"
            ));
        }
        _ => {}
    }
}

fn on_end(report: &ClientReport, words: &Words) {
    let ClientReport {
        peer,
        messages: taken,
        skipped,
        ..
    } = *report;
    if skipped > 0 {
        words.warning(format_args!(
            "{peer} was too slow: {} left out for it",
            messages(skipped)
        ));
    }
    let taken = messages(taken);
    match report.end {
        End::Complete => words.detail(format_args!("{peer} was sent {taken}, all there were")),
        End::Slow => words.warning(format_args!(
            "{peer} was too slow, and closed after {taken}"
        )),
        End::Stalled => {
            words.warning(format_args!(
                "{peer} stopped reading, and was closed after {taken}"
            ));
        }
        // Over TLS a client says its end.
        End::Gone(io::ErrorKind::UnexpectedEof) => {
            words.detail(format_args!("{peer} was cut after {taken}"));
        }
        End::Gone(kind) => words.detail(format_args!("{peer} went away after {taken}: {kind}")),
        _ => {}
    }
}

/// The last words: for a program that asked for them, or for a person who has seen progress.
pub(super) fn at_end(stats: &Stats, result: &Result<(), Failure>, json: bool, words: &Words) {
    if json {
        words.object(&json!({
            "messages": stats.messages,
            "clients": stats.clients_total,
            "sent": stats.delivered,
            "bytes": stats.bytes,
            "skipped": stats.skipped,
            "closed_slow": stats.closed_slow,
            "stalled": stats.stalled,
            "error": result.as_ref().err().map(ToString::to_string),
        }));
        return;
    }
    let line = format!(
        "{} for {}: {} and {} sent",
        messages(stats.messages),
        clients(stats.clients_total),
        messages(stats.delivered),
        ByteSize::b(stats.bytes),
    );
    words.outcome(line);
}

pub(super) fn clients(number: u64) -> String {
    counted(number, "client")
}

fn messages(number: u64) -> String {
    counted(number, "message")
}
