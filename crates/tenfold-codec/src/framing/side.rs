//! How the bytes of one side of a connection are framed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{Shape, Step};

/// How the bytes of one side are framed: the first message by the first step, the second by the
/// second, and every later one by the last.
///
/// ```
/// use tenfold_codec::{Framing, Shape};
///
/// let framing: Framing = "postgres".parse()?;
/// assert_eq!(framing.client().steps().len(), 2); // the first message has no type
/// assert_eq!(framing.server().steps().len(), 1);
/// assert!(!framing.client().is_lines());
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Side {
    steps: Arc<[Step]>,
}

impl Side {
    /// Makes a side of 1 to 16 steps; steps that repeat the last one are merged into it.
    pub(crate) fn merged(mut steps: Vec<Step>) -> Self {
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

    /// The steps, of which there is at least one. The last stands for all later messages.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step by which the message of this index is framed; the last step repeats.
    pub(crate) fn step(&self, index: usize) -> &Step {
        &self.steps[index.min(self.steps.len() - 1)]
    }

    /// Whether all messages are framed as in the native framing, `decimal:10`.
    pub fn is_native(&self) -> bool {
        self.steps.iter().all(Step::is_native)
    }

    /// Whether all messages are lines: each ends at a newline, `delim:\n`, and nothing else is
    /// framed.
    pub fn is_lines(&self) -> bool {
        self.steps.iter().all(|step| {
            matches!(&step.shape, Shape::Delim(end) if **end == *b"\n")
                && step.open.is_empty()
                && step.close.is_empty()
        })
    }

    /// Whether all messages are byte-stuffed: `cobs`, `slip` or `hdlc`.
    pub fn is_stuffed(&self) -> bool {
        self.steps
            .iter()
            .all(|step| matches!(step.shape, Shape::Stuffed(_)))
    }

    /// Whether the stream can hold marks: numbers too small to be a length, which are an event of
    /// their own.
    pub fn has_marks(&self) -> bool {
        self.steps.iter().any(|step| step.marks)
    }

    /// Whether every frame announces the length of its message before the message, so that even
    /// the largest can be written in pieces.
    pub fn announces_length(&self) -> bool {
        self.steps.iter().all(Step::announces_length)
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
