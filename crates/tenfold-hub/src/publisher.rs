//! One publisher's connection: from the socket to the channel.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tenfold::native;
use tenfold::protocol::{Code, Refusal, Request};
use tenfold_gate::Visitor;
use tenfold_log::Refused;
use tokio::io::Interest;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use crate::admission::{Admission, is_revoked, not_valid, revoked};
use crate::appender::Appender;
use crate::channel::Channel;
use crate::claim::ClaimProgress;
use crate::deadline::second_look;
use crate::intake::Intake;
use crate::memory::Allowance;
use crate::mistakes::Kind;
use crate::peer::Peer;
use crate::publishing::{Ending, FIRST_PART, Publishing};
use crate::refusals::{busy, fenced, not_stored, shutdown};
use crate::shared::Shared;
use crate::shares::Pace;
use crate::socket::Socket;
use crate::tail::NotAppended;

/// Drives a [`Publishing`] session: receives as fast as blocks can be committed, and sends what it
/// has to say without ever waiting for the peer to take it.
#[derive(Debug)]
pub(crate) struct Publisher {
    socket: Arc<Socket>,
    peer: Peer,
    session: Publishing,
    appender: Appender,
    shared: Arc<Shared>,
    /// That it may publish; none at a hub that does not ask.
    admission: Option<Arc<Admission>>,
    /// How fast it may go.
    pace: Option<Arc<Pace>>,
    /// How many bytes it may hold that are not committed.
    allowance: Allowance,
    /// The place among the large messages.
    place: Option<OwnedSemaphorePermit>,
    /// The peer has said that it will send nothing more.
    half_closed: bool,
    /// When a peer that does not take the last words is left.
    deadline: Option<Instant>,
    /// A deadline that has passed, and when the second look is over.
    second_look: Option<(Instant, Instant)>,
    /// The peer has sent something lately, so it is there, whether or not it takes acknowledgements.
    is_heard: bool,
    /// How far what was appended was when this task looked last.
    seen: Option<ClaimProgress>,
    /// Since when it waits for a share or a place.
    waits_since: Option<Instant>,
    /// The peer does not take anything any more.
    broken: Option<io::ErrorKind>,
    /// Bytes received.
    received: Arc<AtomicU64>,
    /// The first message, at a port that needs no request, has not come yet.
    awaits_first: bool,
}

/// What became of a publisher.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) end: Finish,
    /// Messages that were committed for it, with a producer's earlier ones.
    pub(crate) committed: u64,
    /// Bytes received.
    pub(crate) bytes: u64,
}

/// How a publisher's stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// The peer has ended it between two frames.
    Complete,
    /// The hub has.
    Refused(Option<Code>),
    /// The peer went away.
    Gone(io::ErrorKind),
    /// The server of another protocol has ended it before its end: its client went away, or has sent what is not messages.
    Abandoned,
}

impl fmt::Display for Finish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Refused(code) => f.write_str(code.map_or("refused", Code::as_str)),
            // Only TLS says when a stream ends, and so only there an end is missed.
            Self::Gone(io::ErrorKind::UnexpectedEof) => f.write_str("cut"),
            Self::Gone(kind) => kind.fmt(f),
            Self::Abandoned => f.write_str("abandoned"),
        }
    }
}

/// A publisher that always has more to receive lets the other tasks of its thread run after so many bytes. They are
/// counted and not the reads, because one read can bring a quarter of a mebibyte: with 128 of them to a turn, as tokio
/// allows, twenty publishers would keep everybody else waiting for most of a second.
const TURN: usize = Intake::MAX_ROOM;

/// A publisher that has sent nothing for so long is not sure to be there.
const QUIET: Duration = Duration::from_secs(60);

impl Publisher {
    pub(crate) fn new(
        (socket, peer): (Arc<Socket>, Peer),
        session: Publishing,
        appender: Appender,
        shared: Arc<Shared>,
        admission: Option<Arc<Admission>>,
    ) -> Self {
        let visitor = admission.as_ref().map(|admission| admission.visitor());
        let pace = shared.shares.pace(visitor.as_ref().map(Visitor::identity));
        // What came together with the request.
        let received = Arc::new(AtomicU64::new(session.held() as u64));
        Self {
            socket,
            peer,
            awaits_first: session.is_silent(),
            session,
            appender,
            allowance: Allowance::new(Arc::clone(&shared.receiving)),
            shared,
            admission,
            pace,
            place: None,
            half_closed: false,
            deadline: None,
            second_look: None,
            is_heard: false,
            seen: None,
            waits_since: None,
            broken: None,
            received,
        }
    }

    /// Serves the peer until nothing more is received and said. Returns why it ended.
    pub(crate) async fn run(&mut self) -> Published {
        let result = self.converse().await;
        let end = match (result, self.session.ending()) {
            (Err(error), _) => Finish::Gone(error.kind()),
            (Ok(()), Some(Ending::Refused(refusal, _))) => {
                let place = self.channel().name().as_str();
                self.shared.mistakes.note(self.peer, place, refusal);
                self.shared.tally.refused(refusal);
                Finish::Refused(refusal.code)
            }
            (Ok(()), _) => Finish::Complete,
        };
        Published {
            end,
            committed: self.appender.committed(),
            bytes: self.received.load(Relaxed),
        }
    }

    /// How many bytes were received, as that grows.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Where the messages go.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        self.appender.channel()
    }

    /// Whether the peer has ended its side.
    pub(crate) fn is_half_closed(&self) -> bool {
        self.half_closed
    }

    /// Gives up the claim. Returns the socket, and whether the peer has ended its side.
    pub(crate) fn into_parts(self) -> (Arc<Socket>, bool) {
        (self.socket, self.half_closed)
    }

    /// Ends the connection of a temporary producer that was told everything. Once its side has taken that,
    /// nobody comes back to ask, and it is forgotten.
    pub(crate) async fn bid_farewell(self) {
        self.socket.finish(self.half_closed).await;
        if self.broken.is_none() && self.socket.is_taken().await {
            self.appender.finish();
        }
    }

    /// Whether its producer was made up for one run.
    pub(crate) fn is_temporary(&self) -> bool {
        self.appender.is_temporary()
    }

    async fn converse(&mut self) -> io::Result<()> {
        // What it has received since it last let others run.
        let mut turn = 0;
        loop {
            self.commit().await;
            self.look();
            self.send();
            if self.session.is_ended() && self.is_flushed() {
                return Ok(());
            }
            if self.session.is_receiving() && self.shared.draining.is_raised() {
                self.session.end(shutdown());
            } else if self.session.is_receiving() && self.channel().deletion().is_raised() {
                let refusal = self.outlast_deletion().await;
                self.session.end(refusal);
            } else if self.session.is_receiving() && is_revoked(self.admission.as_deref()) {
                self.session.end(not_valid());
            } else if self.may_receive()
                && let Some(received) = self.receive()?
            {
                // A peer that sends without end must not keep the thread.
                turn += received;
                if turn >= TURN {
                    turn = 0;
                    tokio::task::yield_now().await;
                } else {
                    tokio::task::consume_budget().await;
                }
            } else {
                self.wait().await?;
            }
        }
    }

    /// Commits what was received whole.
    async fn commit(&mut self) {
        while let Some(block) = self.session.take_block(now()) {
            if std::mem::take(&mut self.awaits_first) && begins_with_request(block.bytes()) {
                let place = self.channel().name().as_str();
                let kind = Kind::RequestAtPlainPort;
                self.shared.mistakes.note_wrong_port(self.peer, place, kind);
            }
            let bytes = block.bytes().len();
            match self.appender.append(block).await {
                Ok(()) => {
                    self.look();
                    self.send();
                    self.appender.deliver(bytes);
                }
                Err(NotAppended::Fenced) => self.session.end(fenced()),
                Err(NotAppended::Refused(why)) => self.session.fail(self.not_stored(why)),
                Err(NotAppended::Deleted) => {
                    let refusal = self.outlast_deletion().await;
                    self.session.fail(refusal);
                }
                Err(NotAppended::Closed) => self.session.end(shutdown()),
            }
        }
        if !self.session.is_large() {
            self.place = None;
        }
    }

    /// Receives nothing until it is known what has become of the channel's deletion. Returns what the peer is told.
    async fn outlast_deletion(&mut self) -> Refusal {
        self.appender.landed().await;
        self.look();
        self.send();
        tokio::select! {
            biased;
            told = self.appender.outlast_deletion() => told,
            () = self.shared.draining.raised() => shutdown(),
        }
    }

    /// Looks how far what was appended is.
    fn look(&mut self) {
        let progress = self.appender.progress();
        if self.seen == Some(progress) {
            return;
        }
        self.seen = Some(progress);
        self.session.progressed(progress);
        if progress.is_fenced {
            self.session.end(fenced());
        }
        if let Some(why) = progress.refused {
            self.session.fail(self.not_stored(why));
        }
    }

    fn not_stored(&self, why: Refused) -> Refusal {
        let name = self.channel().name();
        let durable = self.shared.registry.on_disk();
        let fault = durable.and_then(|durable| durable.log.why_refused(name.as_str(), why));
        not_stored(why, fault.as_ref())
    }

    /// Sends what the socket takes at once. A peer that takes nothing any more may still have sent
    /// something: what was received is read to its end all the same.
    fn send(&mut self) {
        self.write();
        let acks = self.session.take_acks();
        if acks > 0 {
            self.shared.tally.acknowledged(acks);
        }
    }

    fn write(&mut self) {
        loop {
            let output = self.session.output();
            if output.is_empty() {
                return;
            }
            let length = output.len();
            match self.socket.try_write(output) {
                Ok(n) => {
                    self.session.sent(n);
                    // A peer that takes its last words slowly still takes them.
                    self.deadline = None;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.session.sent(length);
                    self.broken = Some(e.kind());
                }
            }
        }
    }

    /// Whether what was said is in the system's hands.
    fn is_flushed(&mut self) -> bool {
        self.socket.flush().unwrap_or_else(|error| {
            self.broken = Some(error.kind());
            true
        })
    }

    /// Whether there is memory to receive into. Asks for more if that is wanted and there is some.
    fn may_receive(&mut self) -> bool {
        if !self.session.is_receiving() || self.paused_until().is_some() {
            return false;
        }
        if self.session.needs_place() && self.place.is_none() {
            self.place = self.shared.receiving.large().try_acquire_owned().ok();
            self.session.pardon(now());
            if self.place.is_none() {
                return false;
            }
        }
        let wanted = self.session.held() + self.session.room();
        if self.allowance.try_grow(wanted) {
            self.shared.registry.enforce_total();
        }
        self.session.held() < self.allowance.bytes()
    }

    /// Until when nothing is received, because the peer's identity has published as much as it may.
    fn paused_until(&self) -> Option<Instant> {
        self.pace.as_ref()?.waits_until()
    }

    /// Receives once, so many bytes; nothing if there is nothing now.
    fn receive(&mut self) -> io::Result<Option<usize>> {
        let mut most = self.allowance.bytes() - self.session.held();
        if self.session.is_large() && self.place.is_none() {
            most = most.min(FIRST_PART.saturating_sub(self.session.held()).max(1));
        }
        let (space, room) = self.session.space(most);
        match self.socket.try_read(space, room) {
            Ok(0) => {
                self.half_closed = true;
                self.session.peer_ended(now());
                Ok(Some(0))
            }
            Ok(n) => {
                self.received.fetch_add(n as u64, Relaxed);
                if let Some(pace) = &self.pace {
                    pace.received(n);
                }
                self.set_heard(true);
                self.session.received(now());
                Ok(Some(n))
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Waits until something can change.
    async fn wait(&mut self) -> io::Result<()> {
        let receiving = self.session.is_receiving();
        let paused_until = self.paused_until().filter(|_| receiving);
        if paused_until.is_some() {
            // It is not the peer's fault that nothing comes.
            self.session.pardon(now());
        }
        let wants_place = receiving && self.session.needs_place() && self.place.is_none();
        let wants_share = receiving && self.session.held() >= self.allowance.bytes();
        let mut interest = Interest::ERROR;
        if receiving && !wants_place && !wants_share && paused_until.is_none() {
            interest |= Interest::READABLE;
        }
        if !self.session.output().is_empty() || !self.is_flushed() {
            interest |= Interest::WRITABLE;
        }
        self.give_back();
        let waits = wants_place || wants_share;
        if let Some(kind) = self.broken.filter(|_| waits) {
            // The socket would not say when the peer has gone, and what this task waits for is scarce.
            return Err(kind.into());
        }
        if !waits {
            self.waits_since = None;
        } else if self.waits_since.is_none() {
            self.waits_since = Some(Instant::now());
        }
        let deadline = self.next_deadline();
        let look_until = match self.second_look {
            Some((of, until)) if Some(of) == deadline => Some(until),
            _ => deadline,
        };
        let channel = Arc::clone(self.channel());
        tokio::select! {
            biased;
            () = moved(&self.appender, self.seen, !receiving) => {}
            () = self.shared.draining.raised(), if receiving => {}
            () = channel.deletion().raised(), if receiving => {}
            () = revoked(self.admission.as_deref()), if receiving => {}
            () = sleep_until(paused_until.unwrap_or_else(Instant::now)), if paused_until.is_some() => {}
            place = self.shared.receiving.large().acquire_owned(), if wants_place => {
                self.place = place.ok();
                self.session.pardon(now());
            }
            share = self.allowance.one_more(), if wants_share => {
                if let Ok(share) = share {
                    self.allowance.add(share);
                }
                self.session.pardon(now());
            }
            ready = self.socket.ready(interest) => {
                // What came before an error can still be received, and then the error says itself.
                if ready?.is_error() && !interest.is_readable() {
                    self.socket.noted_error().map_or(Ok(()), Err)?;
                }
            }
            () = sleep_until(look_until.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                if let Some(deadline) = deadline && look_until == Some(deadline) {
                    let until = Instant::now() + second_look(deadline);
                    self.second_look = Some((deadline, until));
                } else if !receiving {
                    return Err(io::ErrorKind::TimedOut.into());
                } else if waits {
                    // Two publishers may each hold what the other waits for.
                    self.session.end(busy());
                } else {
                    self.session.expired(now());
                }
            }
            () = sleep(QUIET), if self.is_heard => self.set_heard(false),
        }
        Ok(())
    }

    /// A peer that sends and does not read may take its time; one of which nothing is heard may have
    /// vanished.
    fn set_heard(&mut self, heard: bool) {
        if std::mem::replace(&mut self.is_heard, heard) != heard {
            self.socket.be_patient(heard);
        }
    }

    /// Gives back the shares that are not needed for what is held, before a wait.
    fn give_back(&mut self) {
        self.session.rest();
        self.allowance.shrink(self.session.held());
        if !self.session.is_receiving() {
            self.place = None;
        }
    }

    fn next_deadline(&mut self) -> Option<Instant> {
        if self.session.is_receiving() {
            return match self.waits_since {
                Some(since) => Some(since + self.shared.options.now().stall_timeout),
                None => self.session.deadline().map(Instant::from_std),
            };
        }
        if self.seen.is_some_and(|seen| !seen.is_settled) {
            // There are no last words yet, and that is not the peer's fault.
            return None;
        }
        let drain = self.shared.options.now().drain;
        Some(*self.deadline.get_or_insert_with(|| Instant::now() + drain))
    }
}

/// Whether the first of these frames would be a request at the port for the protocol.
fn begins_with_request(frames: &[u8]) -> bool {
    let first = native::frames(frames).next().and_then(Result::ok);
    first.is_some_and(|frame| Request::parse(&frames[frame][native::HEADER..]).is_ok())
}

/// Waits until there is something new to see.
async fn moved(appender: &Appender, seen: Option<ClaimProgress>, ending: bool) {
    if let Some(seen) = seen {
        appender.moved(seen, ending).await;
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}
