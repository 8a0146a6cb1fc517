//! The driver of a client that receives, for programs that wait.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::bell::Bell;
use super::stopper::{Stop, Stopper, TimeLimit};
use crate::client::{Advance, Core, Error, Unwritten};
use crate::closing;
use crate::deadline::Deadline;
use crate::dial::{Dial, Purpose};
use crate::hubs::Hubs;
use crate::readiness::earlier;
use crate::stream::Stream;
use crate::tls::Client;

/// Moves the bytes of a core, over as many connections as it takes.
#[derive(Debug)]
pub(super) struct Receiving<C> {
    hubs: Hubs,
    pub(super) core: C,
    /// How to make TLS, if the address wants it.
    tls: Option<Client>,
    link: Link,
    alarm: Arc<Alarm>,
    pub(super) timeout: Option<Duration>,
    started: Instant,
}

/// The way to the hub.
#[derive(Debug)]
enum Link {
    /// There is none before this time, which counts from `started`.
    Apart(Duration),
    Dialling(Dial),
    Open(Open),
}

#[derive(Debug)]
struct Open {
    stream: Stream,
    /// The request, until it is written.
    request: Option<Unwritten>,
    /// By when the hub must have answered.
    answer_by: Option<Deadline>,
}

/// Wakes the subscriber's thread, to stop it.
#[derive(Debug)]
struct Alarm {
    stopped: AtomicBool,
    bell: Bell,
}

impl Stop for Alarm {
    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.bell.ring();
    }
}

impl<C: Core> Receiving<C> {
    /// Fails if the system has no descriptor left for the means to stop it.
    pub(super) fn new(hubs: Hubs, tls: Option<Client>, mut core: C) -> Result<Self, Error> {
        core.set_hubs(hubs.addresses().len());
        let alarm = Alarm {
            stopped: AtomicBool::new(false),
            bell: Bell::new().map_err(Error::start)?,
        };
        Ok(Self {
            hubs,
            core,
            tls,
            link: Link::Apart(Duration::ZERO),
            alarm: Arc::new(alarm),
            timeout: None,
            started: Instant::now(),
        })
    }

    pub(super) fn stopper(&self) -> Stopper {
        let alarm = Arc::clone(&self.alarm);
        Stopper::new(alarm)
    }

    /// Goes on to the hub's answer, if that has not come. Of the events those before it are passed over.
    pub(super) fn go_on_to_answer(&mut self) -> Result<C::Answer, Error> {
        loop {
            if let Some(answer) = self.core.current_answer() {
                return Ok(answer);
            }
            if self.go_on()? == Advance::Done {
                return Err(Error::Ended);
            }
            if self.core.current_answer().is_none() {
                self.core.pass_over();
            }
        }
    }

    /// Goes on to a message; false at the end. Other events are passed over.
    #[inline]
    pub(super) fn go_on_to_message(&mut self) -> Result<bool, Error> {
        loop {
            match self.go_on()? {
                Advance::Message => return Ok(true),
                Advance::Done => return Ok(false),
                _ => self.core.pass_over(),
            }
        }
    }

    /// Goes on to an event or the end.
    #[inline]
    pub(super) fn go_on(&mut self) -> Result<Advance, Error> {
        let mut limit = TimeLimit::new(self.timeout);
        loop {
            match self.core.advance() {
                Advance::NeedsBytes => self.read(&mut limit)?,
                Advance::NeedsConnection => self.connect_on(&mut limit)?,
                Advance::Cut => {
                    self.link = Link::Apart(Duration::ZERO);
                    let connect_at = self.core.cut(self.started.elapsed())?;
                    self.link = Link::Apart(connect_at);
                }
                Advance::Done => {
                    self.link = Link::Apart(Duration::ZERO);
                    return Ok(Advance::Done);
                }
                there => return Ok(there),
            }
        }
    }

    /// Goes on with making a connection.
    fn connect_on(&mut self, limit: &mut TimeLimit) -> Result<(), Error> {
        self.check_stopped()?;
        match &mut self.link {
            Link::Apart(at) => {
                let at = self.started + *at;
                if Instant::now() < at {
                    return self.alarm.wait(None, Some(at), limit);
                }
                let time = self.core.attempt(self.started.elapsed());
                self.hubs.turn_to(self.core.hub());
                let hub = self.hubs.current();
                match Dial::begin(hub, self.tls.as_ref(), Purpose::Hub, Some(time)) {
                    Ok(dial) => self.link = Link::Dialling(dial),
                    Err(error) => self.not_connected(error),
                }
            }
            Link::Dialling(dial) => match dial.poll() {
                Ok(Some(stream)) => self.open(stream),
                Ok(None) => {
                    return self.alarm.wait(dial.socket(), dial.wake_at(), limit);
                }
                Err(error) => self.not_connected(error),
            },
            Link::Open(_) => self.link = Link::Apart(Duration::ZERO),
        }
        Ok(())
    }

    fn not_connected(&mut self, error: io::Error) {
        let address = Some(self.hubs.current().clone());
        self.core.lost(Error::connect(address, error));
    }

    fn open(&mut self, stream: Stream) {
        let request = self.core.connected(self.started.elapsed());
        self.link = Link::Open(Open {
            stream,
            request: Some(Unwritten::new(request)),
            answer_by: Deadline::after(self.core.answer_timeout()),
        });
    }

    /// Reads once, or waits until there is something to read.
    fn read(&mut self, limit: &mut TimeLimit) -> Result<(), Error> {
        self.check_stopped()?;
        let Link::Open(open) = &mut self.link else {
            self.core.lost(Error::Closed);
            return Ok(());
        };
        match open.exchange(&mut self.core) {
            Ok(n) => self.core.received(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !self.core.awaits_answer() {
                    open.answer_by = None;
                }
                if open.answer_by.as_mut().is_some_and(Deadline::is_over) {
                    let waited = self.core.answer_timeout();
                    self.core.lost(Error::NoAnswer { waited });
                    return Ok(());
                }
                let wanted = open.wanted();
                let socket = Some((open.stream.as_fd(), wanted));
                let wake_at = open.answer_by.as_ref().map(Deadline::wake_at);
                return self.alarm.wait(socket, wake_at, limit);
            }
            Err(error) => self.core.lost(Error::io(error)),
        }
        Ok(())
    }

    fn check_stopped(&mut self) -> Result<(), Error> {
        let stopped = self.alarm.stopped.load(Ordering::Relaxed);
        if stopped {
            self.core.stop();
            self.link = Link::Apart(Duration::ZERO);
            return Err(Error::Stopped);
        }
        Ok(())
    }
}

impl Alarm {
    /// Waits until the socket is ready, the time to wake up, or a stop. An error if the call's time
    /// is over before that.
    fn wait(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags)>,
        wake_at: Option<Instant>,
        limit: &mut TimeLimit,
    ) -> Result<(), Error> {
        let deadline = earlier(wake_at, limit.deadline());
        let ready = self.bell.wait(socket, deadline).map_err(Error::io)?;
        if ready.is_empty() && !self.stopped.load(Ordering::Relaxed) {
            limit.check()?;
        }
        Ok(())
    }
}

impl Open {
    /// Writes what is left of the request, and then reads.
    fn exchange(&mut self, core: &mut impl Core) -> io::Result<usize> {
        while let Some(request) = &mut self.request {
            let n = self.stream.write(request.rest())?;
            request.wrote(n);
            if request.rest().is_empty() {
                self.request = None;
            }
        }
        self.stream.read(core.space())
    }

    /// What the socket must be ready for.
    fn wanted(&self) -> PollFlags {
        match self.request {
            Some(_) => PollFlags::OUT,
            // A read has the rest of the request go.
            None if self.stream.owes() => PollFlags::IN | PollFlags::OUT,
            None => PollFlags::IN,
        }
    }
}

/// Whoever lets go of a connection wants nothing more from it, and says so: over TLS, an end that is not said is a cut.
impl Drop for Open {
    fn drop(&mut self) {
        // The socket does not wait. A hub that takes nothing any more is not told.
        let _ = closing::end_writing(&self.stream);
    }
}
