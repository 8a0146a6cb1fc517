//! The last line of a text, which need not have a newline.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Reads what the inner stream has, and a newline at its end where that is missing.
pub(super) struct LastLine<R> {
    inner: R,
    /// Bytes follow the last newline.
    is_open: bool,
}

impl<R> LastLine<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            is_open: false,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for LastLine<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = space.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, space))?;
        match space.filled()[before..].last() {
            Some(last) => self.is_open = *last != b'\n',
            None if self.is_open && space.remaining() > 0 => {
                self.is_open = false;
                space.put_slice(b"\n");
            }
            None => {}
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::runtime;

    #[test]
    fn a_newline_is_put_where_the_last_one_is_missing_and_nowhere_else() {
        let read = |text: &'static str| {
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let mut all = String::new();
                let mut lines = LastLine::new(text.as_bytes());
                lines.read_to_string(&mut all).await.unwrap();
                all
            })
        };
        assert_eq!(read("a\nb"), "a\nb\n");
        assert_eq!(read("a\nb\n"), "a\nb\n");
        assert_eq!(read("\n\n"), "\n\n");
        assert_eq!(read(""), "");
    }
}
