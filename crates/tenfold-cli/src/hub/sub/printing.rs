//! What the messages of `sub` go through.

use std::time::Instant;

use tenfold::protocol::{ChannelName, Pattern};

use super::incoming::Happening;
use super::pace::Pace;
use super::times::Times;
use super::unpublished;
use crate::failure::Failure;
use crate::flow::format::Origin;
use crate::flow::goal::Goal;
use crate::flow::hub_client::Outages;
use crate::flow::options::HubPeer;
use crate::flow::printing::Printer;
use crate::flow::pump::Sink;
use crate::flow::time_text::TimeText;
use crate::signals::{Signal, Stop};
use crate::words::Words;

/// What the messages go through.
pub(super) struct Printing {
    pub(super) sink: Sink<Printer>,
    /// What is handed over is done with before the next message is looked at.
    pub(super) at_once: bool,
    /// Several channels are printed.
    pub(super) are_many: bool,
    /// Where their times come from, if these are wanted.
    pub(super) times: Option<Times>,
    pub(super) time_text: TimeText,
    pub(super) pace: Option<Pace>,
    /// The first message that was taken and could not be printed.
    pub(super) failed_at: Option<(ChannelName, u64)>,
    pub(super) goal: Goal,
    pub(super) outages: Outages,
    /// Where to look whether anybody has published to what, until that was looked at.
    pub(super) unpublished: Option<(HubPeer, Vec<Pattern>)>,
    pub(super) words: Words,
    /// When the last message was printed; at first, when it began to wait.
    pub(super) last: Instant,
}

impl Printing {
    pub(super) async fn take(
        &mut self,
        event: Happening<'_>,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        match event {
            Happening::Message(channel, seq, bytes) => {
                let printed = self.print(channel, seq, bytes, stop).await;
                if !matches!(printed, Ok(true)) {
                    self.failed_at = Some((channel.clone(), seq));
                }
                printed?;
            }
            Happening::Connected(place, epoch) => {
                if let Some(times) = &mut self.times {
                    times.connected(epoch);
                }
                self.outages.connected(&place);
                if let Some((hub, channels)) = self.unpublished.take() {
                    unpublished::tell(&hub, &channels, &self.words);
                }
            }
            Happening::Disconnected(notice) => {
                // Messages that came before the outage are printed before the person is told of it.
                self.sink.flush()?;
                self.outages.disconnected(&notice);
            }
            Happening::Interrupted(channel, words) => {
                if let Some(times) = &mut self.times {
                    times.forget(&channel);
                }
                self.words.warning(words);
            }
            Happening::Warning(words) => self.words.warning(words),
            Happening::Note(words) => self.words.note(words),
        }
        Ok(())
    }

    /// Prints a message when it is due. False: it was told to stop before.
    async fn print(
        &mut self,
        channel: &ChannelName,
        seq: u64,
        bytes: &[u8],
        stop: &mut Stop,
    ) -> Result<bool, Failure> {
        let mut time = None;
        if let Some(times) = &mut self.times {
            time = times.of(channel, seq).await;
        }
        if let (Some(time), Some(pace)) = (time, &mut self.pace) {
            let now = Instant::now();
            let due = pace.due(time, now);
            if due > now {
                self.sink.flush()?;
                tokio::select! {
                    biased;
                    signal = stop.wait() => return match signal {
                        Signal::Interrupt => Err(Failure::Interrupted),
                        Signal::Terminate => Ok(false),
                    },
                    () = tokio::time::sleep_until(due.into()) => {}
                }
            }
        }
        self.goal.take_one();
        let origin = Origin {
            number: seq,
            time: time.map(|time| self.time_text.of(time)),
            channel: Some(channel.as_str()),
            among_others: self.are_many,
        };
        self.sink.put_from(origin, bytes)?;
        Ok(true)
    }

    /// Whether a command has taken what there was: that is kept before more is looked at.
    pub(super) fn is_handed_over(&self) -> bool {
        self.at_once && self.sink.is_empty()
    }

    /// Whether nothing more is to be printed.
    pub(super) fn is_over(&self) -> bool {
        self.goal.is_reached() || self.failed_at.is_some()
    }
}
