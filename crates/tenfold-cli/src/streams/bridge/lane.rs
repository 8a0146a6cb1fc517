//! One direction of a bridge.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use tenfold::Event;
use tokio::sync::watch;

use super::giver::{Giver, Next};
use super::taker::Taker;
use crate::failure::Failure;
use crate::words::Words;

/// Carries messages from one end to the other, and ends the one when the other has ended.
///
/// Messages that are not yet taken wait where they are: at most one read and one batch are held, and the
/// message that is under way.
pub(super) struct Lane {
    pub(super) giver: Giver,
    pub(super) taker: Taker,
    pub(super) tally: Arc<Tally>,
    /// Says which messages are left out because the taker's framing cannot carry them, if that is wanted.
    pub(super) skips: Option<Words>,
}

/// What a lane has carried, for the session that watches it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    messages: AtomicU64,
    steps: AtomicU64,
    /// The lane waits for the giver, and not for the taker.
    waits: AtomicBool,
}

/// A lane at its end, with what is left to be closed.
pub(super) struct Ended {
    pub(super) giver: Giver,
    pub(super) taker: Taker,
    pub(super) result: Result<(), Failure>,
}

impl Tally {
    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    /// Grows whenever something has come or gone.
    pub(super) fn steps(&self) -> u64 {
        self.steps.load(Relaxed)
    }

    /// Whether there is nothing to carry at the moment.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Relaxed)
    }
}

impl Lane {
    /// Runs until the giver ends, something fails, or `stop` is true: then between two messages.
    /// Whatever ends it, what was taken is handed over and the taker ended, unless it is the taker
    /// that failed.
    pub(super) async fn run(mut self, stop: watch::Receiver<bool>) -> Ended {
        let result = match self.carry(stop).await {
            Ok(()) => self.taker.finish().await,
            // The messages before one that cannot be framed are good.
            Err(Fault::Giver(failure) | Fault::Taker(failure @ Failure::Framing(_))) => {
                // The first failure is the one to tell.
                let _ = self.taker.finish().await;
                Err(failure)
            }
            Err(Fault::Taker(failure)) => Err(failure),
        };
        Ended {
            giver: self.giver,
            taker: self.taker,
            result,
        }
    }

    async fn carry(&mut self, mut stop: watch::Receiver<bool>) -> Result<(), Fault> {
        let Self {
            giver,
            taker,
            tally,
            skips,
        } = self;
        let mut index = 0;
        let mut inside = false;
        loop {
            tally.waits.store(true, Relaxed);
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop), if !inside => return Ok(()),
                next = giver.next() => next.map_err(Fault::Giver)?,
            };
            tally.waits.store(false, Relaxed);
            let mut event = match next {
                Next::Event(event) => event,
                Next::Nothing => continue,
                Next::End => return Ok(()),
            };
            loop {
                if let Err(failure) = put(taker, event, index).await {
                    leave_out(event, failure, skips.as_ref()).map_err(Fault::Taker)?;
                }
                inside = matches!(event, Event::Begin { .. } | Event::Data(_));
                index += u64::from(matches!(event, Event::Message(_) | Event::End));
                event = match giver.ready() {
                    Next::Event(event) => event,
                    Next::Nothing | Next::End => break,
                };
            }
            tally.messages.store(index, Relaxed);
            tally.steps.fetch_add(1, Relaxed);
            taker.flush().await.map_err(Fault::Taker)?;
            tally.steps.fetch_add(1, Relaxed);
        }
    }
}

/// Hands over what has come; at once, if that needs no waiting.
async fn put(taker: &mut Taker, event: Event<'_>, index: u64) -> Result<(), Failure> {
    let is_taken = match event {
        Event::Message(message) => taker.put_now(message, index)?,
        _ => false,
    };
    if is_taken {
        return Ok(());
    }
    taker.put(event, index).await
}

/// Goes on after a whole message that cannot be framed, if that is wanted.
fn leave_out(event: Event<'_>, failure: Failure, skips: Option<&Words>) -> Result<(), Failure> {
    let is_whole = matches!(event, Event::Message(_) | Event::Mark(_));
    match (failure, skips) {
        (Failure::Framing(problem), Some(words)) if is_whole => {
            words.warning(format_args!("left out: {problem}"));
            Ok(())
        }
        (Failure::Framing(problem), None) if is_whole => Err(Failure::Framing(format!(
            "{problem} (--on-bad skip leaves such messages out)"
        ))),
        (failure, _) => Err(failure),
    }
}

/// Whose fault it is.
enum Fault {
    Giver(Failure),
    Taker(Failure),
}
