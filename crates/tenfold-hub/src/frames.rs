//! Where frames end inside a block, and lines as frames.

use std::fmt::Display;

use bytes::Buf;
use tenfold::{Encoder, Framing, native};

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

/// Lines as frames.
pub(crate) fn framed(lines: impl IntoIterator<Item = impl Display>) -> Vec<u8> {
    let mut encoder = Encoder::new(Framing::default().server());
    let mut frames = Vec::new();
    for line in lines {
        // A line is far from the length that would not fit a header.
        let _ = encoder.encode(line.to_string().as_bytes(), &mut frames);
    }
    frames
}
