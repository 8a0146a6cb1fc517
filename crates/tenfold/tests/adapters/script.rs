//! What is written, and what is read back.

use tenfold::{Event, ReadError};

/// One call of a writer, or one event of a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Message(Vec<u8>),
    Mark(u64),
    Begin(Option<u64>),
    Data(Vec<u8>),
    End,
    Skipped,
}

impl From<Event<'_>> for Step {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(message) => Self::Message(message.to_vec()),
            Event::Mark(number) => Self::Mark(number),
            Event::Begin { length } => Self::Begin(length),
            Event::Data(bytes) => Self::Data(bytes.to_vec()),
            Event::End => Self::End,
            _ => Self::Skipped,
        }
    }
}

/// What a reader gave until its end, and how that was.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) steps: Vec<Step>,
    pub(crate) end: Result<(), ReadError>,
}

impl Seen {
    pub(crate) fn new() -> Self {
        Self {
            steps: Vec::new(),
            end: Ok(()),
        }
    }

    /// Adds a step; pieces that follow each other are one, for it does not matter where they were
    /// cut.
    pub(crate) fn add(&mut self, step: Step) {
        match (self.steps.last_mut(), step) {
            (Some(Step::Data(before)), Step::Data(more)) => before.extend(more),
            (_, step) => self.steps.push(step),
        }
    }

    pub(crate) fn expect_clean(self) -> Vec<Step> {
        self.end.expect("the stream ends cleanly");
        self.steps
    }
}

/// A step for each message.
pub(crate) fn messages<M: AsRef<[u8]>>(messages: impl IntoIterator<Item = M>) -> Vec<Step> {
    let step = |message: M| Step::Message(message.as_ref().to_vec());
    messages.into_iter().map(step).collect()
}

/// Bytes that repeat late, so that a part in the wrong place is seen.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut random = Random(len as u64 + 1);
    (0..len).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// A small generator with a seed.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next()).unwrap() % end
    }
}
