//! Deadlines of a process that may be stopped, on a machine that may be suspended.
//!
//! A process that goes on after a pause hears of its timers first, and then of what has come meanwhile. So a
//! deadline that has passed counts only if there is nothing at a second look.

use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

/// The runtime looks at the sockets again before it looks at a timer of any length.
const SECOND_LOOK: Duration = Duration::from_millis(1);
/// Peers may have been stopped together with this process, and need a moment as well.
const MOST: Duration = Duration::from_secs(1);
/// A pause of the process is noticed by a timer of this length.
const SLICE: Duration = Duration::from_millis(100);

/// How long to look on after a deadline: as long as the process heard of it late, within bounds.
pub(crate) fn second_look(deadline: Instant) -> Duration {
    deadline.elapsed().clamp(SECOND_LOOK, MOST)
}

/// Waits for the result of some work for so long, and then until the second look. `None` if there is no
/// result.
pub(crate) async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, &mut work).await {
        Ok(done) => Some(done),
        Err(_) => timeout(second_look(deadline), work).await.ok(),
    }
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
    use std::future::{pending, ready};

    use tokio::time::{advance, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn without_a_pause_a_deadline_is_one() {
        let start = Instant::now();
        assert_eq!(within(LIMIT, pending::<()>()).await, None);
        assert_eq!(start.elapsed(), LIMIT + SECOND_LOOK);
        assert_eq!(within(LIMIT, ready(7)).await, Some(7));
        assert!(!while_running(LIMIT, pending()).await);
        assert_eq!(start.elapsed(), 2 * LIMIT + SECOND_LOOK);
        assert!(while_running(LIMIT, sleep(LIMIT / 2)).await);
    }

    /// What happens while the process is stopped, and what it sees a moment after it goes on.
    async fn pause_and_a_moment() {
        advance(30 * LIMIT).await;
        tokio::task::yield_now().await;
        sleep(SLICE / 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_there_is_a_moment_to_see_what_has_come() {
        assert_eq!(within(LIMIT, pause_and_a_moment()).await, Some(()));
        assert!(while_running(LIMIT, pause_and_a_moment()).await);
        let none = within(LIMIT, async {
            advance(30 * LIMIT).await;
            pending::<()>().await;
        });
        assert_eq!(none.await, None);
    }
}
