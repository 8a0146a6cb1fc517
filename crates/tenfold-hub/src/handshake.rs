//! The handshake of a connection at a port that speaks TLS.

use std::io;

use tenfold::protocol::Refusal;

use crate::connection::Connection;
use crate::deadline::within;
use crate::refusals::{late_handshake, no_handshake, shutdown, speaks_tls};
use crate::tls_session::NoHandshake;

impl Connection {
    /// [`shake_hands`](Self::shake_hands) within the time for a request, where another protocol follows.
    pub(crate) async fn shake_hands_in_time(&self) -> io::Result<Option<Refusal>> {
        let time = self.shared.options.now().request_timeout;
        tokio::select! {
            shaken = within(time, self.shake_hands()) => {
                shaken.unwrap_or_else(|| Ok(Some(late_handshake())))
            }
            () = self.shared.draining.raised() => Ok(Some(shutdown())),
        }
    }

    /// Begins TLS, where the port speaks that. What a peer that does not speak it is refused with; an error is
    /// the end of the connection, of which the peer is told by TLS itself.
    pub(crate) async fn shake_hands(&self) -> io::Result<Option<Refusal>> {
        match self.socket.handshake().await {
            Ok(()) => Ok(None),
            Err(NoHandshake::NotTls) => Ok(Some(speaks_tls())),
            Err(NoHandshake::Gone(error)) => Err(error),
            Err(NoHandshake::Failed(error)) => {
                let refusal = no_handshake(&error);
                self.note(&refusal, "TLS");
                self.socket.finish(false).await;
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }
}
