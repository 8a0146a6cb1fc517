//! What a file holds: blocks that are shared until they are written, so that a copy costs little.

use std::ops::Range;
use std::sync::Arc;

/// The bytes of a block: a disk is written in whole blocks.
pub(super) const BLOCK: u64 = 4096;
const SIZE: usize = 4096;

/// Bytes, and where nothing was written zeros, which take no room.
#[derive(Clone, Default)]
pub(super) struct Content {
    length: u64,
    /// What is after the length in its last block is zero.
    blocks: Arc<Vec<Block>>,
}

/// One block; `None` if nothing was written to it.
type Block = Option<Arc<[u8; SIZE]>>;

impl Content {
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads as far as the buffer and the contents go.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let left = self.length.saturating_sub(offset);
        let length = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..length];
        for (block, at, range) in pieces(offset, length) {
            let piece = &mut buffer[range];
            match self.blocks.get(block) {
                Some(Some(bytes)) => piece.copy_from_slice(&bytes[at..at + piece.len()]),
                _ => piece.fill(0),
            }
        }
        length
    }

    /// Everything.
    pub(super) fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; index(self.length)];
        self.read(&mut bytes, 0);
        bytes
    }

    /// Writes, and extends the contents if need be.
    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (block, at, range) in pieces(offset, bytes.len()) {
            let piece = &bytes[range];
            let block = self.block(block).get_or_insert_with(|| Arc::new([0; SIZE]));
            Arc::make_mut(block)[at..at + piece.len()].copy_from_slice(piece);
        }
        if !bytes.is_empty() {
            self.extend(offset + bytes.len() as u64);
        }
    }

    /// Makes it at least so long, with zeros.
    pub(super) fn extend(&mut self, length: u64) {
        self.length = self.length.max(length);
    }

    /// Cuts it, or extends it with zeros.
    pub(super) fn set_length(&mut self, length: u64) {
        if length < self.length {
            let blocks = Arc::make_mut(&mut self.blocks);
            blocks.truncate(index(length.div_ceil(BLOCK)));
            let (last, used) = (index(length / BLOCK), index(length % BLOCK));
            if let Some(Some(block)) = blocks.get_mut(last) {
                Arc::make_mut(block)[used..].fill(0);
            }
        }
        self.length = length;
    }

    /// Takes over whole blocks from other contents, as far as those go.
    pub(super) fn take_blocks(&mut self, from: &Self, blocks: Range<u64>) {
        for block in blocks.clone() {
            let taken = from.blocks.get(index(block)).cloned().flatten();
            *self.block(index(block)) = taken;
        }
        self.extend(from.length.min(blocks.end * BLOCK));
    }

    /// Makes a range zeros, as far as the contents go.
    pub(super) fn clear(&mut self, range: Range<u64>) {
        let end = range.end.min(self.length);
        if range.start < end {
            self.write(&vec![0; index(end - range.start)], range.start);
        }
    }

    /// Whether a block takes room.
    pub(super) fn has_block(&self, block: u64) -> bool {
        matches!(self.blocks.get(index(block)), Some(Some(_)))
    }

    /// How many blocks take room, from one on.
    pub(super) fn blocks_from(&self, first: u64) -> u64 {
        let blocks = self.blocks.iter().skip(index(first));
        blocks.filter(|block| block.is_some()).count() as u64
    }

    fn block(&mut self, block: usize) -> &mut Block {
        let blocks = Arc::make_mut(&mut self.blocks);
        if blocks.len() <= block {
            blocks.resize(block + 1, None);
        }
        &mut blocks[block]
    }
}

/// The blocks that a range lies in.
pub(super) fn blocks_of(offset: u64, length: u64) -> Range<u64> {
    offset / BLOCK..(offset + length).div_ceil(BLOCK)
}

/// Cuts a range at the ends of blocks: which block, where in it, and which bytes of the range.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = index(at % BLOCK);
        let piece = (length - done).min(SIZE - within);
        let range = done..done + piece;
        done += piece;
        (piece > 0).then(|| (index(at / BLOCK), within, range))
    })
}

/// An offset as an index: what is in memory has one.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("contents fit into memory")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn contents_are_those_of_a_plain_vector(
            steps in vec((0..3_u8, 0..10_000_usize, 0..6_000_usize), 0..12)
        ) {
            let (mut content, mut plain) = (Content::default(), Vec::new());
            for (byte, (step, offset, length)) in (1..).zip(steps) {
                let bytes = vec![byte; length];
                let end = offset + bytes.len();
                match step {
                    0 => {
                        content.set_length(offset as u64);
                        plain.resize(offset, 0);
                    }
                    1 => {
                        content.extend(offset as u64);
                        plain.resize(plain.len().max(offset), 0);
                    }
                    _ if bytes.is_empty() => {}
                    _ => {
                        let before = content.clone();
                        content.write(&bytes, offset as u64);
                        prop_assert_eq!(before.to_vec(), &plain[..]);
                        plain.resize(plain.len().max(end), 0);
                        plain[offset..end].copy_from_slice(&bytes);
                    }
                }
                prop_assert_eq!(content.to_vec(), &plain[..]);
                let mut buffer = vec![1; bytes.len()];
                let read = content.read(&mut buffer, offset as u64);
                let expected = plain.get(offset..end.min(plain.len())).unwrap_or(&[]);
                prop_assert_eq!(&buffer[..read], expected);
            }
        }
    }
}
