//! What readers and writers hold, and when they let it go.

use std::io::{self, Read, Write};
use std::pin::pin;
use std::task::{Context, Waker};

use tenfold::{Decoder, Event, Framing, HIGH_WATER, Side, blocking};

use crate::script::bytes;

const GIANT: u64 = 256 * 1024 * 1024;
const PIECE: usize = 64 * 1024;

fn native() -> Side {
    Framing::default().client().clone()
}

#[test]
fn a_giant_is_read_in_pieces_in_constant_memory() {
    let header = format!("{GIANT:<10}").into_bytes();
    let stream = header.chain(io::repeat(b'x').take(GIANT));
    let decoder = Decoder::new(&native())
        .with_limit(GIANT)
        .with_pieces_above(PIECE as u64);
    let mut reader = blocking::Reader::with_decoder(stream, decoder);
    let mut received = 0;
    loop {
        match reader.next_event().unwrap() {
            Some(Event::Begin { length }) => assert_eq!(length, Some(GIANT)),
            Some(Event::Data(bytes)) => received += bytes.len() as u64,
            Some(Event::End) => {}
            end => break assert!(end.is_none()),
        }
        assert!(reader.decoder().capacity() <= 2 * PIECE);
    }
    assert_eq!(received, GIANT);
}

#[test]
fn a_giant_is_written_in_pieces_in_constant_memory() {
    let mut writer = blocking::Writer::new(Counted::default(), &native());
    writer.begin(Some(GIANT)).unwrap();
    let piece = vec![b'x'; PIECE];
    for _ in 0..GIANT / PIECE as u64 {
        writer.data(&piece).unwrap();
        assert!(writer.pending() <= HIGH_WATER + PIECE);
    }
    writer.end().unwrap();
    writer.flush().unwrap();
    assert_eq!(writer.get_ref().bytes, GIANT + 10);
}

#[test]
fn a_large_message_is_written_from_where_it_stands() {
    let mut writer = blocking::Writer::new(Counted::default(), &native());
    writer.write(b"small").unwrap();
    assert_eq!(writer.get_ref().writes, 0);
    writer.write(&bytes(HIGH_WATER)).unwrap();
    assert_eq!(writer.get_ref().writes, 1, "with what waited before it");
    assert_eq!(writer.pending(), 0);
}

#[test]
fn small_messages_leave_in_batches() {
    let mut writer = blocking::Writer::new(Counted::default(), &native());
    for _ in 0..10_000 {
        writer.write(&[b'x'; 118]).unwrap();
    }
    writer.flush().unwrap();
    let bytes = 10_000 * 128;
    assert_eq!(writer.get_ref().bytes, bytes);
    assert_eq!(writer.get_ref().writes, bytes.div_ceil(HIGH_WATER as u64));
}

/// Counts what it is given.
#[derive(Debug, Default)]
struct Counted {
    bytes: u64,
    writes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.writes += 1;
        Ok(bytes.len())
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.bytes += slices.iter().map(|slice| slice.len() as u64).sum::<u64>();
        self.writes += 1;
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_payload_is_read_into_its_final_place() {
    const SIZE: usize = 4 * 1024 * 1024;
    let message = bytes(SIZE);
    let mut wire = format!("{SIZE:<10}").into_bytes();
    wire.extend(&message);
    wire.extend(b"2         hi");
    let mut reader = blocking::Reader::new(Watched(&wire, 0), &native());
    let owned = reader.message_owned().unwrap().unwrap();
    assert!(owned == message);
    assert!(owned.capacity() < SIZE + SIZE / 8, "nothing is held for it");
    assert!(reader.get_ref().1 >= SIZE / 4, "read in large parts");
    assert_eq!(reader.message_owned().unwrap().unwrap(), b"hi");
    assert!(reader.message_owned().unwrap().is_none());
}

/// Remembers the largest room that it was given to read into.
struct Watched<'a>(&'a [u8], usize);

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = self.1.max(buffer.len());
        self.0.read(buffer)
    }
}

#[tokio::test]
async fn a_reader_that_waits_holds_nothing() {
    use tokio::io::AsyncWriteExt;

    let (mut near, far) = tokio::io::duplex(1_000_000);
    let mut reader = tenfold::asynchronous::Reader::new(far, &native());
    for _ in 0..3 {
        near.write_all(b"2         hi").await.unwrap();
        assert!(reader.message().await.unwrap().is_some());
        {
            let waiting = pin!(reader.message());
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.poll(&mut context).is_pending());
        }
        assert_eq!(reader.decoder().capacity(), 0);
    }
}

#[test]
fn a_large_message_leaves_no_memory_behind() {
    const SIZE: usize = 4 * 1024 * 1024;
    let mut wire = format!("{SIZE:<10}").into_bytes();
    wire.extend(bytes(SIZE));
    wire.extend(b"2         hi");
    let mut reader = blocking::Reader::new(&wire[..], &native());
    assert_eq!(reader.message().unwrap().map(<[u8]>::len), Some(SIZE));
    assert_eq!(reader.message().unwrap(), Some(&b"hi"[..]));
    assert!(reader.message().unwrap().is_none());
    assert!(reader.decoder().capacity() <= 2 * PIECE);
}

#[tokio::test]
async fn a_small_message_is_accepted_at_once_until_something_has_to_be_written() {
    let side = Framing::default().client().clone();
    let mut writer = tenfold::asynchronous::Writer::new(Vec::new(), &side);
    let small = bytes(1000);
    let mut accepted = 0;
    while writer.try_write(&small).unwrap() {
        accepted += 1;
        assert!(writer.get_ref().is_empty());
    }
    assert_eq!(accepted, HIGH_WATER.div_ceil(1010));
    writer.flush().await.unwrap();
    // A large one is not copied, so it has to be written.
    assert!(!writer.try_write(&bytes(HIGH_WATER)).unwrap());
    assert!(writer.try_write(&small).unwrap());
    writer.flush().await.unwrap();
    assert_eq!(writer.get_ref().len(), (accepted + 1) * 1010);
}
