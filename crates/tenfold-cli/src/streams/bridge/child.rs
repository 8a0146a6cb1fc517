//! A command as an end of a bridge.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncWrite;
use tokio::process::{self, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::failure::Failure;
use crate::flow::credential::SECRETS;

/// A process, which must be [ended](Self::end).
#[derive(Debug)]
pub(super) struct Child {
    process: process::Child,
    name: String,
    status: Option<ExitStatus>,
}

/// How long a command that was told to end may take before it is killed.
const LAST: Duration = Duration::from_secs(1);

impl Child {
    /// Starts `sh -c command`, in a process group of its own, so that what it starts can be ended
    /// with it. Its stderr is ours.
    pub(super) fn start(command: &str) -> Result<(Self, ChildStdout, Stdin), Failure> {
        let name = format!("exec:{command}");
        let cannot = |error| Failure::Other(format!("cannot start {name}: {error}"));
        let mut process = Command::new("/bin/sh");
        for secret in SECRETS {
            process.env_remove(secret);
        }
        let mut process = process
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(cannot)?;
        let missing = || cannot(io::ErrorKind::BrokenPipe.into());
        let stdout = process.stdout.take().ok_or_else(missing)?;
        let stdin = process.stdin.take().ok_or_else(missing)?;
        let child = Self {
            process,
            name,
            status: None,
        };
        Ok((child, stdout, Stdin(Some(stdin))))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for its end.
    pub(super) async fn wait(&mut self) {
        if self.status.is_none() {
            // This could fail only if another part of this program waited for our children.
            self.status = self.process.wait().await.ok();
        }
    }

    /// Waits for its end, but not longer than `patience`: then it is ended, with all that it has
    /// started. Not to end well is a failure.
    pub(super) async fn end(mut self, patience: Duration) -> Result<(), Failure> {
        if timeout(patience, self.wait()).await.is_ok() {
            return self.verdict();
        }
        self.signal(Signal::TERM);
        if timeout(LAST, self.wait()).await.is_err() {
            self.signal(Signal::KILL);
            self.wait().await;
        }
        Err(Failure::TimedOut(format!(
            "{} did not end within {patience:?} of the end of its input, and was ended (--drain)",
            self.name
        )))
    }

    fn signal(&self, signal: Signal) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
    }

    fn verdict(&self) -> Result<(), Failure> {
        let name = &self.name;
        let Some(status) = self.status else {
            return Err(Failure::Other(format!("it is not known how {name} ended")));
        };
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(code), _) => Err(Failure::Other(format!("{name} exited with {code}"))),
            (None, Some(signal)) => Err(Failure::Other(format!(
                "{name} was ended by signal {signal}"
            ))),
            (None, None) => Err(Failure::Other(format!("{name} ended: {status}"))),
        }
    }
}

/// The stdin of a command, which is closed by being shut down.
pub(super) struct Stdin(Option<ChildStdin>);

impl AsyncWrite for Stdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(stdin) => Pin::new(stdin).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
