//! The ports of a hub, as the loops that accept see them.

use std::io;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tracing::warn;

use crate::accepting::Host;
use crate::acceptor::Acceptor;
use crate::connection::Connection;
use crate::peer::Peer;
use crate::port::{Port, PortKind};
use crate::shared::Shared;
use crate::socket::Socket;
use crate::task::spawn;

pub(crate) fn doors(
    ports: impl IntoIterator<Item = Port>,
) -> io::Result<Vec<(Arc<Acceptor>, PortKind)>> {
    let door = |port: Port| Ok((Arc::new(Acceptor::new(port.listener)?), port.kind));
    ports.into_iter().map(door).collect()
}

/// One port, as the loop that accepts sees it.
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kind: PortKind,
}

impl Host for Door {
    fn serve(&self, (socket, peer): (Socket, Peer), place: Option<OwnedSemaphorePermit>) {
        let connections = self.shared.connections.count();
        socket.prepare(Some(self.shared.options.now().send_buffer(connections)));
        let is_plain = matches!(self.kind, PortKind::Plain(_));
        let connection =
            Connection::new(Arc::clone(&self.shared), Arc::new(socket), peer, is_plain);
        match &self.kind {
            PortKind::Protocol => drop(spawn(connection.serve(place))),
            PortKind::Plain(plain) => {
                drop(spawn(connection.serve_plain(Arc::clone(plain))));
            }
        }
    }

    fn failed(&self, error: io::Error) {
        self.shared.counters.accept_failed();
        warn!(%error, "cannot accept a connection");
    }
}
