//! What the system of the other side has not acknowledged yet.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;

use tenfold::Stream;

/// The system's tables of TCP connections. The system call that asks about one connection only
/// (`SIOCOUTQ`) has no safe wrapper.
const TABLES: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];

/// How many bytes of a TCP connection were written and are not acknowledged by the peer's system. The end counts as
/// one, and over TLS the encrypted bytes count. None if that is not known: the connection is gone, or is not one over TCP.
pub(crate) fn unacknowledged(stream: &Stream) -> Option<u64> {
    if let Stream::Unix(_) = stream {
        return None;
    }
    let inode = rustix::fs::fstat(stream.as_fd()).ok()?.st_ino.to_string();
    TABLES.iter().find_map(|table| in_table(table, &inode))
}

/// A row is `sl local remote state tx_queue:rx_queue timer retransmits uid timeout inode ...`.
fn in_table(table: &str, inode: &str) -> Option<u64> {
    let rows = BufReader::new(File::open(table).ok()?).lines();
    rows.map_while(Result::ok).find_map(|row| {
        let mut columns = row.split_ascii_whitespace();
        let queues = columns.nth(4)?;
        if columns.nth(4)? != inode {
            return None;
        }
        let (sent, _) = queues.split_once(':')?;
        u64::from_str_radix(sent, 16).ok()
    })
}
