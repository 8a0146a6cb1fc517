//! How one message is framed: a shape and its options.

use alloc::boxed::Box;
use core::fmt;

use crate::number::Number;
use crate::text;

/// One rule for one message: a shape and its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) shape: Shape,
    /// Constant bytes before every frame.
    pub(crate) open: Box<[u8]>,
    /// Constant bytes after every frame.
    pub(crate) close: Box<[u8]>,
    /// Numbers that are too small to be a length are events.
    pub(crate) marks: bool,
    /// The number counts Unicode scalar values, not bytes.
    pub(crate) chars: bool,
}

impl Step {
    pub(crate) fn bare(shape: Shape) -> Self {
        Self {
            shape,
            open: Box::default(),
            close: Box::default(),
            marks: false,
            chars: false,
        }
    }

    pub(crate) fn announces_length(&self) -> bool {
        !self.chars
            && matches!(
                self.shape,
                Shape::Number { .. } | Shape::Fixed(_) | Shape::ContentLength
            )
    }
}

/// Where a frame's end comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// `X±A@O`: after the first `at` bytes of the message stands a number, and `number + add`
    /// bytes of the message follow it.
    Number { number: Number, add: i64, at: usize },
    /// The message ends at these bytes.
    Delim(Box<[u8]>),
    /// Every message has this many bytes.
    Fixed(u64),
    /// A header block with `Content-Length`, a blank line, the message.
    ContentLength,
    /// Byte stuffing.
    Stuffed(Stuffing),
}

/// The three kinds of byte stuffing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stuffing {
    Cobs,
    Slip,
    Hdlc,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end: &[u8] = &[];
        let mut lax = false;
        match &self.shape {
            Shape::Number { number, add, at } => {
                number.fmt(f)?;
                if *add != 0 {
                    write!(f, "{add:+}")?;
                }
                if *at != 0 {
                    write!(f, "@{at}")?;
                }
                end = number.end();
                lax = number.is_lax();
            }
            Shape::Delim(delim) => write!(f, "delim:{}", text::Escaped(delim))?,
            Shape::Fixed(size) => write!(f, "fixed:{size}")?,
            Shape::ContentLength => f.write_str("content-length")?,
            Shape::Stuffed(Stuffing::Cobs) => f.write_str("cobs")?,
            Shape::Stuffed(Stuffing::Slip) => f.write_str("slip")?,
            Shape::Stuffed(Stuffing::Hdlc) => f.write_str("hdlc")?,
        }
        for (name, bytes) in [("open", &*self.open), ("end", end), ("close", &*self.close)] {
            if !bytes.is_empty() {
                write!(f, ",{name}={}", text::Escaped(bytes))?;
            }
        }
        for (name, on) in [("marks", self.marks), ("lax", lax), ("chars", self.chars)] {
            if on {
                write!(f, ",{name}")?;
            }
        }
        Ok(())
    }
}
