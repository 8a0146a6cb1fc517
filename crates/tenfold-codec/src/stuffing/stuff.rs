//! Byte stuffing, done: whole messages, and messages in pieces.

use alloc::vec::Vec;

use super::{COBS_FULL, END, ESC, ESC_END, ESC_ESC, ESCAPE, FLAG, FLIP};
use crate::encoder::EncodeError;
use crate::framing::Stuffing;

/// Appends the stuffed frame of a whole message.
pub(crate) fn stuff(
    stuffing: Stuffing,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    if message.is_empty() && stuffing != Stuffing::Cobs {
        return Err(EncodeError::Empty);
    }
    out.reserve(message.len() + message.len() / usize::from(COBS_FULL) + 3);
    let mut stuffer = Stuffer::new(stuffing, out);
    stuffer.data(message, out);
    stuffer.end(out)
}

/// Stuffs one message, in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Stuffer {
    stuffing: Stuffing,
    empty: bool,
    /// COBS: the block that is not yet written, without its code.
    block: Vec<u8>,
    /// COBS: the last block written was full, so nothing need follow it.
    full: bool,
}

impl Stuffer {
    /// Begins a frame.
    pub(crate) fn new(stuffing: Stuffing, out: &mut Vec<u8>) -> Self {
        if stuffing == Stuffing::Hdlc {
            out.push(FLAG);
        }
        Self {
            stuffing,
            empty: true,
            block: Vec::new(),
            full: false,
        }
    }

    pub(crate) fn data(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.empty &= bytes.is_empty();
        match self.stuffing {
            Stuffing::Cobs => self.cobs(bytes, out),
            Stuffing::Slip => {
                escape(bytes, out, END, ESC, |byte| {
                    if byte == END { ESC_END } else { ESC_ESC }
                });
            }
            Stuffing::Hdlc => escape(bytes, out, FLAG, ESCAPE, |byte| byte ^ FLIP),
        }
    }

    pub(crate) fn end(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self.stuffing {
            Stuffing::Cobs => {
                if !self.full {
                    self.write_block(out);
                }
                out.push(0);
            }
            Stuffing::Slip | Stuffing::Hdlc if self.empty => return Err(EncodeError::Empty),
            Stuffing::Slip => out.push(END),
            Stuffing::Hdlc => out.push(FLAG),
        }
        Ok(())
    }

    fn cobs(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some(&first) = bytes.first() {
            self.full = false;
            if first == 0 {
                self.write_block(out);
                bytes = &bytes[1..];
                continue;
            }
            let room = usize::from(COBS_FULL) - self.block.len();
            let part = &bytes[..room.min(bytes.len())];
            let part = &part[..memchr::memchr(0, part).unwrap_or(part.len())];
            self.block.extend_from_slice(part);
            bytes = &bytes[part.len()..];
            if self.block.len() == usize::from(COBS_FULL) {
                self.write_block(out);
                self.full = true;
            }
        }
    }

    fn write_block(&mut self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.block.len() + 1).unwrap_or(u8::MAX));
        out.append(&mut self.block);
    }
}

/// Appends bytes with two of them replaced by an escape and another byte.
fn escape(mut bytes: &[u8], out: &mut Vec<u8>, special: u8, escape: u8, other: impl Fn(u8) -> u8) {
    while let Some(at) = memchr::memchr2(special, escape, bytes) {
        out.extend_from_slice(&bytes[..at]);
        out.extend_from_slice(&[escape, other(bytes[at])]);
        bytes = &bytes[at + 1..];
    }
    out.extend_from_slice(bytes);
}
