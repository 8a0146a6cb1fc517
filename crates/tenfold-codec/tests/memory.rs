//! Memory follows what was received, never what was announced. The allocator of this program
//! counts, for the thread that asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tenfold_codec::{DEFAULT_LIMIT, Decoder, ErrorKind, Event, Framing, Recovery, Side};

struct Counting;

thread_local! {
    /// Bytes that this thread holds, and the most that it ever held.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

#[expect(
    unsafe_code,
    reason = "an allocator cannot be counted in any other way"
)]
// SAFETY: all calls go to the system's allocator as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.with(|cell| {
            let (held, most) = cell.get();
            let held = held + layout.size();
            cell.set((held, most.max(held)));
        });
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.with(|cell| {
            let (held, most) = cell.get();
            cell.set((held.saturating_sub(layout.size()), most));
        });
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` held at a time, over what was held before.
fn most_held(work: impl FnOnce()) -> usize {
    let before = HELD.with(|cell| {
        let (held, _) = cell.get();
        cell.set((held, held));
        held
    });
    work();
    HELD.with(|cell| cell.get().1) - before
}

/// What a read is at most, and a buffer for nothing.
const READ: usize = 64 * 1024;
/// Bytes for small change: an error, its evidence.
const CHANGE: usize = 1024;

fn side(line: &str) -> Side {
    line.parse::<Framing>().unwrap().client().clone()
}

fn decoder(line: &str) -> Decoder {
    Decoder::new(&side(line))
}

/// Gives the decoder bytes as a transport would, as many as there is room for.
fn receive(decoder: &mut Decoder, bytes: &[u8]) -> usize {
    let room = decoder.space();
    let n = room.len().min(bytes.len());
    room[..n].copy_from_slice(&bytes[..n]);
    decoder.advance(n);
    n
}

/// Framings with a frame's head that declares 9,999,999,999 bytes.
fn declarations() -> Vec<(&'static str, Vec<u8>)> {
    let length = 9_999_999_999_u64;
    vec![
        ("decimal:10", b"9999999999".to_vec()),
        ("decimal:10,lax", b"9999999999".to_vec()),
        ("decimal,end=:,chars", b"9999999999:".to_vec()),
        ("hex:10", b"02540be3ff".to_vec()),
        ("u64be", length.to_be_bytes().to_vec()),
        (
            "u40le@3",
            [&b"abc"[..], &length.to_le_bytes()[..5]].concat(),
        ),
        ("varint", vec![0xff, 0xc7, 0xaf, 0xa0, 0x25]),
        ("ber", vec![0x85, 0x02, 0x54, 0x0b, 0xe3, 0xff]),
        ("u39be", length.to_be_bytes()[3..].to_vec()),
        ("fixed:9999999999", Vec::new()),
        (
            "content-length",
            b"Content-Length: 9999999999\r\n\r\n".to_vec(),
        ),
    ]
}

#[test]
fn a_length_over_the_limit_allocates_nothing_but_its_error() {
    for (line, head) in declarations() {
        let stream = [&head[..], b"x"].concat();
        let mut decoder = decoder(line);
        let held = most_held(|| {
            let error = decoder.chunk(&stream).next_event().map(|_| ()).unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::TooLarge { limit, .. } if *limit == DEFAULT_LIMIT),
                "{line}: {error}"
            );
        });
        assert!(held <= CHANGE, "{line}: {held} bytes");
    }
}

#[test]
fn an_allowed_length_allocates_no_more_than_a_read_before_its_bytes_come() {
    for (line, head) in declarations() {
        for pieces in [false, true] {
            let mut decoder = decoder(line).with_limit(u64::MAX);
            if pieces {
                decoder = decoder.with_pieces_above(1000);
            }
            let stream = [&head[..], b"x"].concat();
            let held = most_held(|| {
                for byte in &stream {
                    receive(&mut decoder, &[*byte]);
                    while let Some(event) = decoder.next_event().unwrap() {
                        assert!(matches!(event, Event::Begin { .. } | Event::Data(_)));
                    }
                }
                // It asks for more, of what is to come.
                assert!(!decoder.space().is_empty());
            });
            assert!(held <= READ + CHANGE, "{line}: {held} bytes");
        }
    }
}

#[test]
fn memory_grows_with_the_bytes_that_were_received() {
    let mut decoder = decoder("decimal:10").with_limit(u64::MAX);
    decoder.feed(b"9999999999");
    assert_eq!(decoder.next_event(), Ok(None));
    let mut received = 0;
    let part = [b'x'; 5000];
    while received < 3 << 20 {
        received += receive(&mut decoder, &part);
        assert_eq!(decoder.next_event(), Ok(None));
        // A buffer that doubles is at most twice as large as what is in it.
        assert!(
            decoder.capacity() <= (2 * received).max(READ),
            "{} bytes are held for {received}",
            decoder.capacity()
        );
    }
}

#[test]
fn memory_shrinks_after_a_large_message() {
    // With some of these sizes the last read fills the room to the last byte.
    for size in [150_000, 3 << 20, 4 << 20, 5_000_000] {
        for trailing in [&b""[..], b"3         a"] {
            let mut decoder = decoder("decimal:10");
            let mut stream = format!("{size:<10}").into_bytes();
            stream.resize(stream.len() + size, b'x');
            stream.extend(trailing);
            let mut messages = 0;
            let mut rest = &stream[..];
            while !rest.is_empty() {
                rest = &rest[receive(&mut decoder, rest)..];
                while let Some(event) = decoder.next_event().unwrap() {
                    assert!(matches!(event, Event::Message(message) if message.len() == size));
                    messages += 1;
                }
            }
            assert_eq!(messages, 1);
            assert!(decoder.capacity() <= READ, "{}", decoder.capacity());
        }
    }
}

#[test]
fn a_burst_is_given_as_much_room_as_the_one_before_had_however_often_was_looked_in_between() {
    let framing = Framing::default();
    let mut decoder = Decoder::new(framing.client());
    let stream = b"3         abc".repeat(10_000);
    let mut rest = stream.as_slice();
    while !rest.is_empty() {
        let n = std::io::Read::read(&mut rest, decoder.space()).unwrap();
        decoder.advance(n);
        while decoder.next_event().unwrap().is_some() {}
    }
    for _ in 0..3 {
        decoder.release();
        assert_eq!(decoder.capacity(), 0);
        assert_eq!(decoder.space().len(), 64 * 1024);
    }
    // A small one makes it small again.
    decoder.space()[..13].copy_from_slice(b"3         abc");
    decoder.advance(13);
    while decoder.next_event().unwrap().is_some() {}
    decoder.release();
    assert_eq!(decoder.space().len(), 4 * 1024);
}

#[test]
fn an_idle_decoder_holds_nothing() {
    for line in ["decimal:10", "u32be-4@1", "content-length", "cobs"] {
        let side = side(line);
        let mut stream = Vec::new();
        tenfold_codec::Encoder::new(&side)
            .encode(b"hello, world", &mut stream)
            .unwrap();
        let mut fed = Decoder::new(&side);
        let mut lent = Decoder::new(&side);
        let mut sliced = Decoder::new(&side);
        assert_eq!(fed.capacity() + lent.capacity() + sliced.capacity(), 0);
        for _ in 0..3 {
            fed.feed(&stream);
            assert!(fed.next_event().unwrap().is_some());
            assert_eq!(fed.next_event(), Ok(None));
            assert_eq!(fed.capacity(), 0, "{line}");
            assert_eq!(receive(&mut lent, &stream), stream.len());
            assert!(lent.next_event().unwrap().is_some());
            assert_eq!(lent.next_event(), Ok(None));
            assert_eq!(lent.capacity(), 0, "{line}");
            let mut chunk = sliced.chunk(&stream);
            assert!(chunk.next_event().unwrap().is_some());
            assert_eq!(chunk.next_event(), Ok(None));
            drop(chunk);
            assert_eq!(sliced.capacity(), 0, "{line}");
        }
        assert!(fed.is_idle() && lent.is_idle() && sliced.is_idle());
    }
}

#[test]
fn small_messages_cost_no_allocation_each() {
    for line in ["decimal:10", "u32be-4@1", "delim:\\n", "netstring"] {
        let side = side(line);
        let mut encoder = tenfold_codec::Encoder::new(&side);
        let mut stream = Vec::new();
        for _ in 0..1000 {
            encoder.encode(b"hello, world", &mut stream).unwrap();
        }
        let mut decoder = Decoder::new(&side);
        let mut messages = 0;
        let held = most_held(|| {
            decoder.feed(&stream);
            while decoder.next_event().unwrap().is_some() {
                messages += 1;
            }
        });
        assert_eq!(messages, 1000);
        assert!(held <= 2 * stream.len(), "{line}: {held} bytes");
    }
}

/// A message of this many bytes, in 64 KiB; in the long tier one of 9 GB.
fn giant() -> u64 {
    let full = std::env::var("TENFOLD_FULL").is_ok_and(|full| full == "1");
    if full { 9_000_000_000 } else { 64 << 20 }
}

#[test]
fn a_message_of_gigabytes_in_pieces_passes_through_a_buffer_of_one_read() {
    let zeros = vec![0; READ];
    for line in ["decimal:10", "u64be-8@2", "content-length"] {
        let length = giant();
        let mut encoder = tenfold_codec::Encoder::new(&side(line));
        let mut start = Vec::new();
        encoder.begin(Some(length), &mut start).unwrap();
        encoder.data(&[0, 0], &mut start).unwrap();
        let mut decoder = decoder(line)
            .with_limit(u64::MAX)
            .with_pieces_above(1 << 20);
        let mut events = (0, 0, 0);
        let mut take = |decoder: &mut Decoder| {
            while let Some(event) = decoder.next_event().unwrap() {
                match event {
                    Event::Begin {
                        length: Some(found),
                    } if found == length => events.0 += 1,
                    Event::Data(data) => events.1 += data.len() as u64,
                    Event::End => events.2 += 1,
                    event => panic!("{event:?}"),
                }
            }
        };
        let held = most_held(|| {
            decoder.feed(&start);
            take(&mut decoder);
            let mut left = length - 2;
            while left > 0 {
                let n = usize::try_from(left).unwrap_or(READ).min(READ);
                left -= receive(&mut decoder, &zeros[..n]) as u64;
                take(&mut decoder);
            }
        });
        assert_eq!(events, (1, length, 1), "{line}");
        assert!(held <= 2 * READ + CHANGE, "{line}: {held} bytes");
        assert!(decoder.is_idle());
    }
}

#[test]
fn a_large_slice_of_a_message_that_is_not_collected_is_not_copied_whole() {
    let slice = vec![b'x'; 8 << 20];
    for line in ["decimal:10", "delim:\\n", "delim:\\r\\n", "cobs", "slip"] {
        for skips in [false, true] {
            let mut decoder = decoder(line).with_pieces_above(1000);
            if skips {
                decoder = decoder.with_limit(2000).with_recovery(Recovery::Skip);
            }
            if line == "decimal:10" {
                decoder.feed(b"16777216  ");
            }
            let held = most_held(|| {
                let mut chunk = decoder.chunk(&slice);
                while chunk.next_event().unwrap().is_some() {}
            });
            assert!(held <= 4 * READ, "{line}: {held} bytes");
        }
    }
}

#[test]
fn a_message_that_is_left_out_costs_no_memory() {
    let zeros = vec![0; READ];
    let mut decoder = decoder("decimal:10").with_recovery(Recovery::Skip);
    let held = most_held(|| {
        decoder.feed(b"99999999  ");
        let mut left = 99_999_999;
        while left > 0 {
            assert_eq!(decoder.next_event(), Ok(None));
            left -= receive(&mut decoder, &zeros[..left.min(READ)]);
        }
        assert!(matches!(decoder.next_event(), Ok(Some(Event::Skipped(_)))));
    });
    assert!(held <= 2 * READ + CHANGE, "{held} bytes");
}

#[test]
fn a_large_message_is_handed_over_in_the_memory_it_came_in() {
    let size = 1 << 20;
    let mut stream = format!("{size:<10}").into_bytes();
    stream.resize(10 + size, b'x');
    let mut decoder = decoder("decimal:10");
    let mut rest = &stream[..];
    while !rest.is_empty() {
        rest = &rest[receive(&mut decoder, rest)..];
        if decoder.next_event().unwrap().is_some() {
            let held = most_held(|| assert_eq!(decoder.take_message(), Some(vec![b'x'; size])));
            // The comparison's own copy, and no other.
            assert!(held <= size + CHANGE, "{held} bytes");
        }
    }
    assert_eq!(decoder.capacity(), 0);
    assert!(decoder.is_idle());
}

/// A buffer that was given away had to grow again by doublings, each of which wrote zeros and moved what was there:
/// large messages that the caller keeps came seven times slower than with `read_exact`.
#[test]
fn after_a_message_that_was_taken_the_next_one_is_given_as_much_room_at_once() {
    let size = 1 << 20;
    let mut stream = format!("{size:<10}").into_bytes();
    stream.resize(10 + size, b'x');
    let mut decoder = decoder("decimal:10");
    let mut sizes_of_buffers = Vec::new();
    for _ in 0..3 {
        let mut capacities = vec![0];
        let mut rest = &stream[..];
        while !rest.is_empty() {
            rest = &rest[receive(&mut decoder, rest)..];
            capacities.push(decoder.capacity());
            if decoder.next_event().unwrap().is_some() {
                assert!(
                    decoder
                        .take_message()
                        .is_some_and(|message| message.len() == size)
                );
            }
        }
        capacities.dedup();
        sizes_of_buffers.push(capacities.len() - 1);
    }
    assert!(sizes_of_buffers[0] > 2, "{sizes_of_buffers:?}");
    assert_eq!(
        sizes_of_buffers[1..],
        [2, 2],
        "one for a read, and one for the message"
    );
}

#[test]
fn room_for_a_message_as_large_as_the_one_before_is_not_given_for_its_announcement() {
    let size = 4 << 20;
    let mut stream = format!("{size:<10}").into_bytes();
    stream.resize(10 + size, b'x');
    let mut decoder = decoder("decimal:10");
    let mut rest = &stream[..];
    while !rest.is_empty() {
        rest = &rest[receive(&mut decoder, rest)..];
        if decoder.next_event().unwrap().is_some() {
            assert!(decoder.take_message().is_some());
        }
    }
    // One byte at a time: the buffer neither grows early, nor shrinks and grows at each byte.
    let mut before = 0;
    let mut changes = 0;
    for byte in &stream[..READ + 1000] {
        receive(&mut decoder, std::slice::from_ref(byte));
        assert_eq!(decoder.next_event(), Ok(None));
        changes += usize::from(decoder.capacity() != before);
        before = decoder.capacity();
        let received = decoder.rest().len();
        assert!(before <= READ.max(2 * received) || received >= READ / 2 && before <= size + 10);
    }
    assert!(changes <= 10, "{changes}");
}
