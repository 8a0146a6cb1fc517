//! The time until the log is open, which is long where there are many channels and the disk is slow.

use std::time::Duration;

use tenfold_hub::{Hub, HubStats, Starting};
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{info, warn};

use super::data::{Opening, Running};
use super::service_manager::ServiceManager;
use crate::failure::Failure;
use crate::signals::{Signal, Stop};
use crate::words::{ProgressLine, Words};

/// Before this nothing is said of a start: most are over then, or have failed.
const QUIET: Duration = Duration::from_millis(500);
/// Until then clients wait for the hub without a word. What they are told then has them try again, which most
/// need not do if they wait as long as this.
const UNANSWERED: Duration = Duration::from_secs(2);
/// How often the log has a line that says how far the start is.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How often the line on a terminal changes.
const SHOWN_EVERY: Duration = Duration::from_millis(100);
/// How long an opening may take to end that is to end. It waits for the flushes that have begun.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a start has ended.
pub(super) enum Started {
    /// The hub runs, and so does its log.
    Hub(Hub, Option<Running>),
    /// A signal came before, and this is what was done.
    Ended(Signal, HubStats),
}

/// Waits until the log is open. `announce` says where the hub listens, once clients are answered there.
pub(super) async fn start(
    mut starting: Starting,
    mut opening: Opening,
    stop: &mut Stop,
    (words, manager): (&Words, &ServiceManager),
    announce: impl FnOnce() -> Result<(), Failure>,
) -> Result<Started, Failure> {
    let begun = Instant::now();
    let cannot = |error| Failure::Other(format!("cannot start: {error}"));
    if let Ok(running) = timeout(QUIET, opening.over()).await {
        let running = running?;
        let hub = starting.hub(running.log.clone()).await.map_err(cannot)?;
        announce()?;
        return Ok(Started::Hub(hub, Some(running)));
    }
    let mut announce = Some(announce);
    let mut line = ProgressLine::new(words);
    let mut shown = interval(SHOWN_EVERY);
    let mut told = begun + UNANSWERED;
    let running = loop {
        tokio::select! {
            biased;
            signal = stop.wait() => {
                drop(line);
                give_up(opening, starting).await;
                let mut stats = HubStats::default();
                stats.uptime = begun.elapsed();
                return Ok(Started::Ended(signal, stats));
            }
            running = opening.over() => break running?,
            _ = shown.tick() => line.show(|| format!("starting: {}", opening.progress())),
            () = sleep(told.saturating_duration_since(Instant::now())) => {
                starting.answer().map_err(cannot)?;
                announce.take().map_or(Ok(()), |announce| announce())?;
                let seconds = begun.elapsed().as_secs();
                manager.starting(&opening.progress().to_string());
                info!(seconds, "starting: {}", opening.progress());
                told += TOLD_EVERY;
            }
        }
    };
    drop(line);
    let hub = starting.hub(running.log.clone()).await.map_err(cannot)?;
    if let Some(announce) = announce {
        announce()?;
    } else {
        let seconds = begun.elapsed().as_secs();
        info!(seconds, "the start is over");
    }
    Ok(Started::Hub(hub, Some(running)))
}

/// Ends a start. Nothing is lost, whether the opening ends in time or not.
async fn give_up(mut opening: Opening, starting: Starting) {
    let progress = opening.progress();
    opening.end();
    let ended = timeout(PATIENCE, opening.over());
    match tokio::join!(ended, starting.end()).0 {
        Ok(Ok(running)) => running.stop(),
        Ok(Err(_)) => info!("the start is ended; the next one does the rest ({progress})"),
        Err(_) => warn!(
            "the start does not end, because the disk does not answer; the next one does the rest ({progress})"
        ),
    }
}
