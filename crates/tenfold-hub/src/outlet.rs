//! Messages on their way from a channel to a peer.

use std::sync::Arc;

use crate::audit::AuditResult;
use crate::block::Block;
use crate::channel::Subscription;
use crate::clients::{Progressing, Sending};
use crate::connection::{Connection, Stay};
use crate::registry::Visit;
use crate::reports;
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
    /// The messages of a channel for a connection; `before` comes first.
    pub(crate) fn new(
        connection: &Connection,
        visit: Visit,
        subscription: Subscription,
        before: &[u8],
    ) -> Self {
        let Subscription {
            answer,
            head,
            cursor,
        } = subscription;
        let first = if before.is_empty() {
            head.clone()
        } else {
            Block::new([before, head.bytes()].concat(), head.messages())
        };
        let shared = &connection.shared;
        let subscriber = Subscriber::new(
            (Arc::clone(&connection.socket), connection.peer),
            first,
            (cursor, visit.channel().history().cloned()),
            // The rest of the time is for closing.
            Drain::Total(shared.options.now().drain.mul_f32(0.8)),
            Arc::clone(&shared.counters),
        )
        .within(Arc::clone(shared.registry.rests()), head)
        .giving_way(Arc::clone(&shared.giving_way))
        .admitted(connection.stay.listed.admission());
        connection.stay.listed.sends(Sending {
            channel: Arc::clone(visit.channel()),
            from: answer.from,
            before: before.len() as u64,
            progress: Progressing::Frames(subscriber.watched()),
        });
        reports::subscriber_connected(connection.peer, visit.channel().name(), answer.from);
        connection.stay.asked.record(AuditResult::Ok);
        Self {
            subscriber,
            visit,
            from: answer.from,
            stay: Arc::clone(&connection.stay),
        }
    }

    /// Sends until one side ends, and closes the connection.
    pub(crate) async fn run(self) {
        let Self {
            subscriber,
            visit,
            from,
            stay,
        } = self;
        let report = subscriber.run().await;
        reports::subscriber_disconnected(&report, visit.channel(), from);
        stay.asked.record_end(report.messages, report.bytes);
        drop(stay);
    }
}
