//! `--exec` and `--exec-batch`: messages to commands.

use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;
use crate::flow::credential::SECRETS;
use crate::flow::format::{Origin, put_bad};
use crate::flow::on_bad::OnBad;
use crate::flow::output::{Output, Stdout};
use crate::signals;
use crate::words::Words;

/// Runs a command of the shell for each message, or for all that are there, one after the other: what is to be
/// taken is its stdin. Exit code 0 says that this is done with; after anything else it is a bad message.
#[derive(Clone, Debug)]
pub(crate) struct Exec {
    command: String,
    /// One is run for all messages that are there.
    takes_many: bool,
    on_bad: OnBad,
    words: Words,
    stdout: Stdout,
    /// Held while one runs, also by the clones of other senders.
    running: Arc<Mutex<()>>,
    /// Messages that are done with, where they are not numbered.
    messages: u64,
    /// The first and the last of what is to be taken.
    origins: Option<(Numbered, Numbered)>,
}

/// What is known of a message.
#[derive(Clone, Debug)]
struct Numbered {
    number: u64,
    time: Option<String>,
    channel: Option<String>,
    among_others: bool,
}

impl Exec {
    /// Runs the command for each message, or for as many as there are.
    pub(crate) fn new(
        command: &str,
        takes_many: bool,
        on_bad: OnBad,
        stdout: Stdout,
        words: &Words,
    ) -> Self {
        Self {
            command: command.to_owned(),
            takes_many,
            on_bad,
            words: words.clone(),
            stdout,
            running: Arc::default(),
            messages: 0,
            origins: None,
        }
    }

    fn run(&self, message: &[u8]) -> io::Result<ExitStatus> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &self.command]).stdin(Stdio::piped());
        for secret in SECRETS {
            command.env_remove(secret);
        }
        if let Some((origin, _)) = self.origins.as_ref().filter(|_| !self.takes_many) {
            origin.tell(&mut command);
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

    /// Deals with what the command has refused.
    fn refused(&self, how: &str, message: &[u8]) -> Result<(), Failure> {
        let problem = format!("{:?} {how} at {}", self.command, self.place());
        match self.on_bad {
            OnBad::Stop => Err(Failure::Other(problem)),
            OnBad::Skip => {
                self.words.warning(format_args!("left out: {problem}"));
                Ok(())
            }
            OnBad::Show => {
                let error = format!("{:?} {how}", self.command);
                let mut line = Vec::new();
                let origin = self.origins.as_ref().map(|(origin, _)| origin.as_origin());
                let origin = origin.unwrap_or_else(|| Origin::numbered(self.messages));
                put_bad(&error, origin, message, &mut line);
                self.stdout.write(&line)
            }
        }
    }

    /// Which messages are taken.
    fn place(&self) -> String {
        match &self.origins {
            Some((first, last)) if first.number != last.number || first.channel != last.channel => {
                format!("messages {first} to {last}")
            }
            Some((only, _)) => format!("message {only}"),
            None => format!("message {}", self.messages),
        }
    }
}

impl Numbered {
    fn of(origin: Origin<'_>) -> Self {
        Self {
            number: origin.number,
            time: origin.time.map(str::to_owned),
            channel: origin.channel.map(str::to_owned),
            among_others: origin.among_others,
        }
    }

    fn as_origin(&self) -> Origin<'_> {
        Origin {
            number: self.number,
            time: self.time.as_deref(),
            channel: self.channel.as_deref(),
            among_others: self.among_others,
        }
    }

    /// Tells a command in its environment.
    fn tell(&self, command: &mut Command) {
        let number = match self.channel {
            Some(_) => "TENFOLD_SEQ",
            None => "TENFOLD_INDEX",
        };
        command.env(number, self.number.to_string());
        if let Some(channel) = &self.channel {
            command.env("TENFOLD_CHANNEL", channel);
        }
        if let Some(time) = &self.time {
            command.env("TENFOLD_TIME", time);
        }
    }
}

impl std::fmt::Display for Numbered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.channel {
            Some(channel) if self.among_others => write!(f, "{} of {channel}", self.number),
            _ => write!(f, "{}", self.number),
        }
    }
}

impl Output for Exec {
    fn take(&mut self, bytes: &mut Vec<u8>, messages: u64) -> Result<(), Failure> {
        let running = Arc::clone(&self.running);
        let _alone = running.lock().unwrap_or_else(PoisonError::into_inner);
        let command = &self.command;
        let held = signals::hold();
        let status = self
            .run(bytes)
            .map_err(|error| Failure::Other(format!("cannot run {command:?}: {error}")))?;
        drop(held);
        if !status.success() {
            let how = match (status.code(), status.signal()) {
                (Some(code), _) => format!("exited with {code}"),
                (None, Some(signal)) => format!("was ended by signal {signal}"),
                (None, None) => status.to_string(),
            };
            self.refused(&how, bytes)?;
        }
        self.messages += messages;
        self.origins = None;
        bytes.clear();
        Ok(())
    }

    fn comes_from(&mut self, origin: Origin<'_>) {
        let origin = Numbered::of(origin);
        match &mut self.origins {
            Some((_, last)) if self.takes_many => *last = origin,
            origins => *origins = Some((origin.clone(), origin)),
        }
    }

    fn leave_out(&mut self) {
        self.messages += 1;
        if !self.takes_many {
            self.origins = None;
        }
    }

    fn takes_one(&self) -> bool {
        !self.takes_many
    }
}
