//! A connection that says what it wants.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tenfold::protocol::{
    Acks, ChannelName, Code, Epoch, Position, ProducerId, Refusal, Request, Token,
};
use tenfold_gate::{Certificate, Credentials, Visitor};
use tokio::io::Interest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use crate::admission::{Purpose, admit, not_valid};
use crate::audit::{AuditResult, Question};
use crate::channel::Role;
use crate::connection::Connection;
use crate::deadline::second_look;
use crate::frames::framed;
use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::outlet::Outlet;
use crate::publishing::Voice;
use crate::refusals::{deleted, shutdown, starting};
use crate::request::{FirstFrame, Received};
use crate::shared::Shared;
use crate::task::spawn;

/// How long a request waits for a start to be over: with the time before its connection is accepted less than the
/// five seconds that clients wait for an answer.
const START: Duration = Duration::from_secs(3);
/// How long a connection may take to its request while others wait to be accepted.
const LEAST_TIME: Duration = Duration::from_millis(250);

/// How late a peer is answered that had too many credentials which are not valid.
const PUNISHMENT: Duration = Duration::from_secs(1);

impl Connection {
    /// Serves a connection that says what it wants. `pending` is its place among the connections
    /// that have not said it yet.
    pub(crate) async fn serve(self, pending: Option<OwnedSemaphorePermit>) {
        let refusal = match self.first_frame().await {
            Ok(Received::Request(request, token, intake)) => {
                self.asks(|| Question::of(&request));
                match self.let_in(token.as_ref(), &request).await {
                    // A request that is only being looked up keeps that place.
                    Ok((connection, visitor)) => {
                        return connection.obey(visitor, request, intake, pending).await;
                    }
                    Err(refusal) => refusal,
                }
            }
            Ok(Received::Refused(refusal)) => refusal,
            // The peer has gone, or has ended its side without a word: there is nothing to answer.
            Ok(Received::Incomplete(_) | Received::Nothing) | Err(_) => return,
        };
        drop(pending);
        if refusal.code == Some(Code::Auth) {
            self.slow_down().await;
        }
        self.refuse(&refusal, false).await;
    }

    /// Asks the gate, and waits for a start to be over if the request needs that. Then it is a connection of the hub that
    /// there is after it.
    async fn let_in(
        &self,
        token: Option<&Token>,
        request: &Request,
    ) -> Result<(Self, Visitor), Refusal> {
        let visitor = self.authorize(token, purpose(request))?;
        let shared = &self.shared;
        let hub = match &shared.starting {
            None => return Ok((self.clone(), visitor)),
            Some(_) if *request == Request::Health => return Ok((self.clone(), visitor)),
            Some(start) => tokio::select! {
                biased;
                hub = start.hub() => hub,
                () = shared.draining.raised() => return Err(shutdown()),
                () = self.late(START) => {
                    let is_admin = visitor.identity().is_admin();
                    return Err(starting(is_admin.then(|| start.progress())));
                }
            },
        };
        let connection = Self::new(hub, Arc::clone(&self.socket), self.peer, false);
        connection.asks(|| Question::of(request));
        let visitor = connection.authorize(token, purpose(request))?;
        Ok((connection, visitor))
    }

    /// Waits so long, or until others wait to be accepted.
    async fn late(&self, limit: Duration) {
        let place_is_wanted = async {
            sleep(LEAST_TIME).await;
            self.shared.pending.wanted().await;
        };
        let _ = timeout(limit, place_is_wanted).await;
    }

    async fn first_frame(&self) -> io::Result<Received> {
        let limit = self.shared.options.now().request_timeout;
        let deadline = Instant::now() + limit;
        let mut reading = pin!(self.read_first_frame());
        tokio::select! {
            biased;
            received = &mut reading => return received,
            () = self.late(limit) => {}
            () = self.shared.draining.raised() => return Ok(Received::Refused(shutdown())),
        }
        let seen = timeout(second_look(deadline), reading).await;
        seen.unwrap_or_else(|_| Ok(Received::Refused(Refusal::no_request())))
    }

    async fn read_first_frame(&self) -> io::Result<Received> {
        if let Some(refusal) = self.shake_hands().await? {
            return Ok(Received::Refused(refusal));
        }
        let mut frame = FirstFrame::new();
        loop {
            let (space, room) = frame.space();
            let read = match self.socket.try_read(space, room) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.socket.ready(Interest::READABLE).await?;
                    continue;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            match frame.received(read == 0) {
                Received::Incomplete(more) => frame = more,
                received => return Ok(received),
            }
        }
    }

    /// What goes on from here is a task of its own, so that an idle connection takes no more memory
    /// than what it is doing needs.
    async fn obey(
        self,
        visitor: Visitor,
        request: Request,
        intake: Intake,
        pending: Option<OwnedSemaphorePermit>,
    ) {
        match request {
            Request::Subscribe {
                channel,
                from,
                epoch,
                ..
            } => match self.subscribe(&channel, from, epoch).await {
                Ok(outlet) => drop(spawn(outlet.run())),
                Err(refusal) => {
                    drop(pending);
                    self.refuse(&refusal, false).await;
                }
            },
            Request::Follow { patterns, from, .. } => {
                let outlet = match self.take_place().await {
                    Ok(()) => {
                        // The list may take its time.
                        drop(pending);
                        self.follow(patterns, from, intake).await
                    }
                    Err(refusal) => Err(refusal),
                };
                match outlet {
                    Ok(outlet) => drop(spawn(outlet.run())),
                    Err(refusal) => self.refuse(&refusal, false).await,
                }
            }
            Request::Publish {
                channel,
                producer,
                acks,
                ..
            } => match self.publish(&channel, producer, acks, intake).await {
                Ok(inlet) => drop(spawn(inlet.run())),
                Err(refusal) => {
                    drop(pending);
                    self.refuse(&refusal, false).await;
                }
            },
            Request::Times {
                channel,
                from,
                to,
                epoch,
                ..
            } => match self.times(&channel, from, to, epoch).await {
                Ok(times) => drop(spawn(self.tell_times(times))),
                Err(refusal) => {
                    drop(pending);
                    self.refuse(&refusal, false).await;
                }
            },
            Request::Delete { channel, .. } => {
                match self.turn(&self.shared.deleting, pending).await {
                    Ok(_turn) => match self.delete(&channel).await {
                        Ok(deleted) => {
                            self.stay.asked.record(AuditResult::Ok);
                            self.say(&framed([deleted]), false).await;
                        }
                        Err(refusal) => self.refuse(&refusal, false).await,
                    },
                    Err(refusal) => self.refuse(&refusal, false).await,
                }
            }
            Request::Channels | Request::Clients | Request::Health => {
                self.tell(&visitor, &request, pending).await;
            }
            _ => {
                let refusal = Refusal::new(Code::Proto, "this hub does not know the request");
                drop(pending);
                self.refuse(&refusal, false).await;
            }
        }
    }

    /// Tells what there is, as far as the visitor is shown it.
    async fn tell(
        self,
        visitor: &Visitor,
        request: &Request,
        pending: Option<OwnedSemaphorePermit>,
    ) {
        let Shared {
            registry,
            clients,
            mistakes,
            ..
        } = &*self.shared;
        let places = match request {
            Request::Health => &self.shared.asking,
            _ => &self.shared.listing,
        };
        let _turn = match self.turn(places, pending).await {
            Ok(turn) => turn,
            Err(refusal) => return self.refuse(&refusal, false).await,
        };
        self.stay.asked.record(AuditResult::Ok);
        match request {
            Request::Channels => self.list(registry.listing(visitor)).await,
            Request::Clients => self.list(clients.listing(visitor, mistakes)).await,
            _ if visitor.identity().is_admin() => {
                self.say(&framed([self.shared.health()]), false).await;
            }
            _ => self.say(&framed([self.shared.status()]), false).await,
        }
    }

    /// The gate: lets a connection do what it is for, if whoever it is may. Nothing is done before.
    pub(crate) fn authorize(
        &self,
        token: Option<&Token>,
        purpose: Purpose,
    ) -> Result<Visitor, Refusal> {
        let options = self.shared.options.now();
        let now = (options.clock)();
        let certificates = self.socket.certificates();
        let visitor = match &options.policy {
            Some(policy) => {
                let own = certificates.as_ref().and_then(|all| all.first());
                let own = own.map(|own| Certificate::read(own)).transpose();
                let own = own.map_err(|_| not_valid())?;
                let visitor = policy.visitor(Credentials::new(own, token), now);
                visitor.map_err(|_| not_valid())?
            }
            None if certificates.is_none() => return Ok(self.shared.anybody.clone()),
            None => self.shared.anybody.clone(),
        };
        self.stay.asked.by(&visitor);
        let admission = admit(visitor.clone(), purpose)?.with(certificates);
        let admission = Arc::new(admission);
        self.stay.listed.admit(Arc::clone(&admission));
        // If options were changed meanwhile, whoever changed them may have looked before this one was listed.
        let changed = self.shared.options.now();
        if !Arc::ptr_eq(&changed, &options) {
            admission.look_again(&changed, now, &[]);
        }
        if admission.is_revoked() {
            return Err(not_valid());
        }
        Ok(visitor)
    }

    /// Has a peer wait that tries one credential after the other.
    async fn slow_down(&self) {
        if self.shared.shares.failed(self.peer) {
            // Those for whom there is no place are told at once: nobody guesses 256 bits anyway.
            let Ok(_place) = self.shared.punished.try_acquire() else {
                return;
            };
            tokio::select! {
                () = sleep(PUNISHMENT) => {}
                () = self.shared.draining.raised() => {}
            }
        }
    }

    /// A place among those that ask for something. If there is none, the connection waits among those that do, and
    /// not among those that have not asked yet: whoever asks for something else must not wait for them.
    async fn turn<'a>(
        &'a self,
        places: &'a Semaphore,
        pending: Option<OwnedSemaphorePermit>,
    ) -> Result<SemaphorePermit<'a>, Refusal> {
        if let Ok(place) = places.try_acquire() {
            return Ok(place);
        }
        let busy = || Refusal::new(Code::Busy, "too many others ask for the same");
        let _waits = self.shared.waiting.try_acquire().map_err(|_| busy())?;
        drop(pending);
        let turn = timeout(self.shared.options.now().request_timeout, places.acquire()).await;
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }

    async fn subscribe(
        &self,
        channel: &ChannelName,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Outlet, Refusal> {
        if epoch.is_some_and(|epoch| self.shared.registry.was_deleted(channel, epoch)) {
            return Err(deleted());
        }
        self.take_place().await?;
        let visit = self.shared.registry.enter(channel, Role::Subscriber)?;
        let mut subscription = visit.channel().find(from, epoch).await?;
        if !self.may_hold() {
            subscription.cursor.hold_no_more();
        }
        let answer = framed([subscription.answer]);
        Ok(Outlet::new(self, visit, subscription, &answer))
    }

    async fn publish(
        &self,
        channel: &ChannelName,
        producer: Option<ProducerId>,
        acks: Option<Acks>,
        intake: Intake,
    ) -> Result<Inlet, Refusal> {
        let default = match self.shared.registry.on_disk() {
            Some(_) => Acks::Durable,
            None => Acks::Memory,
        };
        let acks = acks.unwrap_or(default);
        if (acks, default) == (Acks::Durable, Acks::Memory) {
            let words = "the channel has no log: acks=memory is what there is";
            return Err(Refusal::new(Code::Denied, words));
        }
        self.take_place().await?;
        Inlet::new(self, channel, producer, Voice::Protocol(acks), intake).await
    }
}

/// What whoever sends a request wants to do.
fn purpose(request: &Request) -> Purpose {
    match request {
        Request::Subscribe { channel, .. } | Request::Times { channel, .. } => {
            Purpose::Subscribe(channel.clone())
        }
        Request::Follow { patterns, .. } => Purpose::Follow(patterns.clone()),
        Request::Publish {
            channel, producer, ..
        } => Purpose::Publish(channel.clone(), producer.clone()),
        Request::Delete { .. } => Purpose::Delete,
        Request::Channels | Request::Health => Purpose::Ask,
        Request::Clients => Purpose::AskForClients,
        _ => Purpose::Unknown,
    }
}
