//! The sending half of the load client: batches of equal messages, as fast as the server takes
//! them, but never more than 4 MiB ahead of the slowest subscriber.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::Result;
use crate::frames::batch;
use crate::servers::Server;

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
    /// Publishes messages of this size to a server.
    pub fn new(server: &dyn Server, size: usize) -> Result<Self> {
        let socket = server.publish()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let message = server.sent(size).around(&vec![b'x'; size]);
        let (batch, count) = batch(&message);
        Ok(Self {
            socket,
            batch,
            arrives: (count * server.delivered(size).len(size)) as u64,
            sent: 0,
            batches: 0,
        })
    }

    pub fn socket(&self) -> &TcpStream {
        &self.socket
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

    /// The most that a subscriber can have received: the batches that are sent, and one more for
    /// that which is being sent and for what a server may put between messages.
    pub fn most_received(&self) -> u64 {
        (self.batches + 1) * self.arrives
    }
}
