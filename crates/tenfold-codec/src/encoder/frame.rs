//! A frame in parts, and what goes into its number.

use alloc::vec::Vec;

use super::EncodeError;
use super::piece::check_delimiter;
use crate::framing::{Shape, Step};
use crate::number::{Number, NumberBytes};

/// A frame, in parts: the caller's payload and what is around it, for `writev`.
///
/// ```
/// use tenfold_codec::{Encoder, Framing};
///
/// let framing: Framing = "netstring".parse()?;
/// let mut encoder = Encoder::connecting(&framing);
/// let frame = encoder.frame(b"hello")?.expect("a netstring is the message with bytes around it");
/// assert_eq!(frame.slices().concat(), b"5:hello,");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Frame<'a> {
    open: &'a [u8],
    before: &'a [u8],
    number: FrameNumber,
    end: &'a [u8],
    message: &'a [u8],
    close: &'a [u8],
}

#[derive(Debug)]
enum FrameNumber {
    Number(NumberBytes),
    Block([u8; BLOCK], usize),
}

/// Bytes of the longest `Content-Length` block that is written.
const BLOCK: usize = "Content-Length: ".len() + 20 + 4;

impl Frame<'_> {
    /// The frame's bytes, in order; some of the slices may be empty.
    pub fn slices(&self) -> [&[u8]; 6] {
        let number = match &self.number {
            FrameNumber::Number(number) => number.as_slice(),
            FrameNumber::Block(block, len) => &block[..*len],
        };
        [
            self.open,
            self.before,
            number,
            self.end,
            self.message,
            self.close,
        ]
    }

    /// Bytes of the whole frame.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether the frame has no bytes (no framing has such frames).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Step {
    /// Bytes of the message that stand before the number or are the number.
    pub(super) fn before_number(&self) -> usize {
        match &self.shape {
            Shape::Number { number, at, .. } => at + number.kept(),
            _ => 0,
        }
    }

    /// The number that announces a message of `length` bytes.
    pub(super) fn value_for(&self, length: u64) -> Result<u64, EncodeError> {
        let Shape::Number { add, .. } = &self.shape else {
            return Ok(length);
        };
        let before = self.before_number() as u64;
        let follow = length.checked_sub(before).ok_or(EncodeError::TooShort {
            length,
            minimum: before,
        })?;
        let value = i128::from(follow) - i128::from(*add);
        match u64::try_from(value) {
            Ok(value) => Ok(value),
            // Fewer bytes follow than the number always adds.
            Err(_) if value < 0 => Err(EncodeError::TooShort {
                length,
                minimum: before.saturating_add(add.unsigned_abs()),
            }),
            Err(_) => Err(EncodeError::TooLong { length }),
        }
    }

    /// Writes the message's first bytes with the number in its place.
    pub(super) fn write_number(
        &self,
        value: u64,
        first: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Shape::Number { number, at, .. } = &self.shape else {
            return Ok(());
        };
        let (before, kept) = first.split_at(*at);
        let bytes = number_with(number, value, kept)?;
        out.extend_from_slice(before);
        out.extend_from_slice(bytes.as_slice());
        out.extend_from_slice(number.end());
        Ok(())
    }
}

/// The number's bytes, with the bits that the message keeps in them.
fn number_with(number: &Number, value: u64, kept: &[u8]) -> Result<NumberBytes, EncodeError> {
    let mut bytes = number
        .write(value)
        .ok_or(EncodeError::TooLong { length: value })?;
    if !number.length_is_clear(kept) {
        return Err(EncodeError::LengthBits);
    }
    for (byte, kept) in bytes.as_mut_slice().iter_mut().zip(kept) {
        *byte |= kept;
    }
    Ok(bytes)
}

pub(super) fn make_frame<'a>(step: &'a Step, message: &'a [u8]) -> Result<Frame<'a>, EncodeError> {
    let length = message.len() as u64;
    let mut frame = Frame {
        open: &step.open,
        before: &[],
        number: FrameNumber::Number(NumberBytes::default()),
        end: &[],
        message,
        close: &step.close,
    };
    match &step.shape {
        Shape::Number { number, at, .. } => {
            let counted = if step.chars {
                characters(message)?
            } else {
                length
            };
            let value = step.value_for(counted)?;
            let (before, rest) = message.split_at(*at);
            let (kept, rest) = rest.split_at(number.kept());
            let too_long = |error| match error {
                EncodeError::TooLong { .. } => EncodeError::TooLong { length: counted },
                error => error,
            };
            frame.before = before;
            frame.number = FrameNumber::Number(number_with(number, value, kept).map_err(too_long)?);
            frame.end = number.end();
            frame.message = rest;
        }
        Shape::Delim(delim) => {
            check_delimiter(message, delim, 0)?;
            // The slot of the number's end is free here, and the delimiter goes into it. So the
            // message goes into the slot before.
            frame.before = message;
            frame.message = &[];
            frame.end = delim;
        }
        Shape::Fixed(size) if *size != length => {
            return Err(EncodeError::WrongSize {
                length,
                size: *size,
            });
        }
        Shape::Fixed(_) | Shape::Stuffed(_) => {}
        Shape::ContentLength => {
            let (block, len) = content_length(length);
            frame.number = FrameNumber::Block(block, len);
        }
    }
    Ok(frame)
}

fn characters(message: &[u8]) -> Result<u64, EncodeError> {
    match core::str::from_utf8(message) {
        Ok(text) => Ok(text.chars().count() as u64),
        Err(error) => Err(EncodeError::NotUtf8 {
            at: error.valid_up_to() as u64,
        }),
    }
}

pub(super) fn content_length(length: u64) -> ([u8; BLOCK], usize) {
    const NAME: &[u8] = b"Content-Length: ";
    let mut block = [0; BLOCK];
    let mut len = 0;
    let digits = Number::Ended {
        base: crate::number::Base::Decimal,
        end: alloc::boxed::Box::default(),
    };
    let number = digits.write(length).unwrap_or_default();
    for part in [NAME, number.as_slice(), b"\r\n\r\n"] {
        block[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    (block, len)
}
