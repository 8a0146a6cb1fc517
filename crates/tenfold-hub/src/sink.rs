//! One of several streams on the connection of a guest.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{Interest, Ready};

/// One of several streams on the connection of a [`Guest`](crate::Guest), such as HTTP/2 has them, to which the hub writes
/// messages in the place of the connection: [`Writing::into_sink`](crate::Writing::into_sink).
///
/// One task waits, and others may write.
pub trait Sink: fmt::Debug + Send + Sync + 'static {
    /// How many bytes the stream takes now, if there are so many; none if it has no room. An error: the client wants no more.
    fn room(&self, wanted: usize) -> io::Result<usize>;

    /// Takes bytes for which there is room.
    fn put(&self, bytes: Bytes) -> io::Result<()>;

    /// Waits until there is room for some of what was wanted last.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Waits until the client wants no more, or has gone.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Error>;

    /// Says that this is all.
    fn end(&self);

    /// Says that something is missing, and throws away what has not been sent.
    fn cut(&self);
}

/// A [`Sink`] in the place of a socket. It is never read from.
#[derive(Debug)]
pub(crate) struct Branch(Arc<dyn Sink>);

/// Some bytes of a sink's stream.
pub(crate) struct Part {
    pub(crate) bytes: Bytes,
    /// How many bytes stay in memory with them.
    pub(crate) of: usize,
}

/// Bytes that keep more than this in memory are copied, so that a stream that is not sent on keeps what its room is, and not
/// the message of which that is a part.
const SHARED: usize = 128 * 1024;

impl Branch {
    pub(crate) fn new(sink: Arc<dyn Sink>) -> Self {
        Self(sink)
    }

    /// Writes what there is room for, without a copy of what many streams share.
    pub(crate) fn try_write_parts(
        &self,
        wanted: usize,
        parts: impl Iterator<Item = Part>,
    ) -> io::Result<usize> {
        let mut room = self.0.room(wanted)?;
        let mut written = 0;
        for Part { mut bytes, of } in parts {
            bytes.truncate(room);
            if bytes.is_empty() {
                continue;
            }
            let length = bytes.len();
            self.0.put(if of > SHARED {
                Bytes::copy_from_slice(&bytes)
            } else {
                bytes
            })?;
            written += length;
            room -= length;
        }
        if written == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(written)
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let wanted = slices.iter().map(|slice| slice.len()).sum();
        let part = |slice: &IoSlice<'_>| Part {
            bytes: Bytes::copy_from_slice(slice),
            of: slice.len(),
        };
        self.try_write_parts(wanted, slices.iter().map(part))
    }

    /// Waits until there is room, if that is asked for, or until the client wants no more.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        poll_fn(|cx| {
            if let Poll::Ready(gone) = self.0.poll_gone(cx) {
                return Poll::Ready(Err(gone));
            }
            if !interest.is_writable() {
                return Poll::Pending;
            }
            ready!(self.0.poll_room(cx))?;
            Poll::Ready(Ok(Ready::WRITABLE))
        })
        .await
    }

    pub(crate) fn end(&self) {
        self.0.end();
    }

    pub(crate) fn cut(&self) {
        self.0.cut();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    /// A stream that takes so many bytes, and keeps what it has got.
    #[derive(Debug, Default)]
    struct Kept {
        room: usize,
        got: Mutex<Vec<Bytes>>,
    }

    impl Sink for Kept {
        fn room(&self, wanted: usize) -> io::Result<usize> {
            let got = self.got.lock().unwrap_or_else(PoisonError::into_inner);
            let taken: usize = got.iter().map(Bytes::len).sum();
            Ok(wanted.min(self.room - taken))
        }

        fn put(&self, bytes: Bytes) -> io::Result<()> {
            self.got.lock().unwrap().push(bytes);
            Ok(())
        }

        fn poll_room(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_gone(&self, _: &mut Context<'_>) -> Poll<io::Error> {
            Poll::Pending
        }

        fn end(&self) {}

        fn cut(&self) {}
    }

    fn kept(room: usize) -> (Branch, Arc<Kept>) {
        let sink = Arc::new(Kept {
            room,
            ..Kept::default()
        });
        (Branch::new(Arc::clone(&sink) as Arc<dyn Sink>), sink)
    }

    fn part(bytes: &Bytes) -> Part {
        Part {
            bytes: bytes.clone(),
            of: bytes.len(),
        }
    }

    #[test]
    fn what_there_is_room_for_is_written_and_no_more() {
        let (branch, sink) = kept(7);
        let parts = [Bytes::from("abc"), Bytes::new(), Bytes::from("defghi")];
        let write = |parts: &[Bytes]| branch.try_write_parts(9, parts.iter().map(part));
        assert_eq!(write(&parts).unwrap(), 7);
        assert_eq!(sink.got.lock().unwrap().concat(), b"abcdefg");
        let full = write(&parts).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn what_others_share_is_not_copied_and_a_bit_of_something_large_is() {
        let (branch, sink) = kept(2000);
        let (small, large) = (Bytes::from(vec![1; 1000]), Bytes::from(vec![2; SHARED + 1]));
        let parts = [&small, &large].into_iter().map(part);
        assert_eq!(branch.try_write_parts(SHARED, parts).unwrap(), 2000);
        let got = sink.got.lock().unwrap();
        assert_eq!(got[0].as_ptr(), small.as_ptr());
        assert_eq!(got[1], large[..1000]);
        assert_ne!(got[1].as_ptr(), large.as_ptr());
        drop(large);
        assert!(got[1].is_unique());
    }
}
