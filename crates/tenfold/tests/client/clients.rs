//! Both kinds of client under one name, so that the cases are written once.

use tenfold::client::{Error, Follow, FollowerEvent, Publish, Subscribe, SubscriberEvent};
use tenfold::protocol::Epoch;
use tenfold::{Hubs, blocking};

/// An event that is owned, as text where that is enough.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Connected { from: u64, first: u64, next: u64 },
    Message(u64, String),
    Gap(String),
    Disconnected,
    End,
}

pub(crate) trait Subscriber: Sized {
    fn new(hub: impl Into<Hubs>, options: Subscribe) -> Self;
    /// From which seq on it is subscribed.
    fn connect(&mut self) -> Result<u64, Error>;
    fn next(&mut self) -> Result<Seen, Error>;
    fn buffered(&mut self) -> Option<Seen>;
    fn owned(&mut self) -> Option<Result<(u64, Vec<u8>), Error>>;
    fn place(&self) -> (Option<u64>, Option<Epoch>, Option<u64>);

    /// The next message, whatever happens before.
    fn message(&mut self) -> Result<Option<(u64, String)>, Error> {
        loop {
            match self.next()? {
                Seen::Message(seq, text) => return Ok(Some((seq, text))),
                Seen::End => return Ok(None),
                _ => {}
            }
        }
    }
}

/// A follower's event as a line.
fn line(event: Option<FollowerEvent<'_>>) -> String {
    match event {
        None => "end".to_owned(),
        Some(FollowerEvent::Connected(answer)) => format!("connected {}", answer.channels),
        Some(FollowerEvent::Message(message)) => format!(
            "{} {} {}",
            message.channel,
            message.seq,
            message.bytes.escape_ascii()
        ),
        Some(FollowerEvent::Gap(channel, gap)) => format!("{channel}: {gap}"),
        Some(FollowerEvent::Deleted(channel)) => format!("{channel} deleted"),
        Some(FollowerEvent::Unreadable(channel)) => format!("{channel} unreadable"),
        Some(FollowerEvent::Disconnected(_)) => "disconnected".to_owned(),
        Some(other) => panic!("{other:?}"),
    }
}

pub(crate) trait Follower: Sized {
    fn new(hub: impl Into<Hubs>, options: Follow) -> Self;
    /// How many channels there are.
    fn connect(&mut self) -> Result<u64, Error>;
    fn next(&mut self) -> Result<String, Error>;
    fn buffered(&mut self) -> Option<String>;
    fn owned(&mut self) -> Option<Result<String, Error>>;
    fn places(&self) -> Option<Vec<String>>;
}

impl Follower for blocking::Follower {
    fn new(hub: impl Into<Hubs>, options: Follow) -> Self {
        Self::new(hub, options).unwrap()
    }

    fn connect(&mut self) -> Result<u64, Error> {
        self.connect().map(|answer| answer.channels)
    }

    fn next(&mut self) -> Result<String, Error> {
        self.next_event().map(line)
    }

    fn buffered(&mut self) -> Option<String> {
        self.buffered_event().map(|event| line(Some(event)))
    }

    fn owned(&mut self) -> Option<Result<String, Error>> {
        let next = Iterator::next(self);
        next.map(|result| result.map(|message| format!("{} {}", message.channel, message.seq)))
    }

    fn places(&self) -> Option<Vec<String>> {
        let places = self.places()?;
        Some(places.iter().map(ToString::to_string).collect())
    }
}

pub(crate) trait Publisher: Sized {
    fn new(hub: impl Into<Hubs>, options: Publish) -> Self;
    fn send(&mut self, message: &[u8]) -> Result<(), Error>;
    fn flush(&mut self) -> Result<(), Error>;
    fn close(&mut self) -> Result<(), Error>;
    fn committed(&mut self) -> Result<u64, Error>;
    fn counts(&self) -> (u64, u64);
}

fn seen(event: Option<SubscriberEvent<'_>>) -> Seen {
    match event {
        None => Seen::End,
        Some(SubscriberEvent::Connected(answer)) => Seen::Connected {
            from: answer.from,
            first: answer.first,
            next: answer.next,
        },
        Some(SubscriberEvent::Message(message)) => {
            Seen::Message(message.seq, message.bytes.escape_ascii().to_string())
        }
        Some(SubscriberEvent::Gap(gap)) => Seen::Gap(gap.to_string()),
        Some(SubscriberEvent::Disconnected(_)) => Seen::Disconnected,
        Some(other) => panic!("{other:?}"),
    }
}

impl Subscriber for blocking::Subscriber {
    fn new(hub: impl Into<Hubs>, options: Subscribe) -> Self {
        Self::new(hub, options).unwrap()
    }

    fn connect(&mut self) -> Result<u64, Error> {
        self.connect().map(|answer| answer.from)
    }

    fn next(&mut self) -> Result<Seen, Error> {
        self.next_event().map(seen)
    }

    fn buffered(&mut self) -> Option<Seen> {
        self.buffered_event().map(|event| seen(Some(event)))
    }

    fn owned(&mut self) -> Option<Result<(u64, Vec<u8>), Error>> {
        Iterator::next(self).map(|result| result.map(|message| (message.seq, message.bytes)))
    }

    fn place(&self) -> (Option<u64>, Option<Epoch>, Option<u64>) {
        (self.next_seq(), self.epoch(), self.end())
    }
}

impl Publisher for blocking::Publisher {
    fn new(hub: impl Into<Hubs>, options: Publish) -> Self {
        Self::new(hub, options).unwrap()
    }

    fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.send(message)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.flush()
    }

    fn close(&mut self) -> Result<(), Error> {
        self.close()
    }

    fn committed(&mut self) -> Result<u64, Error> {
        self.committed()
    }

    fn counts(&self) -> (u64, u64) {
        (self.sent(), self.acknowledged())
    }
}

#[cfg(feature = "tokio")]
pub(crate) use of_tokio::Tokio;

#[cfg(feature = "tokio")]
mod of_tokio {
    use futures_util::StreamExt;
    use tenfold::asynchronous as clients;
    use tokio::runtime::Runtime;

    use super::*;

    /// A client and its runtime. Another thread has the background tasks.
    pub(crate) struct Tokio<C> {
        client: C,
        runtime: Runtime,
    }

    impl<C> Tokio<C> {
        fn make(make: impl FnOnce() -> C) -> Self {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            let client = runtime.block_on(async { make() });
            Self { client, runtime }
        }
    }

    impl Subscriber for Tokio<clients::Subscriber> {
        fn new(hub: impl Into<Hubs>, options: Subscribe) -> Self {
            Self::make(|| clients::Subscriber::new(hub.into(), options))
        }

        fn connect(&mut self) -> Result<u64, Error> {
            let answer = self.runtime.block_on(self.client.connect());
            answer.map(|answer| answer.from)
        }

        fn next(&mut self) -> Result<Seen, Error> {
            self.runtime.block_on(self.client.next_event()).map(seen)
        }

        fn buffered(&mut self) -> Option<Seen> {
            self.client.buffered_event().map(|event| seen(Some(event)))
        }

        fn owned(&mut self) -> Option<Result<(u64, Vec<u8>), Error>> {
            let next = self.runtime.block_on(self.client.next());
            next.map(|result| result.map(|message| (message.seq, message.bytes)))
        }

        fn place(&self) -> (Option<u64>, Option<Epoch>, Option<u64>) {
            let client = &self.client;
            (client.next_seq(), client.epoch(), client.end())
        }
    }

    impl Follower for Tokio<clients::Follower> {
        fn new(hub: impl Into<Hubs>, options: Follow) -> Self {
            Self::make(|| clients::Follower::new(hub.into(), options))
        }

        fn connect(&mut self) -> Result<u64, Error> {
            let answer = self.runtime.block_on(self.client.connect());
            answer.map(|answer| answer.channels)
        }

        fn next(&mut self) -> Result<String, Error> {
            self.runtime.block_on(self.client.next_event()).map(line)
        }

        fn buffered(&mut self) -> Option<String> {
            self.client.buffered_event().map(|event| line(Some(event)))
        }

        fn owned(&mut self) -> Option<Result<String, Error>> {
            let next = self.runtime.block_on(self.client.next());
            next.map(|result| result.map(|message| format!("{} {}", message.channel, message.seq)))
        }

        fn places(&self) -> Option<Vec<String>> {
            let places = self.client.places()?;
            Some(places.iter().map(ToString::to_string).collect())
        }
    }

    impl Publisher for Tokio<clients::Publisher> {
        fn new(hub: impl Into<Hubs>, options: Publish) -> Self {
            Self::make(|| clients::Publisher::new(hub.into(), options))
        }

        fn send(&mut self, message: &[u8]) -> Result<(), Error> {
            self.runtime.block_on(self.client.send(message))
        }

        fn flush(&mut self) -> Result<(), Error> {
            self.runtime.block_on(self.client.flush())
        }

        fn close(&mut self) -> Result<(), Error> {
            self.runtime.block_on(self.client.close())
        }

        fn committed(&mut self) -> Result<u64, Error> {
            self.runtime.block_on(self.client.committed())
        }

        fn counts(&self) -> (u64, u64) {
            (self.client.sent(), self.client.acknowledged())
        }
    }
}
