//! Streams, cut in every way, and what each of the two makes of them.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use tenfold_codec::{Decoder, Encoder, Event, Framing};
use tokio_util::codec::{Decoder as _, LengthDelimitedCodec};

/// How a stream is cut and handed over.
#[derive(Clone, Debug)]
pub(crate) struct Cuts {
    sizes: Vec<usize>,
    way: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Feed,
    Space,
    Chunk,
}

pub(crate) fn cuts() -> impl Strategy<Value = Cuts> {
    let size = prop_oneof![4 => 1..=9usize, 3 => 10..=300usize, 1 => 1000..=200_000usize];
    let way = prop_oneof![Just(Way::Feed), Just(Way::Space), Just(Way::Chunk)];
    (vec(size, 1..20), way).prop_map(|(sizes, way)| Cuts { sizes, way })
}

impl Cuts {
    /// The pieces of a stream; the sizes are used again and again.
    fn pieces<'a>(&'a self, mut stream: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.sizes.iter().cycle().map_while(move |size| {
            let (piece, rest) = stream.split_at((*size).min(stream.len()));
            stream = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// What came out of a stream: the messages, those left out as `None`, and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) messages: Vec<Option<Vec<u8>>>,
    pub(crate) failed: bool,
}

impl Outcome {
    pub(crate) fn of(messages: &[Vec<u8>]) -> Self {
        Self {
            messages: messages.iter().cloned().map(Some).collect(),
            failed: false,
        }
    }
}

/// Tenfold's reading of a stream, to its end.
pub(crate) fn decode(mut decoder: Decoder, stream: &[u8], cuts: &Cuts) -> Outcome {
    let mut messages = Vec::new();
    let mut take = |event: Event<'_>| match event {
        Event::Message(message) => messages.push(Some(message.to_vec())),
        Event::Skipped(_) => messages.push(None),
        event => panic!("{event:?}"),
    };
    let mut failed = false;
    for piece in cuts.pieces(stream) {
        failed |= match cuts.way {
            Way::Feed => {
                decoder.feed(piece);
                drain(&mut decoder, &mut take)
            }
            Way::Space => read_into_space(&mut decoder, piece, &mut take),
            Way::Chunk => {
                let mut chunk = decoder.chunk(piece);
                loop {
                    match chunk.next_event() {
                        Ok(Some(event)) => take(event),
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                }
            }
        };
        if failed {
            break;
        }
    }
    decoder.finish();
    failed = drain(&mut decoder, &mut take) || failed;
    Outcome { messages, failed }
}

fn read_into_space(
    decoder: &mut Decoder,
    mut piece: &[u8],
    take: &mut impl FnMut(Event<'_>),
) -> bool {
    while !piece.is_empty() {
        let space = decoder.space();
        let n = space.len().min(piece.len());
        space[..n].copy_from_slice(&piece[..n]);
        decoder.advance(n);
        piece = &piece[n..];
        if drain(decoder, take) {
            return true;
        }
    }
    false
}

/// Takes all events that there are; whether the decoder failed.
fn drain(decoder: &mut Decoder, take: &mut impl FnMut(Event<'_>)) -> bool {
    loop {
        match decoder.next_event() {
            Ok(Some(event)) => take(event),
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

/// The referee's reading of a stream that may end anywhere.
pub(crate) fn referee_decode(
    mut codec: LengthDelimitedCodec,
    stream: &[u8],
    cuts: &Cuts,
) -> Outcome {
    let mut outcome = Outcome::of(&[]);
    let mut buffer = BytesMut::new();
    for piece in cuts.pieces(stream) {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => outcome.messages.push(Some(frame.to_vec())),
                Ok(None) => break,
                Err(_) => {
                    outcome.failed = true;
                    return outcome;
                }
            }
        }
    }
    outcome.failed = codec.decode_eof(&mut buffer).is_err();
    outcome
}

pub(crate) fn encode(framing: &Framing, messages: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = Encoder::new(framing.client());
    let mut stream = Vec::new();
    for message in messages {
        encoder.encode(message, &mut stream).unwrap();
    }
    stream
}

/// What a referee for delimiters makes of a stream that ends after a delimiter: `next` gives a message, or
/// `None` for one that was too long, or nothing yet.
pub(crate) fn delimited(
    stream: &[u8],
    cuts: &Cuts,
    mut next: impl FnMut(&mut BytesMut) -> Option<Option<Vec<u8>>>,
) -> Outcome {
    let mut outcome = Outcome::of(&[]);
    let mut buffer = BytesMut::new();
    for piece in cuts.pieces(stream) {
        buffer.extend_from_slice(piece);
        while let Some(message) = next(&mut buffer) {
            outcome.messages.push(message);
        }
    }
    outcome
}
