//! What a teacher says about a mistake: what it is, why it is one, which line it is in, what to write
//! instead.
//!
//! The lines are those of the program that most people have learned this framing from: a class on sockets in
//! Python, with a `HEADERSIZE`, a `full_msg` and a `new_msg`.

mod receivers;
mod senders;
mod servers;

pub(super) use receivers::*;
pub(super) use senders::*;
pub(super) use servers::*;

/// A mistake that people make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lesson {
    /// A name for programs.
    pub(super) kind: &'static str,
    /// What the program does.
    pub(super) title: &'static str,
    /// Why that goes wrong.
    pub(super) why: &'static str,
    /// The lines of the lesson that do it; none if the lesson does not.
    pub(super) line: &'static str,
    /// What to write instead.
    pub(super) instead: &'static str,
    /// Whether messages are lost or changed by it.
    pub(super) is_mistake: bool,
}

/// A mistake that a program makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) lesson: &'static Lesson,
    /// What was seen of it.
    pub(super) seen: Vec<String>,
    /// The cases in which it was seen.
    pub(super) cases: Vec<&'static str>,
}

impl Finding {
    pub(super) fn new(lesson: &'static Lesson) -> Self {
        Self {
            lesson,
            seen: Vec::new(),
            cases: Vec::new(),
        }
    }
}
