//! The messages of a hub's channel, for programs that wait.

use std::time::Duration;

use super::receiving::Receiving;
use super::stopper::Stopper;
use crate::client::{Advance, Core, Error, Message, Subscribe, SubscriberEvent, Subscription};
use crate::hubs::Hubs;
use crate::protocol::{Epoch, Subscribed};

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
/// let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
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
    receiving: Receiving<Subscription>,
}

impl Subscriber {
    /// A subscriber that connects when it is first asked for something. Fails if the system has no
    /// descriptor left for the means to stop it.
    pub fn new(hubs: impl Into<Hubs>, options: Subscribe) -> Result<Self, Error> {
        let tls = options.common.tls.clone();
        let receiving = Receiving::new(hubs.into(), tls, Subscription::new(options))?;
        Ok(Self { receiving })
    }

    /// Bounds the time that each call may wait; `None`, as in the beginning, does not. A call that
    /// waits longer returns [`Error::TimedOut`], loses nothing, and can be made again.
    pub fn set_timeout(&mut self, time: Option<Duration>) {
        self.receiving.timeout = time;
    }

    /// A handle with which another thread can stop the subscriber.
    pub fn stopper(&self) -> Stopper {
        self.receiving.stopper()
    }

    /// Waits until the hub has answered that it is subscribed, and gives the answer: from here on no
    /// message is missed. It makes a connection if there is none; what happens before the answer is
    /// passed over. The events after it, its [`Connected`](SubscriberEvent::Connected) included, are still
    /// to come.
    pub fn connect(&mut self) -> Result<Subscribed, Error> {
        self.receiving.go_on_to_answer()
    }

    /// The next message, lent until the next call.
    #[inline]
    pub fn message(&mut self) -> Result<Option<Message<&[u8]>>, Error> {
        let is_there = self.receiving.go_on_to_message()?;
        Ok(if is_there {
            self.receiving.core.message()
        } else {
            None
        })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<SubscriberEvent<'_>>, Error> {
        match self.receiving.go_on()? {
            Advance::Done => Ok(None),
            _ => Ok(self.receiving.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not wait. `None` is the time to flush what was
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

impl Iterator for Subscriber {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.receiving.go_on_to_message() {
            Ok(true) => self.receiving.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
