//! Messages on their way from a channel to a peer.

use std::sync::Arc;

use tracing::info;

use crate::block::Block;
use crate::channel::Subscription;
use crate::connection::{Connection, Stay};
use crate::registry::Visit;
use crate::reports::disconnected;
use crate::subscriber::{Drain, Subscriber};

/// Messages on their way from a channel to a peer.
pub(crate) struct Outlet {
    pub(crate) subscriber: Subscriber,
    pub(crate) visit: Visit,
    /// The seq of the first message.
    pub(crate) from: u64,
    pub(crate) stay: Arc<Stay>,
}

impl Outlet {
    pub(crate) async fn run(self) {
        let Self {
            subscriber,
            visit,
            from,
            stay,
        } = self;
        let report = subscriber.run().await;
        disconnected(&report, &visit, from);
        drop(stay);
    }
}

impl Connection {
    /// The messages of a channel, on their way to the peer; `before` comes first.
    pub(crate) fn outlet(&self, visit: Visit, subscription: Subscription, before: &[u8]) -> Outlet {
        let Subscription {
            answer,
            head,
            cursor,
        } = subscription;
        let first = if before.is_empty() {
            head
        } else {
            Block::new([before, head.bytes()].concat(), head.messages())
        };
        let name = visit.channel().name();
        info!(peer = %self.peer, channel = %name, from = answer.from, "subscriber connected");
        Outlet {
            subscriber: Subscriber::new(
                (Arc::clone(&self.socket), self.peer),
                first,
                (cursor, visit.channel().history().cloned()),
                // The rest of the time is for closing.
                Drain::Total(self.shared.options.drain.mul_f32(0.8)),
                Arc::clone(&self.shared.counters),
            ),
            visit,
            from: answer.from,
            stay: Arc::clone(&self.stay),
        }
    }
}
