//! The handshake of a connection at a port that speaks TLS.

use std::io;

use tenfold::protocol::Refusal;

use crate::connection::Connection;
use crate::refusals::{no_handshake, speaks_tls};
use crate::reports;
use crate::tls_session::NoHandshake;

impl Connection {
    /// Begins TLS, where the port speaks that. What a peer that does not speak it is refused with; an error is
    /// the end of the connection, of which the peer is told by TLS itself.
    pub(crate) async fn shake_hands(&self) -> io::Result<Option<Refusal>> {
        match self.socket.handshake().await {
            Ok(()) => Ok(None),
            Err(NoHandshake::NotTls) => Ok(Some(speaks_tls())),
            Err(NoHandshake::Gone(error)) => Err(error),
            Err(NoHandshake::Failed(error)) => {
                let refusal = no_handshake(&error);
                reports::refused(self.peer, &refusal);
                self.shared.mistakes.note(self.peer, "TLS", &refusal);
                self.socket.finish(false).await;
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}
