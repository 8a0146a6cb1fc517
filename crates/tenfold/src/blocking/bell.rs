//! Waiting for a socket, or for somebody in this program.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

/// Wakes one thread that waits for a socket. A ring is never lost: who waits after it does not wait.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?))
    }

    /// Wakes who waits, or will.
    pub(super) fn ring(&self) {
        // It fails only if it has been rung 2^64-2 times.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Waits until the socket is ready for some of what is wanted, the bell rings, or the deadline.
    /// What the socket is ready for.
    pub(super) fn wait(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags)>,
        deadline: Option<Instant>,
    ) -> io::Result<PollFlags> {
        let bell = PollFd::new(&self.0, PollFlags::IN);
        let mut both = match socket {
            Some((fd, wanted)) => vec![bell, PollFd::from_borrowed_fd(fd, wanted)],
            None => vec![bell],
        };
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match poll(&mut both, left.and_then(timespec).as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                result => {
                    result?;
                    break;
                }
            }
        }
        if !both[0].revents().is_empty() {
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }
        Ok(both.get(1).map_or(PollFlags::empty(), PollFd::revents))
    }
}

/// `None`, which is for ever, if it is longer than can be said.
fn timespec(time: Duration) -> Option<Timespec> {
    time.try_into().ok()
}
