//! A connection of a port that belongs to one channel.

use std::io;
use std::sync::Arc;

use tenfold::protocol::{Code, Position, Refusal, Token};
use tenfold::{Framing, native};
use tokio::io::Interest;
use tokio::sync::OwnedSemaphorePermit;

use crate::admission::{Purpose, not_valid};
use crate::audit::Question;
use crate::channel::Role;
use crate::connection::Connection;
use crate::deadline::within;
use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::outlet::Outlet;
use crate::port::{Direction, Plain};
use crate::publisher::Finish;
use crate::publishing::Voice;
use crate::refusals::{bad_frame, shutdown};
use crate::reports;
use crate::task::spawn;

/// How long the frame of a token may be: a token, and the end of a line that `echo` writes.
const TOKEN: u64 = 64;

impl Connection {
    /// Serves a connection of a plain port.
    pub(crate) async fn serve_plain(
        self,
        plain: Arc<Plain>,
        pending: Option<OwnedSemaphorePermit>,
    ) {
        let introduced = match self.shake_hands_in_time().await {
            Ok(None) => self.introduce(&plain).await,
            Ok(Some(refusal)) => Err(refusal),
            Err(_) => return,
        };
        let intake = match introduced {
            Ok(intake) => intake,
            Err(refusal) => {
                // Nothing is ever said on a plain port.
                reports::refused(self.peer, &refusal);
                self.stay.asked.record_refusal(&refusal);
                let place = plain.channel.as_str();
                return self.shared.mistakes.note(self.peer, place, &refusal);
            }
        };
        drop(pending);
        if let Err(refusal) = self.take_place().await {
            return self.stay.asked.record_refusal(&refusal);
        }
        let plain = &*plain;
        let mut outlet = None;
        if plain.direction != Direction::In {
            outlet = Some(self.plain_outlet(plain).await);
        }
        let mut inlet = None;
        if plain.direction != Direction::Out {
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

    /// Finds out who connects, and whether that one may do what the port does. Returns what was received
    /// besides.
    async fn introduce(&self, plain: &Plain) -> Result<Intake, Refusal> {
        self.asks(|| Question {
            request: match plain.direction {
                Direction::Out => "plain-out",
                Direction::In => "plain-in",
                Direction::Both => "plain-both",
            },
            channel: Some(plain.channel.to_string()),
            producer: None,
        });
        let framing = Framing::default();
        let (token, intake) = if plain.asks_token {
            let received = self.receive_token(Intake::new(framing.client(), TOKEN));
            let in_time = within(self.shared.options.now().request_timeout, received);
            let (token, intake) = tokio::select! {
                received = in_time => received.unwrap_or_else(|| Err(Refusal::no_request()))?,
                () = self.shared.draining.raised() => return Err(shutdown()),
            };
            (Some(token), intake)
        } else {
            let intake = Intake::new(framing.client(), self.shared.options.now().max_message);
            (None, intake)
        };
        let channel = plain.channel.clone();
        let purpose = match plain.direction {
            Direction::Out => Purpose::Subscribe(channel),
            Direction::In => Purpose::Publish(channel, None),
            Direction::Both => Purpose::Both(channel),
        };
        self.authorize(token.as_ref(), purpose)?;
        Ok(intake)
    }

    /// The first frame of a connection at a port that asks who is there.
    async fn receive_token(&self, mut intake: Intake) -> Result<(Token, Intake), Refusal> {
        loop {
            let complete = intake.scan(1).map_err(|error| bad_frame(&error, 0))?;
            if complete > 0 {
                let frame = intake.take_block();
                let text = str::from_utf8(&frame.bytes()[native::HEADER..]).ok();
                let token = text.and_then(|text| text.trim_end().parse().ok());
                return Ok((token.ok_or_else(not_valid)?, intake));
            }
            let ready = self.socket.ready(Interest::READABLE).await;
            let room = intake.room();
            match ready.and_then(|_| self.socket.try_read(intake.space(), room)) {
                Ok(0) => return Err(not_valid()),
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(not_valid()),
                Ok(_) | Err(_) => {}
            }
        }
    }

    async fn plain_outlet(&self, plain: &Plain) -> Result<Outlet, Refusal> {
        let visit = self
            .shared
            .registry
            .enter(&plain.channel, Role::Subscriber)?;
        let from = plain.replay.map_or(Position::Next, Position::Newest);
        let mut subscription = visit.channel().find(from, None).await?;
        if !self.may_hold() {
            subscription.cursor.hold_no_more();
        }
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
        let committed = received.committed.saturating_sub(inlet.base);
        inlet.stay.asked.record_end(committed, received.bytes);
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
    outlet.stay.asked.record_end(report.messages, report.bytes);
    if report.torn {
        socket.reset_on_close();
    } else {
        socket.finish(half_closed).await;
    }
    drop((inlet.stay, outlet.stay));
}
