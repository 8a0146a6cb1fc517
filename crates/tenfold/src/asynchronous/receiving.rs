//! The driver of a client that receives, for programs with a runtime.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::connect::begin;
use super::{Connect, Connecting, Transport};
use crate::client::{Advance, Core, Error, Unwritten};
use crate::deadline::Late;
use crate::tls::Client;

/// Moves the bytes of a core, over as many connections as it takes.
pub(super) struct Receiving<C> {
    connect: Box<dyn Connect>,
    pub(super) core: C,
    /// How to make TLS, if the address wants it.
    tls: Option<Client>,
    link: Link,
    /// What the core's time counts from, once something was asked of it.
    started: Option<Instant>,
}

/// The way to the hub.
enum Link {
    /// None is wanted, or it is time for one.
    None,
    Pause(Pin<Box<Sleep>>),
    Connecting(Connecting, Late),
    Open(Open),
}

struct Open {
    transport: Box<dyn Transport>,
    /// The request, until it is written.
    request: Option<Unwritten>,
    /// A transport may have a buffer of its own, in which the request may be.
    is_flushed: bool,
    /// By when the hub must have answered, until it has.
    answer_by: Option<Late>,
}

impl<C: Core> Receiving<C> {
    pub(super) fn new(hub: impl Connect + 'static, tls: Option<Client>, mut core: C) -> Self {
        core.set_hubs(hub.hubs());
        Self {
            connect: Box::new(hub),
            core,
            tls,
            link: Link::None,
            started: None,
        }
    }

    /// Goes on to an event or the end.
    #[inline]
    pub(super) fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<Advance, Error>> {
        loop {
            match self.core.advance() {
                Advance::NeedsBytes => ready!(self.poll_bytes(cx)),
                Advance::NeedsConnection => ready!(self.poll_connection(cx)),
                Advance::Cut => self.cut()?,
                Advance::Done => {
                    self.link = Link::None;
                    return Poll::Ready(Ok(Advance::Done));
                }
                there => return Poll::Ready(Ok(there)),
            }
        }
    }

    /// Goes on to the hub's answer, if that has not come. Of the events those before it are passed over.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<C::Answer, Error>> {
        loop {
            if let Some(answer) = self.core.current_answer() {
                return Poll::Ready(Ok(answer));
            }
            if ready!(self.poll_on(cx))? == Advance::Done {
                return Poll::Ready(Err(Error::Ended));
            }
            if self.core.current_answer().is_none() {
                self.core.pass_over();
            }
        }
    }

    /// Goes on to a message; false at the end. Other events are passed over.
    #[inline]
    pub(super) fn poll_to_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        loop {
            match ready!(self.poll_on(cx))? {
                Advance::Message => return Poll::Ready(Ok(true)),
                Advance::Done => return Poll::Ready(Ok(false)),
                _ => self.core.pass_over(),
            }
        }
    }

    fn cut(&mut self) -> Result<(), Error> {
        self.link = Link::None;
        let (started, now) = self.now();
        let connect_at = self.core.cut(now)?;
        if connect_at > now {
            self.link = Link::Pause(Box::pin(sleep_until(started + connect_at)));
        }
        Ok(())
    }

    fn now(&mut self) -> (Instant, Duration) {
        let started = *self.started.get_or_insert_with(Instant::now);
        (started, started.elapsed())
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let made = match &mut self.link {
            Link::Pause(pause) => {
                ready!(pause.as_mut().poll(cx));
                self.link = Link::None;
                return Poll::Ready(());
            }
            Link::Connecting(connecting, late) => match connecting.as_mut().poll(cx) {
                Poll::Ready(made) => made,
                Poll::Pending => {
                    ready!(late.poll(cx));
                    Err(io::ErrorKind::TimedOut.into())
                }
            },
            Link::None | Link::Open(_) => {
                let (_, now) = self.now();
                let late = Late::after(self.core.attempt(now));
                self.connect.turn_to(self.core.hub());
                let connecting = begin(&mut *self.connect, self.tls.as_ref());
                self.link = Link::Connecting(connecting, late);
                return Poll::Ready(());
            }
        };
        match made {
            Ok(transport) => self.open(transport),
            Err(error) => {
                let address = self.connect.address();
                self.core.lost(Error::connect(address, error));
            }
        }
        Poll::Ready(())
    }

    fn open(&mut self, transport: Box<dyn Transport>) {
        let (_, now) = self.now();
        let time = self.core.answer_timeout();
        self.link = Link::Open(Open {
            transport,
            request: Some(Unwritten::new(self.core.connected(now))),
            is_flushed: false,
            answer_by: Some(Late::after(time)),
        });
    }

    /// Reads once, or finds out why there is nothing to read.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Link::Open(open) = &mut self.link else {
            self.core.lost(Error::Closed);
            return Poll::Ready(());
        };
        let waited = self.core.answer_timeout();
        match open.poll_read(cx, &mut self.core) {
            Poll::Ready(Ok(n)) => self.core.received(n),
            Poll::Ready(Err(error)) => self.core.lost(Error::io(error)),
            Poll::Pending => {
                self.core.release();
                let Some(late) = &mut open.answer_by else {
                    return Poll::Pending;
                };
                ready!(late.poll(cx));
                self.core.lost(Error::NoAnswer { waited });
            }
        }
        Poll::Ready(())
    }
}

impl Open {
    fn poll_read(&mut self, cx: &mut Context<'_>, core: &mut impl Core) -> Poll<io::Result<usize>> {
        while let Some(request) = &mut self.request {
            let n = ready!(Pin::new(&mut self.transport).poll_write(cx, request.rest()))?;
            request.wrote(n);
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if request.rest().is_empty() {
                self.request = None;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
            self.is_flushed = true;
        }
        if self.answer_by.is_some() && !core.awaits_answer() {
            self.answer_by = None;
        }
        let mut space = ReadBuf::new(core.space());
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }
}

/// Whoever lets go of a connection wants nothing more from it, and says so: over TLS, an end that is not said is a cut.
impl Drop for Open {
    fn drop(&mut self) {
        // Nobody waits for it. A hub that takes nothing any more is not told.
        let mut now = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut self.transport).poll_shutdown(&mut now);
    }
}
