//! The frame under way: how far it is, and how its message reaches the caller.

use super::body::Body;
use super::head::Head;
use crate::error::{DecodeError, EVIDENCE};

/// How far the frame under way is.
#[derive(Debug)]
pub(crate) enum Stage {
    Head(Head),
    Body(Body, Delivery),
}

/// How the message under way reaches the caller.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Its length, where the head announced it.
    pub(crate) length: Option<u64>,
    /// Bytes given so far.
    pub(crate) given: u64,
    /// It comes in pieces, and `Begin` was given.
    pub(crate) begun: bool,
    /// It is left out, for this reason.
    pub(crate) skip: Option<DecodeError>,
    /// The head's first bytes, for errors that are found later.
    head: [u8; EVIDENCE],
    head_len: usize,
}

impl Delivery {
    pub(crate) fn new(length: Option<u64>, skip: Option<DecodeError>, head: &[u8]) -> Self {
        let head_len = head.len().min(EVIDENCE);
        let mut kept = [0; EVIDENCE];
        kept[..head_len].copy_from_slice(&head[..head_len]);
        Self {
            length,
            given: 0,
            begun: false,
            skip,
            head: kept,
            head_len,
        }
    }

    pub(crate) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }
}

impl Default for Stage {
    fn default() -> Self {
        Self::Head(Head::default())
    }
}

impl Stage {
    /// Whether the stream could end here.
    pub(crate) fn is_between_frames(&self) -> bool {
        match self {
            Self::Head(head) => head.is_fresh(),
            Self::Body(body, delivery) => body.is_untouched() && !delivery.begun,
        }
    }

    /// Bytes missing of a message that will be given whole, where that is known.
    pub(crate) fn missing_of_whole(&self, pieces_above: Option<u64>) -> Option<usize> {
        let Self::Body(body, delivery) = self else {
            return None;
        };
        let in_pieces = pieces_above.is_some_and(|above| delivery.length.is_none_or(|n| n > above));
        if in_pieces || delivery.skip.is_some() {
            return None;
        }
        usize::try_from(body.left()?).ok()
    }
}
