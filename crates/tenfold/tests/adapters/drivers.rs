//! The readers and writers of either kind, driven through a script.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tenfold::{Decoder, ReadError, Side, Stream, WriteError, blocking};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::choppy::Choppy;
use crate::script::{Seen, Step};

/// One kind of readers and writers, over any of the transports.
pub(crate) trait Driver {
    fn write_choppy(to: Choppy, side: &Side, steps: &[Step]) -> Choppy;
    fn read_choppy(from: Choppy, decoder: Decoder) -> Seen;
    fn write_stream(to: Stream, side: &Side, steps: &[Step]);
    fn read_stream(from: Stream, decoder: Decoder) -> Seen;
}

pub(crate) struct Blocking;
pub(crate) struct Tokio;

impl Driver for Blocking {
    fn write_choppy(to: Choppy, side: &Side, steps: &[Step]) -> Choppy {
        write(to, side, steps)
    }

    fn read_choppy(from: Choppy, decoder: Decoder) -> Seen {
        read(from, decoder)
    }

    fn write_stream(to: Stream, side: &Side, steps: &[Step]) {
        let to = write(to, side, steps);
        to.shutdown(Shutdown::Write).unwrap();
    }

    fn read_stream(from: Stream, decoder: Decoder) -> Seen {
        read(from, decoder)
    }
}

impl Driver for Tokio {
    fn write_choppy(to: Choppy, side: &Side, steps: &[Step]) -> Choppy {
        spin(write_async(to, side, steps))
    }

    fn read_choppy(from: Choppy, decoder: Decoder) -> Seen {
        spin(read_async(from, decoder))
    }

    fn write_stream(to: Stream, side: &Side, steps: &[Step]) {
        to.set_nonblocking(true).unwrap();
        run(async {
            match to {
                Stream::Tcp(to) => {
                    write_async(TcpStream::from_std(to).unwrap(), side, steps).await;
                }
                Stream::Unix(to) => {
                    write_async(UnixStream::from_std(to).unwrap(), side, steps).await;
                }
                other => panic!("{other:?}"),
            }
        });
    }

    fn read_stream(from: Stream, decoder: Decoder) -> Seen {
        from.set_nonblocking(true).unwrap();
        run(async {
            match from {
                Stream::Tcp(from) => read_async(TcpStream::from_std(from).unwrap(), decoder).await,
                Stream::Unix(from) => {
                    read_async(UnixStream::from_std(from).unwrap(), decoder).await
                }
                other => panic!("{other:?}"),
            }
        })
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// Polls so often, and gives up.
pub(crate) fn poll_at_most<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// Polls until it is ready: what is in memory needs no runtime.
fn spin<F: Future>(future: F) -> F::Output {
    poll_at_most(usize::MAX, future).unwrap()
}

/// Makes each call until it is not a time-out: that is what the contract allows.
fn write<W: Write>(to: W, side: &Side, steps: &[Step]) -> W {
    let mut writer = blocking::Writer::new(to, side);
    let mut insist = |call: &dyn Fn(&mut blocking::Writer<W>) -> Result<(), WriteError>| loop {
        match call(&mut writer) {
            Err(error) if error.is_time_out() => {}
            result => return result.unwrap(),
        }
    };
    for step in steps {
        insist(&|writer| match step {
            Step::Message(message) => writer.write(message),
            Step::Mark(number) => writer.mark(*number),
            Step::Begin(length) => writer.begin(*length),
            Step::Data(bytes) => writer.data(bytes),
            Step::End => writer.end(),
            Step::Skipped => Ok(()),
        });
    }
    insist(&blocking::Writer::flush);
    assert_eq!(writer.pending(), 0);
    writer.into_inner()
}

fn read<R: Read>(from: R, decoder: Decoder) -> Seen {
    let mut reader = blocking::Reader::with_decoder(from, decoder);
    let mut seen = Seen::new();
    loop {
        match reader.next_event() {
            Ok(Some(event)) => seen.add(event.into()),
            Ok(None) => return seen,
            Err(error) if error.is_time_out() => {}
            Err(error) => {
                assert!(same(&error, &reader.next_event().unwrap_err()));
                seen.end = Err(error);
                return seen;
            }
        }
    }
}

async fn write_async<W: AsyncWrite + Unpin>(to: W, side: &Side, steps: &[Step]) -> W {
    let mut writer = tenfold::asynchronous::Writer::new(to, side);
    for step in steps {
        match step {
            Step::Message(message) => writer.write(message).await,
            Step::Mark(number) => writer.mark(*number).await,
            Step::Begin(length) => writer.begin(*length).await,
            Step::Data(bytes) => writer.data(bytes).await,
            Step::End => writer.end().await,
            Step::Skipped => Ok(()),
        }
        .unwrap();
    }
    writer.shutdown().await.unwrap();
    assert_eq!(writer.pending(), 0);
    writer.into_inner()
}

async fn read_async<R: AsyncRead + Unpin>(from: R, decoder: Decoder) -> Seen {
    let mut reader = tenfold::asynchronous::Reader::with_decoder(from, decoder);
    let mut seen = Seen::new();
    loop {
        match reader.next_event().await {
            Ok(Some(event)) => seen.add(event.into()),
            Ok(None) => return seen,
            Err(error) => {
                assert!(same(&error, &reader.next_event().await.unwrap_err()));
                seen.end = Err(error);
                return seen;
            }
        }
    }
}

/// An error stays; only its description can become better.
fn same(before: &ReadError, after: &ReadError) -> bool {
    match (before, after) {
        (ReadError::Decode(before), ReadError::Decode(after)) => {
            before.kind() == after.kind() && before.offset() == after.offset()
        }
        _ => false,
    }
}
