//! A source of numbered messages, and clients that check what they get.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod tls;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use tenfold::Listener;
use tenfold_hub::{Block, Broadcast, Options, Stats};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::{TcpSocket, TcpStream};

/// Long enough that only a hang meets it.
pub const LONG: Duration = Duration::from_secs(60);

/// A frame of `decimal:10` whose payload is its number, filled up to `size`.
pub fn frame(number: u64, size: usize) -> Vec<u8> {
    let mut frame = format!("{size:<10}{number}").into_bytes();
    frame.resize(10 + size, b' ');
    frame
}

/// A block of `count` messages of `size` bytes, numbered from `first` on.
pub fn block(first: u64, count: u64, size: usize) -> Block {
    let frames = (first..first + count).flat_map(|number| frame(number, size));
    Block::new(frames.collect::<Vec<u8>>(), count)
}

/// Takes a stream of whole frames apart into the numbers of its messages, and says how many bytes
/// of a torn frame there were at the end.
pub fn numbers(stream: &[u8]) -> (Vec<u64>, usize) {
    let mut numbers = Vec::new();
    let mut rest = stream;
    while let Some((header, after)) = rest.split_at_checked(10) {
        let length: usize = text(header).parse().expect("a canonical header");
        let Some((payload, after)) = after.split_at_checked(length) else {
            break;
        };
        numbers.push(text(payload).parse().expect("a numbered message"));
        rest = after;
    }
    (numbers, rest.len())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("ASCII").trim_end()
}

/// Starts a broadcast on a free port.
pub fn start(options: Options) -> (Broadcast, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let broadcast = Broadcast::start([Listener::from(listener)], options).expect("a listener");
    (broadcast, address)
}

/// Options under which kernel buffers are small, so that a client that does not read is slow at
/// once, and the tail is not.
pub fn small_buffers() -> Options {
    let mut options = Options::default();
    options.capacity = Options::CAPACITY;
    options.send_buffer = Some(16 * 1024);
    options
}

/// A client with a small receive buffer.
pub async fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(16 * 1024).expect("a buffer");
    socket.connect(address).await.expect("a connection")
}

/// Reads to the end of the stream, or to an error.
pub async fn read_to_end(mut stream: impl AsyncRead + Unpin) -> (Vec<u8>, io::Result<()>) {
    let mut bytes = Vec::new();
    let result = within(stream.read_to_end(&mut bytes)).await;
    (bytes, result.map(drop))
}

/// Reads a stream that has to end well, on a frame boundary.
pub async fn read_numbers(stream: impl AsyncRead + Unpin) -> Vec<u64> {
    let (bytes, result) = read_to_end(stream).await;
    result.expect("a clean end");
    let (numbers, torn) = numbers(&bytes);
    assert_eq!(torn, 0, "the stream ends inside a frame");
    numbers
}

/// Reads exactly so many messages of this size.
pub async fn read_messages(stream: &mut TcpStream, count: usize, size: usize) -> Vec<u64> {
    let mut bytes = vec![0; count * (10 + size)];
    within(stream.read_exact(&mut bytes))
        .await
        .expect("messages");
    numbers(&bytes).0
}

/// Waits until the broadcast's numbers are as they should become.
pub async fn until(broadcast: &Broadcast, met: impl Fn(&Stats) -> bool) {
    within(async {
        while !met(&broadcast.stats()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Something that has to happen, however slow the machine is.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(LONG, future).await;
    result.expect("this has to happen within a minute")
}

/// Some frames that are not in the tail.
pub fn welcome() -> Bytes {
    Bytes::from(frame(999, 5))
}
