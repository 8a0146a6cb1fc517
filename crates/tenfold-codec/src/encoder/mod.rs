//! From messages to bytes.

mod error;
mod frame;
mod piece;

use alloc::vec::Vec;

pub use error::EncodeError;
pub use frame::Frame;

use frame::{content_length, make_frame};
use piece::{Piece, check_delimiter};

use crate::framing::{Framing, Shape, Side, Stuffing};
use crate::number::NumberBytes;
use crate::stuffing::stuff::{self, Stuffer};

/// Frames messages for one side of a connection.
///
/// Two ways lead out: [`encode`](Self::encode) appends a frame to a buffer, for batches of small
/// messages; [`frame`](Self::frame) lends the frame's parts around the caller's own payload, for
/// `writev`. A message that is too large to hold goes through [`begin`](Self::begin),
/// [`data`](Self::data) and [`end`](Self::end).
///
/// What cannot be framed so that it comes back the same is refused, and nothing was written.
///
/// ```
/// use tenfold_codec::{Encoder, Framing};
///
/// let mut encoder = Encoder::new(Framing::default().client());
/// let mut out = Vec::new();
/// encoder.encode(b"hello", &mut out)?;
/// assert_eq!(out, b"5         hello");
/// # Ok::<(), tenfold_codec::EncodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Encoder {
    side: Side,
    /// Messages and marks so far, for the steps.
    step: usize,
    /// The step's frames are a number and the message.
    plain: bool,
    /// The length of the last plain message, if there was one, and its number.
    last: Option<usize>,
    header: NumberBytes,
    piece: Option<Piece>,
}

impl Encoder {
    /// For a program that connected: frames messages as the client's.
    pub fn connecting(framing: &Framing) -> Self {
        Self::new(framing.client())
    }

    /// For a program that listened: frames messages as the server's.
    pub fn listening(framing: &Framing) -> Self {
        Self::new(framing.server())
    }

    /// An encoder for the bytes of one side, of a file or a pipe.
    pub fn new(side: &Side) -> Self {
        let mut encoder = Self {
            side: side.clone(),
            step: 0,
            plain: false,
            last: None,
            header: NumberBytes::default(),
            piece: None,
        };
        encoder.enter_step();
        encoder
    }

    /// Appends the frame of a message to `out`. On an error nothing was appended.
    #[inline]
    pub fn encode(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.plain && self.piece.is_none() {
            return self.encode_plain(message, out);
        }
        match self.frame(message)? {
            Some(frame) => {
                out.reserve(frame.len());
                for slice in frame.slices() {
                    out.extend_from_slice(slice);
                }
            }
            None => self.stuff(message, out)?,
        }
        Ok(())
    }

    /// The frame of a message in parts, for `writev`; `None` where the framing changes the message
    /// itself, which only [`encode`](Self::encode) can do. Counts as written.
    pub fn frame<'a>(&'a mut self, message: &'a [u8]) -> Result<Option<Frame<'a>>, EncodeError> {
        if self.piece.is_some() {
            return Err(EncodeError::OutOfOrder);
        }
        let at = self.step;
        if matches!(self.side.step(at).shape, Shape::Stuffed(_)) {
            return Ok(None);
        }
        // Checked before it is counted.
        make_frame(self.side.step(at), message)?;
        self.advance_step();
        make_frame(self.side.step(at), message).map(Some)
    }

    /// Appends a mark, in a framing that has them.
    pub fn mark(&mut self, number: u64, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.piece.is_some() {
            return Err(EncodeError::OutOfOrder);
        }
        let step = self.side.step(self.step);
        let Shape::Number {
            number: kind, add, ..
        } = &step.shape
        else {
            return Err(EncodeError::NotAMark { number });
        };
        if !step.marks || number >= add.unsigned_abs() {
            return Err(EncodeError::NotAMark { number });
        }
        let bytes = kind
            .write(number)
            .ok_or(EncodeError::TooLong { length: number })?;
        out.extend_from_slice(bytes.as_slice());
        out.extend_from_slice(kind.end());
        self.advance_step();
        Ok(())
    }

    /// Begins a message that comes in pieces. The length is needed where the frame begins with it
    /// ([`Side::announces_length`]), and checked at the end where it is given.
    pub fn begin(&mut self, length: Option<u64>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.piece.is_some() {
            return Err(EncodeError::OutOfOrder);
        }
        let step = self.side.step(self.step);
        let mut piece = Piece {
            left: length,
            number: None,
            held: Vec::new(),
            written: 0,
            stuffer: None,
        };
        if step.chars {
            // Characters cannot be counted before they are there.
            return Err(EncodeError::LengthUnknown);
        }
        match &step.shape {
            Shape::Number { number, .. } => {
                let length = length.ok_or(EncodeError::LengthUnknown)?;
                let value = step.value_for(length)?;
                let bytes = number.write(value).ok_or(EncodeError::TooLong { length })?;
                out.extend_from_slice(&step.open);
                if step.before_number() == 0 {
                    out.extend_from_slice(bytes.as_slice());
                    out.extend_from_slice(number.end());
                } else {
                    piece.number = Some(value);
                }
            }
            Shape::Fixed(size) => {
                let length = length.unwrap_or(*size);
                if length != *size {
                    return Err(EncodeError::WrongSize {
                        length,
                        size: *size,
                    });
                }
                piece.left = Some(length);
                out.extend_from_slice(&step.open);
            }
            Shape::ContentLength => {
                let (block, len) = content_length(length.ok_or(EncodeError::LengthUnknown)?);
                out.extend_from_slice(&block[..len]);
            }
            Shape::Delim(_) => out.extend_from_slice(&step.open),
            Shape::Stuffed(Stuffing::Slip | Stuffing::Hdlc) if length == Some(0) => {
                return Err(EncodeError::Empty);
            }
            Shape::Stuffed(stuffing) => piece.stuffer = Some(Stuffer::new(*stuffing, out)),
        }
        self.piece = Some(piece);
        Ok(())
    }

    /// Appends the next bytes of the message that was begun. After an error the frame stays
    /// incomplete: what was written of it cannot be taken back.
    pub fn data(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let step = self.side.step(self.step);
        let piece = self.piece.as_mut().ok_or(EncodeError::OutOfOrder)?;
        if let Some(left) = &mut piece.left {
            *left = left
                .checked_sub(bytes.len() as u64)
                .ok_or(EncodeError::Pieces { missing: 0 })?;
        }
        if let Some(stuffer) = &mut piece.stuffer {
            stuffer.data(bytes, out);
            return Ok(());
        }
        if let Shape::Delim(delim) = &step.shape {
            return piece.delimited(delim, bytes, out);
        }
        if let Some(value) = piece.number {
            let missing = (step.before_number() - piece.held.len()).min(bytes.len());
            piece.held.extend_from_slice(&bytes[..missing]);
            bytes = &bytes[missing..];
            if piece.held.len() < step.before_number() {
                return Ok(());
            }
            step.write_number(value, &piece.held, out)?;
            piece.number = None;
        }
        out.extend_from_slice(bytes);
        Ok(())
    }

    /// Ends the message that was begun.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let step = self.side.step(self.step);
        let piece = self.piece.as_mut().ok_or(EncodeError::OutOfOrder)?;
        if let Some(missing) = piece.left.filter(|left| *left > 0) {
            return Err(EncodeError::Pieces { missing });
        }
        if let Some(stuffer) = &mut piece.stuffer {
            stuffer.end(out)?;
        }
        if let Shape::Delim(delim) = &step.shape {
            check_delimiter(&piece.held, delim, piece.written)?;
            out.extend_from_slice(&piece.held);
            out.extend_from_slice(delim);
        }
        out.extend_from_slice(&step.close);
        self.piece = None;
        self.advance_step();
        Ok(())
    }

    /// Whether a message was begun and not ended.
    pub fn is_inside(&self) -> bool {
        self.piece.is_some()
    }

    #[inline]
    fn encode_plain(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.last != Some(message.len()) {
            self.write_header(message.len())?;
        }
        let header = self.header.as_slice();
        out.reserve(header.len() + message.len());
        out.extend_from_slice(header);
        out.extend_from_slice(message);
        Ok(())
    }

    fn write_header(&mut self, length: usize) -> Result<(), EncodeError> {
        let step = self.side.step(self.step);
        let Shape::Number { number, .. } = &step.shape else {
            return Err(EncodeError::LengthUnknown);
        };
        self.last = None;
        let value = step.value_for(length as u64)?;
        if number.write_into(value, &mut self.header).is_none() {
            let length = length as u64;
            return Err(EncodeError::TooLong { length });
        }
        self.last = Some(length);
        Ok(())
    }

    fn stuff(&mut self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Shape::Stuffed(stuffing) = self.side.step(self.step).shape {
            stuff::stuff(stuffing, message, out)?;
            self.advance_step();
        }
        Ok(())
    }

    fn advance_step(&mut self) {
        self.step = self.step.saturating_add(1);
        if self.step < self.side.steps().len() {
            self.enter_step();
        }
    }

    /// The plain way is for the last step only: it counts nothing.
    fn enter_step(&mut self) {
        let step = self.side.step(self.step);
        let is_last = self.step + 1 >= self.side.steps().len();
        let is_bare = step.open.is_empty() && step.close.is_empty() && !step.chars;
        self.last = None;
        self.plain = is_last
            && is_bare
            && matches!(&step.shape, Shape::Number { number, .. } if number.end().is_empty())
            && step.before_number() == 0;
    }
}
