//! Deadlines of a hub, whose process may be stopped.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout};

pub(crate) use tenfold::deadline::within;

/// A pause of the process is noticed by a timer of this length.
const SLICE: Duration = Duration::from_millis(100);

/// How long to look on after a deadline: as long as the process heard of it late, within bounds.
pub(crate) fn second_look(deadline: Instant) -> Duration {
    tenfold::deadline::second_look(deadline.elapsed())
}

/// Waits for some work for so long as the process runs: a pause counts for a moment. Whether it was
/// done.
pub(crate) async fn while_running(limit: Duration, work: impl Future<Output = ()>) -> bool {
    let mut work = pin!(work);
    let mut left = limit;
    while !left.is_zero() {
        let slice = left.min(SLICE);
        if timeout(slice, &mut work).await.is_ok() {
            return true;
        }
        left -= slice;
    }
    false
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn while_the_process_runs_the_limit_is_one() {
        let start = Instant::now();
        assert!(!while_running(LIMIT, pending()).await);
        assert_eq!(start.elapsed(), LIMIT);
        assert!(while_running(LIMIT, sleep(LIMIT / 2)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_process_counts_for_a_moment() {
        let pause_and_a_moment = async {
            advance(30 * LIMIT).await;
            tokio::task::yield_now().await;
            sleep(SLICE / 2).await;
        };
        assert!(while_running(LIMIT, pause_and_a_moment).await);
    }
}
