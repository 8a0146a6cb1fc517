//! One sender and one receiver over loopback TCP: tenfold's readers and writers against `Framed`
//! with `LengthDelimitedCodec`, with its default boundary and with one of 64 KiB.
//!
//! Sender and receiver are two threads of this process, each with a runtime of its own
//! (`current_thread`) or none: so that the runtime's own handing-about between threads is not what
//! is measured, and both have a core where there are two. All contestants get the same messages,
//! one after the other in each round, each round beginning with another; the receiver looks at the
//! length and a byte of every message. `cargo run --release --bin point_to_point [ROUNDS]`

use std::env;
use std::error::Error;
use std::future::Future;
use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tenfold::codec_traits::FramedCodec;
use tenfold::{Framing, blocking};
use tokio::runtime::Builder;
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite, LengthDelimitedCodec};

type Failure = Box<dyn Error + Send + Sync>;

const KIB_64: usize = 64 * 1024;
/// What `Framed` has where nothing is said.
const DEFAULT: usize = 8 * 1024;

/// Who carries `count` messages of `size` bytes: a function for either end.
struct Contestant {
    name: &'static str,
    send: fn(TcpStream, Load) -> Result<(), Failure>,
    receive: fn(TcpStream) -> Result<Load, Failure>,
}

/// Messages, all of one size; received ones are counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Load {
    count: usize,
    bytes: usize,
}

impl Load {
    fn message(self) -> Bytes {
        vec![b'x'; self.bytes / self.count].into()
    }

    #[inline]
    fn add(&mut self, message: &[u8]) {
        self.count += 1;
        self.bytes += message.len();
        black_box(message.first());
    }
}

const CONTESTANTS: [Contestant; 7] = [
    Contestant {
        name: "tenfold::asynchronous",
        send: |stream, load| on_runtime(tenfold_tokio_send(stream, load, "decimal:10")),
        receive: |stream| on_runtime(tenfold_tokio_receive(stream, "decimal:10")),
    },
    Contestant {
        name: "tenfold::asynchronous, u32be",
        send: |stream, load| on_runtime(tenfold_tokio_send(stream, load, "u32be")),
        receive: |stream| on_runtime(tenfold_tokio_receive(stream, "u32be")),
    },
    Contestant {
        name: "tenfold::blocking",
        send: tenfold_blocking_send,
        receive: tenfold_blocking_receive,
    },
    Contestant {
        name: "Framed, LengthDelimitedCodec",
        send: |stream, load| {
            on_runtime(framed_send(
                stream,
                load,
                LengthDelimitedCodec::new(),
                DEFAULT,
            ))
        },
        receive: |stream| on_runtime(framed_receive(stream, LengthDelimitedCodec::new(), DEFAULT)),
    },
    Contestant {
        name: "Framed, LengthDelimitedCodec, 64 KiB",
        send: |stream, load| {
            on_runtime(framed_send(
                stream,
                load,
                LengthDelimitedCodec::new(),
                KIB_64,
            ))
        },
        receive: |stream| on_runtime(framed_receive(stream, LengthDelimitedCodec::new(), KIB_64)),
    },
    Contestant {
        name: "Framed, tenfold's FramedCodec",
        send: |stream, load| on_runtime(framed_send(stream, load, codec(), DEFAULT)),
        receive: |stream| on_runtime(framed_receive(stream, codec(), DEFAULT)),
    },
    Contestant {
        name: "Framed, tenfold's FramedCodec, 64 KiB",
        send: |stream, load| on_runtime(framed_send(stream, load, codec(), KIB_64)),
        receive: |stream| on_runtime(framed_receive(stream, codec(), KIB_64)),
    },
];

/// Those that the others are compared with.
const BASELINES: [usize; 2] = [3, 4];

fn main() -> Result<(), Failure> {
    let rounds = env::args().nth(1).map_or(Ok(7), |rounds| rounds.parse())?;
    for (size, count) in [(16, 16_000_000), (128, 8_000_000), (16 * 1024, 100_000)] {
        let load = Load {
            count,
            bytes: count * size,
        };
        let mut rates = [const { Vec::new() }; CONTESTANTS.len()];
        for round in 0..rounds {
            for turn in 0..CONTESTANTS.len() {
                let who = (round + turn) % CONTESTANTS.len();
                rates[who].push(carry(&CONTESTANTS[who], load)?);
            }
        }
        print(size, count, &mut rates);
    }
    Ok(())
}

/// Messages per second, from the first to the last that the receiver got.
fn carry(contestant: &Contestant, load: Load) -> Result<f64, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let sending = TcpStream::connect(listener.local_addr()?)?;
    let receiving = listener.accept()?.0;
    sending.set_nodelay(true)?;
    let send = contestant.send;
    let start = Instant::now();
    let sender = thread::spawn(move || send(sending, load));
    let received = (contestant.receive)(receiving)?;
    let seconds = start.elapsed().as_secs_f64();
    sender.join().map_err(|_| "the sender panicked")??;
    if received != load {
        return Err(format!("{}: {received:?} of {load:?} arrived", contestant.name).into());
    }
    Ok(load.count as f64 / seconds)
}

fn print(size: usize, count: usize, rates: &mut [Vec<f64>]) {
    let medians: Vec<f64> = rates
        .iter_mut()
        .map(|rates| {
            rates.sort_by(f64::total_cmp);
            rates[rates.len() / 2]
        })
        .collect();
    let to = BASELINES
        .map(|who| format!(" to {} |", CONTESTANTS[who].name))
        .concat();
    println!(
        "\n{count} messages of {size} B, medians of {} rounds\n",
        rates[0].len()
    );
    println!("| | messages/s | lowest - highest |{to}\n|---|---|---|---|---|");
    for (who, rates) in rates.iter().enumerate() {
        let ratios = BASELINES
            .map(|other| format!(" {:.2} |", medians[who] / medians[other]))
            .concat();
        let [middle, lowest, highest] = [medians[who], rates[0], rates[rates.len() - 1]].map(human);
        println!(
            "| {} | {middle} | {lowest} - {highest} |{ratios}",
            CONTESTANTS[who].name
        );
    }
}

fn human(rate: f64) -> String {
    if rate >= 1e6 {
        format!("{:.1} M", rate / 1e6)
    } else {
        format!("{:.0} k", rate / 1e3)
    }
}

fn on_runtime<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(work)
}

fn into_tokio(stream: TcpStream) -> Result<tokio::net::TcpStream, Failure> {
    stream.set_nonblocking(true)?;
    Ok(tokio::net::TcpStream::from_std(stream)?)
}

async fn tenfold_tokio_send(stream: TcpStream, load: Load, framing: &str) -> Result<(), Failure> {
    let framing: Framing = framing.parse()?;
    let message = load.message();
    let mut writer = tenfold::asynchronous::Writer::new(into_tokio(stream)?, framing.client());
    for _ in 0..load.count {
        writer.write(&message).await?;
    }
    Ok(writer.shutdown().await?)
}

async fn tenfold_tokio_receive(stream: TcpStream, framing: &str) -> Result<Load, Failure> {
    let framing: Framing = framing.parse()?;
    let mut reader = tenfold::asynchronous::Reader::new(into_tokio(stream)?, framing.client());
    let mut received = Load::default();
    while let Some(message) = reader.message().await? {
        received.add(message);
    }
    Ok(received)
}

fn tenfold_blocking_send(stream: TcpStream, load: Load) -> Result<(), Failure> {
    let message = load.message();
    let mut writer = blocking::Writer::new(stream, Framing::default().client());
    for _ in 0..load.count {
        writer.write(&message)?;
    }
    Ok(writer.flush()?)
}

fn tenfold_blocking_receive(stream: TcpStream) -> Result<Load, Failure> {
    let mut reader = blocking::Reader::new(stream, Framing::default().client());
    let mut received = Load::default();
    while let Some(message) = reader.message()? {
        received.add(message);
    }
    Ok(received)
}

fn codec() -> FramedCodec {
    FramedCodec::new(Framing::default().client())
}

async fn framed_send<C>(
    stream: TcpStream,
    load: Load,
    codec: C,
    boundary: usize,
) -> Result<(), Failure>
where
    C: Encoder<Bytes>,
    Failure: From<C::Error>,
{
    let message = load.message();
    let mut framed = FramedWrite::new(into_tokio(stream)?, codec);
    framed.set_backpressure_boundary(boundary);
    for _ in 0..load.count {
        framed.feed(message.clone()).await?;
    }
    Ok(framed.close().await?)
}

async fn framed_receive<C>(stream: TcpStream, codec: C, capacity: usize) -> Result<Load, Failure>
where
    C: Decoder,
    C::Item: AsRef<[u8]>,
    Failure: From<C::Error>,
{
    let mut framed = FramedRead::with_capacity(into_tokio(stream)?, codec, capacity);
    let mut received = Load::default();
    while let Some(message) = framed.next().await {
        received.add(message?.as_ref());
    }
    Ok(received)
}
