//! `--history`: whether the input begins with what the producer has published before.

use tenfold::Hubs;
use tenfold::asynchronous::Subscriber;
use tenfold::client::{Subscribe, SubscriberEvent};
use tenfold::protocol::{ChannelName, Position, ProducerId};

use crate::failure::Failure;
use crate::flow::hub_client;
use crate::flow::options::HubPeer;
use crate::numbers::{counted, grouped};
use crate::words::Words;

/// The channel from its oldest message on, as far as it went when the hub said how much it has of the
/// producer. The hub does not say whose a message is; the order of the messages tells.
#[derive(Debug)]
pub(super) struct Past {
    subscriber: Subscriber,
    server: Hubs,
    producer: ProducerId,
    order: Order,
}

/// How the producer's messages stand in the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// All messages are the producer's. Those before this seq are not kept, and not compared.
    Alone { first: u64 },
    /// Others' messages are between them.
    Among,
    /// Others' messages are between them, and the oldest are not kept: nothing can be compared.
    Unknown,
}

impl Past {
    pub(super) async fn open(
        hub: &HubPeer,
        channel: &ChannelName,
        producer: &ProducerId,
        known: u64,
        words: &Words,
    ) -> Result<Self, Failure> {
        let server = &hub.server;
        // What the hub has stored is not refused here for its size.
        let options = Subscribe::new(channel.clone())
            .token(hub.credential.token())
            .tls(hub.credential.tls())
            .from(Position::First)
            .limit(u64::MAX)
            .until_end();
        let mut subscriber = Subscriber::new(server.clone(), options);
        let answer = loop {
            match subscriber.next_event().await {
                Ok(Some(SubscriberEvent::Connected(answer))) => break answer,
                Ok(Some(_)) => {}
                Ok(None) => return Err(Failure::Other(format!("{server} closed the connection"))),
                Err(error) => return Err(hub_client::failure(&error, server)),
            }
        };
        let order = match (answer.next == known, answer.first) {
            (true, first) => Order::Alone { first },
            (false, 0) => Order::Among,
            (false, _) => Order::Unknown,
        };
        let uncompared = match order {
            Order::Alone { first } => first.min(known),
            Order::Among => 0,
            Order::Unknown => known,
        };
        if uncompared > 0 {
            words.warning(format_args!(
                "the hub no longer keeps all of the channel: {} of producer {producer} cannot be compared with the input",
                counted(uncompared, "message")
            ));
        }
        Ok(Self {
            subscriber,
            server: server.clone(),
            producer: producer.clone(),
            order,
        })
    }

    /// Compares the producer's message with this index, all of which are given in turn.
    pub(super) async fn compare(&mut self, index: u64, message: &[u8]) -> Result<(), Failure> {
        let is_found = match self.order {
            Order::Unknown => true,
            Order::Alone { first } if index < first => true,
            Order::Alone { .. } => self.is_next(message).await? == Some(true),
            Order::Among => loop {
                match self.is_next(message).await? {
                    Some(false) => {}
                    found => break found.is_some(),
                }
            },
        };
        if is_found {
            return Ok(());
        }
        Err(Failure::Other(format!(
            "message {} of the input is not what producer {} has published there: that is not all that the \
             producer has published (without --history the input is what comes next)",
            grouped(index),
            self.producer
        )))
    }

    /// Whether the channel's next message is this one; none at its end.
    async fn is_next(&mut self, message: &[u8]) -> Result<Option<bool>, Failure> {
        loop {
            match self.subscriber.next_event().await {
                Ok(Some(SubscriberEvent::Message(next))) => return Ok(Some(next.bytes == message)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(hub_client::failure(&error, &self.server)),
            }
        }
    }
}
