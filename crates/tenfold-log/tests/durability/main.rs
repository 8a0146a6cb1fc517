//! What a log promises: kept through crashes, faults and damage, and each of these tests can fail.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a test that fails says which case it was"
)]
#![expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "the files are ours"
)]

mod crash;
mod damage;
mod deletion;
mod disk;
mod epochs;
mod faults;
mod few_files;
mod forged;
mod fuzzed;
mod hand;
mod hindered;
mod kept;
mod limits;
mod look;
mod mirror;
mod model;
mod new_names;
mod offline_deletion;
mod opening;
mod planted;
mod script;
mod shut;
mod support;
mod turns;

/// Whether the long counts are wanted: `./test --full`.
fn is_full() -> bool {
    std::env::var("TENFOLD_FULL").is_ok_and(|full| full == "1")
}
