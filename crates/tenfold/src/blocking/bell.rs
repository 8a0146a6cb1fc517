//! Waiting for a socket, or for another thread of this program.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};

use crate::readiness;

/// Wakes one thread that waits for a socket. A ring is never lost: a thread that begins to wait
/// after it returns at once.
#[derive(Debug)]
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC,
        )?))
    }

    /// Wakes the thread that waits, or the next one that begins to.
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
        let mut asked = vec![bell];
        asked.extend(socket.map(|(socket, wanted)| PollFd::from_borrowed_fd(socket, wanted)));
        readiness::wait(&mut asked, deadline)?;
        if !asked[0].revents().is_empty() {
            let _ = rustix::io::read(&self.0, &mut [0; 8]);
        }
        Ok(asked.get(1).map_or(PollFlags::empty(), PollFd::revents))
    }
}
