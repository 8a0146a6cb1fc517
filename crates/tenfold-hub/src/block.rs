//! The unit of fan-out.

use bytes::Bytes;

/// Many whole frames as they are on the wire, and how many messages they are.
///
/// A block must begin and end where a frame begins and ends: streams are ended only between
/// blocks, and slow clients skip only whole blocks, which is how an engine that does not know the
/// framing never tears a frame.
///
/// Cloning a block copies no bytes. The tail accounts the bytes, not the buffer they stand in, but
/// for blocks of an [`Intake`](crate::Intake), which knows its buffers: hand over buffers of about the
/// size of their content, and [`bytes::Bytes::copy_from_slice`] what is only a small part of a larger one.
///
/// ```
/// use tenfold_hub::Block;
///
/// let block = Block::new("5         hello3         abc", 2);
/// assert_eq!(block.messages(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Block {
    bytes: Bytes,
    messages: u64,
    /// How many bytes of the buffer in which they stand are not theirs, and are kept with them.
    unused: usize,
}

impl Block {
    /// What a block costs beside its bytes: its entry in the tail, the header of the shared
    /// buffer and the allocator's share. It is what bounds a tail of millions of tiny blocks.
    pub(crate) const OVERHEAD: usize = 192;

    /// A block of `messages` whole frames.
    pub fn new(bytes: impl Into<Bytes>, messages: u64) -> Self {
        Self {
            bytes: bytes.into(),
            messages,
            unused: 0,
        }
    }

    /// The same block, which keeps a buffer of this size.
    pub(crate) fn in_buffer(mut self, size: usize) -> Self {
        self.unused = size.saturating_sub(self.bytes.len());
        self
    }

    /// The frames.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// How many messages the frames are.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// What the block takes from the tail's capacity, in bytes.
    pub(crate) fn cost(&self) -> usize {
        let bytes = self.bytes.len().saturating_add(self.unused);
        bytes.saturating_add(Self::OVERHEAD)
    }
}
