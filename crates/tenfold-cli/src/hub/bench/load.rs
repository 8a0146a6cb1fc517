//! The publishers of a measurement.

use std::thread;
use std::time::{Duration, Instant};

use tenfold::Hubs;
use tenfold::blocking::Publisher;
use tenfold::client::{Error, Publish};
use tenfold::protocol::ChannelName;

use super::payload::{END, Payload};
use crate::flow::credential::CredentialOptions;
use crate::signals::Stop;

/// What all publishers and subscribers share.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) server: Hubs,
    pub(super) credential: CredentialOptions,
    pub(super) channel: ChannelName,
    pub(super) run: u64,
    pub(super) size: usize,
    pub(super) publishers: u32,
    /// Messages in each second, of each publisher; flat out if it is not said.
    pub(super) rate: Option<f64>,
    pub(super) until: Until,
    /// What times count from.
    pub(super) start: Instant,
    /// A signal ends it early.
    pub(super) stop: Stop,
}

/// When to end.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Time(Duration),
    /// So many messages of each publisher: this many, and one more of the first so many.
    Count(u64, u32),
}

impl Plan {
    /// Publishes as this one. How many messages were sent, all of which were acknowledged.
    pub(super) fn publish(&self, publisher: u32) -> Result<u64, Error> {
        let mut hub = self.open()?;
        let mut message = vec![b'.'; self.size];
        let begin = self.start.elapsed();
        let mut number = 0;
        while self.has_more(publisher, number, begin) {
            let time = self.wait(number, begin);
            let payload = Payload {
                run: self.run,
                publisher,
                number,
                time,
            };
            payload.write(&mut message);
            hub.send(&message)?;
            number += 1;
        }
        hub.close()?;
        Ok(number)
    }

    /// Publishes the last message.
    pub(super) fn publish_end(&self) -> Result<(), Error> {
        let mut hub = self.open()?;
        let mut message = vec![b'.'; self.size];
        let payload = Payload {
            run: self.run,
            publisher: END,
            number: 0,
            time: self.start.elapsed(),
        };
        payload.write(&mut message);
        hub.send(&message)?;
        hub.close()
    }

    fn open(&self) -> Result<Publisher, Error> {
        let options = Publish::new(self.channel.clone())
            .token(self.credential.token())
            .tls(self.credential.tls())
            .once_connected(super::watch::OUTAGE);
        Publisher::new(&self.server, options)
    }

    fn has_more(&self, publisher: u32, number: u64, begin: Duration) -> bool {
        match (self.until, self.rate) {
            _ if self.stop.came() => false,
            (Until::Count(count, more), _) => number < count + u64::from(publisher < more),
            (Until::Time(time), Some(_)) => self.due(number) < time,
            (Until::Time(time), None) => self.start.elapsed().saturating_sub(begin) < time,
        }
    }

    /// When a message is to be sent, from the publisher's begin.
    fn due(&self, number: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 messages")]
        let number = number as f64;
        self.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(number / rate)
        })
    }

    /// Waits until a message is to be sent; when that was to be.
    fn wait(&self, number: u64, begin: Duration) -> Duration {
        let now = self.start.elapsed();
        if self.rate.is_none() {
            return now;
        }
        let due = begin + self.due(number);
        // Not at all if it is late.
        thread::sleep(due.saturating_sub(now));
        due
    }
}
