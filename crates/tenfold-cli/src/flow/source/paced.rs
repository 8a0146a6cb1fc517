//! `--rate`: not more messages in a second than that.

use std::thread;
use std::time::{Duration, Instant};

use tenfold::Event;

use super::Source;
use crate::failure::Failure;
use crate::flow::follow::Place;

/// Gives the messages of a source, each at least so long after the one before.
pub(crate) struct Paced {
    source: Box<dyn Source + Send>,
    every: Duration,
    /// When the next message may be given.
    due: Option<Instant>,
    /// A message may be there, and is not due.
    is_early: bool,
}

/// How much of a delay is made up for: sleeping takes longer than it should.
const SLACK: Duration = Duration::from_millis(100);

impl Paced {
    /// At most so many messages in a second.
    pub(crate) fn new(source: Box<dyn Source + Send>, rate: f64) -> Self {
        Self {
            source,
            every: Duration::from_secs_f64(1.0 / rate),
            due: None,
            is_early: false,
        }
    }
}

impl Source for Paced {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let now = Instant::now();
        self.is_early = self.due.is_some_and(|due| due > now);
        if self.is_early {
            return Ok(None);
        }
        let event = self.source.next()?;
        if matches!(event, Some(Event::Message(_) | Event::End)) {
            let least = now.checked_sub(SLACK).unwrap_or(now);
            let due = self.due.unwrap_or(now).max(least);
            self.due = Some(due + self.every);
        }
        Ok(event)
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        if !self.is_early {
            return self.source.wait();
        }
        if let Some(due) = self.due {
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        Ok(true)
    }

    fn place(&self) -> Option<Place> {
        self.source.place()
    }
}

/// Reads how many messages in a second.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.strip_suffix("/s").unwrap_or(text).parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => Err("write how many messages in a second: 1000, 10, 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::super::given;
    use super::*;

    #[test]
    fn messages_come_no_faster_than_the_rate_and_not_much_slower() {
        let words = vec![OsString::from("a"); 21];
        let source = Box::new(given(&words, None).unwrap());
        let mut paced = Paced::new(source, 200.0);
        let (begun, mut count) = (Instant::now(), 0);
        loop {
            while let Some(event) = paced.next().unwrap() {
                assert_eq!(event, Event::Message(b"a"));
                count += 1;
                // 20 pauses of 5 ms come before the last one.
                let due = Duration::from_millis(5) * (count - 1);
                assert!(begun.elapsed() >= due, "{count}");
            }
            if !paced.wait().unwrap() {
                break;
            }
        }
        assert_eq!(count, 21);
    }

    #[test]
    fn a_rate_is_a_number_in_a_second() {
        assert_eq!(rate("1000"), Ok(1000.0));
        assert_eq!(rate("0.5/s"), Ok(0.5));
        for wrong in ["", "0", "-1", "nan", "inf", "10ms"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
