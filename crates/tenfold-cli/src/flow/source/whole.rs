//! All of the input as one message.

use tenfold::{DEFAULT_LIMIT, Event};

use super::{Limits, Source};
use crate::failure::Failure;
use crate::flow::input::Input;

/// Reads to the end, and then gives what it has read. Only where a large length is known before,
/// as of a file, the message is given in pieces while it is read.
#[derive(Debug)]
pub(super) struct Whole {
    input: Input,
    limit: u64,
    state: State,
    bytes: Vec<u8>,
}

/// ```text
///   start --> gathering --> gathered --> given
///     '----> begun --> piece --> piece --> ending --> given
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// With the length, if the message is to be given in pieces.
    Start(Option<u64>),
    Gathering,
    Gathered,
    /// Waiting for the next piece.
    Between,
    Piece,
    Ending,
    Given,
}

/// How much to read at once.
const CHUNK: usize = 64 * 1024;

impl Whole {
    pub(super) fn new(input: Input, limits: Limits) -> Self {
        let large = |length: &u64| limits.pieces && *length > DEFAULT_LIMIT;
        Self {
            state: State::Start(input.length().filter(large)),
            input,
            limit: limits.max_message,
            bytes: Vec::new(),
        }
    }

    /// Reads on after the first `keep` bytes, which leads to `more`, or at the end to `end`.
    fn read(&mut self, keep: usize, more: State, end: State) -> Result<State, Failure> {
        self.bytes.resize(keep + CHUNK, 0);
        let n = self.input.read(&mut self.bytes[keep..])?;
        self.bytes.truncate(keep + n);
        self.check(self.bytes.len() as u64)?;
        Ok(if n > 0 { more } else { end })
    }

    fn check(&self, length: u64) -> Result<(), Failure> {
        if length <= self.limit {
            return Ok(());
        }
        Err(Failure::Framing(format!(
            "message too large: the input has more than {} bytes (--max-message raises the limit)",
            self.limit
        )))
    }
}

impl Source for Whole {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let (event, state) = match self.state {
            State::Start(Some(length)) => {
                self.check(length)?;
                let length = Some(length);
                (Some(Event::Begin { length }), State::Between)
            }
            State::Piece => (Some(Event::Data(&self.bytes)), State::Between),
            State::Ending => (Some(Event::End), State::Given),
            State::Gathered => (Some(Event::Message(&self.bytes)), State::Given),
            state => (None, state),
        };
        self.state = state;
        Ok(event)
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        let state = self.state;
        self.state = match state {
            State::Start(None) | State::Gathering => {
                self.read(self.bytes.len(), State::Gathering, State::Gathered)?
            }
            State::Between => self.read(0, State::Piece, State::Ending)?,
            state => state,
        };
        Ok(self.state != State::Given)
    }
}
