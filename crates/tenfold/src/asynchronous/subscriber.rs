//! The messages of a hub's channel, for programs with a runtime.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Connect, Connecting, Transport};
use crate::client::{Advance, Error, Message, Subscribe, SubscriberEvent, Subscription, Unwritten};
use crate::deadline::Late;
use crate::protocol::{Epoch, Subscribed};

/// Receives the messages of a channel of a hub: each once and in order, over as many connections as
/// it takes.
///
/// [`message`](Self::message) lends the next message; [`next_event`](Self::next_event) also tells
/// what happens to the connection. As a [`Stream`] it gives owned messages.
///
/// **Cancel-safe**: a call that is dropped before it is ready has lost nothing, so all of them can
/// stand in `select!`. Connections, pauses and bytes are in the subscriber and not in the future.
///
/// ```no_run
/// use tenfold::Address;
/// use tenfold::client::Subscribe;
/// use tenfold::asynchronous::Subscriber;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hub: Address = "127.0.0.1:10010".parse()?;
/// let mut subscriber = Subscriber::new(hub, Subscribe::new("ticks".parse()?));
/// while let Some(message) = subscriber.message().await? {
///     println!("{} {}", message.seq, message.bytes.escape_ascii());
/// }
/// # Ok(()) }
/// ```
///
/// After an error, and at the end that was asked for, there is nothing more: `None`. It needs a
/// runtime with I/O and time enabled; all time is tokio's.
pub struct Subscriber {
    connect: Box<dyn Connect>,
    core: Subscription,
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
    /// By when the hub must have answered, until it has.
    answer_by: Option<Late>,
}

impl Subscriber {
    /// A subscriber that connects when it is first asked for something.
    pub fn new(hub: impl Connect + 'static, options: Subscribe) -> Self {
        Self {
            connect: Box::new(hub),
            core: Subscription::new(options),
            link: Link::None,
            started: None,
        }
    }

    /// Waits until the hub has answered that it is subscribed, and gives the answer: from here on no
    /// message is missed. It makes a connection if there is none; what happens before the answer is
    /// passed over. The events after it, its [`Connected`](SubscriberEvent::Connected) included, are still
    /// to come.
    ///
    /// ```no_run
    /// # use tenfold::{Address, client::Subscribe, asynchronous::Subscriber};
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub: Address = "127.0.0.1:10010".parse()?;
    /// let mut subscriber = Subscriber::new(hub, Subscribe::new("ticks".parse()?));
    /// subscriber.connect().await?; // whatever is published from now on will come
    /// # Ok(()) }
    /// ```
    pub async fn connect(&mut self) -> Result<Subscribed, Error> {
        poll_fn(|cx| self.poll_answer(cx)).await
    }

    /// The next message, lent until the next call.
    #[inline]
    pub async fn message(&mut self) -> Result<Option<Message<&[u8]>>, Error> {
        let is_there = poll_fn(|cx| self.poll_to_message(cx)).await?;
        Ok(if is_there { self.core.message() } else { None })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub async fn next_event(&mut self) -> Result<Option<SubscriberEvent<'_>>, Error> {
        match poll_fn(|cx| self.poll_on(cx)).await? {
            Advance::Done => Ok(None),
            _ => Ok(self.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not read. `None` is the time to flush what was
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

    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Subscribed, Error>> {
        loop {
            if let Some(answer) = self.core.current_answer() {
                return Poll::Ready(Ok(answer));
            }
            let advance = ready!(self.poll_on(cx))?;
            if advance == Advance::Done {
                return Poll::Ready(Err(Error::Ended));
            }
            if self.core.current_answer().is_none() {
                drop(self.core.take_event());
            }
        }
    }

    #[inline]
    fn poll_to_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        loop {
            match ready!(self.poll_on(cx))? {
                Advance::Message => return Poll::Ready(Ok(true)),
                Advance::Done => return Poll::Ready(Ok(false)),
                _ => drop(self.core.take_event()),
            }
        }
    }

    /// Goes on to an event or the end.
    #[inline]
    fn poll_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<Advance, Error>> {
        loop {
            match self.core.advance() {
                Advance::NeedsBytes => ready!(self.poll_bytes(cx)),
                Advance::NeedsConnection => ready!(self.poll_connection(cx)),
                Advance::Cut => self.cut()?,
                there => return Poll::Ready(Ok(there)),
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
                self.link = Link::Connecting(self.connect.connect(), late);
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
        let time = self.core.options().common.answer_timeout;
        self.link = Link::Open(Open {
            transport,
            request: Some(Unwritten::new(self.core.connected(now))),
            answer_by: Some(Late::after(time)),
        });
    }

    /// Reads once, or finds out why there is nothing to read.
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Link::Open(open) = &mut self.link else {
            self.core.lost(Error::Closed);
            return Poll::Ready(());
        };
        let waited = self.core.options().common.answer_timeout;
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
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        core: &mut Subscription,
    ) -> Poll<io::Result<usize>> {
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
        if self.answer_by.is_some() && !core.awaits_answer() {
            self.answer_by = None;
        }
        let mut space = ReadBuf::new(core.space());
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut space))?;
        Poll::Ready(Ok(space.filled().len()))
    }
}

impl Stream for Subscriber {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.poll_to_message(cx)) {
            Ok(true) => self.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.core;
        f.debug_struct("Subscriber")
            .field("core", core)
            .finish_non_exhaustive()
    }
}
