//! The hub and its clients on a virtual clock and virtual connections, from a seed.
//!
//! Everything runs as it is, on one thread whose clock moves only when no task can go on. Only the
//! sockets are not real: a [`Link`] holds, cuts up and loses what the seed says. The same seed gives
//! the same run, so a failure is found again by its number: `SEED=17 cargo test simulation`. `SEED=17..40` runs some.
//!
//! A run is some producers that each publish numbered messages, and some subscribers that write
//! down what they get, as frames or as events. Connections break at random bytes, subscribers are slow, the channel keeps
//! little, and hubs end and begin again with another history. What must hold is in [`check`].

mod check;
mod disk;
mod durable;
mod following;
mod guests;
mod link;
pub(crate) mod planted;
mod process;
mod random;
mod time;
mod turns;
mod world;

use std::env;

pub(crate) use link::Link;
pub(crate) use process::{Process, of_hub};
use world::{Outcome, run};

/// Seeds in the quick tier.
const SEEDS: u64 = 1000;

fn seeds() -> std::ops::Range<u64> {
    match env::var("SEED") {
        Ok(words) => wanted(&words).expect("SEED is a number, or two with `..` between them"),
        Err(_) if env::var("TENFOLD_FULL").is_ok_and(|full| full == "1") => 0..10 * SEEDS,
        Err(_) => 0..SEEDS,
    }
}

/// One seed, or those from one on up to another.
fn wanted(words: &str) -> Option<std::ops::Range<u64>> {
    let Some((from, to)) = words.split_once("..") else {
        let seed = words.parse().ok()?;
        return Some(seed..seed + 1);
    };
    Some(from.parse().ok()?..to.parse().ok()?)
}

#[test]
fn nothing_is_lost_repeated_or_reordered_under_any_seed() {
    let mut seen = Outcome::default();
    for seed in seeds() {
        let (outcome, record) = run(seed);
        if let Err(problem) = check::check(&record) {
            panic!("SEED={seed}: {problem}\n{}", record.trace.join("\n"));
        }
        seen.add(&outcome);
    }
    if seeds().count() as u64 >= SEEDS {
        // A simulation in which nothing happens proves nothing.
        assert!(seen.is_eventful(), "{seen:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in seeds().take(30) {
        let (_, first) = run(seed);
        let (_, second) = run(seed);
        assert_eq!(first.trace, second.trace, "SEED={seed}");
    }
}
