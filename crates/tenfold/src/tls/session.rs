//! TLS on one connection, without a socket of its own.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::words::explain;

/// The most that is in one record, in bytes.
const RECORD: usize = 16 * 1024;

/// What is received in one call without anything to read, in bytes as they are on the wire: records can be empty
/// or change keys, so a peer could keep a call busy without end.
const PER_CALL: usize = 256 * 1024;

/// One side of TLS. Its methods are given a transport that never waits: one that says `WouldBlock` instead.
///
/// 1. [`shake_hands`](Self::shake_hands) until both sides have agreed; `read` and `write` do the same where it is
///    not done.
/// 2. [`read`](Self::read) and [`write`](Self::write); [`flush`](Self::flush) has the rest of the last record go.
/// 3. [`end`](Self::end) and `flush`: the peer reads the end. Its own end is a `read` of nothing; an end that it has
///    not said is an error.
///
/// After `WouldBlock`, wait until the transport can be read, or written if it [`owes`](Self::owes) something.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    has_ended: bool,
}

impl Session {
    pub(crate) fn connecting(config: &Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        // The zone of an IPv6 address means something on this machine only.
        let host = host.split('%').next().unwrap_or(host).to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(config), name);
        Ok(Self::new(connection.map_err(failed)?))
    }

    pub(crate) fn accepting(config: &Arc<ServerConfig>) -> io::Result<Self> {
        let connection = ServerConnection::new(Arc::clone(config));
        Ok(Self::new(connection.map_err(failed)?))
    }

    fn new(connection: impl Into<Connection>) -> Self {
        Self {
            connection: connection.into(),
            has_ended: false,
        }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether there is something for the transport.
    pub(crate) fn owes(&self) -> bool {
        self.connection.wants_write()
    }

    /// Whether a `read` would give something, or the end, without the transport.
    pub(crate) fn is_readable(&mut self) -> bool {
        match self.connection.reader().fill_buf() {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }

    /// The peer's certificate and those of its issuers, if it has shown any.
    pub(crate) fn certificates(&self) -> Option<Vec<CertificateDer<'static>>> {
        let all = self.connection.peer_certificates()?;
        Some(all.iter().map(|one| one.clone().into_owned()).collect())
    }

    /// Goes on with the handshake until it is done.
    pub(crate) fn shake_hands(&mut self, transport: &mut (impl Read + Write)) -> io::Result<()> {
        while self.connection.is_handshaking() {
            self.flush(transport)?;
            if self.connection.is_handshaking() && self.receive(transport)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the peer went away before TLS had begun (it may speak without: tcp://)",
                ));
            }
        }
        // The last of it may go later: the peer can only wait for it.
        match self.flush(transport) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads; nothing is the end that the peer has said.
    pub(crate) fn read(
        &mut self,
        transport: &mut (impl Read + Write),
        into: &mut [u8],
    ) -> io::Result<usize> {
        self.shake_hands(transport)?;
        let mut received = 0;
        loop {
            match self.connection.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(cut()),
                read => return read,
            }
            if received > PER_CALL {
                return Err(io::ErrorKind::Interrupted.into());
            }
            received += self.receive(transport)?;
        }
    }

    /// Waits for what a read would give. Whether that is something, and not the end.
    pub(crate) fn peek(&mut self, transport: &mut (impl Read + Write)) -> io::Result<bool> {
        self.shake_hands(transport)?;
        loop {
            match self.connection.reader().fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(cut()),
                there => return Ok(!there?.is_empty()),
            }
            self.receive(transport)?;
        }
    }

    /// Encrypts and writes one record after the other, each when the one before has gone. So a peer that takes
    /// nothing costs one record.
    pub(crate) fn write(
        &mut self,
        transport: &mut (impl Read + Write),
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.shake_hands(transport)?;
        let mut written = 0;
        for slice in slices {
            for record in slice.chunks(RECORD) {
                match self.flush(transport) {
                    Ok(()) => {}
                    // It is met again.
                    Err(_) if written > 0 => return Ok(written),
                    Err(error) => return Err(error),
                }
                written += self.connection.writer().write(record)?;
            }
        }
        // What is not taken now goes before whatever comes next, and that meets the error.
        let _ = self.flush(transport);
        Ok(written)
    }

    /// Has the transport take all that was encrypted.
    pub(crate) fn flush(&mut self, transport: &mut impl Write) -> io::Result<()> {
        while self.connection.wants_write() {
            match self.connection.write_tls(transport) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => drop(written?),
            }
        }
        Ok(())
    }

    /// Says, once, that nothing more comes.
    pub(crate) fn end(&mut self) {
        if !self.has_ended {
            self.has_ended = true;
            self.connection.send_close_notify();
        }
    }

    /// Receives some of what is there, and answers what TLS itself has to answer. How much it was; nothing is the
    /// transport's end.
    fn receive(&mut self, transport: &mut (impl Read + Write)) -> io::Result<usize> {
        let n = loop {
            match self.connection.read_tls(transport) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        let understood = self.connection.process_new_packets();
        // An answer, or an alert that says what is wrong, if the transport takes it.
        let _ = self.flush(transport);
        understood.map_err(failed)?;
        Ok(n)
    }
}

fn failed(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Failed(error))
}

/// An end that the peer has not said.
fn cut() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the connection was cut: it ended without the close_notify that ends a stream over TLS",
    )
}

/// TLS failed; its words are those of [`explain`].
#[derive(Debug)]
struct Failed(rustls::Error);

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&explain(&self.0))
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}
