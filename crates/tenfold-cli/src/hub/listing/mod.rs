//! What a hub tells line by line: asked once, or again and again.
mod ask;

pub(super) use ask::ask;
