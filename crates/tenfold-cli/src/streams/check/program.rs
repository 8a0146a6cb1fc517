//! The program under test, if it is started here: its output, its last words, its end.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tenfold::Address;

use super::watch::Watch;
use crate::escape;
use crate::failure::Failure;
use crate::flow::credential::SECRETS;

/// Bytes of the end of stderr that are kept.
const LAST_WORDS: usize = 4096;

/// What is left over of a program's stderr.
type Tail = Arc<Mutex<Vec<u8>>>;

/// A program that runs. Ended, by its process id, when dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    stderr: Tail,
}

impl Program {
    /// Starts the command. `{host}`, `{port}` and `{address}` in its arguments are where to connect to, or
    /// where to listen; so are three variables of its environment.
    pub(super) fn start(
        command: &[OsString],
        address: &Address,
        stdin: Stdio,
        watch: &Arc<Watch>,
    ) -> Result<Self, Failure> {
        let places = places(address);
        let fill = |word: &OsString| match word.to_str() {
            Some(text) => places
                .iter()
                .fold(text.to_owned(), |text, (name, value)| {
                    text.replace(&format!("{{{name}}}"), value)
                })
                .into(),
            None => word.clone(),
        };
        let words: Vec<OsString> = command.iter().map(fill).collect();
        let variables = places
            .iter()
            .map(|(name, value)| (format!("TENFOLD_{}", name.to_uppercase()), value));
        let mut program = Command::new(&words[0]);
        for secret in SECRETS {
            program.env_remove(secret);
        }
        let mut child = program
            .args(&words[1..])
            .envs(variables)
            // What Python prints into a pipe is otherwise kept back until the program ends.
            .env("PYTHONUNBUFFERED", "1")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                Failure::Other(format!(
                    "cannot start {}: {error}",
                    words[0].to_string_lossy()
                ))
            })?;
        let stderr = Tail::default();
        if let Some(output) = child.stdout.take() {
            let (watch, run) = (Arc::clone(watch), watch.begin_run());
            thread::spawn(move || read_output(output, &watch, run));
        }
        if let Some(errors) = child.stderr.take() {
            let tail = Arc::clone(&stderr);
            thread::spawn(move || read_errors(errors, &tail));
        }
        Ok(Self { child, stderr })
    }

    /// How it ended, if it has, or does so within this time.
    pub(super) fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + patience;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() >= end {
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The last line of its stderr.
    pub(super) fn last_words(&self) -> Option<String> {
        let tail = self.stderr.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = tail.split(|byte| *byte == b'\n').rev();
        let line = lines.find(|line| !line.is_empty())?;
        Some(escape::line(&line[..line.len().min(200)]))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a program ended that has not ended well.
pub(super) fn bad_end(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("exit code {code}")),
        (None, Some(signal)) => Some(format!("signal {signal}")),
        (None, None) => Some(status.to_string()),
    }
}

/// The names for the parts of an address, and what they are.
fn places(address: &Address) -> Vec<(&'static str, String)> {
    let mut places = vec![("address", address.to_string())];
    if let Address::Tcp { host, port } = address {
        // An address that listens on all of them is not one to connect to everywhere.
        let host = match host.as_str() {
            "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        places.push(("host", host.to_owned()));
        places.push(("port", port.to_string()));
    }
    places
}

fn read_output(mut output: impl Read, watch: &Watch, run: u64) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(n @ 1..) = output.read(&mut bytes) {
        watch.of_run(run, |state| {
            state.progress += n as u64;
            state.seen.feed(&bytes[..n]);
        });
    }
    watch.of_run(run, |state| {
        state.seen.end();
        state.output_ended = true;
    });
}

fn read_errors(mut errors: impl Read, tail: &Tail) {
    let mut bytes = [0; 4096];
    while let Ok(n @ 1..) = errors.read(&mut bytes) {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&bytes[..n]);
        let old = tail.len().saturating_sub(LAST_WORDS);
        tail.drain(..old);
    }
}
