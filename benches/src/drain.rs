//! The receiving half of the load client: counts what arrives at N subscribers, and copies nothing.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::poll::Poll;

pub struct Drain {
    poll: Poll,
    ready: Vec<u64>,
    subscribers: Vec<Subscriber>,
    /// What a publisher gets (redis answers each message, for one), which nobody counts.
    answers: Option<TcpStream>,
    /// Where nothing is ever put: `MSG_TRUNC` lets the system throw the bytes away, and the
    /// buffer only says how many at most.
    nowhere: Vec<u8>,
    open: usize,
    total: u64,
}

struct Subscriber {
    socket: TcpStream,
    received: u64,
}

/// The number of the publisher in the poll; subscribers count from 0.
const ANSWERS: u64 = u64::MAX;

impl Drain {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            ready: Vec::new(),
            subscribers: Vec::new(),
            answers: None,
            nowhere: vec![0; 1024 * 1024],
            open: 0,
            total: 0,
        })
    }

    pub fn connect(&mut self, address: SocketAddr) -> io::Result<()> {
        self.add(TcpStream::connect(address)?)
    }

    pub fn add(&mut self, socket: TcpStream) -> io::Result<()> {
        socket.set_nonblocking(true)?;
        self.poll.add(&socket, self.subscribers.len() as u64)?;
        self.subscribers.push(Subscriber {
            socket,
            received: 0,
        });
        self.open += 1;
        Ok(())
    }

    /// Throws away what this publisher is answered, so that the server never waits for it.
    pub fn ignore_answers(&mut self, publisher: &TcpStream) -> io::Result<()> {
        let socket = publisher.try_clone()?;
        socket.set_nonblocking(true)?;
        self.poll.add(&socket, ANSWERS)?;
        self.answers = Some(socket);
        Ok(())
    }

    /// Takes what has arrived, waiting for it at most this long.
    pub fn turn(&mut self, wait: Duration) -> io::Result<()> {
        self.poll.wait(wait, &mut self.ready)?;
        for &number in &self.ready {
            if number == ANSWERS {
                if let Some(socket) = &self.answers {
                    discard(socket, &mut self.nowhere)?;
                }
                continue;
            }
            let subscriber = &mut self.subscribers[number as usize];
            match recv(&subscriber.socket, &mut *self.nowhere, RecvFlags::TRUNC) {
                Ok((_, 0)) => {
                    self.poll.remove(&subscriber.socket)?;
                    self.open -= 1;
                }
                Ok((_, received)) => {
                    subscriber.received += received as u64;
                    self.total += received as u64;
                }
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Bytes received by all subscribers together.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes received by the slowest.
    pub fn least(&self) -> u64 {
        self.subscribers
            .iter()
            .map(|subscriber| subscriber.received)
            .min()
            .unwrap_or(0)
    }

    /// Subscribers that have not met their end of stream.
    pub fn open(&self) -> usize {
        self.open
    }

    pub fn len(&self) -> usize {
        self.subscribers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }
}

/// Throws away what has arrived at a publisher; its end is an error.
pub fn discard(socket: &TcpStream, nowhere: &mut [u8]) -> io::Result<()> {
    match recv(socket, nowhere, RecvFlags::TRUNC) {
        Ok((_, 0)) => Err(io::Error::other("the server has closed the publisher")),
        Ok(_) | Err(Errno::AGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
