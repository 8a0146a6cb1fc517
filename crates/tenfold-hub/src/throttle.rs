//! Lines of the log that many clients cause at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long what has been told is only counted when it happens again.
const PAUSE: Duration = Duration::from_secs(60);

/// Something that is told once in a minute, and how often it has happened since.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Option<Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    untold: u64,
}

impl Throttle {
    /// It has happened. If it is to be told, how many times it was not told before.
    pub(crate) fn happened(&self, now: Instant) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &mut *told {
            Some(told) if now.saturating_duration_since(told.at) < PAUSE => {
                told.untold += 1;
                return None;
            }
            Some(told) => told.untold,
            None => 0,
        };
        *told = Some(Told { at: now, untold: 0 });
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_often_is_told_once_in_a_minute_with_how_often_it_was_not() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        let at = |seconds| throttle.happened(begin + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(59)), (None, None));
        assert_eq!(at(60), Some(2));
        assert_eq!((at(61), at(200)), (None, Some(1)));
        assert_eq!(at(300), Some(0));
    }
}
