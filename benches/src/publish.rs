//! The sending half of the load client: batches of equal messages, as fast as the server takes
//! them, but never more than 4 MiB ahead of the slowest subscriber.

use std::io::{self, Write};
use std::net::TcpStream;

/// How far a publisher may be ahead of the slowest subscriber, in received bytes.
const OUTSTANDING: u64 = 4 * 1024 * 1024;

pub struct Publisher {
    socket: TcpStream,
    batch: Vec<u8>,
    /// What one batch is when it arrives, which differs from what is sent in some protocols.
    arrives: u64,
    sent: usize,
    batches: u64,
}

impl Publisher {
    /// A publisher of a batch of `count` messages, each of which arrives as so many bytes.
    pub fn new(
        socket: TcpStream,
        batch: Vec<u8>,
        count: usize,
        message_arrives: usize,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            batch,
            arrives: (count * message_arrives) as u64,
            sent: 0,
            batches: 0,
        })
    }

    /// Sends what may be sent now, given what the slowest subscriber has received.
    pub fn turn(&mut self, least_received: u64) -> io::Result<()> {
        while self.batches * self.arrives < least_received + OUTSTANDING {
            match self.socket.write(&self.batch[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if self.sent == self.batch.len() {
                self.sent = 0;
                self.batches += 1;
            }
        }
        Ok(())
    }
}
