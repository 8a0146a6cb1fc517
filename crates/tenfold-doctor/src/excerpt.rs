//! The bytes of a stream that are still at hand: its beginning, and what was read last.

/// Bytes of the beginning that are kept: enough to try every framing on them.
pub const BEGINNING: usize = 64 * 1024;

/// Bytes before the newest ones that are kept: a frame of usual size, and what is around it.
const HISTORY: usize = 64 * 1024;

/// Keeps the first bytes of a stream and its newest ones, and never more.
#[derive(Clone, Debug, Default)]
pub struct Excerpt {
    beginning: Vec<u8>,
    recent: Vec<u8>,
    /// Offset in the stream of `recent`.
    at: u64,
}

impl Excerpt {
    /// Takes the stream's next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = BEGINNING - self.beginning.len();
        self.beginning
            .extend_from_slice(&bytes[..room.min(bytes.len())]);
        if self.recent.len() > 2 * HISTORY {
            let old = self.recent.len() - HISTORY;
            self.recent.drain(..old);
            self.at += old as u64;
        }
        self.recent.extend_from_slice(bytes);
    }

    /// The first bytes of the stream.
    pub fn beginning(&self) -> &[u8] {
        &self.beginning
    }

    /// Bytes of the stream so far.
    pub fn end(&self) -> u64 {
        self.at + self.recent.len() as u64
    }

    /// The bytes from this offset on, or from the first one after it that is still there; and the
    /// offset at which they begin.
    pub fn from(&self, offset: u64) -> (u64, &[u8]) {
        let first = offset.clamp(self.at, self.end());
        let skip = usize::try_from(first - self.at).unwrap_or(usize::MAX);
        (first, &self.recent[skip.min(self.recent.len())..])
    }

    /// The bytes between two offsets, as far as they are still there.
    pub fn between(&self, from: u64, to: u64) -> &[u8] {
        let (first, bytes) = self.from(from);
        let length = usize::try_from(to.saturating_sub(first)).unwrap_or(usize::MAX);
        &bytes[..length.min(bytes.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let mut excerpt = Excerpt::default();
        for n in 0..100_u8 {
            excerpt.push(&[n; 16 * 1024]);
        }
        assert_eq!(excerpt.end(), 100 * 16 * 1024);
        assert_eq!(excerpt.beginning().len(), BEGINNING);
        assert!(excerpt.recent.len() <= 3 * HISTORY);
        let (at, newest) = excerpt.from(excerpt.end() - 3);
        assert_eq!((at, newest), (excerpt.end() - 3, &[99; 3][..]));
        assert_eq!(
            excerpt.from(0).0,
            excerpt.at,
            "what is gone begins where it does"
        );
    }

    #[test]
    fn bytes_are_found_by_their_offset() {
        let mut excerpt = Excerpt::default();
        excerpt.push(b"hello");
        excerpt.push(b", world");
        assert_eq!(excerpt.between(3, 8), b"lo, w");
        assert_eq!(excerpt.between(10, 99), b"ld");
        assert_eq!(excerpt.between(99, 100), b"");
    }
}
