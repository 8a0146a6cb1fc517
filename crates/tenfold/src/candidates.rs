//! The addresses of a name, one after the other.

use std::io;
use std::net::SocketAddr;
use std::vec;

/// The addresses that a connection may be made to, to be tried in turn: the rule of every way to
/// connect, without I/O.
///
/// Ask for the [`next`](Self::next) address and try it. If it fails, say so with
/// [`failed`](Self::failed) and ask again. When there is none left, [`error`](Self::error) is what
/// to report.
#[derive(Debug)]
pub(crate) struct Candidates {
    left: vec::IntoIter<SocketAddr>,
    failed: Option<io::Error>,
}

impl Candidates {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self {
            left: addresses.into_iter(),
            failed: None,
        }
    }

    pub(crate) fn next(&mut self) -> Option<SocketAddr> {
        self.left.next()
    }

    /// The address that was given last cannot be connected to.
    pub(crate) fn failed(&mut self, error: io::Error) {
        self.failed = Some(error);
    }

    /// Why none could be connected to: what was wrong with the last one.
    pub(crate) fn error(&mut self) -> io::Error {
        self.failed.take().unwrap_or_else(|| {
            io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no addresses")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_come_in_turn_and_the_last_failure_is_reported() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let mut candidates = Candidates::new(vec![address(1), address(2)]);
        assert_eq!(candidates.next(), Some(address(1)));
        candidates.failed(io::ErrorKind::TimedOut.into());
        assert_eq!(candidates.next(), Some(address(2)));
        candidates.failed(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(candidates.next(), None);
        assert_eq!(candidates.error().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_name_without_addresses_is_an_error_in_words() {
        let mut candidates = Candidates::new(Vec::new());
        assert_eq!(candidates.next(), None);
        assert_eq!(candidates.error().to_string(), "the name has no addresses");
    }
}
