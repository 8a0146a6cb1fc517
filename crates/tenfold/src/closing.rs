//! An end that does not destroy what is still on its way.
//!
//! When a program closes a TCP socket that has unread input, Linux sends a reset. The reset makes the peer's system throw away what it had received and not yet handed over. So a
//! connection is ended in this order: write everything, shut down writing, read and discard until
//! the peer ends its side as well, close.

use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::stream::Stream;

/// How long to wait for the peer's end: a peer that is alive needs a round trip.
pub const WAIT: Duration = Duration::from_secs(1);

/// How much to read and throw away: a peer that goes on sending has not noticed, or will not.
pub const DISCARD: usize = 1024 * 1024;

/// Ends a connection when everything was written: shuts down writing, then reads and discards until
/// the peer's end, but no longer than [`WAIT`] and no more than [`DISCARD`] bytes. Whether the
/// peer's end was seen. What cannot be shut down any more has ended already.
pub fn finish(stream: &Stream) -> io::Result<bool> {
    match stream.shutdown(Shutdown::Write) {
        Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
        _ => discard(stream),
    }
}

fn discard(mut stream: &Stream) -> io::Result<bool> {
    use std::io::Read;

    let deadline = Instant::now() + WAIT;
    let mut buffer = [0; 8 * 1024];
    let mut discarded = 0;
    while discarded < DISCARD {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => discarded += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if crate::error::is_time_out(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
