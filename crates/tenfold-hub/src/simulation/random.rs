//! Numbers that look like chance and are the same for the same seed.

use std::cell::RefCell;
use std::time::Duration;

/// A generator (`SplitMix64`).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A length from 1 to `most`, which is not 0.
    pub(crate) fn length(&mut self, most: usize) -> usize {
        1 + self.index(most)
    }

    /// An index below `end`, which is not 0.
    pub(crate) fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap_or_default()
    }

    /// One of some values.
    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.index(values.len())]
    }

    /// A time up to this one.
    pub(crate) fn time(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.below(most + 1))
    }

    /// Whether something happens that happens once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// Another generator, so that two tasks that draw do not disturb each other.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }
}

thread_local! {
    static OF_THREAD: RefCell<Random> = const { RefCell::new(Random(0)) };
}

/// Gives this thread its numbers.
pub(crate) fn begin(random: Random) {
    OF_THREAD.set(random);
}

/// The next number of this thread.
pub(crate) fn random() -> u64 {
    OF_THREAD.with_borrow_mut(Random::next)
}
