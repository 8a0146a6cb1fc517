//! The load client that measures latency: one publisher that sends on time, whatever arrives, and
//! N subscribers that read the time stamps.
//!
//! One thread and one epoll do all of it, for every server; so what the client itself needs to
//! read 100 sockets is in everybody's numbers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::Result;
use crate::drain::discard;
use crate::poll::Poll;
use crate::servers::{Arrivals, Server};
use crate::stamps::{Layout, STAMP, Stamps};

/// The numbers of connections that are not subscribers; subscribers count from 0.
const TIMER: u64 = u64::MAX;
const ANSWERS: u64 = u64::MAX - 1;

pub struct OpenLoop {
    poll: Poll,
    ready: Vec<u64>,
    timer: OwnedFd,
    publisher: TcpStream,
    /// One message; its stamp, which begins at `stamp`, is written again for each.
    message: Vec<u8>,
    stamp: usize,
    unsent: Vec<u8>,
    sent: u64,
    layout: Layout,
    subscribers: Vec<(Box<dyn Arrivals>, Stamps)>,
    scratch: Vec<u8>,
    delivered: u64,
    /// Nanoseconds of each delivery since the last `forget`.
    latencies: Vec<u64>,
}

impl OpenLoop {
    pub fn new(server: &dyn Server, clients: usize, size: usize, rate: usize) -> Result<Self> {
        if size < STAMP || rate == 0 {
            return Err(format!("a size under {STAMP} bytes, or a rate of 0").into());
        }
        let poll = Poll::new()?;
        let mut subscribers = Vec::new();
        for number in 0..clients {
            let arrivals = server.receive()?;
            poll.add(arrivals.as_fd(), number as u64)?;
            subscribers.push((arrivals, Stamps::default()));
        }
        let publisher = server.publish()?;
        publisher.set_nonblocking(true)?;
        publisher.set_nodelay(true)?;
        poll.add(&publisher, ANSWERS)?;
        let timer = timer(rate)?;
        poll.add(&timer, TIMER)?;
        let envelope = server.sent(size);
        Ok(Self {
            poll,
            ready: Vec::new(),
            timer,
            publisher,
            message: envelope.around(&vec![b'x'; size]),
            stamp: envelope.before.len(),
            unsent: Vec::new(),
            sent: 0,
            layout: Layout::new(server, size),
            subscribers,
            scratch: vec![0; 256 * 1024],
            delivered: 0,
            latencies: Vec::new(),
        })
    }

    /// Sends and receives for this long.
    pub fn run(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(true)?;
        }
        Ok(())
    }

    /// Sends no more, and receives what is under way: everything, or it is an error.
    pub fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let expected = self.sent * self.subscribers.len() as u64;
        while self.delivered < expected && Instant::now() < deadline {
            self.turn(false)?;
        }
        if self.delivered == expected {
            Ok(())
        } else {
            Err(format!("{} of {expected} messages arrived", self.delivered).into())
        }
    }

    /// Forgets the latencies so far, which were those of warming up.
    pub fn forget(&mut self) {
        self.latencies.clear();
    }

    pub fn into_latencies(self) -> Vec<u64> {
        self.latencies
    }

    fn turn(&mut self, send: bool) -> Result<()> {
        self.poll
            .wait(Duration::from_millis(100), &mut self.ready)?;
        for &number in &self.ready {
            match number {
                TIMER => {
                    let due = expirations(&self.timer)?;
                    if send {
                        for _ in 0..due {
                            self.unsent.extend_from_slice(&self.message);
                            // The stamp is when the message is sent, not when it was due: that the
                            // client is late is not the server's doing, and it never waits for the
                            // server.
                            let stamp = self.unsent.len() - self.message.len() + self.stamp;
                            self.unsent[stamp..stamp + STAMP].copy_from_slice(&now().to_le_bytes());
                        }
                        self.sent += due;
                        flush(&mut self.unsent, &mut self.publisher)?;
                    }
                }
                ANSWERS => discard(&self.publisher, &mut self.scratch)?,
                subscriber => {
                    let (arrivals, stamps) = &mut self.subscribers[subscriber as usize];
                    let read = match arrivals.read(&mut self.scratch) {
                        Ok(0) => return Err("the server has closed a subscriber".into()),
                        Ok(read) => read,
                        Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                        Err(error) => return Err(error.into()),
                    };
                    let arrived = now();
                    stamps.take(&self.layout, &self.scratch[..read], |sent| {
                        self.delivered += 1;
                        self.latencies.push(arrived.saturating_sub(sent));
                    })?;
                }
            }
        }
        Ok(())
    }
}

/// Writes what there is, as far as it goes now.
fn flush(unsent: &mut Vec<u8>, mut socket: impl Write) -> io::Result<()> {
    while !unsent.is_empty() {
        match socket.write(unsent) {
            Ok(written) => drop(unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A timer that expires so many times a second. An epoll's own time-out counts milliseconds.
fn timer(rate: usize) -> io::Result<OwnedFd> {
    let timer = timerfd_create(
        TimerfdClockId::Monotonic,
        TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
    )?;
    let period = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
    let period = Timespec {
        tv_sec: period.as_secs() as i64,
        tv_nsec: period.subsec_nanos().into(),
    };
    let times = Itimerspec {
        it_interval: period,
        it_value: period,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
    Ok(timer)
}

/// How many times a timer has expired since this was last asked.
fn expirations(timer: &OwnedFd) -> io::Result<u64> {
    let mut count = [0; 8];
    match rustix::io::read(timer, &mut count) {
        Ok(_) => Ok(u64::from_ne_bytes(count)),
        Err(rustix::io::Errno::AGAIN) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Nanoseconds of the monotonic clock.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
