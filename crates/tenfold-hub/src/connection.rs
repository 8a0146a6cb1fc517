//! One connection of a hub, from its first byte to its last.

use std::fmt::{self, Display};
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tenfold::closing;
use tenfold::protocol::{Code, Refusal};
use tenfold_gate::Visitor;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{sleep, timeout};

use crate::audit::{Asked, Question};
use crate::clients::{Listed, Via};
use crate::deadline::within;
use crate::flag::Flag;
use crate::frames::framed;
use crate::peer::Peer;
use crate::presence::Presence;
use crate::shared::Shared;
use crate::shares::Share;
use crate::socket::Socket;

/// How long a connection waits for the place of another one that has ended or gives way.
const GIVE_WAY: Duration = Duration::from_millis(250);

/// The size of the send buffer of a connection that is sent a list, in bytes.
const LIST_BUFFER: usize = 16 * 1024;
/// How long a peer that is sent a list may take nothing.
const TAKES_NOTHING: Duration = Duration::from_secs(120);

/// A connection, until it is known what it is for.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) peer: Peer,
    pub(crate) stay: Arc<Stay>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.peer).finish()
    }
}

/// What a connection takes from the hub's limits, until the last of its tasks has dropped it.
pub(crate) struct Stay {
    seat: Arc<Seat>,
    /// A connection of its identity's or its address's share, once it has one.
    share: OnceLock<Share>,
    pub(crate) listed: Listed,
    /// What it has asked.
    pub(crate) asked: Asked,
}

/// One of the hub's connections, and its place among the publishers and subscribers, once it has one. All requests of
/// a guest have the same.
pub(crate) struct Seat {
    place: OnceLock<OwnedSemaphorePermit>,
    /// Where several share a connection: what was the place of one that has gone. So a connection of which one has had a
    /// place has one until it ends, and there are no more connections than places.
    kept: Option<Arc<Mutex<Option<OwnedSemaphorePermit>>>>,
    /// Of a guest: raised when it publishes or subscribes.
    begun: Option<Arc<Flag>>,
    presence: Arc<Presence>,
}

impl Seat {
    /// Of a connection that was accepted.
    pub(crate) fn new(shared: &Shared, is_guest: bool) -> Arc<Self> {
        shared.counters.accepted();
        Arc::new(Self {
            place: OnceLock::new(),
            kept: is_guest.then(Arc::default),
            begun: is_guest.then(Arc::default),
            presence: Arc::new(shared.connections.enter()),
        })
    }

    /// Another one on the same connection, with a place of its own.
    pub(crate) fn beside(&self) -> Arc<Self> {
        Arc::new(Self {
            place: OnceLock::new(),
            kept: self.kept.clone(),
            begun: self.begun.clone(),
            presence: Arc::clone(&self.presence),
        })
    }

    /// The place that the connection has and nobody uses.
    fn kept(&self) -> Option<OwnedSemaphorePermit> {
        let kept = self.kept.as_ref()?;
        kept.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Waits until a guest publishes or subscribes.
    pub(crate) async fn begun(&self) {
        match &self.begun {
            Some(begun) => begun.raised().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let (Some(kept), Some(place)) = (&self.kept, self.place.take()) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.get_or_insert(place);
        }
    }
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, socket: Arc<Socket>, peer: Peer, via: Via) -> Self {
        let seat = Seat::new(&shared, false);
        Self::at(seat, shared, socket, peer, via)
    }

    /// One at a seat that may have others.
    pub(crate) fn at(
        seat: Arc<Seat>,
        shared: Arc<Shared>,
        socket: Arc<Socket>,
        peer: Peer,
        via: Via,
    ) -> Self {
        Self {
            stay: Arc::new(Stay {
                seat,
                share: OnceLock::new(),
                asked: Asked::default(),
                listed: shared.clients.enter(peer, via),
            }),
            shared,
            socket,
            peer,
        }
    }

    /// Notes what the connection asks, for the audit.
    pub(crate) fn asks(&self, question: impl FnOnce() -> Question) {
        let options = self.shared.options.now();
        let source = (self.peer, options.clock);
        self.stay
            .asked
            .ask(options.audit.as_ref(), source, question);
    }

    /// Takes a place among the publishers and subscribers. If there is none, a subscriber that has half-closed gives
    /// way; if none has, the answer is that the hub is busy.
    pub(crate) async fn take_place(&self) -> Result<(), Refusal> {
        let visitor = self
            .stay
            .listed
            .admission()
            .map(|admission| admission.visitor());
        let identity = visitor.as_ref().map(Visitor::identity);
        let share = self.shared.shares.connect(identity, self.peer);
        let too_many = || Refusal::new(Code::Busy, "your share of the connections is taken");
        // It is taken once.
        let _ = self.stay.share.set(share.ok_or_else(too_many)?);
        if self.stay.seat.place.get().is_some() {
            return Ok(());
        }
        let places = self.shared.places.semaphore();
        let place = match self.stay.seat.kept() {
            Some(kept) => Some(kept),
            None => match Arc::clone(places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) => self.wait_for_place().await,
            },
        };
        let place =
            place.ok_or_else(|| Refusal::new(Code::Busy, "the hub has too many connections"))?;
        // It is taken once, or two requests of a guest have taken one at the same time.
        let _ = self.stay.seat.place.set(place);
        Ok(())
    }

    /// Notes that a guest has a place among the publishers and subscribers, and need not give way to others.
    pub(crate) fn has_begun(&self) {
        if let Some(begun) = &self.stay.seat.begun {
            begun.raise();
        }
    }

    /// Whether publishers may be made to wait for it.
    pub(crate) fn may_hold(&self) -> bool {
        let admission = self.stay.listed.admission();
        admission.is_none_or(|admission| admission.visitor().identity().may_hold())
    }

    async fn wait_for_place(&self) -> Option<OwnedSemaphorePermit> {
        let _turn = self.shared.waiting.try_acquire().ok()?;
        let mut place = pin!(Arc::clone(self.shared.places.semaphore()).acquire_owned());
        tokio::select! {
            biased;
            place = &mut place => return place.ok(),
            () = self.shared.giving_way.ask() => {}
            // Whose clients come back together, its hub learns in this time that they have gone.
            () = sleep(GIVE_WAY) => return None,
        }
        timeout(closing::WAIT, place).await.ok()?.ok()
    }

    pub(crate) async fn refuse(&self, refusal: &Refusal, half_closed: bool) {
        self.note(refusal, "the protocol's port");
        self.say(&framed([refusal]), half_closed).await;
    }

    /// Refuses, and closes at once: the peer is told if the system takes the words now.
    pub(crate) fn leave(&self, refusal: &Refusal) {
        self.note(refusal, "the protocol's port");
        let _ = self.socket.try_write(&framed([refusal]));
        self.socket.end_at_once();
    }

    /// Notes a refusal for the log, the audit, and whoever asks what clients do wrong. `place` is where it happened.
    pub(crate) fn note(&self, refusal: &Refusal, place: &str) {
        self.shared.refusals.refused(self.peer, refusal);
        self.shared.tally.refused(refusal);
        self.stay.asked.record_refusal(refusal);
        self.shared.mistakes.note(self.peer, place, refusal);
    }

    /// Sends lines as frames, in parts, and closes. As long as the peer takes something, it gets all of
    /// them.
    pub(crate) async fn list(&self, parts: impl Iterator<Item = Vec<impl Display>>) {
        self.begin_list();
        for part in parts {
            if self.send(&framed(part)).await.is_err() {
                return self.socket.reset_on_close();
            }
        }
        self.socket.finish(false).await;
    }

    /// Makes the system's buffer small: so it is seen early that a slow peer has taken something.
    pub(crate) fn begin_list(&self) {
        self.socket.set_send_buffer(LIST_BUFFER);
    }

    /// Sends all of something, unless the peer takes nothing for a while.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let some = within(TAKES_NOTHING, self.socket.write_some(bytes)).await;
            bytes = &bytes[some.ok_or(io::ErrorKind::TimedOut)??..];
        }
        Ok(())
    }

    /// Says something short, and closes. It fits into the system's buffer, so a peer that takes
    /// nothing is not waited for.
    pub(crate) async fn say(&self, bytes: &[u8], half_closed: bool) {
        let time = self.shared.options.now().request_timeout.max(closing::WAIT);
        if let Some(Ok(())) = within(time, self.socket.write_all(bytes)).await {
            self.socket.finish(half_closed).await;
        } else {
            // A reset, so that the peer does not take a part of the answer for all of it.
            self.socket.reset_on_close();
        }
    }
}
