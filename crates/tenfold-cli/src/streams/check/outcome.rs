//! What came of one case.

use std::fmt::Write as _;

use super::case::Case;
use super::seen::Around;
use super::watch::State;
use crate::failure::Failure;

/// What was seen of a program in one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) name: &'static str,
    /// How many messages were to be seen.
    pub(super) expected: usize,
    /// Which of them were not.
    pub(super) missing: Vec<usize>,
    /// One of them came twice.
    pub(super) twice: bool,
    /// Half a message was taken for a whole one.
    pub(super) took_half: bool,
    /// Several messages were taken for one.
    pub(super) together: bool,
    /// What had a message in it, and more.
    pub(super) strange: Vec<String>,
    /// The last thing that was printed and is none of the messages.
    pub(super) printed: Option<String>,
    pub(super) end: End,
    /// The exit code or the signal, unless it is success.
    pub(super) bad_end: Option<String>,
    /// The last line of its stderr.
    pub(super) last_words: Option<String>,
    /// What is wrong with the stream that came back.
    pub(super) bad_stream: Option<String>,
    /// What stood around the first message.
    around: Option<Around>,
}

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Everything was seen, and the program ended its side or waits for the next case.
    Done,
    /// Everything was seen, and the program did not notice the end of the stream.
    Stays,
    /// The program ended or closed its connection, and messages are missing.
    Gone,
    /// Nothing came any more, and messages are missing.
    Waits,
    /// The program printed and printed.
    Floods,
    /// There was no connection for this case.
    Unreachable,
}

impl Outcome {
    pub(super) fn of(case: &Case, state: &State, is_shared: bool) -> Self {
        let missing = state.seen.missing();
        let end = match (missing.is_empty(), state.peer_ended) {
            _ if state.floods() => End::Floods,
            (true, ended) if ended || is_shared => End::Done,
            (true, _) => End::Stays,
            (false, ended) if ended || state.output_ended => End::Gone,
            (false, _) => End::Waits,
        };
        Self {
            name: case.name,
            expected: case.messages.len(),
            missing,
            twice: state.seen.twice,
            took_half: state.seen.took_half,
            together: state.seen.together,
            strange: state.seen.strange.clone(),
            printed: state.seen.last_words(),
            end,
            bad_end: None,
            last_words: None,
            bad_stream: state.bad_stream.clone(),
            around: state.seen.around_the_first(),
        }
    }

    /// Of a case for which there was no connection.
    pub(super) fn unreachable(case: &Case, failure: &Failure) -> Self {
        let mut outcome = Self::of(case, &State::default(), false);
        outcome.missing = (0..case.messages.len()).collect();
        outcome.end = End::Unreachable;
        outcome.last_words = Some(failure.to_string());
        outcome
    }

    /// Whether all messages were seen as they were sent.
    pub(super) fn is_good(&self) -> bool {
        self.missing.is_empty() && !self.twice && self.bad_stream.is_none()
    }

    /// In the first case it is learned what the program prints around a message. A number there is the
    /// header, which belongs to the framing and not to the program.
    pub(super) fn take_around(&mut self, is_first: bool) -> Option<Around> {
        let around = self.around.take()?;
        let is_header = around.before.iter().any(u8::is_ascii_digit);
        if !is_first || is_header || self.missing.is_empty() || self.together {
            return None;
        }
        self.missing.clear();
        self.strange.clear();
        self.end = match self.end {
            End::Waits => End::Stays,
            End::Gone => End::Done,
            end => end,
        };
        Some(around)
    }

    /// What went wrong, for people.
    pub(super) fn problem(&self, who: &str) -> String {
        if let Some(error) = &self.bad_stream {
            return format!("what came back is not in the framing: {error}");
        }
        if self.twice {
            return "a message came twice".to_owned();
        }
        let mut text = match (self.missing.as_slice(), self.expected) {
            (_, 1) => "the message was not seen".to_owned(),
            (missing, expected) if missing.len() == expected => {
                format!("none of the {expected} messages was seen")
            }
            (missing, expected) => {
                let names: Vec<String> = missing.iter().map(|at| (at + 1).to_string()).collect();
                format!(
                    "of {expected} messages, number {} was not seen",
                    names.join(" and ")
                )
            }
        };
        let end = match (self.end, &self.bad_end) {
            (End::Waits, _) => format!("; the {who} still waits for more"),
            (End::Floods, _) => format!("; the {who} prints without end"),
            (End::Unreachable, _) => String::new(),
            (_, Some(end)) => format!("; the {who} ended with {end}"),
            (_, None) => format!("; the {who} has ended its side"),
        };
        text.push_str(&end);
        let printed = self.strange.first().or(self.printed.as_ref());
        for (name, words) in [
            ("it printed", printed),
            ("it said", self.last_words.as_ref()),
        ] {
            if let Some(words) = words {
                let _ = write!(text, "; {name} \"{words}\"");
            }
        }
        text
    }
}
