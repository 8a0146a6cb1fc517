//! The messages of many channels of a hub, for programs that wait.

use std::time::Duration;

use super::receiving::Receiving;
use super::stopper::Stopper;
use crate::client::{
    Advance, ChannelMessage, Core, Error, Follow, FollowerEvent, Following as FollowingCore,
};
use crate::hubs::Hubs;
use crate::protocol::{ChannelName, Following, Place};

/// Receives the messages of all channels of a hub whose names fit: each once, and in the order of its
/// channel, over as many connections as it takes.
///
/// [`message`](Self::message) lends the next message; [`next_event`](Self::next_event) also tells
/// what happens to the connection and to single channels. As an iterator it gives owned messages.
///
/// ```no_run
/// use tenfold::blocking::Follower;
/// use tenfold::client::Follow;
///
/// let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
/// let mut follower = Follower::new(&hub, Follow::new(["quotes.*".parse()?]))?;
/// while let Some(message) = follower.message()? {
///     println!("{} {}", message.channel, message.bytes.escape_ascii());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Calls wait for as long as it takes, unless [`set_timeout`](Self::set_timeout) bounds them; a
/// [`Stopper`] makes them return. After an error other than [`Error::TimedOut`], and at the end that
/// was asked for, there is nothing more: `None`.
#[derive(Debug)]
pub struct Follower {
    receiving: Receiving<FollowingCore>,
}

impl Follower {
    /// A follower that connects when it is first asked for something. Fails if the system has no
    /// descriptor left for the means to stop it.
    pub fn new(hubs: impl Into<Hubs>, options: Follow) -> Result<Self, Error> {
        let tls = options.common.tls.clone();
        let receiving = Receiving::new(hubs.into(), tls, FollowingCore::new(options))?;
        Ok(Self { receiving })
    }

    /// Bounds the time that each call may wait; `None`, as in the beginning, does not. A call that
    /// waits longer returns [`Error::TimedOut`], loses nothing, and can be made again.
    pub fn set_timeout(&mut self, time: Option<Duration>) {
        self.receiving.timeout = time;
    }

    /// A handle with which another thread can stop the follower.
    pub fn stopper(&self) -> Stopper {
        self.receiving.stopper()
    }

    /// Waits until the hub has told where each channel begins, and gives its answer: from here on no message is
    /// missed. It makes a connection if there is none; what happens before is passed over. The events
    /// after it, its [`Connected`](FollowerEvent::Connected) included, are still to come.
    pub fn connect(&mut self) -> Result<Following, Error> {
        self.receiving.go_on_to_answer()
    }

    /// The next message, lent until the next call.
    #[inline]
    pub fn message(&mut self) -> Result<Option<ChannelMessage<&ChannelName, &[u8]>>, Error> {
        let is_there = self.receiving.go_on_to_message()?;
        Ok(if is_there {
            self.receiving.core.message()
        } else {
            None
        })
    }

    /// The next thing that happens, lent until the next call.
    #[inline]
    pub fn next_event(&mut self) -> Result<Option<FollowerEvent<'_>>, Error> {
        match self.receiving.go_on()? {
            Advance::Done => Ok(None),
            _ => Ok(self.receiving.core.take_event()),
        }
    }

    /// The next event, if it is there already; does not wait. `None` is the time to flush what was
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

impl Iterator for Follower {
    type Item = Result<ChannelMessage, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.receiving.go_on_to_message() {
            Ok(true) => self.receiving.core.take_message().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
