//! How long the syncs of the journal take.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Bounds of the classes in which syncs are counted: from a disk with a cache of its own to one that hangs.
const BOUNDS: [Duration; 16] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// How many batches took how long to be written to the journal and synced, since the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SyncTimes {
    /// How many took at most so long, and longer than the bound before.
    pub classes: Vec<(Duration, u64)>,
    /// How many took longer than the last bound.
    pub longer: u64,
    /// How long all of them took together.
    pub total: Duration,
}

/// The counters behind [`SyncTimes`]. The thread that commits writes them, and nothing depends on them.
#[derive(Debug, Default)]
pub(crate) struct SyncCounters {
    classes: [AtomicU64; BOUNDS.len()],
    longer: AtomicU64,
    nanoseconds: AtomicU64,
}

impl SyncCounters {
    pub(crate) fn count(&self, took: Duration) {
        let class = BOUNDS.partition_point(|bound| *bound < took);
        let counter = self.classes.get(class).unwrap_or(&self.longer);
        counter.fetch_add(1, Relaxed);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    pub(crate) fn read(&self) -> SyncTimes {
        let counts = self.classes.iter().map(|class| class.load(Relaxed));
        SyncTimes {
            classes: BOUNDS.into_iter().zip(counts).collect(),
            longer: self.longer.load(Relaxed),
            total: Duration::from_nanos(self.nanoseconds.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_counted_in_the_first_class_that_it_fits() {
        let counters = SyncCounters::default();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            counters.count(Duration::from_micros(micros));
        }
        let times = counters.read();
        assert_eq!(times.classes[0], (Duration::from_micros(100), 2));
        assert_eq!(times.classes[1], (Duration::from_micros(250), 1));
        assert_eq!(times.classes[15], (Duration::from_secs(10), 1));
        assert_eq!(times.longer, 1);
        assert_eq!(times.total, Duration::from_micros(20_000_202));
        assert!(times.classes.is_sorted());
    }
}
