//! Random numbers for a hub and its log.

use std::hash::{BuildHasher, RandomState};

/// Numbers that differ from start to start: the system's random numbers are the keys of the hash.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}
