//! One connection's socket: the system's, with or without TLS.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tenfold::closing;
use tokio::io::{Interest, ReadBuf, Ready};
use tokio::time::{sleep, timeout};

use crate::sink::Branch;
use crate::tls_session::{NoHandshake, TlsSession};
use crate::transport::{Discarded, Transport};

/// What a connection is received from and written to.
#[derive(Debug)]
pub(crate) struct Socket {
    transport: Transport,
    tls: Option<Box<TlsSession>>,
    /// What its peer has shown elsewhere.
    shown: Option<Arc<[CertificateDer<'static>]>>,
}

/// What is received when nobody has said how much room there is, in bytes.
const LEAST_ROOM: usize = 64;

impl Socket {
    /// One that speaks TLS, once [the handshake](Self::handshake) is done.
    pub(crate) fn over_tls(
        transport: Transport,
        config: Arc<ServerConfig>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self {
            transport,
            tls: Some(Box::new(TlsSession::new(config)?)),
            shown: None,
        })
    }

    /// TLS, if it is spoken here and the peer has not turned out to speak none.
    fn tls(&self) -> Option<&TlsSession> {
        self.tls.as_deref().filter(|tls| !tls.is_given_up())
    }

    /// Begins TLS, where that is spoken. A peer that speaks none can be told so: after that nothing is encrypted.
    pub(crate) async fn handshake(&self) -> Result<(), NoHandshake> {
        match self.tls() {
            Some(tls) => tls.handshake(&self.transport).await,
            None => Ok(()),
        }
    }

    /// The protocol on which both sides have agreed for what is within TLS (ALPN).
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.tls()?.protocol()
    }

    /// Whether TLS is spoken here.
    pub(crate) fn is_over_tls(&self) -> bool {
        self.tls().is_some()
    }

    /// The certificate that the peer has shown, and those of its issuers.
    pub(crate) fn certificates(&self) -> Option<Arc<[CertificateDer<'static>]>> {
        match self.tls() {
            Some(tls) => tls.certificates(),
            None => self.shown.clone(),
        }
    }

    /// The same peer has shown this at another socket.
    pub(crate) fn with_certificates(self, shown: Option<Arc<[CertificateDer<'static>]>>) -> Self {
        Self { shown, ..self }
    }

    /// Sets the options of a connection.
    pub(crate) fn prepare(&self, send_buffer: Option<usize>) {
        self.transport.prepare(send_buffer);
    }

    /// Gives a peer that acknowledges nothing more time, or no more than others have.
    pub(crate) fn be_patient(&self, patient: bool) {
        self.transport.be_patient(patient);
    }

    /// Sets how many bytes the system holds for the peer.
    pub(crate) fn set_send_buffer(&self, bytes: usize) {
        self.transport.set_send_buffer(bytes);
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self.tls() {
            Some(tls) => tls.ready(&self.transport, interest).await,
            None => self.transport.ready(interest).await,
        }
    }

    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.tls() {
            Some(tls) => tls.write(&self.transport, slices),
            None => self.transport.try_write_vectored(slices),
        }
    }

    /// The stream of a guest's connection, if it is one of several.
    pub(crate) fn branch(&self) -> Option<&Branch> {
        self.transport.branch()
    }

    /// Writes a few bytes, or one slice.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.tls() {
            Some(tls) => tls.write(&self.transport, &[IoSlice::new(bytes)]),
            None => self.transport.try_write(bytes),
        }
    }

    /// Has the system take the rest of what was encrypted for the peer. Whether that is all of it, so that what was
    /// written is in the system's hands.
    pub(crate) fn flush(&self) -> io::Result<bool> {
        match self.tls() {
            Some(tls) => tls.flush(&self.transport),
            None => Ok(true),
        }
    }

    /// Reads at most `limit` bytes after what is there, as far as that has room.
    pub(crate) fn try_read(&self, into: &mut BytesMut, limit: usize) -> io::Result<usize> {
        match self.tls() {
            Some(tls) => {
                let room = (into.capacity() - into.len()).max(LEAST_ROOM);
                tls.read(&self.transport, into, limit.min(room))
            }
            None => self.transport.try_read(into, limit),
        }
    }

    /// Reads into the space of a buffer. The end is the same as no bytes into some space.
    pub(crate) fn try_read_into(&self, into: &mut ReadBuf<'_>) -> io::Result<usize> {
        if let Some(tls) = self.tls() {
            let room = into.remaining();
            return tls.read(&self.transport, into, room);
        }
        self.transport.try_read_into(into)
    }

    /// Reads what has arrived and throws it away, but not more than `limit` (rounded up to a buffer) at once.
    pub(crate) fn discard(&self, limit: usize) -> io::Result<Discarded> {
        let Some(tls) = self.tls() else {
            return self.transport.discard(limit);
        };
        match tls.discard(&self.transport, limit) {
            Ok(0) => Ok(Discarded::End),
            Ok(bytes) => Ok(Discarded::Bytes(bytes)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Discarded::Bytes(0)),
            Err(e) => Err(e),
        }
    }

    /// Writes all of a short answer.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let some = self.write_some(bytes).await?;
            bytes = &bytes[some..];
        }
        Ok(())
    }

    /// Waits until the system takes some of these bytes. How many it has taken.
    pub(crate) async fn write_some(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            self.ready(Interest::WRITABLE).await?;
            match self.try_write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The polite close: everything was written, so say that it is the end, shut down writing and wait for the peer to
    /// do the same, but neither for long nor for much. To close with unread input would make the
    /// system send a reset, which destroys what is still on its way to the peer.
    pub(crate) async fn finish(&self, half_closed: bool) {
        if let Some(tls) = self.tls() {
            tls.end();
            let flushed = timeout(closing::WAIT, self.flush_all()).await;
            if !matches!(flushed, Ok(Ok(()))) {
                return self.reset_on_close();
            }
        }
        if self.transport.shut_down_writing().is_err() || half_closed {
            return;
        }
        // However it ends, the connection is closed now.
        let _ = closing::until_peer_ends(&self.transport).await;
    }

    /// Says that it is the end as far as the system takes that now. Nobody is waited for.
    pub(crate) fn end_at_once(&self) {
        if let Some(tls) = self.tls() {
            tls.end();
            let _ = self.flush();
        }
        let _ = self.transport.shut_down_writing();
    }

    async fn flush_all(&self) -> io::Result<()> {
        while !self.flush()? {
            self.transport.ready(Interest::WRITABLE).await?;
        }
        Ok(())
    }

    /// Whether the peer's system has taken everything that was written, the end included. To be asked
    /// when both sides have ended; waits for that no longer than [`closing::WAIT`].
    pub(crate) async fn is_taken(&self) -> bool {
        let mut pause = Duration::from_millis(1);
        let taken = async {
            while self.transport.has_unacknowledged() {
                sleep(pause).await;
                pause *= 2;
            }
        };
        timeout(closing::WAIT, taken).await.is_ok() && self.noted_error().is_none()
    }

    /// Makes the coming close a reset where there is such a thing, so that the peer cannot take a
    /// torn stream for one that has ended.
    pub(crate) fn reset_on_close(&self) {
        self.transport.reset_on_close();
    }

    /// The address of this side; a unix socket has none.
    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.transport.local_address()
    }

    /// The error that the system has noted on the socket, if any.
    pub(crate) fn noted_error(&self) -> Option<io::Error> {
        self.transport.noted_error()
    }

    /// Whether anything has come from the peer that was not read as application data.
    pub(crate) fn has_received(&self) -> bool {
        self.tls().is_some_and(TlsSession::has_begun) || self.transport.has_input()
    }

    /// Whether neither side can receive any more.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.transport.is_hung_up()
    }
}

impl From<Transport> for Socket {
    fn from(transport: Transport) -> Self {
        Self {
            transport,
            tls: None,
            shown: None,
        }
    }
}
