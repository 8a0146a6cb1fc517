//! Deadlines of a process that may be stopped, on a machine that may be suspended.
//!
//! A process that goes on after a pause may hear of its deadlines first, and then of what has come
//! meanwhile; and its peers may have been stopped with it. So a deadline that has passed counts only if
//! there is nothing at a *second look*, which is the later the later the process heard of the deadline.

use std::time::{Duration, Instant};

/// A runtime looks at its sockets again before it looks at a timer of any length.
const AT_LEAST: Duration = Duration::from_millis(1);
/// Peers need a moment, and not as long as the pause was.
const AT_MOST: Duration = Duration::from_secs(1);

/// How long to look on after a deadline that the process heard of so late.
///
/// ```
/// use std::time::Duration;
/// use tenfold::deadline::second_look;
///
/// assert_eq!(second_look(Duration::ZERO), Duration::from_millis(1));
/// assert_eq!(second_look(Duration::from_millis(300)), Duration::from_millis(300));
/// assert_eq!(second_look(Duration::from_secs(3600)), Duration::from_secs(1));
/// ```
pub fn second_look(late: Duration) -> Duration {
    late.clamp(AT_LEAST, AT_MOST)
}

/// Waits for the result of some work for so long, and then until the second look. `None` if there is no
/// result.
#[cfg(feature = "tokio")]
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    use tokio::time::{Instant, timeout, timeout_at};

    let mut work = std::pin::pin!(work);
    let Some(deadline) = Instant::now().checked_add(limit) else {
        return Some(work.await);
    };
    match timeout_at(deadline, &mut work).await {
        Ok(done) => Some(done),
        Err(_) => timeout(second_look(deadline.elapsed()), work).await.ok(),
    }
}

/// A deadline with its second look, for a thread that waits: it looks at what it waits for, asks
/// [`is_over`](Self::is_over) if there is nothing, and waits until [`wake_at`](Self::wake_at) if it is not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    second_look: Option<Instant>,
}

impl Deadline {
    pub(crate) fn new(at: Instant) -> Self {
        Self {
            at,
            second_look: None,
        }
    }

    /// When this time will have passed; `None`, which is never, if the clock does not go so far.
    pub(crate) fn after(time: Duration) -> Option<Self> {
        Instant::now().checked_add(time).map(Self::new)
    }

    /// When to look again.
    pub(crate) fn wake_at(&self) -> Instant {
        self.second_look.unwrap_or(self.at)
    }

    /// Whether it counts, for who has looked and found nothing.
    pub(crate) fn is_over(&mut self) -> bool {
        self.is_over_at(Instant::now())
    }

    fn is_over_at(&mut self, now: Instant) -> bool {
        if let Some(at) = self.second_look {
            return now >= at;
        }
        let late = now.checked_duration_since(self.at);
        self.second_look = late.map(|late| now + second_look(late));
        false
    }
}

/// The same for a task.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct Late {
    sleep: std::pin::Pin<Box<tokio::time::Sleep>>,
    is_second: bool,
}

#[cfg(feature = "tokio")]
impl Late {
    /// A deadline that is so far away.
    pub(crate) fn after(time: Duration) -> Self {
        Self {
            sleep: Box::pin(tokio::time::sleep(time)),
            is_second: false,
        }
    }

    /// Ready when the deadline counts. Who calls it has looked in the same turn, and found nothing.
    pub(crate) fn poll(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        use std::task::{Poll, ready};

        loop {
            ready!(self.sleep.as_mut().poll(cx));
            if self.is_second {
                return Poll::Ready(());
            }
            let late = self.sleep.deadline().elapsed();
            let again = tokio::time::Instant::now() + second_look(late);
            self.sleep.as_mut().reset(again);
            self.is_second = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(2);

    #[test]
    fn a_deadline_counts_at_the_second_look() {
        let start = Instant::now();
        for (late, look) in [(0, 1), (300, 300), (60_000, 1000)] {
            let (late, look) = (Duration::from_millis(late), Duration::from_millis(look));
            let mut deadline = Deadline::new(start + TIME);
            assert!(!deadline.is_over_at(start));
            assert_eq!(deadline.wake_at(), start + TIME);
            let first = start + TIME + late;
            assert!(!deadline.is_over_at(first), "{late:?}");
            assert_eq!(deadline.wake_at(), first + look);
            assert!(!deadline.is_over_at(first + look / 2), "{late:?}");
            assert!(deadline.is_over_at(first + look), "{late:?}");
        }
    }

    #[cfg(feature = "tokio")]
    mod of_tasks {
        use std::future::{pending, poll_fn, ready};

        use tokio::time::{Instant, advance, sleep};

        use super::*;

        #[tokio::test(start_paused = true)]
        async fn without_a_pause_a_deadline_is_one() {
            let start = Instant::now();
            assert_eq!(within(TIME, pending::<()>()).await, None);
            assert_eq!(start.elapsed(), TIME + AT_LEAST);
            assert_eq!(within(TIME, ready(7)).await, Some(7));
            assert_eq!(within(Duration::MAX, ready(7)).await, Some(7));
            let mut late = Late::after(TIME);
            poll_fn(|cx| late.poll(cx)).await;
            assert_eq!(start.elapsed(), 2 * (TIME + AT_LEAST));
        }

        #[tokio::test(start_paused = true)]
        async fn after_a_pause_there_is_a_moment_to_see_what_has_come() {
            let pause_and_a_moment = async {
                advance(30 * TIME).await;
                tokio::task::yield_now().await;
                sleep(AT_MOST / 2).await;
            };
            assert_eq!(within(TIME, pause_and_a_moment).await, Some(()));
            let none = within(TIME, async {
                advance(30 * TIME).await;
                pending::<()>().await;
            });
            assert_eq!(none.await, None);
            let mut late = Late::after(TIME);
            advance(30 * TIME).await;
            let start = Instant::now();
            poll_fn(|cx| late.poll(cx)).await;
            assert_eq!(start.elapsed(), AT_MOST);
        }
    }
}
