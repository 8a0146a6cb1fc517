//! A hub that does what a test tells it, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use tenfold::Address;

/// Longer than anything takes, unless it never happens.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// The epoch of the transcripts.
pub(crate) const EPOCH: &str = "0123456789abcdef";

/// A script that runs beside the test; a panic in it fails the test when it is joined.
pub(crate) struct Script {
    pub(crate) address: Address,
    thread: JoinHandle<()>,
}

/// What the script has.
pub(crate) struct Hub {
    listener: TcpListener,
}

/// A connection of a client.
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Script {
    pub(crate) fn run(script: impl FnOnce(&Hub) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().into();
        let hub = Hub { listener };
        let thread = std::thread::spawn(move || script(&hub));
        Self { address, thread }
    }

    pub(crate) fn join(self) {
        if let Err(panic) = self.thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Hub {
    /// The next connection, whose request must be this.
    pub(crate) fn accept(&self, request: &str) -> Connection {
        let mut connection = self.accept_any();
        assert_eq!(connection.frame().escape_ascii().to_string(), request);
        connection
    }

    /// The next connection, with whatever request.
    pub(crate) fn accept_any(&self) -> Connection {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream }
    }

    /// Whether nobody waits to be accepted.
    pub(crate) fn is_left_alone(&self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        self.listener.accept().is_err()
    }
}

impl Connection {
    /// The next frame.
    pub(crate) fn frame(&mut self) -> Vec<u8> {
        let mut header = [0; 10];
        self.stream.read_exact(&mut header).unwrap();
        let length = str::from_utf8(&header).unwrap().trim_end();
        let mut payload = vec![0; length.parse().unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        payload
    }

    /// The next frames must be these.
    pub(crate) fn expect(&mut self, messages: &[&str]) {
        for message in messages {
            assert_eq!(self.frame().escape_ascii().to_string(), **message);
        }
    }

    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0; 100]).unwrap(), 0);
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// One frame.
    pub(crate) fn say(&mut self, payload: &str) {
        assert!(self.try_say(payload), "the client has gone");
    }

    /// The same to a client that may have gone: whether it has not.
    pub(crate) fn try_say(&mut self, payload: &str) -> bool {
        let frame = format!("{:<10}{payload}", payload.len());
        self.stream.write_all(frame.as_bytes()).is_ok()
    }

    /// The answer to `SUBSCRIBE`.
    pub(crate) fn streams(&mut self, from: u64, first: u64, next: u64) {
        self.say(&format!(
            "OK epoch={EPOCH} from={from} first={first} next={next}"
        ));
    }

    /// The answer to `PUBLISH`.
    pub(crate) fn go_on(&mut self, next: u64) {
        self.say(&format!("OK epoch={EPOCH} next={next} acks=memory"));
    }

    /// Ends the hub's direction and waits for the client's end.
    pub(crate) fn end(mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self.wait_for_end();
    }

    /// Waits until the client is gone.
    pub(crate) fn wait_for_end(&mut self) {
        let mut buffer = [0; 4096];
        while self.stream.read(&mut buffer).is_ok_and(|n| n > 0) {}
    }
}
