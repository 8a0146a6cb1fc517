//! Memory that is free goes back to the system, or is used again.
//!
//! The C library takes large allocations from the system and gives them back at once; but with the first one
//! that is freed it raises the size from which on it does so, up to 32 MiB. After that, messages of some
//! megabytes leave holes between them that stay resident. And each thread has an arena of its own, whose holes
//! are of no use to the others: with one for each of many processors, a hub takes several times the memory it
//! keeps messages in. The library can be told otherwise, but only by the environment that the process begins with.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

const SETTINGS: [(&str, &str); 2] = [
    // From this size on, in bytes. Reading is done in buffers below it, which are used again and again.
    ("MALLOC_MMAP_THRESHOLD_", "1048576"),
    // One for all threads: what one has freed another one can use.
    ("MALLOC_ARENA_MAX", "1"),
];

/// Begins this process again, with its arguments and its process number, if its environment does not say
/// how the library is to do this. If that fails, the hub takes more memory, and works as well.
pub(super) fn settle() {
    let is_said = SETTINGS
        .iter()
        .map(|(name, _)| *name)
        .chain(["GLIBC_TUNABLES"])
        .any(|name| env::var_os(name).is_some());
    if is_said || !cfg!(target_env = "gnu") {
        return;
    }
    let mut arguments = env::args_os();
    let Some(name) = arguments.next() else { return };
    // It comes back only if it fails.
    let _failed = Command::new("/proc/self/exe")
        .arg0(name)
        .args(arguments)
        .envs(SETTINGS)
        .exec();
}
