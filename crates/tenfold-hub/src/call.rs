//! What a guest of a hub asks for, as calls.

use tenfold::protocol::{ChannelName, Code, Epoch, Position, Refusal, Request, Token};
use tenfold_gate::Visitor;

use crate::admission::Purpose;
use crate::audit::{AuditResult, Question};
use crate::channel::ChannelInfo;
use crate::connection::Connection;
use crate::feed::Feed;
use crate::health::HubHealth;
use crate::metrics::Metrics;
use crate::protocol_port::purpose;
use crate::publication::{Publication, Publish};

/// One request of a [`Guest`](crate::Guest): what the hub's protocol has verbs for, under the same rules.
///
/// The gate is asked with the guest's certificate and the token of the call, everything has the same limits, and each
/// refusal is the one that the protocol has. What is allowed can be taken back; then what came of the call ends.
#[derive(Debug)]
pub struct Call {
    connection: Connection,
    token: Option<Token>,
}

impl Call {
    pub(crate) fn new(connection: Connection, token: Option<Token>) -> Self {
        Self { connection, token }
    }

    /// `SUBSCRIBE`: a place in a channel, from which its messages are written to the guest.
    pub async fn subscribe(
        self,
        channel: &ChannelName,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Feed, Refusal> {
        let request = Request::subscribe(channel.clone(), from, epoch);
        let visitor = self.admit(&request).await;
        let found = match visitor {
            Ok(_) => self.connection.place_in(channel, from, epoch).await,
            Err(refusal) => Err(refusal),
        };
        let (visit, subscription) = self.told(found)?;
        self.connection.has_begun();
        Ok(Feed::new(self.connection, visit, subscription))
    }

    /// `PUBLISH`: leave to append messages to a channel.
    pub async fn publish(
        self,
        channel: &ChannelName,
        how: Publish,
    ) -> Result<Publication, Refusal> {
        let request = Request::publish(channel.clone(), how.producer.clone(), how.acks);
        let begun = match self.admit(&request).await {
            Ok(_) => Publication::new(&self.connection, channel, how).await,
            Err(refusal) => Err(refusal),
        };
        let publication = self.told(begun)?;
        self.connection.has_begun();
        Ok(publication)
    }

    /// `CHANNELS`: those that are shown to the guest, by name.
    pub async fn channels(self) -> Result<Vec<ChannelInfo>, Refusal> {
        let visitor = self.admit(&Request::Channels).await;
        let visitor = self.told(visitor)?;
        let shared = &self.connection.shared;
        let _turn = self.told(self.connection.turn(&shared.listing).await)?;
        self.connection.stay.asked.record(AuditResult::Ok);
        Ok(shared.registry.listing(&visitor).flatten().collect())
    }

    /// `CLIENTS`: an object in JSON for each connection that is shown to the guest.
    pub async fn clients(self) -> Result<Vec<String>, Refusal> {
        let visitor = self.admit(&Request::Clients).await;
        let visitor = self.told(visitor)?;
        let shared = &self.connection.shared;
        let _turn = self.told(self.connection.turn(&shared.listing).await)?;
        self.connection.stay.asked.record(AuditResult::Ok);
        let listing = shared.clients.listing(&visitor, &shared.mistakes);
        Ok(listing.flatten().collect())
    }

    /// `HEALTH`: how the hub is, and more of it to whoever is an admin.
    pub async fn health(self) -> Result<HubHealth, Refusal> {
        let visitor = self.admit(&Request::Health).await;
        let visitor = self.told(visitor)?;
        let shared = &self.connection.shared;
        let _turn = self.told(self.connection.turn(&shared.asking).await)?;
        self.connection.stay.asked.record(AuditResult::Ok);
        Ok(shared.health_for(&visitor))
    }

    /// The hub's numbers, for an admin.
    pub async fn metrics(self) -> Result<Metrics, Refusal> {
        let visitor = self
            .admit_to(Purpose::AskForNumbers, || Question::about_all("METRICS"))
            .await;
        self.told(visitor)?;
        let shared = &self.connection.shared;
        let _turn = self.told(self.connection.turn(&shared.listing).await)?;
        self.connection.stay.asked.record(AuditResult::Ok);
        Ok(shared.metrics().await)
    }

    /// Asks the gate. Nothing is done before.
    async fn admit(&self, request: &Request) -> Result<Visitor, Refusal> {
        self.admit_to(purpose(request), || Question::of(request))
            .await
    }

    async fn admit_to(
        &self,
        purpose: Purpose,
        question: impl FnOnce() -> Question,
    ) -> Result<Visitor, Refusal> {
        self.connection.asks(question);
        let admitted = self.connection.authorize(self.token.as_ref(), purpose);
        if let Err(refusal) = &admitted
            && refusal.code == Some(Code::Auth)
        {
            self.connection.slow_down().await;
        }
        admitted
    }

    /// Notes a refusal, as the hub's own ports do.
    fn told<T>(&self, result: Result<T, Refusal>) -> Result<T, Refusal> {
        if let Err(refusal) = &result {
            self.connection.note(refusal, "a guests' port");
        }
        result
    }
}
