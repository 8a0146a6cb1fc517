//! What becomes of connections, one line of the log for each event: for people.

use std::fmt::Display;
use std::io;

use tenfold::protocol::{ChannelName, Pattern, ProducerId};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::channel::Channel;
use crate::peer::Peer;
use crate::publisher::Published;
use crate::stats::{ClientReport, End};

pub(crate) fn publisher_connected(
    peer: Peer,
    channel: &ChannelName,
    producer: Option<&ProducerId>,
    next: u64,
) {
    let producer = producer.map_or("", ProducerId::as_str);
    info!(%peer, %channel, producer, next, "publisher connected");
}

pub(crate) fn publisher_disconnected(published: &Published, peer: Peer, channel: &ChannelName) {
    let Published {
        end,
        committed,
        bytes,
    } = published;
    info!(%peer, %channel, reason = %end, committed, bytes, "publisher disconnected");
}

pub(crate) fn subscriber_connected(peer: Peer, channel: &ChannelName, from: u64) {
    info!(%peer, %channel, from, "subscriber connected");
}

/// `from` is the seq of the first message that the subscriber was to get.
pub(crate) fn subscriber_disconnected(report: &ClientReport, channel: &Channel, from: u64) {
    let reason = reason(&report.end);
    let committed = channel.tail().next_seq();
    let next = from + report.messages + report.skipped;
    if report.end == End::Slow
        && let Some(before) = channel.passed.happened(Instant::now())
    {
        warn!(
            peer = %report.peer,
            channel = %channel.name(),
            next,
            before,
            behind = committed.saturating_sub(next),
            "retention has passed a subscriber that was too slow: the message that it needed next is deleted"
        );
    }
    info!(
        peer = %report.peer,
        channel = %channel.name(),
        %reason,
        messages = report.messages,
        bytes = report.bytes,
        lag = committed.saturating_sub(next),
        torn = report.torn,
        "subscriber disconnected"
    );
}

/// Somebody has got so many messages as were asked for.
pub(crate) fn messages_read(report: &ClientReport, channel: &Channel, from: u64) {
    debug!(
        peer = %report.peer,
        channel = %channel.name(),
        from,
        messages = report.messages,
        bytes = report.bytes,
        "messages read"
    );
}

pub(crate) fn follower_connected(peer: Peer, patterns: &[Pattern], channels: usize) {
    let patterns = patterns.iter().map(ToString::to_string);
    let patterns = patterns.collect::<Vec<_>>().join(" ");
    info!(%peer, patterns, channels, "follower connected");
}

pub(crate) fn follower_disconnected(report: &ClientReport) {
    info!(
        peer = %report.peer,
        reason = %reason(&report.end),
        messages = report.messages,
        bytes = report.bytes,
        torn = report.torn,
        "follower disconnected"
    );
}

fn reason(end: &End) -> &dyn Display {
    match end {
        End::Complete => &"complete",
        End::Slow => &"too slow",
        End::Damaged => &"damaged",
        End::Stalled => &"stalled",
        // As of a publisher: an end that TLS misses.
        End::Gone(io::ErrorKind::UnexpectedEof) => &"cut",
        End::Gone(kind) => kind,
        End::GaveWay => &"gave way",
        End::Revoked => &"may not any more",
        End::TooManyChannels => &"too many channels",
    }
}
