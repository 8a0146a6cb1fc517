//! How many files the process may have open, and for what.
//!
//! A connection takes one for as long as it is there. A log has as many files in use as there are segments that
//! are written or read, and can close those that are idle: it works with few, and slower.

use std::sync::Arc;

use tenfold_hub::raise_fd_limit;
use tenfold_log::Storage;
use tenfold_log::storage::{Disk, FewFiles};

/// The files that the process may have open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors(u64);

/// What is open in any case: listeners, locks, the journal, and what the system needs.
const OF_ITS_OWN: u64 = 32;
/// Up to so many a log gets half of them, and beyond that a third: the default number of connections then fits
/// a limit of 16,384.
const HALVED: u64 = 4096;
/// What a log can use at the most: it syncs 8,192 segments together then, and more do not make it faster.
const MOST_OF_LOG: u64 = 65_536;

impl Descriptors {
    /// As many as the system lets the process have.
    pub(crate) fn raised() -> Self {
        // The usual limit, if the system does not tell.
        let files = raise_fd_limit().unwrap_or(Some(1024));
        Self::of(files.unwrap_or(u64::MAX))
    }

    /// So many.
    pub(crate) fn of(files: u64) -> Self {
        Self(files)
    }

    /// How many there are.
    pub(crate) fn count(self) -> u64 {
        self.0
    }

    fn of_log(self) -> u64 {
        let rest = self.0.saturating_sub(OF_ITS_OWN);
        (rest.min(HALVED) / 2).max(rest / 3).clamp(8, MOST_OF_LOG)
    }

    /// How many connections there can be.
    pub(crate) fn connections(self, has_data: bool) -> usize {
        let of_log = if has_data { self.of_log() } else { 0 };
        let rest = self.0.saturating_sub(OF_ITS_OWN + of_log);
        usize::try_from(rest).unwrap_or(usize::MAX).max(2)
    }

    /// A directory with a log, of which no more files are open than the log's share.
    pub(crate) fn few(self, disk: Disk) -> Arc<dyn Storage> {
        // The others are for directories, which are open for a moment.
        let files = self.of_log() - self.of_log() / 8;
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        Arc::new(FewFiles::new(Arc::new(disk), files))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_and_the_connections_fit_together() {
        for files in 64..100_000 {
            let descriptors = Descriptors(files);
            let (log, connections) = (descriptors.of_log(), descriptors.connections(true));
            assert!(log >= 8 && connections >= 2, "{files}");
            assert!(log + connections as u64 + OF_ITS_OWN <= files, "{files}");
        }
        assert_eq!(Descriptors(1024).of_log(), 496);
        assert_eq!(Descriptors(1 << 20).of_log(), MOST_OF_LOG);
        assert_eq!(Descriptors(1024).connections(false), 992);
        assert_eq!(Descriptors(1).connections(true), 2);
        // The default limits of connections fit usual limits of the system.
        for files in [16_384, 20_000, 65_536, 524_288] {
            assert!(
                Descriptors(files).connections(true) >= 10_000 + 512,
                "{files}"
            );
        }
    }
}
