//! What a hub counts for whoever watches it over time, and for nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tenfold::protocol::{Code, Refusal};
use tenfold_log::Fault;

/// Calls to the disk that have failed: the call, the name of its error, and how often.
pub(crate) type Faults = Vec<(&'static str, String, u64)>;

/// Counters that only grow.
#[derive(Debug)]
pub(crate) struct Tally {
    acks: AtomicU64,
    /// One for each code, in their order.
    refusals: Vec<AtomicU64>,
    /// There are few calls and few errors, so this stays small.
    faults: Mutex<BTreeMap<(&'static str, String), u64>>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            acks: AtomicU64::new(0),
            refusals: Code::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            faults: Mutex::default(),
        }
    }
}

impl Tally {
    /// Publishers were told so often how much of theirs is kept.
    pub(crate) fn acknowledged(&self, times: u64) {
        self.acks.fetch_add(times, Relaxed);
    }

    pub(crate) fn acks(&self) -> u64 {
        self.acks.load(Relaxed)
    }

    /// A client was refused something, or would have been if it could be told.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        let place = refusal.code.and_then(place_of);
        if let Some(counter) = place.and_then(|place| self.refusals.get(place)) {
            counter.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn refusals(&self) -> Vec<(Code, u64)> {
        let counts = self.refusals.iter().map(|counter| counter.load(Relaxed));
        Code::ALL.iter().copied().zip(counts).collect()
    }

    /// A call to the disk has failed.
    pub(crate) fn failed(&self, fault: &Fault) {
        let mut faults = self.lock();
        *faults.entry((fault.call, fault.error_name())).or_default() += 1;
    }

    pub(crate) fn faults(&self) -> Faults {
        let faults = self.lock();
        let each = faults.iter();
        each.map(|((call, error), times)| (*call, error.clone(), *times))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, String), u64>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place_of(code: Code) -> Option<usize> {
    Code::ALL.iter().position(|other| *other == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_count_of_its_own() {
        let tally = Tally::default();
        for (place, code) in Code::ALL.iter().enumerate() {
            for _ in 0..=place {
                tally.refused(&Refusal::new(*code, "words"));
            }
        }
        for (place, (code, count)) in tally.refusals().into_iter().enumerate() {
            assert_eq!((code, count), (Code::ALL[place], place as u64 + 1));
        }
    }
}
