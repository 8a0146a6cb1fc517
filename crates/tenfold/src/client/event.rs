//! What a client tells about its connection.

use std::fmt;
use std::time::Duration;

use super::Error;
use crate::protocol::{ChannelName, Epoch, Following, Publishing, Subscribed};

/// What happened to a subscriber; messages are lent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SubscriberEvent<'a> {
    /// The hub has answered: from where on messages follow, and what the channel has.
    Connected(Subscribed),
    /// The next message.
    Message(Message<&'a [u8]>),
    /// Messages that were asked for cannot be had, and the subscriber goes on after them
    /// ([`OnGap::Continue`](super::OnGap::Continue)). It comes after the
    /// [`Connected`](Self::Connected) of the connection that goes on.
    Gap(Gap),
    /// There is no connection, and the subscriber will try to make one.
    Disconnected(Disconnected),
}

/// What happened to a follower of many channels; messages are lent.
#[derive(Debug)]
#[non_exhaustive]
pub enum FollowerEvent<'a> {
    /// The hub has answered, and has told where each channel begins. From here on no message is missed,
    /// in whatever channel.
    Connected(Following),
    /// The next message.
    Message(ChannelMessage<&'a ChannelName, &'a [u8]>),
    /// Messages of one channel cannot be had, and the follower goes on after them
    /// ([`OnGap::Continue`](super::OnGap::Continue)).
    Gap(ChannelName, Gap),
    /// A channel was deleted, after its last message had come. If one of this name appears again, it is
    /// followed from its first message on.
    Deleted(ChannelName),
    /// The next message of a channel cannot be read from the hub's disk at the moment. The hub tries again.
    Unreadable(ChannelName),
    /// There is no connection, and the follower will try to make one.
    Disconnected(Disconnected),
}

/// What happened to a publisher, for its [`observer`](super::Publish::observer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The hub has answered.
    Connected(Publishing),
    /// There is no connection, and the publisher will try to make one.
    Disconnected(Disconnected),
}

/// A message of a channel, owned or lent.
///
/// ```
/// use tenfold::client::Message;
///
/// let message = Message::new(7, b"17.25");
/// assert_eq!((message.seq, &message.bytes[..]), (7, &b"17.25"[..]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Message<B = Vec<u8>> {
    /// How many messages of the channel came before it.
    pub seq: u64,
    /// The message itself.
    pub bytes: B,
}

/// A message of one of many channels, owned or lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ChannelMessage<N = ChannelName, B = Vec<u8>> {
    /// The channel.
    pub channel: N,
    /// How many messages of the channel came before it.
    pub seq: u64,
    /// The message itself.
    pub bytes: B,
}

/// Messages that were asked for and cannot be had.
///
/// Displays as a sentence, such as `messages 5 to 8 are no longer kept; the next one is 9`.
///
/// ```
/// use tenfold::client::{Gap, GapReason};
///
/// /// How many messages are missing, where that is known.
/// fn missing(gap: &Gap) -> Option<u64> {
///     match gap.reason {
///         GapReason::Epoch => None, // the seqs of two histories cannot be compared
///         _ => gap.expected.map(|seq| gap.available - seq),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// Why.
    pub reason: GapReason,
    /// The seq of the message that was to come next; `None` if no seq was asked for.
    pub expected: Option<u64>,
    /// The seq of the first message that there is instead; in the hub's epoch.
    pub available: u64,
    /// The epoch that `expected` is in, where it is known.
    pub known: Option<Epoch>,
    /// The hub's epoch, where it is known.
    pub epoch: Option<Epoch>,
}

/// Why messages cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GapReason {
    /// They are no longer kept.
    Trimmed,
    /// The hub has another history of the channel.
    Epoch,
    /// They are damaged on the hub's disk.
    Corrupt,
    /// The channel was deleted. Only a follower of many channels hears of that; then `available` is the seq
    /// that would have been next, where it is known, and else the same as `expected`.
    Deleted,
}

/// A connection that could not be made, or broke.
#[derive(Debug)]
#[non_exhaustive]
pub struct Disconnected {
    /// Why.
    pub reason: Error,
    /// In how long the next one will be tried.
    pub retry_in: Duration,
}

impl<B> Message<B> {
    /// A message of which `seq` others of the channel came before it.
    pub fn new(seq: u64, bytes: B) -> Self {
        Self { seq, bytes }
    }
}

impl<N, B> ChannelMessage<N, B> {
    /// A message of which `seq` others of the channel came before it.
    pub fn new(channel: N, seq: u64, bytes: B) -> Self {
        Self {
            channel,
            seq,
            bytes,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            expected,
            available,
            ..
        } = self;
        if self.reason == GapReason::Deleted {
            f.write_str("the channel was deleted")?;
            return expected.map_or(Ok(()), |seq| write!(f, "; message {seq} was to come next"));
        }
        if self.reason == GapReason::Epoch {
            f.write_str("the hub has another history of the channel")?;
            if let (Some(known), Some(epoch)) = (self.known, self.epoch) {
                write!(f, " (epoch {epoch}, and {known} was asked for)")?;
            }
            expected.map_or(Ok(()), |seq| write!(f, "; message {seq} was to come next"))?;
            return write!(f, "; its first message is {available}");
        }
        match expected {
            Some(seq) if seq + 1 >= *available => write!(f, "message {seq} is ")?,
            Some(seq) => write!(f, "messages {seq} to {} are ", available - 1)?,
            None => f.write_str("the messages that were asked for are ")?,
        }
        f.write_str(match self.reason {
            GapReason::Corrupt => "damaged on the hub's disk",
            _ => "no longer kept",
        })?;
        write!(f, "; the next one is {available}")
    }
}

impl fmt::Display for Disconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)?;
        if self.retry_in.is_zero() {
            f.write_str("; trying again")
        } else {
            let seconds = self.retry_in.as_secs_f64();
            write!(f, "; trying again in {seconds:.1} s")
        }
    }
}
