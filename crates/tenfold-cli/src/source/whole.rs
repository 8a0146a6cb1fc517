//! All of the input as one message.

use tenfold::Event;

use super::{Limits, Source};
use crate::failure::Failure;
use crate::input::Input;

/// Reads to the end, and then gives what it has read.
#[derive(Debug)]
pub(super) struct Whole {
    input: Input,
    limit: u64,
    bytes: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Read,
    Given,
}

/// How much to read at once.
const CHUNK: usize = 64 * 1024;

impl Whole {
    pub(super) fn new(input: Input, limits: Limits) -> Self {
        Self {
            input,
            limit: limits.max_message,
            bytes: Vec::new(),
            state: State::Reading,
        }
    }

    fn read(&mut self) -> Result<State, Failure> {
        let have = self.bytes.len();
        self.bytes.resize(have + CHUNK, 0);
        let n = self.input.read(&mut self.bytes[have..])?;
        self.bytes.truncate(have + n);
        if self.bytes.len() as u64 > self.limit {
            return Err(Failure::Framing(format!(
                "message too large: the input has more than {} bytes (--max-message raises the limit)",
                self.limit
            )));
        }
        Ok(if n == 0 { State::Read } else { State::Reading })
    }
}

impl Source for Whole {
    fn next(&mut self) -> Result<Option<Event<'_>>, Failure> {
        if self.state != State::Read {
            return Ok(None);
        }
        self.state = State::Given;
        Ok(Some(Event::Message(&self.bytes)))
    }

    fn wait(&mut self) -> Result<bool, Failure> {
        if self.state == State::Reading {
            self.state = self.read()?;
        }
        Ok(self.state != State::Given)
    }
}
