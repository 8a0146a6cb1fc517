//! The thread that owns a publisher's connection.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::bell::Bell;
use super::stopper::{Stop, TimeLimit};
use crate::address::Address;
use crate::client::{Error, Outgoing, Patience, Publication, Unwritten};
use crate::deadline::Deadline;
use crate::dial::{Dial, Purpose};
use crate::hubs::Hubs;
use crate::stream::Stream;

/// What the caller and the thread share. Nothing waits with the lock held.
#[derive(Debug)]
pub(super) struct Handover {
    state: Mutex<State>,
    /// The caller waits here for room, acknowledgements and the end.
    changed: Condvar,
    /// The thread waits here and for its socket.
    bell: Bell,
    stop: AtomicBool,
    started: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Publication,
    /// The thread has nothing to do until the bell rings. The caller that rings takes this back.
    idle: bool,
}

impl Handover {
    pub(super) fn new(core: Publication) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State { core, idle: false }),
            changed: Condvar::new(),
            bell: Bell::new()?,
            stop: AtomicBool::new(false),
            started: Instant::now(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something has changed, or the call's time is over.
    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: &mut TimeLimit,
    ) -> Result<MutexGuard<'a, State>, Error> {
        if limit.deadline().is_some() {
            limit.check()?;
        }
        let Some(deadline) = limit.deadline() else {
            let woken = self.changed.wait(state);
            return Ok(woken.unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let woken = self.changed.wait_timeout(state, left);
        Ok(woken.unwrap_or_else(PoisonError::into_inner).0)
    }

    /// There may be something to do for the thread.
    pub(super) fn ring(&self, mut state: MutexGuard<'_, State>) {
        let was_idle = std::mem::take(&mut state.idle);
        drop(state);
        if was_idle {
            self.bell.ring();
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Changes something that the caller may wait for, or the observer is told of.
    fn change<T>(&self, change: impl FnOnce(&mut Publication) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.core);
        let observer = state.core.options().observer.clone();
        let notices: Vec<_> = std::iter::from_fn(|| state.core.take_notice()).collect();
        drop(state);
        self.changed.notify_all();
        if let Some(observer) = observer {
            observer.tell_all(&notices);
        }
        result
    }

    /// Makes connections and uses them, until the publisher has a result or is dropped.
    pub(super) fn run(&self, mut hubs: Hubs) {
        let _abandoned = Abandon(self);
        let mut connect_at = Duration::ZERO;
        while self.pause_until(connect_at) {
            hubs.turn_to(self.lock().core.hub());
            match self.dial(hubs.current()) {
                Ok(stream) => self.exchange(stream),
                Err(error) => {
                    let error = Error::connect(Some(hubs.current().clone()), error);
                    self.change(|core| core.lost(error));
                }
            }
            match self.change(|core| core.cut(self.started.elapsed())) {
                Some(at) => connect_at = at,
                None => return,
            }
        }
    }

    /// Makes a connection, unless the publisher is stopped before there is one.
    fn dial(&self, address: &Address) -> io::Result<Stream> {
        let time = self.lock().core.attempt(self.started.elapsed());
        let tls = self.lock().core.options().common.tls.clone();
        let mut dial = Dial::begin(address, tls.as_ref(), Purpose::Hub, Some(time))?;
        while !self.is_stopped() {
            if let Some(stream) = dial.poll()? {
                return Ok(stream);
            }
            self.bell.wait(dial.socket(), dial.wake_at())?;
        }
        Err(io::ErrorKind::ConnectionAborted.into())
    }

    /// Whether there is something to connect for at that time.
    fn pause_until(&self, time: Duration) -> bool {
        let deadline = self.started + time;
        loop {
            let mut state = self.lock();
            if self.is_stopped() || state.core.result().is_some() {
                return false;
            }
            if Instant::now() >= deadline {
                return true;
            }
            state.idle = true;
            drop(state);
            if self.bell.wait(None, Some(deadline)).is_err() {
                return false;
            }
        }
    }

    fn exchange(&self, stream: Stream) {
        let request = self.change(|core| core.connected(self.started.elapsed()));
        let mut exchange = Exchange {
            handover: self,
            stream,
            unwritten: Some(request),
            is_request: true,
            is_ending: false,
            patience: None,
            deadline: None,
        };
        while exchange.step().is_continue() {}
    }
}

impl Stop for Handover {
    /// Makes the caller and the thread return, whatever they wait for.
    fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.lock().core.stop();
        self.changed.notify_all();
        self.bell.ring();
    }
}

/// Says so if the thread ends without a result.
struct Abandon<'a>(&'a Handover);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.lock().core.abandon();
        self.0.changed.notify_all();
    }
}

/// One connection.
struct Exchange<'a> {
    handover: &'a Handover,
    stream: Stream,
    /// What is being written.
    unwritten: Option<Unwritten>,
    is_request: bool,
    /// Everything is written, and the end is still to be said.
    is_ending: bool,
    patience: Option<Patience>,
    deadline: Option<Deadline>,
}

impl Exchange<'_> {
    /// Writes once, waits until there is something to do, reads once.
    fn step(&mut self) -> ControlFlow<()> {
        if let Err(error) = self.try_step() {
            self.handover.change(|core| core.lost(Error::io(error)));
        }
        let over = self.handover.lock().core.is_cut() || self.handover.is_stopped();
        if over {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    fn try_step(&mut self) -> io::Result<()> {
        let wrote = self.write()?;
        self.set_deadline();
        let mut wanted = PollFlags::IN;
        let writes = self.unwritten.is_some() || self.is_ending || self.stream.owes();
        wanted.set(PollFlags::OUT, writes);
        let is_readable = self.stream.is_readable();
        let deadline = if wrote || is_readable {
            Some(Instant::now())
        } else {
            self.deadline.as_ref().map(Deadline::wake_at)
        };
        let socket = Some((self.stream.as_fd(), wanted));
        let ready = self.handover.bell.wait(socket, deadline)?;
        if is_readable || ready.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.read()?;
        } else if self.deadline.as_mut().is_some_and(Deadline::is_over) {
            self.handover.change(Publication::timed_out);
        }
        Ok(())
    }

    /// Whether something was written, so that there may be more.
    fn write(&mut self) -> io::Result<bool> {
        if self.unwritten.is_none() {
            self.unwritten = self.next_bytes();
        }
        let Some(unwritten) = &mut self.unwritten else {
            return self.finish().map(|()| false);
        };
        let n = match self.stream.write(unwritten.rest()) {
            Ok(n) => n,
            Err(error) if is_for_now(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        unwritten.wrote(n);
        let was_request = self.is_request;
        if unwritten.rest().is_empty() {
            self.unwritten = None;
            self.is_request = false;
        }
        if !was_request {
            self.wrote(n);
        }
        Ok(true)
    }

    /// There is nothing to write: has the rest of what was written go, or says the end.
    fn finish(&mut self) -> io::Result<()> {
        let finished = if self.is_ending {
            self.stream.shutdown(Shutdown::Write)
        } else {
            self.stream.flush()
        };
        match finished {
            Err(error) if is_for_now(&error) => return Ok(()),
            finished => finished?,
        }
        self.is_ending = false;
        Ok(())
    }

    fn wrote(&self, n: usize) {
        let mut state = self.handover.lock();
        let released = state.core.wrote(n);
        drop(state);
        if released {
            self.handover.changed.notify_all();
        }
    }

    fn next_bytes(&mut self) -> Option<Unwritten> {
        let mut state = self.handover.lock();
        let outgoing = state.core.outgoing();
        state.idle = matches!(outgoing, Outgoing::Nothing);
        drop(state);
        match outgoing {
            Outgoing::Bytes(unwritten) => return Some(unwritten),
            Outgoing::Shutdown => self.is_ending = true,
            Outgoing::Nothing => {}
        }
        None
    }

    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.handover.change(Publication::ended),
            Ok(n) => self.handover.change(|core| core.received(&buffer[..n])),
            Err(error) if is_for_now(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The clock starts again when something else is waited for.
    fn set_deadline(&mut self) {
        let patience = self.handover.lock().core.patience();
        if patience != self.patience {
            self.patience = patience;
            self.deadline = patience.and_then(|patience| Deadline::after(patience.time));
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
