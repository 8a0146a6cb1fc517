//! Frames that are sent as they came.

use tenfold::Side;
use tenfold_hub::{Intake, Tail};

use super::feed::append;
use crate::failure::Failure;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::source::{Limits, describe};

/// Reads frames, checks them as strictly as any, and appends the range of bytes that holds whole
/// ones as a block.
#[derive(Debug)]
pub(super) struct Relay {
    input: Input,
    intake: Intake,
    side: Side,
    max_message: u64,
}

impl Relay {
    pub(super) fn new(input: Input, side: &Side, limits: Limits) -> Self {
        Self {
            input,
            intake: Intake::new(side, limits.max_message),
            side: side.clone(),
            max_message: limits.max_message,
        }
    }

    pub(super) fn run(mut self, tail: &Tail, goal: &Goal) -> Result<(), Failure> {
        loop {
            let read = self.read()?;
            let scanned = self.intake.scan(goal.left());
            let block = self.intake.take_block();
            goal.take(block.messages());
            append(tail, block)?;
            let is_break = read == 0 && self.input.take_break();
            match scanned {
                Err(error) if is_break && error.is_truncated() => self.input.warn_of_cut_frame(),
                scanned => {
                    scanned.map_err(|error| describe(&mut self.input, error))?;
                }
            }
            if !goal.is_reached() && is_break {
                // Another file is another stream.
                self.intake = Intake::new(&self.side, self.max_message);
                continue;
            }
            if read == 0 || goal.is_reached() {
                return goal.check("the stream");
            }
        }
    }

    fn read(&mut self) -> Result<usize, Failure> {
        let room = self.intake.room();
        let bytes = self.intake.space();
        let have = bytes.len();
        let room = room.min(bytes.capacity() - have);
        bytes.resize(have + room, 0);
        let read = self.input.read(&mut bytes[have..]);
        bytes.truncate(have + *read.as_ref().unwrap_or(&0));
        if let Ok(0) = read {
            self.intake.finish();
        }
        read
    }
}
