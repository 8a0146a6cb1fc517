//! When to try again.

use std::time::Duration;

use super::options::{Common, Retry};

/// The first pause.
pub(crate) const FIRST: Duration = Duration::from_millis(50);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(5);

/// A connection that lasted so long has worked, also if it brought nothing.
pub(crate) const WORKED: Duration = Duration::from_secs(1);

/// Counts failures, and says how long to wait after each. Time is given, as the time since any
/// fixed moment; chance comes from a seed.
#[derive(Debug)]
pub(crate) struct Backoff {
    until_connected: Retry,
    once_connected: Retry,
    connected: bool,
    /// Since when nothing has worked.
    failing_since: Option<Duration>,
    /// Pauses since something worked.
    pauses: u32,
    /// How many hubs there are, and which of them is to be connected to.
    hubs: usize,
    hub: usize,
    /// Failures since something worked.
    failures: usize,
    random: Random,
}

/// How a failure goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this time.
    RetryIn(Duration),
    /// Nothing was to be tried again.
    Stop,
    /// It has failed for so long that this is the end.
    GiveUp(Duration),
}

impl Backoff {
    pub(crate) fn new(options: &Common, seed: u64) -> Self {
        Self {
            until_connected: options.until_connected,
            once_connected: options.once_connected,
            connected: false,
            failing_since: None,
            pauses: 0,
            hubs: 1,
            hub: 0,
            failures: 0,
            random: Random(seed),
        }
    }

    /// There are so many hubs to connect to: at least one.
    pub(crate) fn set_hubs(&mut self, count: usize) {
        self.hubs = count.max(1);
    }

    /// How many hubs there are.
    pub(crate) fn hubs(&self) -> usize {
        self.hubs
    }

    /// Which of them is to be connected to, counted from 0.
    pub(crate) fn hub(&self) -> usize {
        self.hub
    }

    /// A random number, for a name.
    pub(crate) fn random(&mut self) -> u64 {
        self.random.next()
    }

    /// The hub has said `OK`, for the first time or again.
    pub(crate) fn connected(&mut self) {
        self.connected = true;
    }

    /// A connection is to be made now. How long that may take, where it may take `most`: the last attempt
    /// ends when the time of trying does.
    pub(crate) fn attempt(&mut self, now: Duration, most: Duration) -> Duration {
        let since = *self.failing_since.get_or_insert(now);
        match self.retry() {
            Retry::For(time) => {
                let left = time.saturating_sub(now.saturating_sub(since));
                most.min(left.max(FIRST))
            }
            Retry::Never | Retry::Forever => most,
        }
    }

    /// A connection could not be made, or broke; `worked` if it had done its work before. It is the next hub's turn,
    /// at once if that was not tried since something worked.
    pub(crate) fn failed(&mut self, now: Duration, worked: bool) -> Next {
        if worked {
            self.failing_since = None;
            self.pauses = 0;
            self.failures = 0;
        }
        self.failures += 1;
        self.hub = (self.hub + 1) % self.hubs;
        let all_have_failed = self.failures.is_multiple_of(self.hubs);
        let since = *self.failing_since.get_or_insert(now);
        let failing = now.saturating_sub(since);
        let left = match self.retry() {
            Retry::Never if all_have_failed => return Next::Stop,
            Retry::For(time) if failing >= time => return Next::GiveUp(failing),
            Retry::For(time) => time.saturating_sub(failing),
            Retry::Never | Retry::Forever => Duration::MAX,
        };
        if worked || !all_have_failed {
            Next::RetryIn(Duration::ZERO)
        } else {
            Next::RetryIn(self.pause().min(left))
        }
    }

    /// The next pause, longer each time: three quarters by count, and up to a quarter by chance, so
    /// that many clients of a hub that comes back do not come at once.
    pub(crate) fn pause(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.pauses.min(16)).min(LONGEST);
        self.pauses += 1;
        let chance = u32::try_from(self.random.next() % 1024).unwrap_or(0);
        longest * 3 / 4 + longest / 4 / 1024 * chance
    }

    fn retry(&self) -> Retry {
        if self.connected {
            self.once_connected
        } else {
            self.until_connected
        }
    }
}

/// `SplitMix64`: not for secrets.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff(until_connected: Retry, once_connected: Retry) -> Backoff {
        let mut common = Common::default();
        common.until_connected = until_connected;
        common.once_connected = once_connected;
        Backoff::new(&common, 7)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut backoff = backoff(Retry::Forever, Retry::Forever);
        let mut expected = FIRST;
        for _ in 0..40 {
            let pause = backoff.pause();
            assert!(pause <= expected && pause >= expected * 3 / 4, "{pause:?}");
            expected = (expected * 2).min(LONGEST);
        }
    }

    #[test]
    fn a_connection_that_worked_is_made_again_at_once_and_failures_wait() {
        let mut backoff = backoff(Retry::Never, Retry::Forever);
        backoff.connected();
        let now = Duration::from_secs(9);
        for _ in 0..3 {
            assert_eq!(backoff.failed(now, true), Next::RetryIn(Duration::ZERO));
        }
        let Next::RetryIn(pause) = backoff.failed(now, false) else {
            panic!();
        };
        assert!(pause >= FIRST * 3 / 4 && pause <= FIRST);
    }

    #[test]
    fn the_time_of_trying_begins_again_after_a_connection_that_worked() {
        let three = Duration::from_secs(3);
        let mut some = backoff(Retry::Forever, Retry::For(three));
        some.connected();
        let mut now = Duration::from_secs(100);
        some.failed(now, true);
        now += three;
        assert_eq!(some.failed(now, true), Next::RetryIn(Duration::ZERO));
        assert!(matches!(some.failed(now, false), Next::RetryIn(_)));
        now += three;
        assert_eq!(some.failed(now, false), Next::GiveUp(three));
    }

    #[test]
    fn an_attempt_takes_no_longer_than_the_time_of_trying_lasts() {
        let (three, most) = (Duration::from_secs(3), Duration::from_secs(5));
        let mut some = backoff(Retry::For(three), Retry::Forever);
        let mut now = Duration::from_secs(100);
        let first = some.attempt(now, most);
        assert_eq!(first, three);
        now += first;
        assert_eq!(some.failed(now, false), Next::GiveUp(three));
        let mut never = backoff(Retry::Never, Retry::Forever);
        assert_eq!(never.attempt(now, most), most);
    }

    #[test]
    fn each_hub_is_tried_at_once_before_there_is_a_pause() {
        let mut three = backoff(Retry::Forever, Retry::Forever);
        three.set_hubs(3);
        three.connected();
        let now = Duration::from_secs(9);
        let mut seen = Vec::new();
        for worked in [false, false, false, false, true, false, false] {
            let Next::RetryIn(pause) = three.failed(now, worked) else {
                panic!();
            };
            seen.push((three.hub(), pause.is_zero()));
        }
        let expected = [
            (1, true),
            (2, true),
            (0, false),
            (1, true),
            // A connection that has worked is the first failure of another round.
            (2, true),
            (0, true),
            (1, false),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn who_is_not_to_try_again_tries_each_hub_once() {
        let mut two = backoff(Retry::Never, Retry::Never);
        two.set_hubs(2);
        let now = Duration::from_secs(9);
        assert_eq!(two.failed(now, false), Next::RetryIn(Duration::ZERO));
        assert_eq!(two.failed(now, false), Next::Stop);
    }

    #[test]
    fn it_gives_up_when_it_was_told_to() {
        let mut never = backoff(Retry::Never, Retry::Forever);
        assert_eq!(never.failed(Duration::ZERO, false), Next::Stop);

        let three = Duration::from_secs(3);
        let mut some = backoff(Retry::Forever, Retry::For(three));
        some.connected();
        let mut now = Duration::from_secs(100);
        assert_eq!(some.failed(now, true), Next::RetryIn(Duration::ZERO));
        let after = loop {
            match some.failed(now, false) {
                Next::RetryIn(pause) => now += pause,
                Next::GiveUp(after) => break after,
                Next::Stop => panic!(),
            }
        };
        assert_eq!(after, three, "the last try is at the end of the time");
    }
}
