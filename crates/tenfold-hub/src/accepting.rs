//! Accepting connections, whatever happens.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use crate::acceptor::Acceptor;
use crate::socket::{Peer, Socket};

/// After the system refused to accept a client, mostly for lack of file descriptors, the next
/// attempt comes after this time: soon enough for people, and no busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who accepts, and what becomes of who was accepted.
pub(crate) trait Host: Send + 'static {
    /// Takes care of a connection. It has one of the places for as long as it keeps it.
    fn serve(&self, client: (Socket, Peer), place: Option<OwnedSemaphorePermit>);

    /// Is told of a client that could not be accepted.
    fn failed(&self, error: io::Error);
}

/// Accepts clients until it is aborted. Where there are `places`, somebody is accepted only when
/// there is one for him.
pub(crate) async fn accept(acceptor: Acceptor, places: Option<Arc<Semaphore>>, host: impl Host) {
    loop {
        let place = match &places {
            // The semaphore is never closed.
            Some(places) => Arc::clone(places).acquire_owned().await.ok(),
            None => None,
        };
        match acceptor.accept().await {
            Ok(client) => host.serve(client, place),
            Err(error) => {
                let of_one_client = is_of_one_client(&error);
                host.failed(error);
                if !of_one_client {
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Whether an error says something about the client that was to be accepted, and nothing about
/// the next.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}
