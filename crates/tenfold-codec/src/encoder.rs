//! From messages to bytes.

use alloc::vec::Vec;
use core::fmt;

use crate::framing::{Framing, Shape, Side, Step, Stuffing};
use crate::number::{Number, NumberBytes};
use crate::stuff::{self, Stuffer};

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

/// A message that is being written in pieces.
#[derive(Clone, Debug)]
struct Piece {
    /// Bytes of the message still to come, where its length was announced.
    left: Option<u64>,
    /// The number, until the bytes before it are complete.
    number: Option<u64>,
    /// Bytes held back: those before the number, or those that could be part of a delimiter.
    held: Vec<u8>,
    /// Bytes of a delimited message that were written before those.
    written: u64,
    stuffer: Option<Stuffer>,
}

/// Why a message cannot be framed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// The length does not fit the framing's number.
    TooLong {
        /// Bytes (or characters) of the message.
        length: u64,
    },
    /// The message is shorter than the part of it that stands before the number.
    TooShort {
        /// Bytes of the message.
        length: u64,
        /// The fewest that it must have.
        minimum: u64,
    },
    /// Every message has the same size, and this one has not.
    WrongSize {
        /// Bytes of the message.
        length: u64,
        /// Bytes that it must have.
        size: u64,
    },
    /// The delimiter would be found before the message's end.
    Delimiter {
        /// Where in the message it would be found.
        at: u64,
    },
    /// The framing has no frame for an empty message.
    Empty,
    /// The bits in which the length goes are in use.
    LengthBits,
    /// The number counts characters, and the message is no UTF-8.
    NotUtf8 {
        /// Where in the message UTF-8 ends.
        at: u64,
    },
    /// The framing has no marks, or this number is a length.
    NotAMark {
        /// The number.
        number: u64,
    },
    /// The frame begins with the length, and it was not given.
    LengthUnknown,
    /// The pieces are not as many bytes as were announced.
    Pieces {
        /// Bytes that are missing; 0 where there were too many.
        missing: u64,
    },
    /// A call that does not belong here: a piece outside of `begin` and `end`, or a message
    /// between them.
    OutOfOrder,
}

/// A frame, in parts: the caller's payload and what stands around it.
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

impl Piece {
    /// Writes bytes of a delimited message, but for those at the end that could yet turn out to be
    /// part of the delimiter.
    fn delimited(
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

impl Step {
    /// Bytes of the message that stand before the number or are the number.
    fn before_number(&self) -> usize {
        match &self.shape {
            Shape::Number { number, at, .. } => at + number.kept(),
            _ => 0,
        }
    }

    /// The number that announces a message of `length` bytes.
    fn value_for(&self, length: u64) -> Result<u64, EncodeError> {
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
    fn write_number(&self, value: u64, first: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
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

fn make_frame<'a>(step: &'a Step, message: &'a [u8]) -> Result<Frame<'a>, EncodeError> {
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
            // The delimiter stands where a number's end would, but behind the message.
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

/// Refuses a message in which, once the delimiter stands behind it, that is found too early.
/// `before` bytes of it are not at hand, nor is the delimiter in them.
fn check_delimiter(message: &[u8], delim: &[u8], before: u64) -> Result<(), EncodeError> {
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

fn characters(message: &[u8]) -> Result<u64, EncodeError> {
    match core::str::from_utf8(message) {
        Ok(text) => Ok(text.chars().count() as u64),
        Err(error) => Err(EncodeError::NotUtf8 {
            at: error.valid_up_to() as u64,
        }),
    }
}

fn content_length(length: u64) -> ([u8; BLOCK], usize) {
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

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length } => {
                write!(
                    f,
                    "a message of {length} does not fit the framing's length field"
                )
            }
            Self::TooShort { length, minimum } => write!(
                f,
                "a message of {length} bytes is too short: the framing needs at least {minimum}"
            ),
            Self::WrongSize { length, size } => write!(
                f,
                "a message of {length} bytes does not fit: every message has {size}"
            ),
            Self::Delimiter { at } => write!(
                f,
                "the message holds the delimiter (at its byte {at}), so it would be cut there"
            ),
            Self::Empty => f.write_str("the framing has no empty messages"),
            Self::LengthBits => f.write_str("the message has bits set where the length goes"),
            Self::NotUtf8 { at } => write!(
                f,
                "the message is no UTF-8 (at its byte {at}), so its characters cannot be counted"
            ),
            Self::NotAMark { number } => write!(f, "{number} is no mark in this framing"),
            Self::LengthUnknown => {
                f.write_str("the frame begins with the length, which must be known before")
            }
            Self::Pieces { missing: 0 } => f.write_str("more bytes came than were announced"),
            Self::Pieces { missing } => {
                write!(f, "{missing} bytes that were announced did not come")
            }
            Self::OutOfOrder => {
                f.write_str("a message in pieces is begun, continued and ended in order")
            }
        }
    }
}

impl core::error::Error for EncodeError {}
