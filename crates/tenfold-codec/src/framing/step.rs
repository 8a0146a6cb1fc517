//! How one message is framed: a shape and its options.

use alloc::boxed::Box;
use core::fmt;

use super::text;
use crate::number::Number;

/// How one message of a [`Side`](super::Side) is framed: a shape and its options.
///
/// A program takes it from a framing to ask what it is, or makes it with a constructor:
///
/// ```
/// use tenfold_codec::{Framing, Number, Shape, Step};
///
/// let framing: Framing = "u32be-4@1".parse()?;
/// let [step] = framing.server().steps() else { unreachable!() };
/// assert!(matches!(step.shape(), Shape::Number { add: -4, at: 1, .. }));
/// assert_eq!(*step, Step::number(Number::U32_BE).with_add(-4)?.with_at(1)?);
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
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

/// Where a frame's end comes from.
///
/// ```
/// use tenfold_codec::{Framing, Shape};
///
/// let framing: Framing = "fixed:188".parse()?;
/// assert_eq!(*framing.client().steps()[0].shape(), Shape::Fixed(188));
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// `X±A@O`: after the first `at` bytes of the message stands a number, and `number + add`
    /// bytes of the message follow it.
    #[non_exhaustive]
    Number {
        /// The number, as it is on the wire.
        number: Number,
        /// What is added to the number: `A`, negative where the number counts itself.
        add: i64,
        /// Bytes of the message that stand before the number: `O`.
        at: usize,
    },
    /// The message ends at these bytes.
    Delim(Box<[u8]>),
    /// Every message has this many bytes.
    Fixed(u64),
    /// A header block with `Content-Length`, a blank line, the message.
    ContentLength,
    /// Byte stuffing.
    Stuffed(Stuffing),
}

/// The kinds of byte stuffing.
///
/// ```
/// use tenfold_codec::{Framing, Step, Stuffing};
///
/// let framing = Framing::from(Step::stuffed(Stuffing::Slip));
/// assert_eq!(framing, "slip".parse()?);
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stuffing {
    /// Consistent overhead byte stuffing: frames end with a zero byte.
    Cobs,
    /// RFC 1055: frames end with `C0`.
    Slip,
    /// RFC 1662 octet stuffing: frames stand between two `7E`.
    Hdlc,
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

    /// Where the frame's end comes from.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The constant bytes before every frame (`open=`); mostly none.
    pub fn open(&self) -> &[u8] {
        &self.open
    }

    /// The constant bytes after every frame (`close=`); mostly none.
    pub fn close(&self) -> &[u8] {
        &self.close
    }

    /// Whether numbers that are too small to be a length are an event of their own (`marks`).
    pub fn has_marks(&self) -> bool {
        self.marks
    }

    /// Whether spaces on either side of the number and leading zeros are read (`lax`).
    pub fn is_lax(&self) -> bool {
        matches!(&self.shape, Shape::Number { number, .. } if number.is_lax())
    }

    /// Whether the number counts Unicode scalar values instead of bytes (`chars`).
    pub fn counts_chars(&self) -> bool {
        self.chars
    }

    /// Whether the frame announces the length of its message before the message.
    pub fn announces_length(&self) -> bool {
        !self.chars
            && matches!(
                self.shape,
                Shape::Number { .. } | Shape::Fixed(_) | Shape::ContentLength
            )
    }

    /// Whether this is the step of the native framing, `decimal:10`.
    pub(crate) fn is_native(&self) -> bool {
        let number = matches!(
            &self.shape,
            Shape::Number { number, add: 0, at: 0 } if *number == Number::NATIVE
        );
        number && self.open.is_empty() && self.close.is_empty() && !self.chars
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end: &[u8] = &[];
        let mut lax = false;
        match &self.shape {
            Shape::Number { number, add, at } => {
                number.write_name(f)?;
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
