//! TLS on one connection.

use std::fmt;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BufMut;
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{Interest, Ready};
use tokio::task::{consume_budget, yield_now};

use crate::transport::Transport;

/// The server's side of TLS on one transport.
///
/// It encrypts only what the transport takes: the next records are made when all of the last ones have gone, and more than
/// one only if the system has [room](Transport::room) for them. So a peer that takes nothing costs one record. The rest of
/// a record [goes first](Self::flush), before the next write or while somebody waits.
#[derive(Debug)]
pub(crate) struct TlsSession {
    state: Mutex<State>,
    /// The peer does not speak TLS, so what it is told is plain.
    is_given_up: AtomicBool,
}

#[derive(Debug)]
struct State {
    connection: ServerConnection,
    /// The first byte was received, and it was the first of TLS.
    has_begun: bool,
    /// It has received for as long as one turn may take, and there may be more.
    is_tired: bool,
}

/// Why TLS has not begun.
#[derive(Debug)]
pub(crate) enum NoHandshake {
    /// What the peer sends is not TLS.
    NotTls,
    /// Each side speaks TLS, and they do not agree. The peer is told by an alert.
    Failed(rustls::Error),
    /// The peer has gone.
    Gone(io::Error),
}

/// The most that is in one record, in bytes.
const RECORD: usize = 16 * 1024;
/// The most records that are made at once. Each write costs the system as much as it takes to encrypt some records.
const RECORDS: usize = 8;
/// What a record is longer than what is in it, at most, in bytes.
const AROUND: usize = 64;
/// The most pieces of which a record is made.
const PIECES: usize = 16;
/// What is received in one turn, in bytes as they are on the wire, besides what is worth it. Records can be empty, or
/// change keys: so a peer may send without end what gives nothing to read.
const PER_TURN: usize = 64 * 1024;
/// The first byte of TLS: that of a record with a part of the handshake.
const FIRST_BYTE: u8 = 22;

impl TlsSession {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut connection = ServerConnection::new(config)?;
        connection.set_buffer_limit(Some(RECORDS * (RECORD + AROUND)));
        Ok(Self {
            state: Mutex::new(State {
                connection,
                has_begun: false,
                is_tired: false,
            }),
            is_given_up: AtomicBool::new(false),
        })
    }

    /// Whether the peer has turned out not to speak TLS.
    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Relaxed)
    }

    /// Whether anything was received.
    pub(crate) fn has_begun(&self) -> bool {
        self.lock().has_begun
    }

    /// Begins: from here on both sides can write, and it is known which certificate the peer has.
    pub(crate) async fn handshake(&self, transport: &Transport) -> Result<(), NoHandshake> {
        loop {
            let step = self.lock().shake_hands(transport);
            match step {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(NoHandshake::NotTls) => {
                    self.is_given_up.store(true, Relaxed);
                    return Err(NoHandshake::NotTls);
                }
                Err(error) => return Err(error),
            }
            consume_budget().await;
            let ready = self.ready(transport, Interest::READABLE).await;
            ready.map_err(NoHandshake::Gone)?;
        }
    }

    /// The protocol on which both sides have agreed for what is within (ALPN).
    pub(crate) fn protocol(&self) -> Option<Vec<u8>> {
        self.lock().connection.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// The peer's certificate and those of its issuers, if it has shown any.
    pub(crate) fn certificates(&self) -> Option<Arc<[CertificateDer<'static>]>> {
        let state = self.lock();
        let all = state.connection.peer_certificates()?;
        Some(all.iter().map(|one| one.clone().into_owned()).collect())
    }

    /// Reads, at most `most` bytes. None are the end that the peer has said; an end that it has not said is an error.
    pub(crate) fn read(
        &self,
        transport: &Transport,
        into: &mut impl BufMut,
        most: usize,
    ) -> io::Result<usize> {
        let taken = |chunk: &[u8], room: usize| {
            let length = chunk.len().min(room);
            into.put_slice(&chunk[..length]);
            length
        };
        self.lock().receive(transport, most, taken)
    }

    /// Reads and throws away, at most `most` bytes.
    pub(crate) fn discard(&self, transport: &Transport, most: usize) -> io::Result<usize> {
        let taken = |chunk: &[u8], room: usize| chunk.len().min(room);
        self.lock().receive(transport, most, taken)
    }

    /// Writes what the transport takes, and up to a record more.
    pub(crate) fn write(&self, transport: &Transport, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.lock().send(transport, slices)
    }

    /// Has the transport take the rest of what was encrypted. Whether that is all of it.
    pub(crate) fn flush(&self, transport: &Transport) -> io::Result<bool> {
        self.lock().flush(transport)
    }

    /// Says that nothing more comes, once the rest has gone.
    pub(crate) fn end(&self) {
        self.lock().connection.send_close_notify();
    }

    /// Waits until there is something to read, or until a write is worth trying. Meanwhile the rest of a record goes.
    pub(crate) async fn ready(
        &self,
        transport: &Transport,
        interest: Interest,
    ) -> io::Result<Ready> {
        if interest.is_readable() {
            let is_tired = {
                let mut state = self.lock();
                if state.is_readable() {
                    return Ok(Ready::READABLE);
                }
                mem::take(&mut state.is_tired)
            };
            if is_tired {
                yield_now().await;
            }
        }
        loop {
            let owes = self.lock().connection.wants_write();
            let asked = if owes {
                interest | Interest::WRITABLE
            } else {
                interest
            };
            let ready = transport.ready(asked).await?;
            if owes && ready.is_writable() {
                self.flush(transport)?;
            }
            if is_met(interest, ready) {
                return Ok(ready);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Goes on with the handshake. Whether it is done.
    fn shake_hands(&mut self, transport: &Transport) -> Result<bool, NoHandshake> {
        if !self.connection.is_handshaking() {
            return Ok(true);
        }
        match self.read_records(transport) {
            Ok(0) => return Err(NoHandshake::Gone(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error)
                if error
                    .get_ref()
                    .is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotTls>) =>
            {
                return Err(NoHandshake::NotTls);
            }
            Err(error) => return Err(NoHandshake::Gone(error)),
        }
        let understood = self.connection.process_new_packets();
        // What is left of an answer, or of an alert, goes while the connection waits.
        self.flush(transport).map_err(NoHandshake::Gone)?;
        understood.map_err(NoHandshake::Failed)?;
        Ok(!self.connection.is_handshaking())
    }

    /// Gives `take` what was decrypted and how much it may take of that, until it has taken `most`, or nothing more
    /// comes now.
    fn receive(
        &mut self,
        transport: &Transport,
        most: usize,
        mut take: impl FnMut(&[u8], usize) -> usize,
    ) -> io::Result<usize> {
        let (mut taken, mut on_wire) = (0, 0);
        while taken < most {
            match self.connection.reader().fill_buf() {
                Ok([]) => break,
                Ok(chunk) => {
                    let some = take(chunk, most - taken);
                    taken += some;
                    self.connection.reader().consume(some);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
            if on_wire >= PER_TURN + 2 * taken {
                if taken > 0 {
                    break;
                }
                self.is_tired = true;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            match self.read_records(transport) {
                Ok(some) => on_wire += some,
                // The error is met again, and so is the end.
                Err(_) if taken > 0 => break,
                Err(error) => return Err(error),
            }
            if let Err(error) = self.connection.process_new_packets() {
                // An alert says what is wrong, if the transport takes it.
                let _ = self.flush(transport);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        Ok(taken)
    }

    /// Receives some of what is there. How many bytes that were.
    fn read_records(&mut self, transport: &Transport) -> io::Result<usize> {
        let mut input = Input {
            transport,
            has_begun: &mut self.has_begun,
        };
        loop {
            match self.connection.read_tls(&mut input) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Whether there is something to read, or the end, without anything more from the transport.
    fn is_readable(&mut self) -> bool {
        match self.connection.reader().fill_buf() {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }

    /// Encrypts as many records as the transport takes at once, when those before have gone.
    fn send(&mut self, transport: &Transport, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.connection.is_handshaking() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let mut unsent = Unsent { slices, begun: 0 };
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut written = 0;
        while !unsent.slices.is_empty() {
            match self.flush(transport) {
                Ok(true) => {}
                Ok(false) if written == 0 => return Err(io::ErrorKind::WouldBlock.into()),
                Ok(false) => return Ok(written),
                // It is met again.
                Err(_) if written > 0 => return Ok(written),
                Err(error) => return Err(error),
            }
            let records = match all - written {
                0..=RECORD => 1,
                _ => (transport.room() / RECORD).clamp(1, RECORDS),
            };
            for _ in 0..records {
                let mut record = [IoSlice::new(&[]); PIECES];
                let pieces = unsent.record(&mut record);
                let some = self.connection.writer().write_vectored(&record[..pieces])?;
                unsent.advance(some);
                written += some;
                if unsent.slices.is_empty() {
                    break;
                }
            }
        }
        // What is not taken now goes before whatever comes next, and that meets the error, too.
        let _ = self.flush(transport);
        Ok(written)
    }

    fn flush(&mut self, transport: &Transport) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Output(transport)) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// What is left of slices that are written a record at a time.
struct Unsent<'a> {
    slices: &'a [IoSlice<'a>],
    /// So many bytes of the first are written.
    begun: usize,
}

impl<'a> Unsent<'a> {
    /// The pieces of the next record. How many they are.
    fn record(&self, pieces: &mut [IoSlice<'a>; PIECES]) -> usize {
        let (mut used, mut left, mut begun) = (0, RECORD, self.begun);
        for slice in self.slices {
            if used == PIECES || left == 0 {
                break;
            }
            let rest = &slice[begun..];
            let piece = &rest[..rest.len().min(left)];
            pieces[used] = IoSlice::new(piece);
            left -= piece.len();
            used += 1;
            begun = 0;
        }
        used
    }

    /// So many more bytes are written.
    fn advance(&mut self, bytes: usize) {
        self.begun += bytes;
        while let [first, rest @ ..] = self.slices
            && self.begun >= first.len()
        {
            self.begun -= first.len();
            self.slices = rest;
        }
    }
}

/// What the peer has sent, as long as it begins as TLS does.
struct Input<'a> {
    transport: &'a Transport,
    has_begun: &'a mut bool,
}

/// That the first byte is not one of TLS.
#[derive(Debug)]
struct NotTls;

impl Read for Input<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.transport.try_read_slice(into)?;
        let received = &into[..length];
        if !*self.has_begun
            && let Some(first) = received.first()
        {
            if *first != FIRST_BYTE {
                return Err(io::Error::new(io::ErrorKind::InvalidData, NotTls));
            }
            *self.has_begun = true;
        }
        Ok(length)
    }
}

impl fmt::Display for NotTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not TLS")
    }
}

impl std::error::Error for NotTls {}

/// Where encrypted records go.
struct Output<'a>(&'a Transport);

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether something has come that was waited for.
fn is_met(interest: Interest, ready: Ready) -> bool {
    ready.is_error()
        || (interest.is_readable() && ready.is_readable())
        || (interest.is_writable() && ready.is_writable())
}
