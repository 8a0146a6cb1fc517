//! The load client that waits for acknowledgements: publishers that each have at most so many
//! messages in flight, in one thread with one epoll, the same for every server.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::Result;
use crate::acks::Acks;
use crate::frames::BLOCK;
use crate::poll::Poll;
use crate::stores::Store;

/// A server that acknowledges nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(30);

pub struct Windows {
    poll: Poll,
    ready: Vec<u64>,
    publishers: Vec<Publisher>,
    scratch: Vec<u8>,
}

struct Publisher {
    socket: TcpStream,
    acks: Acks,
    /// Equal messages, and how long one is.
    batch: Vec<u8>,
    message: usize,
    /// Bytes that were written.
    sent: u64,
    /// Messages that may be in flight.
    window: u64,
}

impl Windows {
    pub fn new() -> Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            ready: Vec::new(),
            publishers: Vec::new(),
            scratch: vec![0; 256 * 1024],
        })
    }

    /// Adds a publisher to a channel.
    pub fn add(
        &mut self,
        store: &dyn Store,
        channel: &str,
        size: usize,
        window: usize,
    ) -> Result<()> {
        let socket = store.publish(channel)?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        self.poll
            .add_both_ways(&socket, self.publishers.len() as u64)?;
        let message = store.sent(channel, size).around(&vec![b'x'; size]);
        let count = (BLOCK / message.len()).clamp(1, window.max(1));
        self.publishers.push(Publisher {
            socket,
            acks: Acks::new(store.acks()),
            batch: message.repeat(count),
            message: message.len(),
            sent: 0,
            window: window as u64,
        });
        Ok(())
    }

    /// Publishes for this long.
    pub fn run(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(true)?;
        }
        Ok(())
    }

    /// Publishes until so many messages are acknowledged.
    pub fn run_until(&mut self, messages: u64) -> Result<()> {
        let (mut since, mut acked) = (Instant::now(), self.acked());
        while acked < messages {
            self.turn(true)?;
            if self.acked() > acked {
                (since, acked) = (Instant::now(), self.acked());
            } else if since.elapsed() > STALLED {
                return Err(format!("{acked} messages were acknowledged, and no more").into());
            }
        }
        Ok(())
    }

    /// Publishes no more, and waits until everything is acknowledged, or it is an error.
    pub fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + STALLED;
        loop {
            let (sent, acked) = (self.sent(), self.acked());
            let is_cut = |one: &Publisher| !one.sent.is_multiple_of(one.message as u64);
            if sent == acked && !self.publishers.iter().any(is_cut) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("{acked} of {sent} messages were acknowledged").into());
            }
            self.turn(false)?;
        }
    }

    /// Publishes what may be published now, and takes acknowledgements, waiting for some at most
    /// 100 ms.
    pub fn turn(&mut self, publish: bool) -> Result<()> {
        self.poll
            .wait(Duration::from_millis(100), &mut self.ready)?;
        for &number in &self.ready {
            let publisher = &mut self.publishers[number as usize];
            publisher.receive(&mut self.scratch)?;
            publisher.send(publish)?;
        }
        Ok(())
    }

    /// Messages that were begun.
    pub fn sent(&self) -> u64 {
        self.publishers.iter().map(Publisher::begun).sum()
    }

    /// Messages that are acknowledged.
    pub fn acked(&self) -> u64 {
        let acked = self.publishers.iter().map(|one| one.acks.total());
        acked.sum()
    }
}

impl Publisher {
    fn begun(&self) -> u64 {
        self.sent.div_ceil(self.message as u64)
    }

    /// Writes whole messages as long as the window allows it, and what is left of one always.
    fn send(&mut self, publish: bool) -> Result<()> {
        let message = self.message as u64;
        loop {
            let most = match publish {
                true => (self.acks.total() + self.window) * message,
                false => self.begun() * message,
            };
            let room = usize::try_from(most.saturating_sub(self.sent)).unwrap_or(usize::MAX);
            if room == 0 {
                return Ok(());
            }
            let from = (self.sent % self.batch.len() as u64) as usize;
            let until = self.batch.len().min(from.saturating_add(room));
            match self.socket.write(&self.batch[from..until]) {
                Ok(written) => self.sent += written as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads answers until there are no more.
    fn receive(&mut self, scratch: &mut [u8]) -> Result<()> {
        loop {
            match self.socket.read(scratch) {
                Ok(0) => return Err("the server has closed a publisher".into()),
                Ok(read) => self.acks.take(&scratch[..read])?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if self.acks.total() > self.begun() {
            let (acked, sent) = (self.acks.total(), self.begun());
            return Err(format!("{acked} messages are acknowledged, {sent} were sent").into());
        }
        Ok(())
    }
}
