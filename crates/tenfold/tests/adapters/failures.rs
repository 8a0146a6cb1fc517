//! Transports that break, peers that are wrong, and framings that change.

use std::io::{self, ErrorKind, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tenfold::{
    Decoder, Encoder, Framing, LooksLike, PATIENCE, ReadError, Side, WriteError, blocking,
};

use crate::choppy::{Choppy, Cut};
use crate::drivers::run;
use crate::script::bytes;

fn native() -> Side {
    Framing::default().client().clone()
}

fn breaking(at: usize) -> Choppy {
    let mut transport = Choppy::new(Cut::Whole, Vec::new());
    transport.breaks_at = Some(at);
    transport
}

fn is_broken_pipe(result: Result<(), WriteError>) -> bool {
    matches!(result, Err(WriteError::Io(error)) if error.kind() == ErrorKind::BrokenPipe)
}

#[test]
fn a_writer_whose_transport_broke_accepts_nothing_more() {
    let mut writer = blocking::Writer::new(breaking(5), &native());
    writer.write(b"accepted").unwrap();
    assert!(is_broken_pipe(writer.flush()));
    writer.get_mut().breaks_at = None;
    assert!(is_broken_pipe(writer.write(b"too late")));
    assert!(is_broken_pipe(writer.write(&bytes(100_000))));
    assert!(is_broken_pipe(writer.flush()));
    assert_eq!(writer.get_ref().bytes, b"8    ");
}

#[test]
fn a_large_message_that_breaks_the_transport_is_not_accepted() {
    let mut writer = blocking::Writer::new(breaking(50_000), &native());
    assert!(is_broken_pipe(writer.write(&bytes(100_000))));
    assert!(is_broken_pipe(writer.write(b"too late")));

    run(async {
        let mut writer = tenfold::asynchronous::Writer::new(breaking(50_000), &native());
        assert!(is_broken_pipe(writer.write(&bytes(100_000)).await));
        assert!(is_broken_pipe(writer.flush().await));
    });
}

#[test]
fn a_message_that_cannot_be_framed_harms_nothing() {
    let framing: Framing = "u8".parse().unwrap();
    let mut writer = blocking::Writer::new(Vec::new(), framing.client());
    writer.write(b"before").unwrap();
    for size in [256, 100_000] {
        let refused = writer.write(&bytes(size));
        assert!(matches!(refused, Err(WriteError::Encode(_))));
    }
    assert!(matches!(writer.mark(0), Err(WriteError::Encode(_))));
    writer.write(b"after").unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.get_ref(), b"\x06before\x05after");
}

#[test]
fn whole_messages_are_not_made_of_pieces() {
    let decoder = Decoder::new(&native()).with_pieces_above(3);
    let mut reader = blocking::Reader::with_decoder(&b"5         hello"[..], decoder);
    assert!(matches!(reader.message(), Err(ReadError::InPieces)));
}

#[test]
fn a_stream_changes_its_framing_in_the_middle_of_a_read() {
    let mut wire = b"upgrade\nplease\n".to_vec();
    let lengths: Framing = "u32be".parse().unwrap();
    let mut encoder = Encoder::new(lengths.client());
    for message in ["first", "second"] {
        encoder.encode(message.as_bytes(), &mut wire).unwrap();
    }
    let lines: Framing = "line".parse().unwrap();

    let mut reader = blocking::Reader::new(&wire[..], lines.client());
    assert_eq!(reader.message().unwrap(), Some(&b"upgrade"[..]));
    assert_eq!(reader.message().unwrap(), Some(&b"please"[..]));
    reader.switch_to(Decoder::new(lengths.client()));
    assert_eq!(reader.message().unwrap(), Some(&b"first"[..]));
    let (transport, decoder) = reader.into_parts();
    assert!(transport.is_empty());
    assert_eq!(decoder.rest(), b"\0\0\0\x06second");

    run(async {
        let mut reader = tenfold::asynchronous::Reader::new(&wire[..], lines.client());
        assert_eq!(reader.message().await.unwrap(), Some(&b"upgrade"[..]));
        assert_eq!(reader.message().await.unwrap(), Some(&b"please"[..]));
        reader.switch_to(Decoder::new(lengths.client()));
        for message in [Some(&b"first"[..]), Some(b"second"), None] {
            assert_eq!(reader.message().await.unwrap(), message);
        }
    });
}

#[test]
fn what_is_buffered_is_told_apart_from_what_must_be_read() {
    let wire = b"1         a1         b1         c";
    let mut reader = blocking::Reader::new(Choppy::new(Cut::Whole, wire.to_vec()), &native());
    assert!(reader.buffered_event().unwrap().is_none());
    assert_eq!(reader.message().unwrap(), Some(&b"a"[..]));
    assert!(reader.buffered_event().unwrap().is_some());
    assert!(reader.buffered_event().unwrap().is_some());
    assert!(reader.buffered_event().unwrap().is_none());
    assert!(reader.message().unwrap().is_none());
}

/// Gives one byte, and then the others only to a read that is bounded.
struct Hesitant<'a> {
    parts: Vec<&'a [u8]>,
    time_outs: AtomicUsize,
}

impl Read for Hesitant<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.parts.pop() {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(mut part) => part.read(buffer),
        }
    }
}

impl Hesitant<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "as a socket's does")]
    fn set_time_out(&self, time: Option<Duration>) -> io::Result<()> {
        assert!(time.is_none_or(|time| time <= PATIENCE));
        self.time_outs.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn a_patient_reader_waits_for_what_makes_the_error_clear() {
    let hesitant = |parts| Hesitant {
        parts,
        time_outs: AtomicUsize::new(0),
    };
    let read = |reader: &mut blocking::Reader<Hesitant<'_>>| match reader.message() {
        Err(ReadError::Decode(error)) => error,
        other => panic!("{other:?}"),
    };

    let parts = vec![&b"HTTP/1.1\r\nHost: example.org"[..], b"ET / ", b"G"];
    let mut reader = blocking::Reader::new(hesitant(parts.clone()), &native());
    assert_eq!(read(&mut reader).looks_like(), None);
    assert_eq!(reader.decoder().rest(), b"G");

    let mut reader = blocking::Reader::new(hesitant(parts), &native())
        .with_patience(PATIENCE, Hesitant::set_time_out);
    for _ in 0..2 {
        assert_eq!(read(&mut reader).looks_like(), Some(LooksLike::Http));
    }
    // Two parts, one time-out, and none is set in the end; the second call did not wait again.
    let time_outs = reader.get_ref().time_outs.load(Ordering::Relaxed);
    assert_eq!(time_outs, 4);
    assert!(reader.decoder().rest().starts_with(b"GET / HTTP/1.1"));
}

#[tokio::test(start_paused = true)]
async fn a_patient_tokio_reader_waits_no_longer_than_it_was_told() {
    use tokio::io::AsyncWriteExt;

    let (mut near, far) = tokio::io::duplex(100);
    let mut reader = tenfold::asynchronous::Reader::new(far, &native()).with_patience(PATIENCE);
    near.write_all(b"G").await.unwrap();
    let writing = async {
        tokio::time::sleep(PATIENCE / 2).await;
        near.write_all(b"ET / HTTP/1.1\r\n").await.unwrap();
        // It stays open, and silent.
        std::future::pending::<()>().await;
    };
    let start = tokio::time::Instant::now();
    tokio::select! {
        () = writing => unreachable!(),
        result = reader.message() => {
            let Err(ReadError::Decode(error)) = result else { panic!("{result:?}") };
            assert_eq!(error.looks_like(), Some(LooksLike::Http));
        }
    }
    assert_eq!(start.elapsed(), PATIENCE);
    assert!(reader.message().await.is_err());
    assert_eq!(start.elapsed(), PATIENCE, "it waits once");
}

/// A runtime without a clock must not become one that panics when a peer is wrong.
#[test]
fn a_bad_header_needs_no_clock() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let mut reader = tenfold::asynchronous::Reader::new(&b"GET / HTTP/1.1"[..], &native());
        assert!(reader.message().await.is_err());
    });
}
