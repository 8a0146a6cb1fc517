//! Waiting until the system is ready for something.

use std::io;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, Timespec, poll};

/// Waits until one of these is ready, or until the deadline.
pub(crate) fn wait(asked: &mut [PollFd<'_>], deadline: Option<Instant>) -> io::Result<()> {
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match poll(asked, left.and_then(timespec).as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            result => return result.map(|_ready| ()).map_err(io::Error::from),
        }
    }
}

/// `None`, which waits forever, if the time is longer than the system can be told.
fn timespec(time: Duration) -> Option<Timespec> {
    time.try_into().ok()
}

/// When this time will have passed; `None`, which is never, if the clock does not go so far.
pub(crate) fn after(time: Duration) -> Option<Instant> {
    Instant::now().checked_add(time)
}

/// The earlier of two deadlines, each of which may be missing.
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        _ => one.or(other),
    }
}
