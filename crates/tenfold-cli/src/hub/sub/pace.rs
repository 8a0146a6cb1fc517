//! `--speed`: messages at the pace at which they were committed.

use std::time::{Duration, Instant};

/// When each message is to be printed.
#[derive(Debug)]
pub(super) struct Pace {
    /// How many seconds of the channel pass in one.
    speed: f64,
    /// The time of the first message, in unix milliseconds, and when it was printed.
    begun: Option<(u64, Instant)>,
}

impl Pace {
    pub(super) fn new(speed: f64) -> Self {
        Self { speed, begun: None }
    }

    /// When a message of this time is due, if the first was at once.
    pub(super) fn due(&mut self, time: u64, now: Instant) -> Instant {
        let (first, since) = *self.begun.get_or_insert((time, now));
        let after = Duration::from_millis(time.saturating_sub(first)).as_secs_f64() / self.speed;
        let after = Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX);
        since.checked_add(after).unwrap_or(now + FAR)
    }
}

/// Longer than anybody waits.
const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads how many times as fast.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('x').unwrap_or(text).parse();
    match number {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("write how many times as fast: 1, 10, 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_as_far_apart_as_they_were_committed() {
        let now = Instant::now();
        let mut pace = Pace::new(2.0);
        let seconds = |time: u64, pace: &mut Pace| (pace.due(time, now) - now).as_secs_f64();
        assert!(seconds(5_000, &mut pace) < 1e-6);
        assert!((seconds(6_000, &mut pace) - 0.5).abs() < 1e-6);
        assert!((seconds(15_000, &mut pace) - 5.0).abs() < 1e-6);
        assert!(
            seconds(4_000, &mut pace) < 1e-6,
            "a clock that was set back"
        );
        assert!(seconds(u64::MAX, &mut pace) > 1e6);
    }

    #[test]
    fn a_speed_is_a_number_of_times() {
        assert_eq!(speed("1"), Ok(1.0));
        assert_eq!(speed("0.5x"), Ok(0.5));
        for wrong in ["", "0", "-1", "nan", "inf", "fast", "1e9"] {
            assert!(speed(wrong).is_err(), "{wrong}");
        }
    }
}
