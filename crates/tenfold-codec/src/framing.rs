//! What a framing is: the validated value that drives both directions.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::number::Number;
use crate::text;

/// The rule by which a byte stream is cut into frames, for both directions of a connection.
///
/// Made from one line of text and printed as one ([`FromStr`](core::str::FromStr) and
/// [`Display`](fmt::Display) are inverses on the canonical spelling); `docs/wire-format.md` is
/// its grammar. The default is the native framing, `decimal:10`.
///
/// ```
/// use tenfold_codec::Framing;
///
/// let framing: Framing = "netstring".parse().unwrap();
/// assert_eq!(framing.to_string(), r"decimal,end=:,close=\x2c");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    client: Side,
    server: Side,
}

impl Framing {
    pub(crate) fn new(client: Side, server: Side) -> Self {
        Self { client, server }
    }

    /// How the bytes of the client (the side that connected) are framed.
    pub fn client(&self) -> &Side {
        &self.client
    }

    /// How the bytes of the server (the side that listened) are framed.
    pub fn server(&self) -> &Side {
        &self.server
    }

    /// Whether both directions are framed alike, so that a file or a pipe needs no word about
    /// whose bytes it holds.
    pub fn is_symmetric(&self) -> bool {
        self.client == self.server
    }
}

impl Default for Framing {
    fn default() -> Self {
        let native = Step::bare(Shape::Number {
            number: Number::NATIVE,
            add: 0,
            at: 0,
        });
        let side = Side::new(vec![native]);
        Self::new(side.clone(), side)
    }
}

/// How the bytes of one side are framed: the first message by the first step, the second by the
/// second, and every later one by the last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    steps: Arc<[Step]>,
}

impl Side {
    /// Makes a side of at least one step; steps that repeat the last one are merged into it.
    pub(crate) fn new(mut steps: Vec<Step>) -> Self {
        while let [.., before, last] = steps.as_slice() {
            if before != last {
                break;
            }
            steps.pop();
        }
        Self {
            steps: steps.into(),
        }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step by which the message of this index is framed; the last step repeats.
    pub(crate) fn step(&self, index: usize) -> &Step {
        &self.steps[index.min(self.steps.len() - 1)]
    }

    /// Whether the stream can hold marks: numbers that are no length, an event of their own.
    pub fn has_marks(&self) -> bool {
        self.steps.iter().any(|step| step.marks)
    }

    /// Whether every frame announces the length of its message before the message, so that even
    /// the largest can be written in pieces.
    pub fn announces_length(&self) -> bool {
        self.steps.iter().all(Step::announces_length)
    }
}

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

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)?;
        if !self.is_symmetric() {
            write!(f, " // {}", self.server)?;
        }
        Ok(())
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.steps.iter().enumerate() {
            if n > 0 {
                f.write_str("/")?;
            }
            step.fmt(f)?;
        }
        Ok(())
    }
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
