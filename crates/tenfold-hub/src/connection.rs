//! One connection of a hub, from its first byte to its last.

use std::fmt::Display;
use std::sync::Arc;

use tenfold::protocol::Refusal;
use tenfold::{Encoder, Framing, closing};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::presence::Presence;
use crate::reports;
use crate::shared::Shared;
use crate::socket::{Peer, Socket};

/// A connection, until it is known what it is for.
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) peer: Peer,
    pub(crate) stay: Arc<Stay>,
}

/// What a connection takes from the hub's limits, until the last of its tasks has dropped it.
pub(crate) struct Stay {
    /// A place among the connections that are served; `None`: the hub has no more.
    pub(crate) place: Option<OwnedSemaphorePermit>,
    #[expect(dead_code, reason = "held for its drop")]
    presence: Presence,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, socket: Socket, peer: Peer) -> Self {
        shared.counters.accepted();
        // Taken here, and not by the task of the connection: places go by the order of accepting.
        let place = Arc::clone(&shared.places).try_acquire_owned().ok();
        Self {
            stay: Arc::new(Stay {
                place,
                presence: shared.connections.enter(),
            }),
            shared,
            socket: Arc::new(socket),
            peer,
        }
    }

    pub(crate) async fn refuse(&self, refusal: &Refusal, half_closed: bool) {
        reports::refused(self.peer, refusal);
        self.say(&framed([refusal]), half_closed).await;
    }

    /// Says something short, and closes. It fits into the system's buffer, so a peer that takes
    /// nothing is not waited for.
    pub(crate) async fn say(&self, bytes: &[u8], half_closed: bool) {
        let time = self.shared.options.request_timeout.max(closing::WAIT);
        if let Ok(Ok(())) = timeout(time, self.socket.write_all(bytes)).await {
            self.socket.finish(half_closed).await;
        } else {
            // A reset, so that the peer does not take a part of the answer for all of it.
            self.socket.reset_on_close();
        }
    }
}

/// Lines as frames.
pub(crate) fn framed(lines: impl IntoIterator<Item = impl Display>) -> Vec<u8> {
    let mut encoder = Encoder::new(Framing::default().server());
    let mut frames = Vec::new();
    for line in lines {
        // A line is far from the length that would not fit a header.
        let _ = encoder.encode(line.to_string().as_bytes(), &mut frames);
    }
    frames
}
