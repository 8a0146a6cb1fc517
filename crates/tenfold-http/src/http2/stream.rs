//! What is sent of one answer.

use std::future::poll_fn;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use tenfold_hub::Sink;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::session::TAKES_NOTHING;

/// How much of one answer is handed on before it is sent, in bytes. It is what a client that takes nothing may cost for each
/// stream.
pub(super) const SEND_BUFFER: usize = 32 * 1024;

/// A stream of messages that the hub writes.
#[derive(Debug)]
pub(super) struct Stream(Mutex<SendStream<Bytes>>);

impl Stream {
    pub(super) fn new(stream: SendStream<Bytes>) -> Self {
        Self(Mutex::new(stream))
    }

    fn lock(&self) -> MutexGuard<'_, SendStream<Bytes>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Stream {
    fn room(&self, wanted: usize) -> io::Result<usize> {
        let mut stream = self.lock();
        // What one stream reserves of the connection's window, no other has.
        stream.reserve_capacity(wanted.min(SEND_BUFFER));
        Ok(stream.capacity())
    }

    fn put(&self, bytes: Bytes) -> io::Result<()> {
        let put = self.lock().send_data(bytes, false);
        put.map_err(|_| gone())
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.lock();
        if stream.capacity() > 0 {
            return Poll::Ready(Ok(()));
        }
        match ready!(stream.poll_capacity(cx)) {
            Some(Ok(_)) => Poll::Ready(Ok(())),
            Some(Err(_)) | None => Poll::Ready(Err(gone())),
        }
    }

    fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.lock().poll_reset(cx).map(|_| gone())
    }

    fn end(&self) {
        // Whoever has gone is told nothing.
        let _ = self.lock().send_data(Bytes::new(), true);
    }

    fn cut(&self) {
        self.lock().send_reset(Reason::CANCEL);
    }
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// Sends all of a short body and its end, unless the client takes nothing for a while.
pub(super) async fn send_all(
    mut stream: SendStream<Bytes>,
    mut bytes: Bytes,
) -> Result<(), Failure> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len().min(SEND_BUFFER));
        let room = timeout(TAKES_NOTHING, poll_fn(|cx| stream.poll_capacity(cx))).await;
        let Ok(Some(Ok(room))) = room else {
            stream.send_reset(Reason::CANCEL);
            return Err(Failure::Gone);
        };
        let some = bytes.split_to(room.min(bytes.len()));
        let is_last = bytes.is_empty();
        let sent = stream.send_data(some, is_last);
        sent.map_err(|_| Failure::Gone)?;
    }
    Ok(())
}
