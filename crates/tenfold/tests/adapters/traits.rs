//! The codecs of `tokio_util` are the readers and writers in another form.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tenfold::codec_traits::{EventCodec, FramedCodec, OwnedEvent};
use tenfold::{Decoder, Encoder, Framing, ReadError};
use tokio_util::codec::{Decoder as _, Encoder as _, Framed};

use crate::choppy::{Choppy, Cut};
use crate::drivers::{Blocking, Driver};
use crate::script::{Random, Seen, Step, bytes, messages};

impl From<OwnedEvent> for Step {
    fn from(event: OwnedEvent) -> Self {
        match event {
            OwnedEvent::Message(message) => Self::Message(message.into()),
            OwnedEvent::Mark(number) => Self::Mark(number),
            OwnedEvent::Begin { length } => Self::Begin(length),
            OwnedEvent::Data(bytes) => Self::Data(bytes.into()),
            OwnedEvent::End => Self::End,
            _ => Self::Skipped,
        }
    }
}

impl From<Step> for OwnedEvent {
    fn from(step: Step) -> Self {
        match step {
            Step::Message(message) => Self::Message(message.into()),
            Step::Mark(number) => Self::Mark(number),
            Step::Begin(length) => Self::Begin { length },
            Step::Data(bytes) => Self::Data(bytes.into()),
            Step::End | Step::Skipped => Self::End,
        }
    }
}

/// As `Framed` does it, with reads of any size.
fn decode(stream: &[u8], decoder: Decoder, encoder: Encoder) -> Seen {
    let mut codec = EventCodec::from_parts(decoder, encoder);
    let mut random = Random(9);
    let mut buffer = BytesMut::new();
    let mut seen = Seen::new();
    let mut left = stream;
    loop {
        let next = if left.is_empty() {
            codec.decode_eof(&mut buffer)
        } else {
            codec.decode(&mut buffer)
        };
        match next {
            Ok(Some(event)) => seen.add(event.into()),
            Ok(None) if left.is_empty() => return seen,
            Ok(None) => {
                let n = (1 + random.below(10_000)).min(left.len());
                buffer.extend_from_slice(&left[..n]);
                left = &left[n..];
            }
            Err(error) => {
                seen.end = Err(error);
                return seen;
            }
        }
    }
}

fn steps() -> Vec<Step> {
    let mut steps = messages([bytes(5), bytes(0), bytes(100_000), bytes(2000)]);
    steps.insert(2, Step::Begin(Some(3000)));
    steps.insert(3, Step::Data(bytes(3000)));
    steps.insert(4, Step::End);
    steps
}

#[test]
fn the_codec_and_the_writer_write_the_same_bytes() {
    for framing in ["decimal:10", "varint", "cobs", "lsp", "u8@0/u24be,close=!"] {
        let framing: Framing = framing.parse().unwrap();
        let side = framing.client();
        let mut codec = EventCodec::new(side);
        let mut out = BytesMut::new();
        for step in steps() {
            codec.encode(step.into(), &mut out).unwrap();
        }
        let written = Blocking::write_choppy(Choppy::new(Cut::Whole, Vec::new()), side, &steps());
        assert!(out == written.bytes, "{side}");
    }
}

#[test]
fn the_codec_and_the_reader_see_the_same_events() {
    for framing in ["decimal:10", "varint", "cobs", "lsp", "delim:zz", "git"] {
        let framing: Framing = framing.parse().unwrap();
        let side = framing.client();
        let mut wire = Vec::new();
        let mut encoder = Encoder::new(side);
        if side.has_marks() {
            encoder.mark(0, &mut wire).unwrap();
        }
        for size in [5, 0, 60_000, 3000] {
            let message = vec![b'm'; size];
            encoder.encode(&message, &mut wire).unwrap();
        }
        // Whole, cut in the last message, and with something wrong behind it.
        let cut = wire[..wire.len() - 1].to_vec();
        let wrong = [&wire[..], b"GET / HTTP/1.1"].concat();
        for stream in [wire, cut, wrong] {
            let decoder = || Decoder::new(side).with_pieces_above(10_000);
            let seen = decode(&stream, decoder(), Encoder::new(side));
            let choppy = Choppy::new(Cut::Random(10), stream);
            let expected = Blocking::read_choppy(choppy, decoder());
            assert!(seen.steps == expected.steps, "{side}");
            // (The bytes that an error is described by differ with the reads.)
            let kind = |end: Result<(), ReadError>| match end {
                Err(ReadError::Decode(error)) => Some((error.kind().clone(), error.offset())),
                _ => None,
            };
            assert_eq!(kind(seen.end), kind(expected.end), "{side}");
        }
    }
}

#[tokio::test]
async fn two_ends_talk_through_framed() {
    let framing: Framing = "postgres".parse().unwrap();
    let (near, far) = tokio::io::duplex(1000);
    let mut client = Framed::new(near, FramedCodec::connecting(&framing));
    let mut server = Framed::new(far, FramedCodec::listening(&framing));
    for message in ["startup", "Qselect", "Qselect again"] {
        client.send(message).await.unwrap();
        let received = server.next().await.unwrap().unwrap();
        assert_eq!(received, message);
        server.send(Bytes::from("Ranswer")).await.unwrap();
        assert_eq!(client.next().await.unwrap().unwrap(), "Ranswer");
    }
    drop(client);
    assert!(server.next().await.is_none());
}

#[tokio::test]
async fn a_stream_that_ends_in_a_frame_is_an_error_of_framed() {
    let codec = FramedCodec::new(Framing::default().client());
    let mut framed = Framed::new(tokio::io::join(&b"5         hel"[..], Vec::new()), codec);
    let error = framed.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("ended inside the payload"));
    assert!(framed.next().await.is_none());
}

#[test]
fn a_file_that_grows_goes_on_behind_its_end() {
    let mut codec = FramedCodec::new(Framing::default().client());
    let mut buffer = BytesMut::from(&b"2         hi"[..]);
    assert_eq!(codec.decode_eof(&mut buffer).unwrap().unwrap(), "hi");
    assert!(codec.decode_eof(&mut buffer).unwrap().is_none());
    buffer.extend_from_slice(b"3      ");
    assert!(codec.decode(&mut buffer).unwrap().is_none());
    assert_eq!(codec.rest(), b"3      ");
    buffer.extend_from_slice(b"   yes");
    assert_eq!(codec.decode(&mut buffer).unwrap().unwrap(), "yes");
}
