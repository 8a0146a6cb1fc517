//! The other side of a connection on which we only send.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_error;
use tenfold::{Address, Listener, Stream, closing};

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::look_alike;
use crate::flow::output::Output;
use crate::flow::unacknowledged::unacknowledged;
use crate::numbers::counted;
use crate::signals;
use crate::words::Words;

/// Takes what is sent. What the other side sends itself is read and thrown away, but for its first bytes:
/// bytes that we left unread would block it, and would turn our end of the stream into a reset.
#[derive(Debug)]
pub(crate) struct Receiver {
    peer: Peer,
    timeout: Option<Duration>,
    /// Bytes that were written.
    written: u64,
    /// Where the next is waited for if this one goes away before it was sent anything.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    listener: Listener,
    words: Words,
}

/// One connection.
#[derive(Debug)]
struct Peer {
    stream: Stream,
    name: String,
    /// What was connected to.
    address: Option<Address>,
    /// The first bytes that the other side has sent.
    heard: Arc<Mutex<Vec<u8>>>,
    /// Tells how the other side has ended its stream.
    ending: mpsc::Receiver<io::Result<()>>,
    /// How it has.
    ended: Option<io::Result<()>>,
}

/// Bytes of the other side that are kept: more than a hub says to who does not ask properly.
const HEARD: usize = 4 * 1024;

/// How soon a probe that only looks whether somebody listens has closed again.
const PROBE: Duration = Duration::from_millis(100);

/// The first and the longest pause between two looks at what is acknowledged.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

impl Receiver {
    /// One that was connected to.
    pub(crate) fn at(
        address: Address,
        stream: Stream,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            peer: Peer::new(stream, address.to_string(), Some(address), timeout)?,
            timeout,
            written: 0,
            waiting: None,
        })
    }

    /// The first that connects and takes something.
    pub(crate) fn accept(
        listener: Listener,
        timeout: Option<Duration>,
        words: &Words,
    ) -> Result<Self, Failure> {
        let (stream, name) = connect::accept(&listener, timeout, words)?;
        Ok(Self {
            peer: Peer::new(stream, name, None, timeout)?,
            timeout,
            written: 0,
            waiting: Some(Waiting {
                listener,
                words: words.clone(),
            }),
        })
    }

    /// The end of the stream: everything was written. Waits until the system of the other side has
    /// acknowledged it, and until the other side has seen the end, but for that not for long.
    pub(crate) fn close(mut self) -> Result<(), Failure> {
        let ended = closing::end_writing(&self.peer.stream);
        ended.map_err(|error| self.failure(&error))?;
        self.await_acknowledgement()?;
        self.peer.await_end(closing::WAIT);
        self.check_peer()
    }

    fn await_acknowledgement(&mut self) -> Result<(), Failure> {
        let (mut pause, mut least, mut since) = (PAUSES.0, u64::MAX, Instant::now());
        loop {
            self.peer.await_end(pause);
            self.check_peer()?;
            let Some(left @ 1..) = unacknowledged(&self.peer.stream) else {
                return Ok(());
            };
            if left < least {
                (least, since) = (left, Instant::now());
            }
            if let Some(timeout) = self.timeout
                && since.elapsed() >= timeout
            {
                return Err(Failure::TimedOut(format!(
                    "the system of {} acknowledged nothing for {timeout:?} (--timeout): the last {} may not have arrived",
                    self.peer.name,
                    counted(left.min(self.written), "byte")
                )));
            }
            if self.peer.ended.is_some() {
                thread::sleep(pause);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Whether the other side has said or done something after which nothing can be said to have arrived.
    fn check_peer(&self) -> Result<(), Failure> {
        if let Some(failure) = self.peer.is_wrong() {
            return Err(failure);
        }
        if self.written == 0 {
            return Ok(());
        }
        match (&self.peer.ended, self.peer.error()) {
            (Some(Err(error)), _) => Err(self.failure(error)),
            (_, Some(error)) => Err(self.failure(&error)),
            _ => Ok(()),
        }
    }

    fn failure(&self, error: &io::Error) -> Failure {
        if let Some(failure) = self.peer.is_wrong() {
            return failure;
        }
        let name = &self.peer.name;
        match (error.kind(), self.timeout) {
            (io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut, Some(timeout)) => {
                Failure::TimedOut(format!("{name} took nothing for {timeout:?} (--timeout)"))
            }
            (io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset, _) => {
                let sent = counted(self.written, "byte");
                let known = match unacknowledged(&self.peer.stream) {
                    Some(left) => format!(
                        "its system has acknowledged all but {}",
                        counted(left, "byte")
                    ),
                    None => "what it had not read by then is lost".to_owned(),
                };
                Failure::Other(format!(
                    "{name} went away before it had read everything: {error} after {sent} were sent; {known}"
                ))
            }
            _ => Failure::Other(format!("cannot send to {name}: {error}")),
        }
    }

    /// Sends the first bytes. A peer that has connected only to look, and is gone before it was sent anything, is not
    /// a receiver: the next is waited for.
    fn send_first(&mut self, bytes: &[u8], waiting: &Waiting) -> Result<(), Failure> {
        loop {
            self.peer.await_end(PROBE);
            let sent = match &self.peer.ended {
                None => return self.send(bytes),
                // It may have ended its own side only.
                Some(Ok(())) => self.peer.takes(bytes),
                Some(Err(_)) => false,
            };
            if sent {
                self.written += bytes.len() as u64;
                return Ok(());
            }
            waiting.words.note(format_args!(
                "{} went away before it was sent anything; waiting for the next",
                self.peer.name
            ));
            let (stream, name) = connect::accept(&waiting.listener, self.timeout, &waiting.words)?;
            self.peer = Peer::new(stream, name, None, self.timeout)?;
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let _held = signals::hold();
        if let Err(error) = self.peer.stream.write_all(bytes) {
            // What the other side has said about it may be on its way.
            self.peer.await_end(closing::WAIT);
            return Err(match &self.peer.ended {
                // Over TLS that is an alert, which says more than that the connection has gone.
                Some(Err(said)) if said.kind() == io::ErrorKind::InvalidData => self.failure(said),
                _ => self.failure(&error),
            });
        }
        self.written += bytes.len() as u64;
        Ok(())
    }
}

impl Output for Receiver {
    fn take(&mut self, bytes: &mut Vec<u8>, _messages: u64) -> Result<(), Failure> {
        match self.waiting.take() {
            Some(waiting) if !bytes.is_empty() => self.send_first(bytes, &waiting)?,
            waiting => {
                self.waiting = waiting;
                self.send(bytes)?;
            }
        }
        bytes.clear();
        Ok(())
    }
}

impl Peer {
    fn new(
        stream: Stream,
        name: String,
        address: Option<Address>,
        timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let failed = |error: io::Error| {
            Failure::Other(format!("cannot use the connection to {name}: {error}"))
        };
        stream.set_write_timeout(timeout).map_err(failed)?;
        let input = stream.try_clone().map_err(failed)?;
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let keep = Arc::clone(&heard);
        let (end, ending) = mpsc::channel();
        thread::spawn(move || {
            // Nobody asks any more when the command has ended.
            let _ = end.send(listen_to(input, &keep));
        });
        Ok(Self {
            stream,
            name,
            address,
            heard,
            ending,
            ended: None,
        })
    }

    /// Waits until the other side ends, but no longer than this.
    fn await_end(&mut self, time: Duration) {
        if self.ended.is_some() {
            return;
        }
        match self.ending.recv_timeout(time) {
            Ok(end) => self.ended = Some(end),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    /// The error that the system has noted.
    fn error(&self) -> Option<io::Error> {
        match socket_error(&self.stream) {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(error) => Some(error.into()),
        }
    }

    /// Writes to a peer that has ended its own side. Whether its system takes that, which it refuses when
    /// nobody has the connection any more.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        if self.stream.write_all(bytes).is_err() {
            return false;
        }
        let mut pause = PAUSES.0;
        loop {
            if self.error().is_some() {
                return false;
            }
            match unacknowledged(&self.stream) {
                Some(1..) => thread::sleep(pause),
                _ => return self.error().is_none(),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// A peer that has said that it does not take what it was sent. A hub says so as the last thing.
    fn is_wrong(&self) -> Option<Failure> {
        /// An alert of TLS that ends the connection: type, version, length 2, fatal.
        const ALERT: (&[u8], &[u8]) = (&[0x15, 3], &[0, 2, 2]);

        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.starts_with(ALERT.0) && heard.get(3..6) == Some(ALERT.1) {
            return Some(Failure::Other(format!(
                "{} speaks TLS, and has answered with an alert: it took no message",
                self.name
            )));
        }
        self.ended.as_ref()?;
        let address = self.address.as_ref()?;
        look_alike::refusal_in(&heard).map(|refusal| look_alike::is_a_hub(address, "pub", &refusal))
    }
}

/// Reads what the other side sends, to its end. The first of it is kept.
fn listen_to(mut input: Stream, heard: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut buffer = [0; 8 * 1024];
    loop {
        let n = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            // An end that TLS has not said is one for who only sends: nothing of ours is lost by it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEARD - heard.len();
        heard.extend_from_slice(&buffer[..n.min(room)]);
    }
}
