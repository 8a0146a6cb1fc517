//! A connection of a port that belongs to one channel.

use std::io;
use std::sync::Arc;

use tenfold::protocol::{Code, Position, Refusal, Token};
use tenfold::{Framing, native};
use tokio::io::Interest;

use crate::admission::{Purpose, not_valid};
use crate::audit::Question;
use crate::channel::Role;
use crate::connection::Connection;
use crate::deadline::within;
use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::outlet::Outlet;
use crate::pending::PendingPlace;
use crate::port::{Direction, Plain};
use crate::publisher::Finish;
use crate::publishing::Voice;
use crate::refusals::{bad_frame, gave_way, late_handshake, shutdown};
use crate::reports;
use crate::task::spawn;

/// How long the frame of a token may be: a token, and the end of a line that `echo` writes.
const TOKEN: u64 = 64;

impl Connection {
    /// Serves a connection of a plain port. `pending` is its place among the connections that come first to a handshake
    /// or a token.
    pub(crate) async fn serve_plain(self, plain: Arc<Plain>, pending: Option<PendingPlace>) {
        let introduced = match &pending {
            Some(pending) => self.introduce_in_time(&plain, pending).await,
            None => self.introduce(&plain, None).await,
        };
        let intake = match introduced {
            Ok(Some(intake)) => intake,
            Ok(None) => return,
            // Nothing is ever said on a plain port.
            Err(refusal) => return self.note(&refusal, plain.channel.as_str()),
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

    async fn introduce_in_time(
        &self,
        plain: &Plain,
        pending: &PendingPlace,
    ) -> Result<Option<Intake>, Refusal> {
        let time = self.shared.options.now().request_timeout;
        tokio::select! {
            biased;
            introduced = within(time, self.introduce(plain, Some(pending))) => match introduced {
                Some(introduced) => introduced,
                None if plain.asks_token => Err(Refusal::no_request()),
                None => Err(late_handshake()),
            },
            () = pending.gives_way(|| self.socket.has_received()) => Err(gave_way()),
            () = self.shared.draining.raised() => Err(shutdown()),
        }
    }

    /// Finds out who connects, and whether that one may do what the port does. Returns what was received
    /// besides; none: the peer has gone.
    async fn introduce(
        &self,
        plain: &Plain,
        pending: Option<&PendingPlace>,
    ) -> Result<Option<Intake>, Refusal> {
        match self.shake_hands().await {
            Ok(None) => {}
            Ok(Some(refusal)) => return Err(refusal),
            Err(_) => return Ok(None),
        }
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
            let intake = Intake::new(framing.client(), TOKEN);
            let (token, intake) = self.receive_token(intake, pending).await?;
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
        Ok(Some(intake))
    }

    /// The first frame of a connection at a port that asks who is there.
    async fn receive_token(
        &self,
        mut intake: Intake,
        pending: Option<&PendingPlace>,
    ) -> Result<(Token, Intake), Refusal> {
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
                Ok(_) => {
                    if let Some(pending) = pending {
                        pending.has_begun();
                    }
                }
                Err(e) if e.kind() != io::ErrorKind::WouldBlock => return Err(not_valid()),
                Err(_) => {}
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
