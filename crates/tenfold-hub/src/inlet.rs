//! Messages on their way from a peer to a channel.

use std::sync::Arc;

use tenfold::protocol::{ChannelName, Code, ProducerId, Publishing as Answer, Refusal};
use tenfold_gate::Visitor;
use tokio::time::Instant;

use crate::appender::Appender;
use crate::audit::AuditResult;
use crate::channel::Role;
use crate::clients::Receiving;
use crate::connection::{Connection, Stay};
use crate::intake::Intake;
use crate::peer::Peer;
use crate::presence::Presence;
use crate::publisher::{Finish, Publisher};
use crate::publishing::{Publishing, Timeouts, Voice};
use crate::refusals::{fenced, too_many_names};
use crate::reports;

/// Messages on their way from a peer to a channel.
pub(crate) struct Inlet {
    pub(crate) publisher: Publisher,
    pub(crate) peer: Peer,
    pub(crate) appending: Presence,
    pub(crate) stay: Arc<Stay>,
    /// How many messages the producer had before this connection.
    pub(crate) base: u64,
}

impl Connection {
    /// Leave to append to a channel, once what its producer had on its way before has arrived.
    pub(crate) async fn appender(
        &self,
        channel: &ChannelName,
        producer: Option<ProducerId>,
    ) -> Result<Appender, Refusal> {
        let shared = &self.shared;
        if shared.upstream.is_some() {
            let words =
                "this hub is a mirror, and passes on only what comes to a port for the protocol";
            return Err(Refusal::new(Code::Denied, words));
        }
        if let Some(durable) = shared.registry.on_disk() {
            durable.may_publish().await?;
        }
        let visitor = self.stay.listed.admission();
        let visitor = visitor.map(|admission| admission.visitor());
        let identity = visitor.as_ref().map(Visitor::identity);
        let begins = || {
            let begins = shared.shares.begins(identity, self.peer);
            begins.map_err(too_many_names)
        };
        let visit = shared
            .registry
            .enter_as(identity, channel, Role::Publisher, begins)?;
        let appender = Appender::new(visit, producer, shared.options.now().clock)?;
        appender.settled().await.map_err(|_| fenced())?;
        Ok(appender)
    }
}

impl Inlet {
    /// Leave to publish for a connection.
    pub(crate) async fn new(
        connection: &Connection,
        channel: &ChannelName,
        producer: Option<ProducerId>,
        voice: Voice,
        intake: Intake,
    ) -> Result<Self, Refusal> {
        let shared = &connection.shared;
        let id = producer.clone();
        let appender = connection.appender(channel, producer).await?;
        let timeouts = Timeouts {
            header: shared.options.now().header_timeout,
            stall: shared.options.now().stall_timeout,
        };
        let mut session =
            Publishing::new(intake, shared.options.now().max_message, voice, timeouts);
        let committed = appender.committed();
        let answer = match voice {
            Voice::Protocol(acks) => {
                Answer::new(appender.channel().epoch(), committed, acks).to_string()
            }
            Voice::Silent => String::new(),
        };
        session.begin(committed, &answer, Instant::now().into_std());
        reports::publisher_connected(connection.peer, channel, id.as_ref(), committed);
        connection.stay.asked.record(AuditResult::Ok);
        let client = (Arc::clone(&connection.socket), connection.peer);
        let (channel, claim) = (Arc::clone(appender.channel()), appender.claim());
        let publisher = Publisher::new(
            client,
            session,
            appender,
            Arc::clone(shared),
            connection.stay.listed.admission().cloned(),
        );
        connection.stay.listed.receives(Receiving {
            channel,
            producer: id,
            claim,
            base: committed,
            bytes: publisher.received(),
        });
        Ok(Self {
            publisher,
            peer: connection.peer,
            appending: shared.appending.enter(),
            stay: Arc::clone(&connection.stay),
            base: committed,
        })
    }

    /// Receives until one side ends, and closes the connection.
    pub(crate) async fn run(self) {
        let Self {
            mut publisher,
            peer,
            appending,
            stay,
            base,
        } = self;
        let published = publisher.run().await;
        drop(appending);
        reports::publisher_disconnected(&published, peer, publisher.channel().name());
        stay.asked
            .record_end(published.committed.saturating_sub(base), published.bytes);
        if publisher.is_temporary() && published.end == Finish::Complete {
            publisher.bid_farewell().await;
            return drop(stay);
        }
        let (socket, half_closed) = publisher.into_parts();
        if !matches!(published.end, Finish::Gone(_)) {
            socket.finish(half_closed).await;
        }
        drop(stay);
    }
}
