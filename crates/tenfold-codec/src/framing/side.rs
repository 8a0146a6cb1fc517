//! How the bytes of one side of a connection are framed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::Step;

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
