//! Telling tasks that something has changed.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Something that tasks wait for: they look at a state, and look again each time a change is told.
///
/// A task enlists before it looks. So a change that is made and told between the look and the wait
/// ends the wait; a task that enlisted after its look would sleep on. The task that changes the
/// state tells afterwards.
#[derive(Debug, Default)]
pub(crate) struct Change(Notify);

impl Change {
    /// Has all tasks that wait look again.
    pub(crate) fn tell(&self) {
        self.0.notify_waiters();
    }

    /// Waits until `met` holds.
    pub(crate) async fn until(&self, met: impl Fn() -> bool) {
        let mut told = pin!(self.0.notified());
        loop {
            told.as_mut().enable();
            if met() {
                return;
            }
            told.as_mut().await;
            told.set(self.0.notified());
        }
    }

    /// Attempts something until it succeeds. After a failure it is attempted again when a change is
    /// told, and at the latest after the time that the failure names.
    pub(crate) async fn attempt<T>(&self, mut attempt: impl FnMut() -> Result<T, Duration>) -> T {
        let mut told = pin!(self.0.notified());
        loop {
            told.as_mut().enable();
            match attempt() {
                Ok(success) => return success,
                Err(time) => {
                    let _ = timeout(time, told.as_mut()).await;
                }
            }
            told.set(self.0.notified());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// On a paused clock, a wait that nothing ends takes no time to be found.
    const FOREVER: Duration = Duration::from_secs(24 * 3600);

    #[tokio::test(start_paused = true)]
    async fn a_change_between_the_look_and_the_wait_is_seen() {
        let (change, changed) = (Change::default(), Cell::new(false));
        let look = || {
            let seen = changed.get();
            if !seen {
                // Another thread is as fast as this.
                changed.set(true);
                change.tell();
            }
            seen
        };
        assert!(timeout(FOREVER, change.until(look)).await.is_ok());
        changed.set(false);
        let attempted = change.attempt(|| look().then_some(7).ok_or(2 * FOREVER));
        assert_eq!(timeout(FOREVER, attempted).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn every_change_is_looked_at() {
        let (change, looks) = (Change::default(), Cell::new(0));
        let waiting = change.until(|| {
            looks.set(looks.get() + 1);
            looks.get() == 5
        });
        let telling = async {
            loop {
                tokio::task::yield_now().await;
                change.tell();
            }
        };
        tokio::select! {
            biased;
            () = waiting => {}
            () = telling => {}
        }
        assert_eq!(looks.get(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_repeated_after_its_time_though_nothing_is_told() {
        let (change, attempts) = (Change::default(), Cell::new(0));
        let attempted = change.attempt(|| {
            attempts.set(attempts.get() + 1);
            if attempts.get() == 3 {
                Ok("done")
            } else {
                Err(Duration::from_secs(1))
            }
        });
        assert_eq!(timeout(FOREVER, attempted).await, Ok("done"));
    }
}
