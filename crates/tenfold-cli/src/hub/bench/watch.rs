//! The subscribers of a measurement.

use std::sync::mpsc::Sender;
use std::time::Duration;

use hdrhistogram::Histogram;
use tenfold::blocking::Subscriber;
use tenfold::client::{Error, OnGap, Retry, Subscribe, SubscriberEvent};

use super::check::{Faults, Sequence};
use super::load::Plan;
use super::payload::{END, Payload};

/// How long the hub may be away. If it takes longer, nothing that was measured counts.
pub(super) const OUTAGE: Retry = Retry::For(Duration::from_secs(5));

/// What a subscriber has seen.
#[derive(Debug)]
pub(super) struct Seen {
    sequences: Vec<Sequence>,
    faults: Faults,
    pub(super) messages: u64,
    pub(super) latencies: Histogram<u64>,
    run: u64,
    ended: bool,
}

/// No latencies beyond this are told apart, in nanoseconds.
const LONGEST: u64 = 3_600_000_000_000;

/// An empty record of latencies, in nanoseconds, to three digits.
pub(super) fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(LONGEST, 3).expect("the bounds are right")
}

impl Plan {
    /// Receives everything up to the last message; tells when it is connected.
    pub(super) fn subscribe(&self, ready: Sender<()>) -> Result<Seen, Error> {
        let options = Subscribe::new(self.channel.clone())
            .token(self.credential.token())
            .tls(self.credential.tls())
            .on_gap(OnGap::Continue)
            .once_connected(OUTAGE);
        let mut subscriber = Subscriber::new(&self.server, options)?;
        let mut seen = Seen {
            sequences: vec![Sequence::default(); self.publishers as usize],
            faults: Faults::default(),
            messages: 0,
            latencies: latencies(),
            run: self.run,
            ended: false,
        };
        let mut ready = Some(ready);
        while !seen.ended {
            let Some(event) = subscriber.next_event()? else {
                return Err(Error::Ended);
            };
            if let (SubscriberEvent::Connected(_), Some(ready)) = (&event, ready.take()) {
                // It fails only if the task that waited for it has given up.
                let _ = ready.send(());
            }
            // Messages of one read have come at the same time.
            let now = self.start.elapsed();
            seen.take(&event, now);
            while let Some(event) = subscriber.buffered_event() {
                seen.take(&event, now);
            }
        }
        Ok(seen)
    }
}

impl Seen {
    #[inline]
    fn take(&mut self, event: &SubscriberEvent<'_>, now: Duration) {
        let SubscriberEvent::Message(message) = event else {
            return;
        };
        let Some(payload) = Payload::read(self.run, message.bytes) else {
            return;
        };
        if payload.publisher == END {
            self.ended = true;
            return;
        }
        self.messages += 1;
        let latency = now.saturating_sub(payload.time);
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(nanos);
        if let Some(sequence) = self.sequences.get_mut(payload.publisher as usize) {
            sequence.take(payload.number, &mut self.faults);
        }
    }

    /// What is wrong with the messages that came, if each publisher has sent so many.
    pub(super) fn faults(&self, sent: &[u64]) -> Faults {
        let mut faults = self.faults;
        for (sequence, sent) in self.sequences.iter().zip(sent) {
            sequence.finish(*sent, &mut faults);
        }
        faults
    }
}
