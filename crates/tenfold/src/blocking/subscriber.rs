//! The messages of a hub's channel, for programs that wait.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::bell::Bell;
use super::stopper::{Stop, Stopper, TimeLimit};
use crate::address::Address;
use crate::client::{Advance, Error, Message, Subscribe, SubscriberEvent, Subscription, Unwritten};
use crate::deadline::Deadline;
use crate::dial::Dial;
use crate::protocol::{Epoch, Subscribed};
use crate::readiness::earlier;
use crate::stream::Stream;

/// Receives the messages of a channel of a hub: each once and in order, over as many connections as
/// it takes.
///
/// [`message`](Self::message) lends the next message; [`next_event`](Self::next_event) also tells
/// what happens to the connection. As an iterator it gives owned messages.
///
/// ```no_run
/// use tenfold::blocking::Subscriber;
/// use tenfold::client::Subscribe;
///
/// let hub = "127.0.0.1:10010".parse()?;
/// let mut subscriber = Subscriber::new(&hub, Subscribe::new("ticks".parse()?))?;
/// while let Some(message) = subscriber.message()? {
///     println!("{} {}", message.seq, message.bytes.escape_ascii());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Calls wait for as long as it takes, unless [`set_timeout`](Self::set_timeout) bounds them; a
/// [`Stopper`] makes them return. After an error other than [`Error::TimedOut`], and at the end that
/// was asked for, there is nothing more: `None`.
#[derive(Debug)]
pub struct Subscriber {
    address: Address,
    core: Subscription,
    link: Link,
    alarm: Arc<Alarm>,
    timeout: Option<Duration>,
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

impl Subscriber {
    /// A subscriber that connects when it is first asked for something. Fails if the system has no
    /// descriptor left for the means to stop it.
    pub fn new(hub: &Address, options: Subscribe) -> Result<Self, Error> {
        let alarm = Alarm {
            stopped: AtomicBool::new(false),
            bell: Bell::new().map_err(Error::start)?,
        };
        Ok(Self {
            address: hub.clone(),
            core: Subscription::new(options),
            link: Link::Apart(Duration::ZERO),
            alarm: Arc::new(alarm),
            timeout: None,
            started: Instant::now(),
        })
    }

    /// Bounds the time that each call may wait; `None`, as in the beginning, does not. A call that
    /// waits longer returns [`Error::TimedOut`], loses nothing, and can be made again.
    pub fn set_timeout(&mut self, time: Option<Duration>) {
        self.timeout = time;
    }

    /// A handle with which another thread can stop the subscriber.
    pub fn stopper(&self) -> Stopper {
        let alarm = Arc::clone(&self.alarm);
        Stopper::new(alarm)
    }

    /// Waits until the hub has answered that it is subscribed, and gives the answer: from here on no
    /// message is missed. It makes a connection if there is none; what happens before the answer is
    /// passed over. The events after it, its [`Connected`](SubscriberEvent::Connected) included, are still
    /// to come.
    pub fn connect(&mut self) -> Result<Subscribed, Error> {
        loop {
            if let Some(answer) = self.core.current_answer() {
                return Ok(answer);
            }
            if self.go_on()? == Advance::Done {
                return Err(Error::Ended);
            }
            if self.core.current_answer().is_none() {
                drop(self.core.take_event());
            }
        }
    }

    /// The next message, lent until the next call.
    #[inline]
    pub fn message(&mut self) -> Result<Option<Message<&[u8]>>, Error> {
        let is_there = self.go_on_to_message()?;
        Ok(if is_there { self.core.message() } else { None })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<SubscriberEvent<'_>>, Error> {
        match self.go_on()? {
            Advance::Done => Ok(None),
            _ => Ok(self.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not wait. `None` is the time to flush what was
    /// made of the events before.
    #[inline]
    pub fn buffered_event(&mut self) -> Option<SubscriberEvent<'_>> {
        match self.core.advance() {
            Advance::Message | Advance::Notice => self.core.take_event(),
            _ => None,
        }
    }

    /// The seq of the next message: where to go on, in another run. `None` while it is not known.
    pub fn next_seq(&self) -> Option<u64> {
        self.core.next_seq()
    }

    /// The epoch of that seq: the one that the hub told last. `None` while it is not known.
    pub fn epoch(&self) -> Option<Epoch> {
        self.core.epoch()
    }

    /// The seq that the hub was going to commit next when it answered last. `None` before.
    pub fn end(&self) -> Option<u64> {
        self.core.answer().map(|answer| answer.next)
    }

    fn go_on_to_message(&mut self) -> Result<bool, Error> {
        loop {
            match self.go_on()? {
                Advance::Message => return Ok(true),
                Advance::Done => return Ok(false),
                _ => drop(self.core.take_event()),
            }
        }
    }

    /// Goes on to an event or the end.
    #[inline]
    fn go_on(&mut self) -> Result<Advance, Error> {
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
                let deadline = Deadline::after(self.core.attempt(self.started.elapsed()));
                match Dial::begin(&self.address, deadline) {
                    Ok(dial) => self.link = Link::Dialling(dial),
                    Err(error) => self.not_connected(error),
                }
            }
            Link::Dialling(dial) => match dial.poll() {
                Ok(Some(stream)) => self.open(stream),
                Ok(None) => {
                    let socket = dial.socket().map(|socket| (socket, PollFlags::OUT));
                    return self.alarm.wait(socket, dial.wake_at(), limit);
                }
                Err(error) => self.not_connected(error),
            },
            Link::Open(_) => self.link = Link::Apart(Duration::ZERO),
        }
        Ok(())
    }

    fn not_connected(&mut self, error: io::Error) {
        let address = Some(self.address.clone());
        self.core.lost(Error::connect(address, error));
    }

    fn open(&mut self, stream: Stream) {
        let request = self.core.connected(self.started.elapsed());
        self.link = Link::Open(Open {
            stream,
            request: Some(Unwritten::new(request)),
            answer_by: Deadline::after(self.core.options().common.answer_timeout),
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
                    let waited = self.core.options().common.answer_timeout;
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
    fn exchange(&mut self, core: &mut Subscription) -> io::Result<usize> {
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
            None => PollFlags::IN,
        }
    }
}

impl Iterator for Subscriber {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.go_on_to_message() {
            Ok(true) => self.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
