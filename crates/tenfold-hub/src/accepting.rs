//! Accepting connections, whatever happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::acceptor::Acceptor;
use crate::peer::Peer;
use crate::presence::Present;
use crate::transport::Transport;

/// After the system refused to accept a client, mostly for lack of file descriptors, the next
/// attempt comes after this time: soon enough for people, and no busy loop.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long to wait after an error of `accept` before the next attempt; `None`: not at all, because
/// the error says something about the client that was to be accepted, and nothing about the next.
///
/// ```
/// use std::io;
/// use tenfold_hub::pause_after;
///
/// assert!(pause_after(&io::ErrorKind::ConnectionAborted.into()).is_none());
/// let too_many_files = io::Error::from_raw_os_error(24);
/// assert!(pause_after(&too_many_files).is_some());
/// ```
pub fn pause_after(error: &io::Error) -> Option<Duration> {
    let is_of_one_client = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    (!is_of_one_client).then_some(ACCEPT_PAUSE)
}

/// The server that accepts, and what it does with each client.
pub(crate) trait Host: Send + 'static {
    /// Takes care of a connection, which has one of the places until `place` is dropped.
    fn serve(&self, client: (Transport, Peer), place: Option<OwnedSemaphorePermit>);

    /// Is told of a client that could not be accepted.
    fn failed(&self, error: io::Error);
}

/// Places for clients. Clones are handles to the same places.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Loops that wait for a place before they accept the next client.
    waiting: Present,
}

impl Places {
    pub(crate) fn new(free: Arc<Semaphore>) -> Self {
        Self {
            free,
            waiting: Present::default(),
        }
    }

    /// Waits for a place.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        let free = Arc::clone(&self.free);
        if let Ok(place) = Arc::clone(&free).try_acquire_owned() {
            return Some(place);
        }
        let _waiting = self.waiting.enter();
        // The semaphore is never closed.
        free.acquire_owned().await.ok()
    }

    /// Waits until all places are taken, and another one is wanted.
    pub(crate) async fn wanted(&self) {
        self.waiting.until(|count| count > 0).await;
    }
}

/// Accepts clients until it is aborted. Where there are `places`, a client is accepted only when
/// there is one for it.
pub(crate) async fn accept(acceptor: Arc<Acceptor>, places: Option<Places>, host: impl Host) {
    loop {
        let place = match &places {
            Some(places) => places.take().await,
            None => None,
        };
        match acceptor.accept().await {
            Ok(client) => host.serve(client, place),
            Err(error) => {
                let pause = pause_after(&error);
                host.failed(error);
                if let Some(pause) = pause {
                    sleep(pause).await;
                }
            }
        }
    }
}
