//! `--exec`: each message to a command of its own.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::flow::format::Origin;
use crate::flow::output::Output;
use crate::signals;

/// Runs a command of the shell for each message, one after the other: the message is its stdin.
/// Exit code 0 says that the message is done with; anything else is a failure.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    command: String,
    /// Held while one runs, also by the clones of other senders.
    running: Arc<Mutex<()>>,
    messages: u64,
    /// Of the next message, where there are several channels.
    origin: Option<(String, u64)>,
}

impl Exec {
    pub(crate) fn new(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            running: Arc::default(),
            messages: 0,
            origin: None,
        }
    }

    fn run(&self, message: &[u8]) -> io::Result<ExitStatus> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &self.command]).stdin(Stdio::piped());
        if let Some((channel, seq)) = &self.origin {
            command.env("TENFOLD_CHANNEL", channel);
            command.env("TENFOLD_SEQ", seq.to_string());
        }
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(message) {
                // It need not want all of the message; its exit code says whether that is right.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait()
    }
}

impl Output for Exec {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        let running = Arc::clone(&self.running);
        let _alone = running.lock().unwrap_or_else(PoisonError::into_inner);
        let _held = signals::hold();
        let command = &self.command;
        let status = self
            .run(bytes)
            .map_err(|error| Failure::Other(format!("cannot run {command:?}: {error}")))?;
        if !status.success() {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exited with {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => status.to_string(),
            };
            let place = match &self.origin {
                Some((channel, seq)) => format!("{seq} of {channel}"),
                None => self.messages.to_string(),
            };
            return Err(Failure::Other(format!(
                "{command:?} {how} at message {place}"
            )));
        }
        self.messages += messages;
        bytes.clear();
        Ok(())
    }

    fn comes_from(&mut self, origin: Origin<'_>) {
        self.origin = Some((origin.channel.to_owned(), origin.seq));
    }

    fn takes_one(&self) -> bool {
        true
    }
}
