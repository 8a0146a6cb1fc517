//! What comes before a payload: read a byte at a time, so that a header is parsed once however it
//! arrives, and refused at the first byte after which no legal one exists.

use super::content_length::{BlockReader, BlockTurn};
use crate::framing::{Shape, Step};
use crate::number::{NumberReader, Turn};

/// Reads the head of one frame: its opening constant, the message bytes before the number, the
/// number and what ends it; or a header block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head {
    /// Bytes of the frame that were read.
    pub(crate) read: usize,
    number: NumberReader,
    block: BlockReader,
}

/// How far a head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadTurn {
    /// All bytes were read, and the head goes on.
    More,
    /// The head ended; with the number where it has one, `None` where that is over a u64.
    Done(Option<u64>),
    /// The byte at [`Head::read`] cannot stand there in a head.
    Bad,
}

impl Head {
    /// Whether no byte of the frame was read yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.read == 0
    }

    /// Goes on in `bytes`, which begin at the start of the frame.
    pub(crate) fn advance(&mut self, step: &Step, bytes: &[u8]) -> HeadTurn {
        let open = step.open.len();
        loop {
            if self.read < open {
                match bytes.get(self.read) {
                    None => return HeadTurn::More,
                    Some(byte) if *byte != step.open[self.read] => return HeadTurn::Bad,
                    Some(_) => self.read += 1,
                }
                continue;
            }
            match &step.shape {
                Shape::Number { number, at, .. } => {
                    if self.read < open + at {
                        self.read = bytes.len().min(open + at);
                    }
                    let Some(&byte) = bytes.get(self.read) else {
                        return HeadTurn::More;
                    };
                    match self.number.push(number, byte) {
                        Turn::Bad => return HeadTurn::Bad,
                        Turn::More => self.read += 1,
                        Turn::Done(number) => {
                            self.read += 1;
                            return HeadTurn::Done(number);
                        }
                    }
                }
                Shape::ContentLength => {
                    let Some(&byte) = bytes.get(self.read) else {
                        return HeadTurn::More;
                    };
                    match self.block.push(byte) {
                        BlockTurn::Bad => return HeadTurn::Bad,
                        BlockTurn::More => self.read += 1,
                        BlockTurn::Done(length) => {
                            self.read += 1;
                            return HeadTurn::Done(length);
                        }
                    }
                }
                Shape::Fixed(size) => return HeadTurn::Done(Some(*size)),
                Shape::Delim(_) | Shape::Stuffed(_) => return HeadTurn::Done(Some(0)),
            }
        }
    }
}

/// The bytes of a step's head, where they do not depend on the message.
pub(crate) fn head_size(step: &Step) -> Option<usize> {
    match &step.shape {
        Shape::Number { number, at, .. } => Some(step.open.len() + at + number.size()?),
        Shape::Fixed(_) | Shape::Delim(_) => Some(step.open.len()),
        Shape::Stuffed(_) => Some(0),
        Shape::ContentLength => None,
    }
}
