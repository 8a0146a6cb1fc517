//! A connection that says what it wants.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenfold::protocol::{
    Acks, ChannelName, Code, Epoch, Position, ProducerId, Refusal, Request, Token,
};
use tenfold_gate::{Certificate, Credentials, Visitor};
use tokio::io::Interest;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};

use crate::admission::{Purpose, admit, not_valid};
use crate::audit::{AuditResult, Question};
use crate::channel::{Role, Subscription};
use crate::clients::Via;
use crate::connection::Connection;
use crate::deadline::within;
use crate::frames::framed;
use crate::inlet::Inlet;
use crate::intake::Intake;
use crate::outlet::Outlet;
use crate::pending::PendingPlace;
use crate::publishing::Voice;
use crate::refusals::{deleted, gave_way, shutdown, starting};
use crate::registry::Visit;
use crate::request::{FirstFrame, Received};
use crate::shared::Shared;
use crate::task::spawn;

/// How long a request waits for a start to be over: with the time before its connection is accepted less than the
/// five seconds that clients wait for an answer.
const START: Duration = Duration::from_secs(3);

/// How late a peer is answered that had too many credentials which are not valid.
const PUNISHMENT: Duration = Duration::from_secs(1);

/// A request, and the token that came with it.
type Asked = (Request, Option<Token>);

impl Connection {
    /// Serves a connection that says what it wants. `pending` is its place among the connections
    /// that have not said it yet.
    pub(crate) async fn serve(self, pending: PendingPlace) {
        let asked = tokio::select! {
            biased;
            asked = self.ask(&pending) => asked,
            () = pending.gives_way(|| self.socket.has_received()) => return self.leave(&gave_way()),
        };
        match asked {
            Ok(Some((connection, visitor, (request, token), intake))) => {
                drop(pending);
                if let Err(refusal) = connection.obey(visitor, request, token, intake).await {
                    let place = connection.shared.pending.enter(self.peer);
                    connection.refuse_in(&place, &refusal).await;
                }
            }
            Ok(None) => {}
            Err(refusal) => self.refuse_in(&pending, &refusal).await,
        }
    }

    /// Refuses. It keeps the place until it has gone, but whoever needs that is not made to wait.
    async fn refuse_in(&self, place: &PendingPlace, refusal: &Refusal) {
        tokio::select! {
            biased;
            () = self.refuse(refusal, false) => {}
            () = place.gives_way(|| false) => {}
        }
    }

    /// Receives the request, and asks the gate. None: the peer has gone, or has ended its side without a word, so
    /// there is nothing to answer.
    async fn ask(
        &self,
        pending: &PendingPlace,
    ) -> Result<Option<(Self, Visitor, Asked, Intake)>, Refusal> {
        let (request, token, intake) = match self.first_frame(pending).await {
            Ok(Received::Request(request, token, intake)) => (request, token, intake),
            Ok(Received::Refused(refusal)) => return Err(refusal),
            Ok(Received::Incomplete(_) | Received::Nothing) | Err(_) => return Ok(None),
        };
        self.asks(|| Question::of(&request));
        match self.let_in(token.as_ref(), &request).await {
            Ok((connection, visitor)) => Ok(Some((connection, visitor, (request, token), intake))),
            Err(refusal) => {
                if refusal.code == Some(Code::Auth) {
                    self.slow_down().await;
                }
                Err(refusal)
            }
        }
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
                () = sleep(START) => {
                    let is_admin = visitor.identity().is_admin();
                    return Err(starting(is_admin.then(|| start.progress())));
                }
            },
        };
        let connection = Self::new(hub, Arc::clone(&self.socket), self.peer, Via::Protocol);
        connection.asks(|| Question::of(request));
        let visitor = connection.authorize(token, purpose(request))?;
        Ok((connection, visitor))
    }

    async fn first_frame(&self, pending: &PendingPlace) -> io::Result<Received> {
        let limit = self.shared.options.now().request_timeout;
        tokio::select! {
            biased;
            received = within(limit, self.read_first_frame(pending)) => {
                received.unwrap_or_else(|| Ok(Received::Refused(Refusal::no_request())))
            }
            () = self.shared.draining.raised() => Ok(Received::Refused(shutdown())),
        }
    }

    async fn read_first_frame(&self, pending: &PendingPlace) -> io::Result<Received> {
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
            if read > 0 {
                pending.has_begun();
            }
            match frame.received(read == 0) {
                Received::Incomplete(more) => frame = more,
                received => return Ok(received),
            }
        }
    }

    /// Does what was asked for, or begins it: what goes on for long is a task of its own, so that an idle connection takes
    /// no more memory than what it is doing needs. An error is what the peer is still to be told.
    async fn obey(
        &self,
        visitor: Visitor,
        request: Request,
        token: Option<Token>,
        intake: Intake,
    ) -> Result<(), Refusal> {
        if let Some(upstream) = &self.shared.upstream
            && matches!(request, Request::Publish { .. })
        {
            let upstream = Arc::clone(upstream);
            return self.relay(upstream, &request, token.as_ref(), intake).await;
        }
        match request {
            Request::Subscribe {
                channel,
                from,
                epoch,
                ..
            } => {
                let outlet = self.subscribe(&channel, from, epoch).await;
                outlet.map(|outlet| drop(spawn(outlet.run())))
            }
            Request::Follow { patterns, from, .. } => {
                let outlet = match self.take_place().await {
                    Ok(()) => self.follow(patterns, from, intake).await,
                    Err(refusal) => Err(refusal),
                };
                outlet.map(|outlet| drop(spawn(outlet.run())))
            }
            Request::Mirror { patterns, .. } => match self.take_place().await {
                Ok(()) => self.mirror(patterns, intake).await,
                Err(refusal) => Err(refusal),
            },
            Request::Publish {
                channel,
                producer,
                acks,
                ..
            } => {
                let inlet = self.publish(&channel, producer, acks, intake).await;
                inlet.map(|inlet| drop(spawn(inlet.run())))
            }
            Request::Times {
                channel,
                from,
                to,
                epoch,
                ..
            } => {
                let times = self.times(&channel, from, to, epoch).await;
                times.map(|times| drop(spawn(self.clone().tell_times(times))))
            }
            Request::Delete { channel, .. } => self.delete_in_turn(&channel).await,
            Request::Channels | Request::Clients | Request::Health => {
                self.tell(&visitor, &request).await
            }
            _ => {
                let words = "this hub does not know the request";
                Err(Refusal::new(Code::Proto, words))
            }
        }
    }

    async fn delete_in_turn(&self, channel: &ChannelName) -> Result<(), Refusal> {
        let _turn = self.turn(&self.shared.deleting).await?;
        let deleted = self.delete(channel).await?;
        self.stay.asked.record(AuditResult::Ok);
        self.say(&framed([deleted]), false).await;
        Ok(())
    }

    /// Tells what there is, as far as the visitor is shown it.
    async fn tell(&self, visitor: &Visitor, request: &Request) -> Result<(), Refusal> {
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
        let _turn = self.turn(places).await?;
        self.stay.asked.record(AuditResult::Ok);
        match request {
            Request::Channels => self.list(registry.listing(visitor)).await,
            Request::Clients => self.list(clients.listing(visitor, mistakes)).await,
            _ => {
                let health = self.shared.health_for(visitor);
                self.say(&framed([health]), false).await;
            }
        }
        Ok(())
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
    pub(crate) async fn slow_down(&self) {
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

    /// Refuses, if this hub is a mirror that has not heard of all epochs: what it does not know may be known to its
    /// source.
    pub(crate) fn check_current(&self) -> Result<(), Refusal> {
        match &self.shared.upstream {
            Some(upstream) if !upstream.is_current() => Err(Refusal::new(
                Code::Busy,
                "this hub is a mirror without its source, and does not know this history",
            )),
            _ => Ok(()),
        }
    }

    /// Refuses, if this hub is a mirror that may not have heard of a channel yet.
    pub(crate) fn check_deleted(&self, name: &ChannelName, epoch: Epoch) -> Result<(), Refusal> {
        let shared = &self.shared;
        if shared.upstream.is_none() || shared.registry.was_deleted(name, epoch) {
            return Ok(());
        }
        let words = "this hub is a mirror, and has not got the channel yet";
        Err(Refusal::new(Code::Busy, words))
    }

    /// A place among those that ask for something. If there is none, the connection waits for one.
    pub(crate) async fn turn<'a>(
        &'a self,
        places: &'a Semaphore,
    ) -> Result<SemaphorePermit<'a>, Refusal> {
        if let Ok(place) = places.try_acquire() {
            return Ok(place);
        }
        let busy = || Refusal::new(Code::Busy, "too many others ask for the same");
        let _waits = self.shared.waiting.try_acquire().map_err(|_| busy())?;
        let turn = timeout(self.shared.options.now().request_timeout, places.acquire()).await;
        turn.map_err(|_| busy())?.map_err(|_| busy())
    }

    async fn subscribe(
        &self,
        channel: &ChannelName,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<Outlet, Refusal> {
        let (visit, subscription) = self.place_in(channel, from, epoch).await?;
        let answer = framed([subscription.answer]);
        Ok(Outlet::new(self, visit, subscription, &answer))
    }

    /// Enters a channel, and finds a place to read from.
    pub(crate) async fn place_in(
        &self,
        channel: &ChannelName,
        from: Position,
        epoch: Option<Epoch>,
    ) -> Result<(Visit, Subscription), Refusal> {
        if epoch.is_some_and(|epoch| self.shared.registry.was_deleted(channel, epoch)) {
            return Err(deleted());
        }
        self.take_place().await?;
        let visit = self.shared.registry.enter(channel, Role::Subscriber)?;
        let found = visit.channel().find(from, epoch).await;
        let mut subscription = found.map_err(|refusal| {
            let is_of_epoch = refusal.code == Some(Code::Epoch);
            let current = if is_of_epoch {
                self.check_current()
            } else {
                Ok(())
            };
            current.err().unwrap_or(refusal)
        })?;
        if !self.may_hold() {
            subscription.cursor.hold_no_more();
        }
        Ok((visit, subscription))
    }

    async fn publish(
        &self,
        channel: &ChannelName,
        producer: Option<ProducerId>,
        acks: Option<Acks>,
        intake: Intake,
    ) -> Result<Inlet, Refusal> {
        let acks = self.acks(acks)?;
        self.take_place().await?;
        Inlet::new(self, channel, producer, Voice::Protocol(acks), intake).await
    }

    /// What an acknowledgement means here to a publisher that wants it to mean this.
    pub(crate) fn acks(&self, wanted: Option<Acks>) -> Result<Acks, Refusal> {
        let default = match self.shared.registry.on_disk() {
            Some(_) => Acks::Durable,
            None => Acks::Memory,
        };
        let acks = wanted.unwrap_or(default);
        if (acks, default) == (Acks::Durable, Acks::Memory) {
            let words = "the channel has no log: acks=memory is what there is";
            return Err(Refusal::new(Code::Denied, words));
        }
        Ok(acks)
    }
}

/// What whoever sends a request wants to do.
pub(crate) fn purpose(request: &Request) -> Purpose {
    match request {
        Request::Subscribe { channel, .. } | Request::Times { channel, .. } => {
            Purpose::Subscribe(channel.clone())
        }
        Request::Follow { patterns, .. } | Request::Mirror { patterns, .. } => {
            Purpose::Follow(patterns.clone())
        }
        Request::Publish {
            channel, producer, ..
        } => Purpose::Publish(channel.clone(), producer.clone()),
        Request::Delete { .. } => Purpose::Delete,
        Request::Channels | Request::Health => Purpose::Ask,
        Request::Clients => Purpose::AskForClients,
        _ => Purpose::Unknown,
    }
}
