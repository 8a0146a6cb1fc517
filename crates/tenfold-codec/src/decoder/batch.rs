//! The messages that the fast path has found and that are not given yet.

/// How many spans are found at once: enough to make the dispatch cheap, few enough to stay in
/// the first-level cache and cost an idle connection little.
pub(super) const BATCH: usize = 64;

/// Where messages stand in the scanned slice, oldest first.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) spans: [(u32, u32); BATCH],
    next: usize,
    pub(super) len: usize,
    /// Bytes of the scanned slice that the spans' frames take.
    pub(crate) scanned: usize,
    /// Bytes after those that were searched in vain, for the test that counts the work.
    #[cfg(test)]
    pub(crate) in_vain: usize,
}

impl Batch {
    pub(crate) const fn new() -> Self {
        Self {
            spans: [(0, 0); BATCH],
            next: 0,
            len: 0,
            scanned: 0,
            #[cfg(test)]
            in_vain: 0,
        }
    }

    /// The message given last, while there are more.
    pub(crate) fn last(&self) -> Option<(usize, usize)> {
        let (start, len) = self.spans[self.next.checked_sub(1)? % BATCH];
        Some((start as usize, len as usize))
    }

    /// The next message, as start and length.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(usize, usize)> {
        if self.next >= self.len {
            return None;
        }
        let (start, len) = self.spans[self.next % BATCH];
        self.next += 1;
        Some((start as usize, len as usize))
    }

    pub(crate) fn remaining(&self) -> usize {
        self.len - self.next
    }

    pub(crate) fn clear(&mut self) {
        self.next = 0;
        self.len = 0;
        self.scanned = 0;
        #[cfg(test)]
        {
            self.in_vain = 0;
        }
    }
}
