//! A message that is written in pieces, and the delimiter that must not be found in it.

use alloc::vec::Vec;

use super::EncodeError;
use crate::stuffing::stuff::Stuffer;

/// A message that is being written in pieces.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// Bytes of the message still to come, where its length was announced.
    pub(super) left: Option<u64>,
    /// The number, until the bytes before it are complete.
    pub(super) number: Option<u64>,
    /// Bytes held back: those before the number, or those that could be part of a delimiter.
    pub(super) held: Vec<u8>,
    /// Bytes of a delimited message that were written before those.
    pub(super) written: u64,
    pub(super) stuffer: Option<Stuffer>,
}

impl Piece {
    /// Writes bytes of a delimited message, but for those at the end that could yet turn out to be
    /// part of the delimiter.
    pub(super) fn delimited(
        &mut self,
        delim: &[u8],
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        self.held.extend_from_slice(bytes);
        if let Some(at) = memchr::memmem::find(&self.held, delim) {
            let at = self.written + at as u64;
            return Err(EncodeError::Delimiter { at });
        }
        let keep = self.held.len().min(delim.len() - 1);
        let ready = self.held.len() - keep;
        out.extend_from_slice(&self.held[..ready]);
        self.held.drain(..ready);
        self.written += ready as u64;
        Ok(())
    }
}

/// Refuses a message in which a decoder would find the delimiter too early: inside the message, or
/// from its last bytes into the delimiter that follows. `before` counts the bytes of the message
/// that were written already; the delimiter is not in them.
pub(super) fn check_delimiter(
    message: &[u8],
    delim: &[u8],
    before: u64,
) -> Result<(), EncodeError> {
    let inside = match delim {
        [byte] => memchr::memchr(*byte, message),
        _ => memchr::memmem::find(message, delim),
    };
    let across = || {
        let first = message.len().saturating_sub(delim.len() - 1);
        (first..message.len()).find(|&at| {
            let (start, rest) = delim.split_at(message.len() - at);
            message[at..] == *start && delim.starts_with(rest)
        })
    };
    match inside.or_else(across) {
        Some(at) => Err(EncodeError::Delimiter {
            at: before + at as u64,
        }),
        None => Ok(()),
    }
}
