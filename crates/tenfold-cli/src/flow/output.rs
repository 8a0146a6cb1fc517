//! Where bytes go: stdout, and whatever else takes the payload.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::flow::format::Origin;
use crate::signals;

/// Takes the bytes of whole messages (or of the pieces of a large one), as a batch.
pub(crate) trait Output {
    /// Takes all of `bytes`, the ends of this many messages among them, and leaves it empty.
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure>;

    /// Says which message comes next, to an output that takes one at a time.
    fn comes_from(&mut self, origin: Origin<'_>) {
        let _ = origin;
    }

    /// Counts a message that was left out.
    fn leave_out(&mut self) {}

    /// Whether a batch must be one whole message.
    fn takes_one(&self) -> bool {
        false
    }
}

/// The standard output, without a buffer: a batch is one write, and is seen when it is written.
#[derive(Clone, Debug)]
pub(crate) struct Stdout {
    /// Shared so that batches of several threads do not mix.
    file: Arc<Mutex<File>>,
    terminal: bool,
}

impl Stdout {
    pub(crate) fn open() -> Result<Self, Failure> {
        let stdout = io::stdout();
        let file = stdout
            .as_fd()
            .try_clone_to_owned()
            .map_err(|error| failed(&error))?;
        Ok(Self {
            terminal: stdout.is_terminal(),
            file: Arc::new(Mutex::new(file.into())),
        })
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text or bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _held = signals::hold();
        file.write_all(bytes).map_err(|error| failed(&error))
    }
}

impl Output for Stdout {
    fn take(&mut self, bytes: &mut Vec<u8>, _messages: u64) -> Result<(), Failure> {
        self.write(bytes)?;
        bytes.clear();
        Ok(())
    }
}

fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::Other(format!("cannot write to stdout: {error}")),
    }
}
