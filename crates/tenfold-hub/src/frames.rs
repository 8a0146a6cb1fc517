//! Where frames end inside a block.

use bytes::Buf;
use tenfold::native;

use crate::block::Block;

/// What comes in a block after so many messages.
pub(crate) fn after(block: &Block, messages: u64) -> Block {
    let mut bytes = block.bytes().clone();
    bytes.advance(length(block, messages));
    Block::new(bytes, block.messages() - messages)
}

/// The first messages of a block.
pub(crate) fn first(block: &Block, messages: u64) -> Block {
    let bytes = block.bytes().slice(..length(block, messages));
    Block::new(bytes, messages)
}

/// How many bytes the first messages of a block take, which is whole frames.
fn length(block: &Block, messages: u64) -> usize {
    native::frames(block.bytes()).end_after(messages)
}
