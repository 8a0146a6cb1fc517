//! Bytes that were promised to the peer and are not yet written.

/// Invariant: `written <= bytes.len()`, and they are equal only when both are 0. The bytes after
/// `written` wait.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    written: usize,
    /// How many there were at most before the memory was given back: so many are expected again.
    expected: usize,
}

/// An empty buffer that is larger was needed for a large message, and is given back.
const KEPT: usize = 256 * 1024;

impl Pending {
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Where to append to.
    #[inline]
    pub(crate) fn end(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(self.expected);
        }
        &mut self.bytes
    }

    /// The first `n` bytes that waited are written.
    pub(crate) fn wrote(&mut self, n: usize) {
        self.written += n;
        let left = self.len();
        if left == 0 {
            self.expected = self.bytes.len().min(KEPT);
            self.bytes.clear();
            self.written = 0;
            if self.bytes.capacity() > KEPT {
                self.release();
            }
        } else if self.written >= left {
            // A transport that is never quite ready must not make the buffer grow. What is moved
            // is no more than what was written.
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Gives the memory of an empty buffer back.
    pub(crate) fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_that_is_never_quite_ready_does_not_make_the_buffer_grow() {
        let mut pending = Pending::default();
        pending.end().extend_from_slice(&[0; 1000]);
        for n in 0..10_000_u16 {
            let part = n.to_le_bytes();
            pending.end().extend_from_slice(&part);
            assert_eq!(pending.len(), 1002);
            pending.wrote(2);
            assert!(pending.waiting().ends_with(&part));
            assert!(pending.bytes.len() <= 2 * 1002);
        }
    }

    #[test]
    fn an_empty_buffer_can_be_given_back() {
        let mut pending = Pending::default();
        pending.end().extend_from_slice(b"part");
        pending.wrote(3);
        pending.release();
        assert_eq!(pending.waiting(), b"t");
        pending.wrote(1);
        pending.release();
        assert_eq!(pending.bytes.capacity(), 0);
        assert!(pending.end().capacity() >= 4, "so much is expected again");
    }

    #[test]
    fn the_memory_for_a_large_message_is_given_back() {
        let mut pending = Pending::default();
        pending.end().extend_from_slice(&vec![0; 2 * KEPT]);
        pending.wrote(2 * KEPT);
        assert_eq!(pending.bytes.capacity(), 0);
    }
}
