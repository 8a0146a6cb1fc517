//! A connection of a port that belongs to one channel.

use std::sync::Arc;

use tenfold::Framing;
use tenfold::protocol::{Code, Position, Refusal};

use crate::channel::Role;
use crate::connection::Connection;
use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::outlet::Outlet;
use crate::port::{Direction, Plain};
use crate::publisher::Finish;
use crate::publishing::Voice;
use crate::reports;
use crate::task::spawn;

impl Connection {
    /// Serves a connection of a plain port.
    pub(crate) async fn serve_plain(self, plain: Arc<Plain>) {
        if self.take_place().await.is_err() {
            return;
        }
        let plain = &*plain;
        let mut outlet = None;
        if plain.direction != Direction::In {
            outlet = Some(self.plain_outlet(plain).await);
        }
        let mut inlet = None;
        if plain.direction != Direction::Out {
            let intake = Intake::new(
                Framing::default().client(),
                self.shared.options.now().max_message,
            );
            let voice = Voice::Silent;
            inlet = Some(Inlet::new(&self, &plain.channel, None, voice, intake).await);
        }
        // Nothing is ever said on a plain port: a client that cannot be served is closed.
        drop(match (outlet, inlet) {
            (Some(Ok(outlet)), None) => spawn(outlet.run()),
            (None, Some(Ok(inlet))) => spawn(inlet.run()),
            (Some(Ok(outlet)), Some(Ok(inlet))) => spawn(both(outlet, inlet)),
            _ => return,
        });
    }

    async fn plain_outlet(&self, plain: &Plain) -> Result<Outlet, Refusal> {
        let visit = self
            .shared
            .registry
            .enter(&plain.channel, Role::Subscriber)?;
        let from = plain.replay.map_or(Position::Next, Position::Newest);
        let subscription = visit.channel().find(from, None).await?;
        let mut outlet = Outlet::new(self, visit, subscription, &plain.welcome);
        if plain.direction == Direction::Out {
            let mistakes = Arc::clone(&self.shared.mistakes);
            let place = plain.channel.clone();
            outlet.subscriber = outlet.subscriber.noting_input(mistakes, self.peer, place);
        }
        Ok(outlet)
    }
}

/// Both directions of one connection. The peer's half-close ends one of them, bad input both.
async fn both(outlet: Outlet, inlet: Inlet) {
    let mut subscriber = outlet.subscriber.without_input();
    let mut publisher = inlet.publisher;
    let received = tokio::select! {
        biased;
        received = publisher.run() => Some(received),
        () = subscriber.deliver() => None,
    };
    let mut half_closed = publisher.is_half_closed();
    if let Some(received) = received {
        // A hub that ends, or a channel, receives nothing more, but it still delivers everything.
        let goes_on = matches!(
            received.end,
            Finish::Complete | Finish::Refused(Some(Code::Shutdown | Code::Deleted))
        );
        reports::publisher_disconnected(&received, inlet.peer, publisher.channel().name());
        half_closed = publisher.into_parts().1;
        drop(inlet.appending);
        if goes_on {
            if half_closed {
                subscriber.peer_ended();
            }
            subscriber.deliver().await;
        }
    }
    let (socket, _, report) = subscriber.into_parts();
    reports::subscriber_disconnected(&report, outlet.visit.channel(), outlet.from);
    if report.torn {
        socket.reset_on_close();
    } else {
        socket.finish(half_closed).await;
    }
    drop((inlet.stay, outlet.stay));
}
