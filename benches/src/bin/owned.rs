//! Large messages that the receiver keeps: `message_owned` against a loop of `read_exact`, and against messages that
//! are only lent.
//!
//! The sender is a thread at the other end of a pair of unix sockets. What is counted is the receiver's own time on
//! the processor, so the sender does not matter.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tenfold::Framing;
use tenfold::blocking::Reader;

const ROUNDS: usize = 5;
/// Bytes of each run.
const TOTAL: usize = 1 << 30;

fn main() {
    println!("GB for each second of the receiver's processor, median of {ROUNDS} runs");
    println!(
        "{:>10} {:>12} {:>12} {:>12}",
        "bytes", "read_exact", "lent", "owned"
    );
    for size in [1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20] {
        let ways: [fn(UnixStream, usize); 3] = [read_exact, lent, owned];
        let mut runs = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (way, runs) in ways.iter().zip(&mut runs) {
                runs.push(run(size, *way));
            }
        }
        let [a, b, c] = runs.map(median);
        println!("{size:>10} {a:>12.2} {b:>12.2} {c:>12.2}");
    }
}

/// GB per second.
fn run(size: usize, receive: fn(UnixStream, usize)) -> f64 {
    let (receiver, mut sender) = UnixStream::pair().expect("a pair of sockets");
    let count = (TOTAL / size).clamp(1, 200_000);
    let sending = std::thread::spawn(move || {
        let frame = format!("{size:<10}").into_bytes();
        let frame = [frame, vec![b'x'; size]].concat();
        for _ in 0..count {
            sender.write_all(&frame).expect("the receiver reads");
        }
    });
    let before = processor_time();
    receive(receiver, count);
    let time = processor_time() - before;
    sending.join().expect("the sender has sent all");
    let bytes = u32::try_from(count * size >> 10).expect("a few GiB");
    f64::from(bytes) * 1024.0 / time.as_secs_f64() / 1e9
}

fn read_exact(mut socket: UnixStream, count: usize) {
    let mut header = [0; 10];
    for _ in 0..count {
        socket.read_exact(&mut header).expect("a header");
        let length = std::str::from_utf8(&header).expect("digits").trim_end();
        let mut message = vec![0; length.parse().expect("a length")];
        socket.read_exact(&mut message).expect("a message");
        std::hint::black_box(message);
    }
}

fn lent(socket: UnixStream, count: usize) {
    let mut reader = Reader::connecting(socket, &Framing::default());
    for _ in 0..count {
        std::hint::black_box(reader.message().expect("a message"));
    }
}

fn owned(socket: UnixStream, count: usize) {
    let mut reader = Reader::connecting(socket, &Framing::default());
    for _ in 0..count {
        std::hint::black_box(reader.message_owned().expect("a message"));
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let (seconds, nanoseconds) = (u64::try_from(time.tv_sec), u32::try_from(time.tv_nsec));
    Duration::new(seconds.expect("a time"), nanoseconds.expect("a time"))
}

fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 2]
}
