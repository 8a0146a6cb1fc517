//! The bytes that were received and not yet consumed.

use alloc::vec::Vec;

/// What is read at once when much is coming; also the most memory that is kept without bytes in it.
pub(crate) const CHUNK: usize = 64 * 1024;
/// What an idle stream's first read is given.
const SMALL: usize = 4 * 1024;
/// Fewer bytes than these do not keep the memory that a large message had needed.
const FEW: usize = CHUNK / 2;

/// A growing buffer. Invariant: `start <= end <= bytes.len()`; the bytes from `start` to `end`
/// were received and are still needed, those after `end` are room.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes received since the memory was last given back.
    burst: usize,
    /// The burst before: how much room the next one is given at first.
    hint: usize,
    /// Bytes of the large message that was handed over last: the next one may be as large.
    taken: usize,
    /// Room lent and not yet filled.
    lent: usize,
    /// The last read filled all the room it was lent, so more is likely to come.
    pressed: bool,
    /// Bytes moved, for the test that counts the work.
    #[cfg(test)]
    pub(crate) moved: usize,
}

impl Buffer {
    pub(crate) fn window(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    pub(crate) fn window_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Memory held.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Forgets the first `n` bytes of the window.
    pub(crate) fn consume(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Room for at least one byte, and for `wanted` as far as the buffer may grow: it at most
    /// doubles, so its memory follows what was received and not what a header announced. Or it grows
    /// at once to what the message before had, which was received, too.
    pub(crate) fn space(&mut self, wanted: usize) -> &mut [u8] {
        let usual = self
            .burst
            .max(self.hint)
            .clamp(SMALL, CHUNK)
            .next_power_of_two();
        let room = self.bytes.len() - self.end;
        if room < wanted.min(usual) && (self.frees_half() || room < wanted.min(usual / 4)) {
            self.compact();
            // Before as much of this message has come, `relax` would take the memory back at each read.
            let expected = if self.end >= FEW { self.taken } else { 0 };
            let target = (self.end + wanted)
                .min((2 * self.end).max(usual).max(expected))
                .max(self.end + 1);
            if self.bytes.is_empty() {
                // The allocator often has zeros at hand.
                self.bytes = alloc::vec![0; target];
            } else if target > self.bytes.len() {
                self.bytes.reserve_exact(target - self.bytes.len());
                self.bytes.resize(target, 0);
            }
        }
        self.lent = (self.bytes.len() - self.end).min(wanted);
        &mut self.bytes[self.end..self.end + self.lent]
    }

    /// `n` bytes of the room that was lent were filled.
    pub(crate) fn advance(&mut self, n: usize) {
        assert!(n <= self.lent, "more bytes were filled than were lent");
        self.pressed = n == self.lent;
        self.lent = 0;
        self.end += n;
        self.burst = self.burst.saturating_add(n);
    }

    /// Appends a copy.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        if self.end + bytes.len() > self.bytes.capacity() {
            if !self.frees_half() {
                // Room for the next bytes, too: each small piece would move everything otherwise.
                self.bytes.reserve(bytes.len().max(self.bytes.capacity()));
            }
            self.compact();
            self.bytes.truncate(self.end);
        }
        self.bytes.extend_from_slice(bytes);
        self.end += bytes.len();
        self.lent = 0;
        self.burst = self.burst.saturating_add(bytes.len());
        self.pressed = false;
        #[cfg(test)]
        {
            self.moved += bytes.len();
        }
    }

    /// Gives memory back: all of it when the buffer is empty and the last read did not fill the
    /// room it had; and in any case what a large message had needed.
    pub(crate) fn relax(&mut self) {
        if self.len() > 0 {
            if self.bytes.len() > 2 * CHUNK && self.len() < FEW {
                self.compact();
                self.bytes.truncate(CHUNK);
                self.bytes.shrink_to_fit();
            }
            return;
        }
        if !self.pressed || self.bytes.len() > CHUNK {
            self.release();
        }
    }

    /// Frees an empty buffer.
    pub(crate) fn release(&mut self) {
        if self.len() == 0 {
            self.bytes = Vec::new();
            if self.burst > 0 {
                self.hint = self.burst;
            }
            self.burst = 0;
            self.pressed = false;
        }
    }

    /// Whether a message of `len` bytes at the start of the window is worth handing over with the
    /// memory it stands in: nothing else that is needed stands there, and it fills most of it.
    pub(crate) fn is_filled_by(&self, len: usize, spent: usize) -> bool {
        self.start == 0 && spent == self.end && len > CHUNK / 2 && len >= self.bytes.capacity() / 2
    }

    /// All that is held, cut to `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.truncate(len);
        self.taken = bytes.capacity();
        self.start = 0;
        self.end = 0;
        bytes
    }

    /// Whether at least as many bytes are free at the start as would have to be moved there. The
    /// buffer moves bytes only then, or while it grows, so it moves each a few times at most.
    fn frees_half(&self) -> bool {
        self.start >= self.len()
    }

    fn compact(&mut self) {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            #[cfg(test)]
            {
                self.moved += self.len();
            }
            self.end -= self.start;
            self.start = 0;
        }
    }
}
