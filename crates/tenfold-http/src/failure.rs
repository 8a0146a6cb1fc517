//! Why a request is not done.

use std::io;

use tenfold::protocol::{Code, Refusal};

use crate::problem::Problem;

/// Why a request is not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told.
    Problem(Problem),
    /// The client has gone.
    Gone,
}

/// What the hub's protocol has a code for.
pub(crate) fn refused(code: Code, words: &str) -> Failure {
    Refusal::new(code, words).into()
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Problem(Problem::from(&refusal))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}
