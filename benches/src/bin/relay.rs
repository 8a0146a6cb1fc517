//! The bare relay: one thread, one epoll, blocks of 64 KiB as they come, written to everybody. It
//! knows no frames and no policies, which is what it is for: what anything more costs is seen by
//! comparing with it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;

use rustix::event::epoll;
use tenfold_benches::frames::BLOCK;
use tenfold_benches::server_args::{ServerArgs, Source};

/// How far the source may be ahead of the slowest subscriber, in blocks, unless `--window` says.
const WINDOW: usize = 64;
const SLICES: usize = 8;
const SOURCE: u64 = u64::MAX;

struct Relay {
    poll: rustix::fd::OwnedFd,
    source: Input,
    blocks: VecDeque<Vec<u8>>,
    /// Index of the first kept block.
    first: usize,
    window: usize,
    subscribers: Vec<Subscriber>,
    ended: bool,
}

enum Input {
    File(File),
    Publisher(TcpStream),
}

struct Subscriber {
    socket: TcpStream,
    /// Index of its next block, and how much of that is sent.
    block: usize,
    sent: usize,
    writable: bool,
}

fn main() -> io::Result<()> {
    let args = ServerArgs::parse()?;
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut subscribers = Vec::new();
    for index in 0..args.wait_clients {
        let (socket, _) = args.listener.accept()?;
        socket.set_nonblocking(true)?;
        let flags = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(
            &poll,
            socket.as_fd(),
            epoll::EventData::new_u64(index as u64),
            flags,
        )?;
        subscribers.push(Subscriber {
            socket,
            block: 0,
            sent: 0,
            writable: true,
        });
    }
    let source = match &args.source {
        Source::File(path) => Input::File(File::open(path)?),
        Source::Publisher(listener) => {
            let (socket, _) = listener.accept()?;
            socket.set_nonblocking(true)?;
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(
                &poll,
                socket.as_fd(),
                epoll::EventData::new_u64(SOURCE),
                flags,
            )?;
            Input::Publisher(socket)
        }
    };
    let window = args.number("--window")?.unwrap_or(WINDOW);
    Relay {
        poll,
        source,
        blocks: VecDeque::new(),
        first: 0,
        window,
        subscribers,
        ended: false,
    }
    .run()
}

impl Relay {
    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            // As many blocks at once as one write takes: larger writes cost less per byte.
            let mut fresh = 0;
            while fresh < SLICES && self.read()? {
                fresh += 1;
            }
            if fresh > 0 {
                self.write_all()?;
                continue;
            }
            if self.ended && self.blocks.is_empty() {
                return self.end();
            }
            events.clear();
            epoll::wait(
                &self.poll,
                rustix::buffer::spare_capacity(&mut events),
                None,
            )?;
            for event in &events {
                let index = event.data.u64();
                if index != SOURCE {
                    self.subscribers[index as usize].writable = true;
                }
            }
            self.write_all()?;
        }
    }

    /// Reads one block, if there is one and the slowest subscriber is near enough.
    fn read(&mut self) -> io::Result<bool> {
        if self.ended || self.blocks.len() >= self.window {
            return Ok(false);
        }
        let mut block = vec![0; BLOCK];
        let read = match &mut self.source {
            Input::File(file) => file.read(&mut block),
            Input::Publisher(socket) => socket.read(&mut block),
        };
        match read {
            Ok(0) => self.ended = true,
            Ok(n) => {
                block.truncate(n);
                self.blocks.push_back(block);
                return Ok(true);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(false)
    }

    fn write_all(&mut self) -> io::Result<()> {
        let end = self.first + self.blocks.len();
        for subscriber in &mut self.subscribers {
            while subscriber.writable && subscriber.block < end {
                subscriber.write(self.first, &self.blocks)?;
            }
        }
        let slowest = self
            .subscribers
            .iter()
            .map(|subscriber| subscriber.block)
            .min();
        for _ in self.first..slowest.unwrap_or(end) {
            self.blocks.pop_front();
            self.first += 1;
        }
        Ok(())
    }

    fn end(self) -> io::Result<()> {
        for subscriber in &self.subscribers {
            subscriber.socket.shutdown(Shutdown::Write)?;
        }
        for mut subscriber in self.subscribers {
            subscriber.socket.set_nonblocking(false)?;
            io::copy(&mut subscriber.socket, &mut io::sink())?;
        }
        Ok(())
    }
}

impl Subscriber {
    fn write(&mut self, first: usize, blocks: &VecDeque<Vec<u8>>) -> io::Result<()> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut used = 0;
        let mut skip = self.sent;
        for block in blocks.range(self.block - first..).take(SLICES) {
            slices[used] = IoSlice::new(&block[std::mem::take(&mut skip)..]);
            used += 1;
        }
        match self.socket.write_vectored(&slices[..used]) {
            Ok(written) => {
                self.sent += written;
                while let Some(block) = blocks.get(self.block - first) {
                    if self.sent < block.len() {
                        break;
                    }
                    self.sent -= block.len();
                    self.block += 1;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
