//! The receiving half of the load client: counts what arrives at N subscribers, and copies nothing.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::net::{RecvFlags, recv};

pub struct Drain {
    poll: rustix::fd::OwnedFd,
    events: Vec<epoll::Event>,
    subscribers: Vec<Subscriber>,
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

impl Drain {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            poll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(256),
            subscribers: Vec::new(),
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
        let data = epoll::EventData::new_u64(self.subscribers.len() as u64);
        epoll::add(&self.poll, socket.as_fd(), data, epoll::EventFlags::IN)?;
        self.subscribers.push(Subscriber {
            socket,
            received: 0,
        });
        self.open += 1;
        Ok(())
    }

    /// Takes what has arrived, waiting for it at most this long.
    pub fn turn(&mut self, wait: Duration) -> io::Result<()> {
        let wait = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: wait.subsec_nanos().into(),
        };
        self.events.clear();
        epoll::wait(
            &self.poll,
            rustix::buffer::spare_capacity(&mut self.events),
            Some(&wait),
        )?;
        for event in &self.events {
            let subscriber = &mut self.subscribers[event.data.u64() as usize];
            match recv(&subscriber.socket, &mut *self.nowhere, RecvFlags::TRUNC) {
                Ok((_, 0)) => {
                    epoll::delete(&self.poll, &subscriber.socket)?;
                    self.open -= 1;
                }
                Ok((_, received)) => {
                    subscriber.received += received as u64;
                    self.total += received as u64;
                }
                Err(rustix::io::Errno::AGAIN) => {}
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
