//! The messages of one channel or of many, as `sub` takes them.

use tenfold::asynchronous::{Follower, Subscriber};
use tenfold::client::{Disconnected, Error, FollowerEvent, SubscriberEvent};
use tenfold::protocol::{ChannelName, Epoch, Place};

use crate::numbers::counted;

/// A client for one channel, or one for many.
#[derive(Debug)]
pub(super) enum Incoming {
    One(Box<Subscriber>, ChannelName),
    Many(Box<Follower>),
}

/// What happens.
#[derive(Debug)]
pub(super) enum Happening<'a> {
    /// A message: its channel, its seq, and its bytes.
    Message(&'a ChannelName, u64, &'a [u8]),
    /// What comes next, and the history of one channel.
    Connected(String, Option<Epoch>),
    Disconnected(Disconnected),
    /// What comes of one of many channels does not go on with what came before.
    Interrupted(ChannelName, String),
    Warning(String),
    Note(String),
}

/// Where a client is, for another run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    One(Epoch, u64),
    Many(Vec<Place>),
}

impl Incoming {
    pub(super) async fn next(&mut self) -> Result<Option<Happening<'_>>, Error> {
        Ok(match self {
            Self::One(subscriber, channel) => {
                let event = subscriber.next_event().await?;
                event.map(|event| of_one(channel, event))
            }
            Self::Many(follower) => follower.next_event().await?.map(of_many),
        })
    }

    /// What is there already.
    pub(super) fn buffered(&mut self) -> Option<Happening<'_>> {
        match self {
            Self::One(subscriber, channel) => {
                let event = subscriber.buffered_event();
                event.map(|event| of_one(channel, event))
            }
            Self::Many(follower) => follower.buffered_event().map(of_many),
        }
    }

    /// Where it is, once that is known.
    pub(super) fn standing(&self) -> Option<Standing> {
        match self {
            Self::One(subscriber, _) => {
                let (epoch, next) = subscriber.epoch().zip(subscriber.next_seq())?;
                Some(Standing::One(epoch, next))
            }
            Self::Many(follower) => follower.places().map(Standing::Many),
        }
    }
}

impl Standing {
    /// Goes back to a message of a channel.
    pub(super) fn back_to(&mut self, channel: &ChannelName, seq: u64) {
        match self {
            Self::One(_, next) => *next = seq,
            Self::Many(places) => {
                let place = places.iter_mut().find(|place| place.channel == *channel);
                if let Some(place) = place {
                    place.from = seq;
                }
            }
        }
    }
}

fn of_one<'a>(channel: &'a ChannelName, event: SubscriberEvent<'a>) -> Happening<'a> {
    match event {
        SubscriberEvent::Message(message) => {
            Happening::Message(channel, message.seq, message.bytes)
        }
        SubscriberEvent::Connected(answer) => {
            let next = format!("message {} comes next", answer.from);
            Happening::Connected(next, Some(answer.epoch))
        }
        SubscriberEvent::Disconnected(notice) => Happening::Disconnected(notice),
        SubscriberEvent::Gap(gap) => Happening::Warning(gap.to_string()),
        other => Happening::Note(format!("{other:?}")),
    }
}

fn of_many(event: FollowerEvent<'_>) -> Happening<'_> {
    match event {
        FollowerEvent::Message(message) => {
            Happening::Message(message.channel, message.seq, message.bytes)
        }
        FollowerEvent::Connected(answer) => {
            let channels = counted(answer.channels, "channel");
            Happening::Connected(format!("{channels} to follow"), None)
        }
        FollowerEvent::Disconnected(notice) => Happening::Disconnected(notice),
        FollowerEvent::Gap(channel, gap) => {
            let words = format!("channel {channel}: {gap}");
            Happening::Interrupted(channel, words)
        }
        FollowerEvent::Deleted(channel) => {
            let words = format!("channel {channel} was deleted");
            Happening::Interrupted(channel, words)
        }
        FollowerEvent::Unreadable(channel) => Happening::Warning(format!(
            "channel {channel} cannot be read from the hub's disk at the moment; the hub tries again"
        )),
        other => Happening::Note(format!("{other:?}")),
    }
}
