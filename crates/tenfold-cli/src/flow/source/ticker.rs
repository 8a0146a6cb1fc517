//! `--every`: messages by the clock.

use std::ffi::OsString;
use std::thread;
use std::time::{Duration, Instant};

use jiff::ZonedDateTime;
use tenfold::Event;

use super::Source;
use crate::failure::Failure;

/// Gives its messages in turn, one at once and then one every period. In a message, `{time}` is
/// the local time to the second.
#[derive(Debug)]
pub(crate) struct Ticker {
    texts: Vec<String>,
    every: Duration,
    due: Option<Instant>,
    is_due: bool,
    ticks: usize,
    message: String,
}

impl Ticker {
    /// Of arguments, which must be text, so that a time can be filled in.
    pub(crate) fn of(messages: &[OsString], every: Duration) -> Result<Self, Failure> {
        if messages.is_empty() || messages == ["-"] {
            return Err(Failure::Usage(
                "--every needs the messages to send".to_owned(),
            ));
        }
        let text = |message: &OsString| message.clone().into_string();
        let texts = messages.iter().map(text).collect::<Result<_, _>>();
        let texts = texts.map_err(|message| {
            Failure::Usage(format!(
                "--every needs messages in UTF-8, not {}",
                message.display()
            ))
        })?;
        Ok(Self {
            texts,
            every,
            due: None,
            is_due: false,
            ticks: 0,
            message: String::new(),
        })
    }
}

impl Source for Ticker {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        if !std::mem::take(&mut self.is_due) {
            return Ok(None);
        }
        let text = &self.texts[self.ticks % self.texts.len()];
        self.ticks += 1;
        self.message = fill_in(text);
        Ok(Some(Event::Message(self.message.as_bytes())))
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        let now = Instant::now();
        match self.due {
            None => self.due = Some(now + self.every),
            Some(due) => {
                thread::sleep(due.saturating_duration_since(now));
                // Counted from the plan, so that it does not drift; after a long pause it starts
                // again and does not make up for what was missed.
                self.due = Some((due + self.every).max(Instant::now()));
            }
        }
        self.is_due = true;
        Ok(true)
    }
}

/// The text with the local time in place of `{time}`.
pub(crate) fn fill_in(text: &str) -> String {
    fill_in_at(text, &ZonedDateTime::now())
}

fn fill_in_at(text: &str, now: &ZonedDateTime) -> String {
    if !text.contains("{time}") {
        return text.to_owned();
    }
    text.replace("{time}", &now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_rfc_3339_to_the_second() {
        let now: ZonedDateTime = "2026-11-23T14:05:06.25+01:00[Europe/Berlin]"
            .parse()
            .unwrap();
        assert_eq!(
            fill_in_at("at {time}.", &now),
            "at 2026-11-23T14:05:06+01:00."
        );
        assert_eq!(fill_in_at("{} {times}", &now), "{} {times}");
    }

    #[test]
    fn it_fires_at_once_and_in_turn() {
        let mut ticker = Ticker::of(&["a".into(), "b".into()], Duration::from_millis(1)).unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            assert!(ticker.next().unwrap().is_none());
            assert!(ticker.wait().unwrap());
            if let Some(Event::Message(message)) = ticker.next().unwrap() {
                seen.push(message.to_vec());
            }
        }
        assert_eq!(seen, [b"a", b"b", b"a"]);
    }
}
