//! What a publisher says at its end.

use serde_json::json;

use crate::failure::Failure;
use crate::numbers::{counted, grouped};
use crate::words::Words;

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    /// Of the input.
    pub(super) given: u64,
    /// Of those, the hub had already.
    pub(super) skipped: u64,
    pub(super) acknowledged: u64,
}

impl Numbers {
    fn words(self) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            skipped => format!("{} skipped, ", grouped(skipped)),
        };
        format!(
            "{skipped}{} sent, {} acknowledged",
            counted(self.given - self.skipped, "message"),
            grouped(self.acknowledged - self.skipped)
        )
    }

    /// An error, followed by the numbers if there was a hub that took anything.
    pub(super) fn behind(self, failure: Failure) -> Failure {
        match failure {
            Failure::Connect(_) if self.acknowledged == 0 => failure,
            failure => failure.map(|text| format!("{text} ({})", self.words())),
        }
    }
}

/// For a program that asked for it, or for people.
pub(super) fn at_end(numbers: Numbers, result: &Result<(), Failure>, json: bool, words: &Words) {
    if json {
        return words.object(&json!({
            "messages": numbers.given,
            "skipped": numbers.skipped,
            "sent": numbers.given - numbers.skipped,
            "acknowledged": numbers.acknowledged - numbers.skipped,
            "error": result.as_ref().err().map(ToString::to_string),
        }));
    }
    match result {
        Ok(()) => words.outcome(numbers.words()),
        Err(Failure::Interrupted) => words.note(numbers.words()),
        // An error has the numbers in it already.
        Err(_) => {}
    }
}
