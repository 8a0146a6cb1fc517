//! The messages of a hub's channel, for programs with a runtime.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Connect;
use super::receiving::Receiving;
use crate::client::{Advance, Core, Error, Message, Subscribe, SubscriberEvent, Subscription};
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
    receiving: Receiving<Subscription>,
}

impl Subscriber {
    /// A subscriber that connects when it is first asked for something.
    pub fn new(hub: impl Connect + 'static, options: Subscribe) -> Self {
        let tls = options.common.tls.clone();
        Self {
            receiving: Receiving::new(hub, tls, Subscription::new(options)),
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
        poll_fn(|cx| self.receiving.poll_answer(cx)).await
    }

    /// The next message, lent until the next call.
    #[inline]
    pub async fn message(&mut self) -> Result<Option<Message<&[u8]>>, Error> {
        let is_there = poll_fn(|cx| self.receiving.poll_to_message(cx)).await?;
        Ok(if is_there {
            self.receiving.core.message()
        } else {
            None
        })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub async fn next_event(&mut self) -> Result<Option<SubscriberEvent<'_>>, Error> {
        match poll_fn(|cx| self.receiving.poll_on(cx)).await? {
            Advance::Done => Ok(None),
            _ => Ok(self.receiving.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not read. `None` is the time to flush what was
    /// made of the events before.
    #[inline]
    pub fn buffered_event(&mut self) -> Option<SubscriberEvent<'_>> {
        match self.receiving.core.advance() {
            Advance::Message | Advance::Notice => self.receiving.core.take_event(),
            _ => None,
        }
    }

    /// The seq of the next message: where to go on, in another run. `None` while it is not known.
    pub fn next_seq(&self) -> Option<u64> {
        self.receiving.core.next_seq()
    }

    /// The epoch of that seq: the one that the hub told last. `None` while it is not known.
    pub fn epoch(&self) -> Option<Epoch> {
        self.receiving.core.epoch()
    }

    /// The seq that the hub was going to commit next when it answered last. `None` before.
    pub fn end(&self) -> Option<u64> {
        self.receiving.core.answer().map(|answer| answer.next)
    }
}

impl Stream for Subscriber {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.receiving.poll_to_message(cx)) {
            Ok(true) => self.receiving.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.receiving.core;
        f.debug_struct("Subscriber")
            .field("core", core)
            .finish_non_exhaustive()
    }
}
