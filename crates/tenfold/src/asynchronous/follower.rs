//! The messages of many channels of a hub, for programs with a runtime.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::Connect;
use super::receiving::Receiving;
use crate::client::{
    Advance, ChannelMessage, Core, Error, Follow, FollowerEvent, Following as FollowingCore,
};
use crate::protocol::{ChannelName, Following, Place};

/// Receives the messages of all channels of a hub whose names fit: each once, and in the order of its
/// channel, over as many connections as it takes.
///
/// [`message`](Self::message) lends the next message; [`next_event`](Self::next_event) also tells
/// what happens to the connection and to single channels. As a [`Stream`] it gives owned messages.
///
/// **Cancel-safe**: a call that is dropped before it is ready has lost nothing.
///
/// ```no_run
/// use tenfold::Address;
/// use tenfold::asynchronous::Follower;
/// use tenfold::client::Follow;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hub: Address = "127.0.0.1:10010".parse()?;
/// let mut follower = Follower::new(hub, Follow::new(["quotes.*".parse()?]));
/// while let Some(message) = follower.message().await? {
///     println!("{} {}", message.channel, message.bytes.escape_ascii());
/// }
/// # Ok(()) }
/// ```
///
/// After an error, and at the end that was asked for, there is nothing more: `None`. It needs a
/// runtime with I/O and time enabled.
pub struct Follower {
    receiving: Receiving<FollowingCore>,
}

impl Follower {
    /// A follower that connects when it is first asked for something.
    pub fn new(hub: impl Connect + 'static, options: Follow) -> Self {
        let tls = options.common.tls.clone();
        Self {
            receiving: Receiving::new(hub, tls, FollowingCore::new(options)),
        }
    }

    /// Waits until the hub has told where each channel begins, and gives its answer: from here on no message is
    /// missed. It makes a connection if there is none; what happens before is passed over. The events
    /// after it, its [`Connected`](FollowerEvent::Connected) included, are still to come.
    pub async fn connect(&mut self) -> Result<Following, Error> {
        poll_fn(|cx| self.receiving.poll_answer(cx)).await
    }

    /// The next message, lent until the next call.
    #[inline]
    pub async fn message(&mut self) -> Result<Option<ChannelMessage<&ChannelName, &[u8]>>, Error> {
        let is_there = poll_fn(|cx| self.receiving.poll_to_message(cx)).await?;
        Ok(if is_there {
            self.receiving.core.message()
        } else {
            None
        })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub async fn next_event(&mut self) -> Result<Option<FollowerEvent<'_>>, Error> {
        match poll_fn(|cx| self.receiving.poll_on(cx)).await? {
            Advance::Done => Ok(None),
            _ => Ok(self.receiving.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not read. `None` is the time to flush what was
    /// made of the events before.
    #[inline]
    pub fn buffered_event(&mut self) -> Option<FollowerEvent<'_>> {
        match self.receiving.core.advance() {
            Advance::Message | Advance::Notice => self.receiving.core.take_event(),
            _ => None,
        }
    }

    /// Where it is in each channel, for [`Follow::resume`] in another run. `None` before the hub has told of all
    /// channels.
    pub fn places(&self) -> Option<Vec<Place>> {
        self.receiving.core.places()
    }
}

impl Stream for Follower {
    type Item = Result<ChannelMessage, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(match ready!(self.receiving.poll_to_message(cx)) {
            Ok(true) => self.receiving.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        })
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let core = &self.receiving.core;
        f.debug_struct("Follower")
            .field("core", core)
            .finish_non_exhaustive()
    }
}
