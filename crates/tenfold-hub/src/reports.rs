//! What becomes of connections, for people.

use std::fmt::Display;

use tenfold::protocol::ChannelName;
use tracing::info;

use crate::publisher::Published;
use crate::registry::Visit;
use crate::socket::Peer;
use crate::stats::{ClientReport, End};

/// What became of a publisher, for people.
pub(crate) fn ended(published: &Published, peer: Peer, channel: &ChannelName) {
    let Published {
        end,
        committed,
        bytes,
    } = published;
    info!(%peer, %channel, reason = %end, committed, bytes, "publisher disconnected");
}

/// What became of a subscriber, for people.
pub(crate) fn disconnected(report: &ClientReport, visit: &Visit, from: u64) {
    let reason: &dyn Display = match &report.end {
        End::Complete => &"complete",
        End::Slow => &"too slow",
        End::Damaged => &"damaged",
        End::Stalled => &"stalled",
        End::Gone(kind) => kind,
    };
    let committed = visit.channel().tail().next_seq();
    info!(
        peer = %report.peer,
        channel = %visit.channel().name(),
        %reason,
        messages = report.messages,
        bytes = report.bytes,
        lag = committed.saturating_sub(from + report.messages),
        torn = report.torn,
        "subscriber disconnected"
    );
}
