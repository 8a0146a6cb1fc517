//! An end that does not destroy what is still on its way.
//!
//! When a program closes a TCP socket that has unread input, Linux sends a reset. The reset makes the peer's system throw away what it had received and not yet handed over. So a
//! connection is ended in this order: write everything, shut down writing, read and discard until
//! the peer ends its side as well, close.

use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
#[cfg(feature = "tokio")]
use crate::deadline::within;
use crate::stream::Stream;

/// How long to wait for the peer's end: a peer that is alive needs a round trip.
pub const WAIT: Duration = Duration::from_secs(1);

/// How much to read and throw away. A program that sends all that it has before it reads is told, too, why its
/// peer has ended; beyond that, a peer that goes on sending will not notice.
pub const DISCARD: usize = 16 * 1024 * 1024;

/// Ends a connection when everything was written: shuts down writing, then reads and discards until
/// the peer's end, but no longer than [`WAIT`] and no more than [`DISCARD`] bytes. Whether the
/// peer's end was seen. What cannot be shut down any more has ended already.
///
/// ```
/// use std::io::Write;
/// use tenfold::{Address, closing};
///
/// let listener = "127.0.0.1:0".parse::<Address>()?.listen()?;
/// let mut stream = listener.local_address()?.connect_blocking(None)?;
/// let peer = listener.accept()?;
/// let reading = std::thread::spawn(|| std::io::read_to_string(peer));
/// stream.write_all(b"the last words")?;
/// closing::finish(&stream)?;
/// assert_eq!(reading.join().unwrap()?, "the last words");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn finish(stream: &Stream) -> io::Result<bool> {
    end_writing(stream)?;
    discard(stream)
}

/// Shuts down writing: the peer reads the end once it has read everything. What cannot be shut down
/// any more has ended already, and is not an error.
pub fn end_writing(stream: &Stream) -> io::Result<()> {
    match stream.shutdown(Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

/// A transport of a program with a runtime, for [`until_peer_ends`].
#[cfg(feature = "tokio")]
pub trait Discard {
    /// Reads what comes next and throws it away. How many bytes that were; `None` is the peer's end.
    fn discard(&mut self) -> impl Future<Output = io::Result<Option<usize>>> + Send;
}

/// The second half of [`finish`], for a program with a runtime: discards until the peer's end, but
/// no longer than [`WAIT`] and no more than [`DISCARD`] bytes. Whether the peer's end was seen.
#[cfg(feature = "tokio")]
pub async fn until_peer_ends(mut input: impl Discard) -> io::Result<bool> {
    let peer_end = async {
        let mut discarded = 0;
        while discarded < DISCARD {
            match input.discard().await {
                Ok(Some(n)) => discarded += n,
                Ok(None) => return Ok(true),
                // An end that TLS has not said is one as well: what it cut off is thrown away.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    };
    within(WAIT, peer_end).await.unwrap_or(Ok(false))
}

/// The shortest time that a socket waits.
const SHORTEST: Duration = Duration::from_micros(1);

fn discard(mut stream: &Stream) -> io::Result<bool> {
    use std::io::Read;

    let mut deadline = Deadline::new(Instant::now() + WAIT);
    let mut buffer = [0; 8 * 1024];
    let mut discarded = 0;
    while discarded < DISCARD {
        let left = deadline.wake_at().saturating_duration_since(Instant::now());
        if left.is_zero() && deadline.is_over() {
            break;
        }
        // Without any time left it would wait forever.
        stream.set_read_timeout(Some(left.max(SHORTEST)))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(n) => discarded += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if crate::error::is_time_out(&error) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}
