//! One client's connection: its task, which writes to it, and what that waits for.

use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use tenfold::protocol::ChannelName;
use tokio::io::{Interest, Ready};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::admission::{Admission, is_revoked, revoked};
use crate::block::Block;
use crate::cursor::Cursor;
use crate::deadline::second_look;
use crate::deliver::{Attempt, Deliver};
use crate::delivery::Delivery;
use crate::giving_way::{GivingWay, Leaver};
use crate::history::History;
use crate::idle::Idle;
use crate::memory::Rests;
use crate::mistakes::{Kind, Mistakes};
use crate::peer::Peer;
use crate::socket::Socket;
use crate::stats::{ClientReport, Counters, End};
use crate::transport::{Discarded, INPUT_PER_TURN};

/// Writes the blocks after its cursor as fast as the socket takes them, until the tail ends, the
/// cursor is passed, or the client goes away.
///
/// ```text
///   state        waits for                                       then
///   writing      nothing                                         caught up, blocked or done
///   caught up    a block, the end of the tail; input             writing
///   blocked      room in the socket, an end in sight; input      writing
///   blocked at   room in the socket, the drain time              writing, or cut
///     the end
///   done         the client's end, for a moment                  closed
/// ```
///
/// While it is caught up, the publisher's task that appends a small block may write it in its place.
#[derive(Debug)]
pub(crate) struct Subscriber<D = Delivery> {
    socket: Arc<Socket>,
    outgoing: Arc<Outgoing<D>>,
    /// It is on a list of idle subscribers, or was taken from there to be woken.
    enlisted: bool,
    /// The peer has said that it will send nothing more.
    half_closed: bool,
    /// Where it is entered when its peer has half-closed, and what it is there.
    giving_way: Option<Arc<GivingWay>>,
    leaver: Option<Arc<Leaver>>,
    /// Set once an end is in sight.
    deadline: Option<Instant>,
    /// When the second look is over, once the deadline has passed.
    second_look: Option<Instant>,
    /// The peer has kept it waiting since it was caught up last.
    is_slow: bool,
    drain: Drain,
    end: End,
    /// Noted when the peer sends something; nothing once that is done.
    on_input: Option<Box<OnInput>>,
}

/// Where it is noted that a peer sends what is thrown away.
#[derive(Debug)]
struct OnInput {
    mistakes: Arc<Mistakes>,
    peer: Peer,
    place: ChannelName,
}

/// What the subscriber's task shares with the tasks that append.
#[derive(Debug)]
struct Outgoing<D> {
    delivery: Mutex<D>,
    woken: Notify,
    /// That it may have the messages; none at a hub that does not ask.
    admission: Option<Arc<Admission>>,
}

/// How long a client has to take what is left, once an end is in sight.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Drain {
    /// As long as it takes, if it does not take nothing for so long.
    Silence(Duration),
    /// So long in all.
    Total(Duration),
}

/// How long a subscriber whose right was taken back has to take the rest of what was begun.
const LAST_FRAMES: Duration = Duration::from_millis(500);

impl<D> Outgoing<D> {
    fn lock(&self) -> MutexGuard<'_, D> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<D: Deliver> Idle for Outgoing<D> {
    fn serve(&self) -> bool {
        if is_revoked(self.admission.as_deref()) {
            return false;
        }
        let mut delivery = match self.delivery.try_lock() {
            Ok(delivery) => delivery,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        // The block, and perhaps one that has come since.
        for _ in 0..3 {
            match delivery.attempt() {
                Ok(Attempt::Wrote) => {}
                Ok(Attempt::CaughtUp) => return true,
                // It will meet the same by itself.
                Ok(Attempt::Blocked | Attempt::Unread | Attempt::Done(_)) | Err(_) => return false,
            }
        }
        false
    }

    fn wake(&self) {
        self.woken.notify_one();
    }
}

/// How far a subscriber is, for whoever asks. Keeps nothing of it when it has ended.
#[derive(Debug)]
pub(crate) struct Watched<D = Delivery>(Weak<Outgoing<D>>);

impl<D> Watched<D> {
    /// Changes something. Nothing if it has ended.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut D) -> T) -> Option<T> {
        let outgoing = self.0.upgrade()?;
        let changed = change(&mut outgoing.lock());
        Some(changed)
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&D) -> T) -> Option<T> {
        let outgoing = self.0.upgrade()?;
        let seen = look(&outgoing.lock());
        Some(seen)
    }
}

impl Subscriber {
    /// A client that gets `first`, and then what is after the cursor.
    pub(crate) fn new(
        (socket, peer): (impl Into<Arc<Socket>>, Peer),
        first: Block,
        (cursor, history): (Cursor, Option<Arc<History>>),
        drain: Drain,
        counters: Arc<Counters>,
    ) -> Self {
        let socket = socket.into();
        let delivery = Delivery::new(
            (Arc::clone(&socket), peer),
            first,
            cursor,
            history,
            counters,
        );
        Self::of(socket, delivery, drain)
    }

    /// A subscriber that takes memory for what it holds beside the tail. `head` is what its first block has of that.
    #[must_use]
    pub(crate) fn within(self, rests: Arc<Rests>, head: Block) -> Self {
        self.outgoing.lock().keep_within(rests, head);
        self
    }
}

impl<D: Deliver> Subscriber<D> {
    /// A client that gets what the delivery has for it.
    pub(crate) fn of(socket: Arc<Socket>, delivery: D, drain: Drain) -> Self {
        Self {
            socket,
            outgoing: Arc::new(Outgoing {
                delivery: Mutex::new(delivery),
                woken: Notify::new(),
                admission: None,
            }),
            enlisted: false,
            half_closed: false,
            giving_way: None,
            leaver: None,
            deadline: None,
            is_slow: false,
            second_look: None,
            drain,
            end: End::Complete,
            on_input: None,
        }
    }

    /// A subscriber at a port that only sends: it is a mistake of the peer's to send anything itself.
    #[must_use]
    pub(crate) fn noting_input(
        mut self,
        mistakes: Arc<Mistakes>,
        peer: Peer,
        place: ChannelName,
    ) -> Self {
        self.on_input = Some(Box::new(OnInput {
            mistakes,
            peer,
            place,
        }));
        self
    }

    /// How far it is, as that changes.
    pub(crate) fn watched(&self) -> Watched<D> {
        Watched(Arc::downgrade(&self.outgoing))
    }

    /// Leaves the client's input to the publisher of the same connection.
    #[must_use]
    pub(crate) fn without_input(mut self) -> Self {
        self.half_closed = true;
        self
    }

    /// A subscriber that gives its place to another one once its peer has half-closed.
    #[must_use]
    pub(crate) fn giving_way(mut self, giving_way: Arc<GivingWay>) -> Self {
        self.giving_way = Some(giving_way);
        self
    }

    /// A subscriber that ends when its right is taken back.
    #[must_use]
    pub(crate) fn admitted(mut self, admission: Option<&Arc<Admission>>) -> Self {
        // Nobody else has it yet.
        if let Some(outgoing) = Arc::get_mut(&mut self.outgoing) {
            outgoing.admission = admission.cloned();
        }
        self
    }

    /// Notes that the peer has half-closed.
    pub(crate) fn peer_ended(&mut self) {
        self.half_closed = true;
        self.leaver = self.giving_way.as_ref().map(GivingWay::enter);
    }

    /// Serves the client to its end, and closes the connection.
    pub(crate) async fn run(mut self) -> ClientReport {
        self.deliver().await;
        let (socket, half_closed, report) = self.into_parts();
        // The end of a branch says that nothing is missing.
        let is_less = socket.branch().is_some() && report.end != End::Complete;
        if report.torn || is_less {
            socket.reset_on_close();
        } else if !matches!(report.end, End::Gone(_)) {
            socket.finish(half_closed).await;
        }
        report
    }

    /// Serves the client to its end. Dropped before, it can be called again.
    pub(crate) async fn deliver(&mut self) {
        let end = self.write_all().await;
        self.end = end.unwrap_or_else(|error| End::Gone(error.kind()));
    }

    /// What has become of it. Its cursor is gone after this, so it holds up no publisher, however long
    /// closing takes.
    pub(crate) fn into_parts(self) -> (Arc<Socket>, bool, ClientReport) {
        let report = self.outgoing.lock().report(self.end);
        (self.socket, self.half_closed, report)
    }

    async fn write_all(&mut self) -> io::Result<End> {
        loop {
            let mut attempt = if is_revoked(self.outgoing.admission.as_deref()) {
                self.outgoing.lock().write_rest()?
            } else {
                self.outgoing.lock().attempt()?
            };
            if let Attempt::Unread = attempt {
                attempt = self.read().await;
            }
            match attempt {
                Attempt::Wrote | Attempt::Unread => {
                    if let (Some(deadline), Drain::Silence(time)) = (&mut self.deadline, self.drain)
                    {
                        *deadline = Instant::now() + time;
                        self.second_look = None;
                    }
                    // A client that takes everything at once must not keep the thread.
                    tokio::task::consume_budget().await;
                }
                Attempt::CaughtUp if !self.enlisted => {
                    self.set_slow(false);
                    self.enlist();
                }
                Attempt::CaughtUp => {
                    let stirs = self.outgoing.lock().stirs();
                    tokio::select! {
                        biased;
                        () = self.outgoing.woken.notified() => self.enlisted = false,
                        ready = self.socket.ready(self.input()) => self.listen(ready?)?,
                        () = asked(self.leaver.as_deref()) => return Ok(End::GaveWay),
                        () = revoked(self.outgoing.admission.as_deref()) => {}
                        () = stirred(stirs) => self.outgoing.lock().stir(),
                    }
                }
                Attempt::Blocked => {
                    self.set_slow(true);
                    if let Some(end) = self.wait_for_room().await? {
                        return Ok(end);
                    }
                }
                Attempt::Done(end) => return Ok(end),
            }
        }
    }

    /// A peer that is slow may take its time.
    fn set_slow(&mut self, slow: bool) {
        if std::mem::replace(&mut self.is_slow, slow) != slow {
            self.socket.be_patient(slow);
        }
    }

    /// Puts it on a list of idle subscribers; then it has to look once more.
    fn enlist(&mut self) {
        let idle: Weak<Outgoing<D>> = Arc::downgrade(&self.outgoing);
        self.outgoing.lock().enlist(idle);
        self.enlisted = true;
    }

    /// Reads what comes next from the disk.
    async fn read(&mut self) -> Attempt {
        let Some((history, reader)) = self.outgoing.lock().unread() else {
            return Attempt::Wrote;
        };
        let (reader, result) = history.read(reader).await;
        self.outgoing.lock().read(reader, result)
    }

    /// Waits until the socket may take something, and no longer than the drain time once the end
    /// is in sight.
    async fn wait_for_room(&mut self) -> io::Result<Option<End>> {
        let interest = self.input() | Interest::WRITABLE;
        let Some(deadline) = self.deadline else {
            loop {
                let ending = self.outgoing.lock().ending();
                let let_go = self.outgoing.lock().let_go();
                tokio::select! {
                    biased;
                    ready = self.socket.ready(interest) => self.listen(ready?)?,
                    () = revoked(self.outgoing.admission.as_deref()) => {
                        self.deadline = Some(Instant::now() + LAST_FRAMES);
                    }
                    () = ending => {
                        if self.outgoing.lock().is_costly() {
                            return Ok(Some(End::Slow));
                        }
                        let (Drain::Silence(time) | Drain::Total(time)) = self.drain;
                        self.deadline = Some(Instant::now() + time);
                    }
                    () = let_go => {
                        if !self.outgoing.lock().keep_rest() {
                            return Ok(Some(End::Slow));
                        }
                        // What is to be read again is not wanted before the socket takes it.
                        continue;
                    }
                }
                return Ok(None);
            }
        };
        let let_go = self.outgoing.lock().let_go();
        tokio::select! {
            biased;
            ready = self.socket.ready(interest) => self.listen(ready?)?,
            () = let_go => {
                if !self.outgoing.lock().keep_rest() {
                    return Ok(Some(End::Slow));
                }
            }
            () = sleep_until(self.second_look.unwrap_or(deadline)) => {
                if self.second_look.is_none() {
                    self.second_look = Some(Instant::now() + second_look(deadline));
                    return Ok(None);
                }
                if !self.is_end_in_sight() {
                    // Retention has passed it, and it has caught up since.
                    self.deadline = None;
                    self.second_look = None;
                    return Ok(None);
                }
                let passed = self.outgoing.lock().is_passed();
                return Ok(Some(if passed { End::Slow } else { End::Stalled }));
            }
        }
        Ok(None)
    }

    fn is_end_in_sight(&self) -> bool {
        if is_revoked(self.outgoing.admission.as_deref()) {
            return true;
        }
        let mut ending = pin!(self.outgoing.lock().ending());
        let mut now = Context::from_waker(Waker::noop());
        ending.as_mut().poll(&mut now).is_ready()
    }

    /// What to wait for on the receiving side. After a half-close that side is always ready to
    /// say so again; what can still come from there is an error.
    fn input(&self) -> Interest {
        if self.half_closed {
            Interest::ERROR
        } else {
            Interest::READABLE
        }
    }

    /// Throws away input, and notices a peer that has vanished. The end of its input may be a
    /// half-close: a unix socket tells whether it still receives, of TCP the next write does.
    fn listen(&mut self, ready: Ready) -> io::Result<()> {
        if ready.is_error() {
            return self.socket.noted_error().map_or(Ok(()), Err);
        }
        if self.half_closed {
            return Ok(());
        }
        match self.socket.discard(INPUT_PER_TURN)? {
            Discarded::Bytes(0) => {}
            Discarded::Bytes(_) => {
                if let Some(noted) = self.on_input.take() {
                    let place = noted.place.as_str();
                    let kind = Kind::InputThrownAway;
                    noted.mistakes.note_wrong_port(noted.peer, place, kind);
                }
            }
            Discarded::End => {
                self.peer_ended();
                if self.socket.is_hung_up() {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
        Ok(())
    }
}

/// Waits until an idle client is to be sent something that is not a message, if that is ever the case.
async fn stirred(stirs: Option<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    match stirs {
        Some(stirs) => stirs.await,
        None => std::future::pending().await,
    }
}

/// Waits until the subscriber is to give its place to another one.
async fn asked(leaver: Option<&Leaver>) {
    match leaver {
        Some(leaver) => leaver.asked().await,
        None => std::future::pending().await,
    }
}
