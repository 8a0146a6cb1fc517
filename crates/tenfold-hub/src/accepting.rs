//! Accepting connections, whatever happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::acceptor::Acceptor;
use crate::peer::Peer;
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
pub(crate) trait Host: Send + Sync + 'static {
    /// What a client needs to be accepted.
    type Place: Send;

    /// Waits until there is a place for another client.
    fn place(&self) -> impl Future<Output = Self::Place> + Send;

    /// Takes care of a connection.
    fn serve(&self, client: (Transport, Peer), place: Self::Place);

    /// Is told of a client that could not be accepted.
    fn failed(&self, error: io::Error);
}

/// Accepts clients until it is aborted.
pub(crate) async fn accept(acceptor: Arc<Acceptor>, host: impl Host) {
    loop {
        let place = host.place().await;
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
