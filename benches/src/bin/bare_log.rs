//! The bare log behind a socket: reads whole frames, makes them durable, acknowledges, and keeps
//! them. It speaks as much of the hub's protocol as `durable` needs: `PUBLISH`, acknowledgements,
//! and `HEALTH` with the number of batches.
//!
//! `bare_log --data DIR --port-file F [--journal BYTES] [--threads 1|2]`. With one thread, what
//! arrives during a sync waits in the socket; with two, one reads while the other syncs, as the
//! hub does.

use std::io::{self, Read, Write};
use std::mem::take;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use tenfold_benches::bare_log::{BareLog, JOURNAL, MOST};
use tenfold_benches::frames::{header, read_frame, whole_frames};
use tenfold_benches::server_args::ServerArgs;

/// The longest request.
const REQUEST: usize = 4096;

/// What a publisher's connection and the log have in common.
struct Bare {
    log: Mutex<BareLog>,
    batches: AtomicU64,
    threads: usize,
}

fn main() -> io::Result<()> {
    let args = ServerArgs::parse()?;
    let data = args.value("--data").ok_or(io::ErrorKind::InvalidInput)?;
    let journal = args
        .number("--journal")?
        .map_or(JOURNAL, |size| size as u64);
    let bare = Arc::new(Bare {
        log: Mutex::new(BareLog::create(Path::new(data), journal)?),
        batches: AtomicU64::new(0),
        threads: args.number("--threads")?.unwrap_or(1),
    });
    loop {
        let (socket, _) = args.listener.accept()?;
        let bare = Arc::clone(&bare);
        thread::spawn(move || {
            if let Err(error) = bare.serve(socket) {
                eprintln!("bare_log: {error}");
            }
        });
    }
}

impl Bare {
    fn serve(&self, socket: TcpStream) -> io::Result<()> {
        socket.set_nodelay(true)?;
        let request = read_frame(&socket, REQUEST)?;
        if request.starts_with(b"HEALTH") {
            let batches = self.batches.load(Relaxed);
            return answer(&socket, &format!("OK status=ok batches={batches}"));
        }
        answer(&socket, "OK next=0 acks=durable")?;
        match self.threads {
            1 => self.publish(&socket),
            _ => self.publish_while_reading(&socket),
        }
    }

    fn publish(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; MOST];
        let (mut filled, mut total) = (0, 0);
        loop {
            let read = socket.read(&mut buffer[filled..])?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
            let (end, messages) = whole_frames(&buffer[..filled])?;
            if messages > 0 {
                total += messages;
                self.commit(socket, &buffer[..end], total)?;
                buffer.copy_within(end..filled, 0);
                filled -= end;
            }
        }
    }

    fn commit(&self, socket: &TcpStream, frames: &[u8], total: u64) -> io::Result<()> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.commit(frames)?;
        self.batches.fetch_add(1, Relaxed);
        answer(socket, &format!("ACK {total}"))?;
        log.keep(frames)
    }

    fn publish_while_reading(&self, socket: &TcpStream) -> io::Result<()> {
        let gathered = Gathered::default();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let result = gathered.read(socket);
                gathered.end();
                result
            });
            let mut frames = Vec::with_capacity(MOST);
            let result = loop {
                let Some(total) = gathered.take(&mut frames) else {
                    break Ok(());
                };
                if let Err(error) = self.commit(socket, &frames, total) {
                    break Err(error);
                }
                frames.clear();
            };
            gathered.end();
            let _ = socket.shutdown(std::net::Shutdown::Both);
            let read = reader.join();
            result.and(read.map_err(|_| io::Error::other("the reader panicked"))?)
        })
    }
}

/// Frames that were read while others are being made durable.
#[derive(Default)]
struct Gathered {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    frames: Vec<u8>,
    total: u64,
    ended: bool,
}

impl Gathered {
    fn read(&self, mut socket: &TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; MOST / 4];
        let mut filled = 0;
        loop {
            let read = socket.read(&mut buffer[filled..])?;
            filled += read;
            let (end, messages) = whole_frames(&buffer[..filled])?;
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let waited = self.changed.wait_while(state, |state| {
                state.frames.len() + end > MOST && !state.frames.is_empty() && !state.ended
            });
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            if read == 0 || state.ended {
                return Ok(());
            }
            if messages > 0 {
                state.frames.extend_from_slice(&buffer[..end]);
                state.total += messages;
                drop(state);
                self.changed.notify_all();
                buffer.copy_within(end..filled, 0);
                filled -= end;
            }
        }
    }

    /// Exchanges what there is for an empty buffer; tells how many messages it is with all before.
    fn take(&self, frames: &mut Vec<u8>) -> Option<u64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_while(state, |state| state.frames.is_empty() && !state.ended);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        let spare = take(frames);
        *frames = std::mem::replace(&mut state.frames, spare);
        let total = state.total;
        drop(state);
        self.changed.notify_all();
        (!frames.is_empty()).then_some(total)
    }

    fn end(&self) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ended = true;
        self.changed.notify_all();
    }
}

fn answer(mut socket: &TcpStream, text: &str) -> io::Result<()> {
    socket.write_all(&[&header(text.len()), text.as_bytes()].concat())
}
