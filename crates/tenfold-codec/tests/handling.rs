//! How a decoder is driven, apart from what is in the stream.

use tenfold_codec::{Decoder, Encoder, Event, Framing, Side};

fn decoder() -> Decoder {
    Decoder::new(Framing::default().client())
}

#[test]
#[should_panic(expected = "more bytes were filled than were lent")]
fn bytes_that_were_never_lent_cannot_have_been_read() {
    let mut decoder = decoder();
    let lent = decoder.space().len();
    decoder.advance(lent + 1);
}

#[test]
#[should_panic(expected = "more bytes were filled than were lent")]
fn space_is_lent_for_one_read() {
    let mut decoder = decoder();
    decoder.space();
    decoder.advance(1);
    decoder.advance(1);
}

#[test]
fn a_read_of_nothing_changes_nothing() {
    let mut decoder = decoder();
    decoder.feed(b"3         ab");
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.space();
    decoder.advance(0);
    decoder.feed(b"");
    assert_eq!(decoder.chunk(b"").next_event(), Ok(None));
    decoder.feed(b"c");
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b"abc"))));
}

#[test]
fn release_keeps_what_is_needed_and_frees_what_is_not() {
    let mut decoder = decoder();
    decoder.feed(b"3         abc3         ab");
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b"abc"))));
    decoder.release();
    assert!(decoder.capacity() > 0);
    decoder.feed(b"c");
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b"abc"))));
    decoder.release();
    assert_eq!(decoder.capacity(), 0);
    assert!(decoder.is_idle());
}

#[test]
fn only_a_message_that_was_given_last_is_taken() {
    let mut decoder = decoder();
    assert_eq!(decoder.take_message(), None);
    decoder.feed(b"3         abc");
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b"abc"))));
    assert_eq!(decoder.take_message(), Some(b"abc".to_vec()));
    assert_eq!(decoder.next_event(), Ok(None));
    assert_eq!(decoder.take_message(), None);
}

#[test]
fn what_a_dropped_slice_still_held_comes_later() {
    for line in ["decimal:10", "delim:\\n", "u8@1", "cobs"] {
        let framing: Framing = line.parse().unwrap();
        let mut stream = Vec::new();
        let mut encoder = tenfold_codec::Encoder::new(framing.client());
        let messages: [&[u8]; 5] = [b"1", b"2", b"22", b"3", b"4"];
        for message in messages {
            encoder.encode(message, &mut stream).unwrap();
        }
        for taken in 0..=messages.len() {
            let mut decoder = Decoder::new(framing.client());
            let mut chunk = decoder.chunk(&stream);
            for message in &messages[..taken] {
                assert_eq!(chunk.next_event(), Ok(Some(Event::Message(message))));
            }
            drop(chunk);
            assert_eq!(decoder.index(), taken as u64, "{line}");
            assert!(stream.ends_with(decoder.rest()));
            for message in &messages[taken..] {
                assert_eq!(decoder.next_event(), Ok(Some(Event::Message(message))));
            }
            assert_eq!(decoder.next_event(), Ok(None));
            assert!(decoder.is_idle());
        }
    }
}

// The fast path once gave an empty message back to the decoder, which then gave it again.
#[test]
fn an_empty_first_message_of_a_dropped_slice_does_not_come_twice() {
    let framing: Framing = "line".parse().unwrap();
    let mut decoder = Decoder::new(framing.client());
    let mut chunk = decoder.chunk(b"\n\nabc\n");
    assert_eq!(chunk.next_event(), Ok(Some(Event::Message(b""))));
    drop(chunk);
    assert_eq!((decoder.offset(), decoder.index()), (1, 1));
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b""))));
    assert_eq!(decoder.next_event(), Ok(Some(Event::Message(b"abc"))));
    assert_eq!(decoder.next_event(), Ok(None));
}

// The memory of the last header was once zeros before there was one, so that a header of zero
// bytes equalled it.
#[test]
fn a_header_of_zero_bytes_is_not_the_one_before_the_first() {
    for line in [
        "decimal:10",
        "decimal:8",
        "decimal:08",
        "hex:4",
        "hex:8",
        "hex:5",
    ] {
        let framing: Framing = line.parse().unwrap();
        for stream in [&[0; 10][..], &[b' '; 10]] {
            let mut fed = Decoder::new(framing.client());
            fed.feed(stream);
            assert!(fed.next_event().is_err(), "{line}");
            let mut sliced = Decoder::new(framing.client());
            assert!(sliced.chunk(stream).next_event().is_err(), "{line}");
        }
    }
}

// A length of 2^64 - 1 under a limit as high once overflowed where the next read is sized.
#[test]
fn the_highest_limit_there_is_refuses_what_cannot_be_held() {
    for pieces_above in [None, Some(u64::MAX), Some(u64::MAX - 1)] {
        let framing: Framing = "u64be".parse().unwrap();
        let mut decoder = Decoder::new(framing.client()).with_limit(u64::MAX);
        if let Some(above) = pieces_above {
            decoder = decoder.with_pieces_above(above);
        }
        decoder.feed(&[0xff; 9]);
        match decoder.next_event() {
            Ok(Some(Event::Begin { length })) => {
                assert_eq!(length, Some(u64::MAX));
                assert_eq!(pieces_above, Some(u64::MAX - 1));
            }
            Ok(event) => panic!("{event:?}"),
            Err(_) => assert_ne!(pieces_above, Some(u64::MAX - 1)),
        }
        assert!(!decoder.space().is_empty());
    }
}

/// What a stream is to somebody who only counts: messages, the offset after them, the error.
fn counted(parts: &[&[u8]], side: &Side, passes: bool) -> (u64, u64, Option<String>) {
    let mut decoder = Decoder::new(side).with_limit(2000).with_pieces_above(500);
    let mut count = 0;
    for part in parts {
        let mut chunk = decoder.chunk(part);
        loop {
            if passes {
                count += chunk.pass(3) as u64;
            }
            match chunk.next_event() {
                Ok(None) => break,
                Ok(Some(Event::Message(_) | Event::End)) => count += 1,
                Ok(Some(_)) => {}
                Err(error) => {
                    drop(chunk);
                    return (count, decoder.offset(), Some(error.to_string()));
                }
            }
        }
    }
    (count, decoder.offset(), None)
}

#[test]
fn passing_over_messages_counts_what_giving_them_counts_at_every_split() {
    for line in [
        "decimal:10",
        "decimal:10,lax",
        "decimal:08",
        "u32be",
        "decimal:10+3",
    ] {
        let framing: Framing = line.parse().unwrap();
        let side = framing.client();
        let mut stream = Vec::new();
        let mut encoder = Encoder::new(side);
        for length in [3, 16, 16, 16, 16, 16, 5, 700, 16, 3, 499, 500, 501, 16, 16] {
            encoder.encode(&vec![b'x'; length], &mut stream).unwrap();
        }
        let good = stream.len();
        for bad in [&b""[..], b"12345x    ", b"2001      ", b"\x00\x00\x08\x00"] {
            stream.truncate(good);
            stream.extend_from_slice(bad);
            for split in 0..=stream.len() {
                let parts = [&stream[..split], &stream[split..]];
                let expected = counted(&parts, side, false);
                assert_eq!(
                    counted(&parts, side, true),
                    expected,
                    "{line} split at {split}"
                );
            }
        }
    }
}
