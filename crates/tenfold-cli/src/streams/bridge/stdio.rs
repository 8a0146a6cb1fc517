//! Our own stdin and stdout as an end of a bridge.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::fs;
use tokio::io::AsyncWrite;

use crate::failure::Failure;

/// Takes stdin and stdout for good: each is closed when its direction ends, and whoever reads our
/// stdout sees that.
pub(super) fn take() -> Result<(fs::File, Stdout), Failure> {
    let taken = || -> io::Result<_> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let stdin = File::from(stdin.as_fd().try_clone_to_owned()?);
        let stdout = File::from(stdout.as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
        Ok((stdin, stdout))
    };
    let (stdin, stdout) =
        taken().map_err(|error| Failure::Other(format!("cannot use stdin and stdout: {error}")))?;
    Ok((stdin.into(), Stdout(Some(stdout.into()))))
}

/// Stdout, which is closed by being shut down.
pub(super) struct Stdout(Option<fs::File>);

impl Stdout {
    fn file(&mut self) -> io::Result<Pin<&mut fs::File>> {
        let file = self.0.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Pin::new(file))
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.file()?.poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.file()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.file()?.poll_flush(cx))?;
        self.0 = None;
        Poll::Ready(Ok(()))
    }
}
