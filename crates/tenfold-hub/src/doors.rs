//! The ports of a hub, as the loops that accept see them.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use tracing::warn;

use crate::accepting::Host;
use crate::acceptor::Acceptor;
use crate::clients::Via;
use crate::connection::Connection;
use crate::guest::Guest;
use crate::hub_options::HubOptions;
use crate::peer::Peer;
use crate::port::{Port, PortKind};
use crate::shared::Shared;
use crate::socket::Socket;
use crate::task::spawn;
use crate::transport::Transport;

pub(crate) fn doors(
    ports: impl IntoIterator<Item = Port>,
    options: &HubOptions,
) -> io::Result<Vec<(Arc<Acceptor>, PortKind)>> {
    let door = |port: Port| {
        let acceptor = Acceptor::new(port.listener)?.over_tls(port.is_over_tls);
        if acceptor.is_over_tls() && acceptor.config().is_none() && options.tls.is_none() {
            let words = "a port over TLS needs a certificate, and there is none";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, words));
        }
        Ok((Arc::new(acceptor), port.kind))
    };
    ports.into_iter().map(door).collect()
}

/// One port, as the loop that accepts sees it.
pub(crate) struct Door {
    pub(crate) shared: Arc<Shared>,
    pub(crate) kind: PortKind,
    pub(crate) acceptor: Arc<Acceptor>,
}

impl Door {
    /// Whether something comes before it is known what a client wants: a handshake, a request or a token.
    fn waits_first(&self) -> bool {
        let asks = match &self.kind {
            PortKind::Protocol => true,
            PortKind::Plain(plain) => plain.asks_token,
            PortKind::Guests(_) => false,
        };
        asks || self.acceptor.is_over_tls()
    }

    fn socket(&self, transport: Transport) -> Result<Socket, rustls::Error> {
        if !self.acceptor.is_over_tls() {
            return Ok(transport.into());
        }
        let options = self.shared.options.now();
        let newest = options.tls.as_ref().map(|tls| &tls.config);
        match newest.or_else(|| self.acceptor.config()) {
            Some(config) => Socket::over_tls(transport, self.with_protocols(config)),
            // Nothing is ever sent in plain where TLS is to be spoken.
            None => Err(rustls::Error::General("there is no certificate".to_owned())),
        }
    }
}

impl Door {
    /// The configuration with the names of what is spoken here.
    fn with_protocols(&self, config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
        let protocols = match &self.kind {
            PortKind::Guests(host) => host.protocols(),
            _ => Vec::new(),
        };
        if protocols.is_empty() || protocols == config.alpn_protocols {
            return Arc::clone(config);
        }
        let mut own = ServerConfig::clone(config);
        own.alpn_protocols = protocols;
        Arc::new(own)
    }
}

impl Host for Door {
    type Place = ();

    async fn place(&self) {
        if let PortKind::Guests(_) = self.kind {
            self.shared.guests.room().await;
        } else if self.waits_first() {
            self.shared.pending.room().await;
        }
    }

    fn serve(&self, (transport, peer): (Transport, Peer), (): ()) {
        let socket = match self.socket(transport) {
            Ok(socket) => socket,
            Err(error) => return self.failed(io::Error::other(error)),
        };
        let connections = self.shared.connections.count();
        socket.prepare(Some(self.shared.options.now().send_buffer(connections)));
        let socket = Arc::new(socket);
        let connection =
            |via| Connection::new(Arc::clone(&self.shared), Arc::clone(&socket), peer, via);
        let enter = || self.shared.pending.enter(peer);
        match &self.kind {
            PortKind::Protocol => drop(spawn(connection(Via::Protocol).serve(enter()))),
            PortKind::Plain(plain) => {
                let pending = self.waits_first().then(enter);
                let connection = connection(Via::Plain);
                drop(spawn(connection.serve_plain(Arc::clone(plain), pending)));
            }
            PortKind::Guests(host) => {
                let pending = self.shared.guests.enter(peer);
                let guest = Guest::new(Arc::clone(&self.shared), Arc::clone(&socket), peer);
                drop(spawn(guest.come_in(Arc::clone(host), pending)));
            }
        }
    }

    fn failed(&self, error: io::Error) {
        self.shared.counters.accept_failed();
        warn!(%error, "cannot accept a connection");
    }
}
