//! The encoder against the naive one, in all its ways, and back through the decoder.

use tenfold_codec::{EncodeError, Encoder, Framing};

use crate::naive::model::{Model, Step};
use crate::naive::write::{Refusal, frame, mark};
use crate::naive::{Event, Settings};

/// An encoder for one side.
pub(crate) fn encoder_of(steps: &[Step]) -> Encoder {
    let line = Model::alike(steps.to_vec()).print();
    let framing: Framing = line.parse().unwrap_or_else(|error| panic!("{error}"));
    Encoder::new(framing.client())
}

/// The frames of messages and marks that can all be framed.
pub(crate) fn encoded(steps: &[Step], events: &[Event]) -> Vec<u8> {
    let mut encoder = encoder_of(steps);
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::Message(message) => encoder.encode(message, &mut out),
            Event::Mark(number) => encoder.mark(*number, &mut out),
            Event::Skipped(_) => continue,
        }
        .unwrap_or_else(|error| panic!("{event:?}: {error}"));
    }
    out
}

/// Messages and marks are framed, or refused, as the naive encoder does it, whole, in parts and in
/// pieces of the sizes that `plan` has; and the decoder gives them back.
pub(crate) fn agrees_with_the_naive_encoder(steps: &[Step], events: &[Event], plan: &[u8]) {
    let mut encoder = encoder_of(steps);
    let mut out = Vec::new();
    let mut accepted = Vec::new();
    for event in events {
        let step = &steps[accepted.len().min(steps.len() - 1)];
        let (expected, written) = match event {
            Event::Message(message) => {
                let expected = frame(step, message);
                in_parts(&mut encoder.clone(), message, &expected);
                in_pieces(&encoder, step, message, &expected, plan);
                let before = out.len();
                let result = encoder.encode(message, &mut out);
                (expected, result.map(|()| out[before..].to_vec()))
            }
            Event::Mark(number) => {
                let before = out.len();
                let result = encoder.mark(*number, &mut out);
                (mark(step, *number), result.map(|()| out[before..].to_vec()))
            }
            Event::Skipped(_) => continue,
        };
        compare(&expected, written.as_deref());
        if expected.is_ok() {
            accepted.push(event.clone());
        }
    }
    let unlimited = Settings {
        limit: u64::MAX,
        pieces_above: None,
        skip: false,
    };
    let back = crate::naive::decode(steps, unlimited, &out, true);
    assert_eq!(back.verdict, None);
    let back: Vec<Event> = back.events.into_iter().map(|(event, _)| event).collect();
    assert_eq!(back, accepted);
    super::decoding::agrees_with_the_naive_decoder(steps, unlimited, &out, plan);
    assert_eq!(encoded(steps, &accepted), out);
}

fn compare(expected: &Result<Vec<u8>, Refusal>, written: Result<&[u8], &EncodeError>) {
    match (expected, written) {
        (Ok(expected), Ok(written)) => assert_eq!(written, expected),
        (Err(refusal), Err(error)) => {
            assert_eq!(refusal_of(error), Some(*refusal), "{error}");
            assert_eq!(error.to_string().lines().count(), 1);
        }
        (expected, written) => panic!("{expected:?} was expected, and it was {written:?}"),
    }
}

/// `frame` is `encode` in slices, and counts as written.
fn in_parts(encoder: &mut Encoder, message: &[u8], expected: &Result<Vec<u8>, Refusal>) {
    let mut other = encoder.clone();
    let mut out = Vec::new();
    match encoder.frame(message) {
        Ok(Some(frame)) => {
            let joined = frame.slices().concat();
            compare(expected, Ok(&joined));
            assert_eq!(frame.len(), joined.len());
            assert!(!frame.is_empty());
        }
        Ok(None) => {
            let result = encoder.encode(message, &mut out);
            compare(expected, result.as_ref().map(|()| &out[..]));
            return;
        }
        Err(error) => compare(expected, Err(&error)),
    }
    let same = other.encode(message, &mut out).is_ok();
    assert_eq!(same, expected.is_ok());
    let (mut next, mut next_of_other) = (Vec::new(), Vec::new());
    let result = encoder.encode(message, &mut next);
    assert_eq!(other.encode(message, &mut next_of_other), result);
    assert_eq!(next, next_of_other);
}

/// `begin`, `data` and `end` write what `encode` writes, where a message may come in pieces.
fn in_pieces(
    encoder: &Encoder,
    step: &Step,
    message: &[u8],
    expected: &Result<Vec<u8>, Refusal>,
    plan: &[u8],
) {
    let length = message.len() as u64;
    for told in [Some(length), None] {
        let mut encoder = encoder.clone();
        let mut out = Vec::new();
        let result = write_pieces(&mut encoder, message, told, plan, &mut out);
        let must_be_told = step.chars
            || step.announces() && !matches!(step.shape, crate::naive::model::Shape::Fixed(_));
        if step.chars || told.is_none() && must_be_told {
            assert_eq!(result, Err(EncodeError::LengthUnknown));
            assert!(out.is_empty());
        } else if told.is_none() && *expected == Err(Refusal::WrongSize) {
            assert!(matches!(result, Err(EncodeError::Pieces { .. })));
        } else {
            compare(expected, result.as_ref().map(|()| &out[..]));
            assert_eq!(encoder.is_inside(), result.is_err() && encoder.is_inside());
        }
    }
}

fn write_pieces(
    encoder: &mut Encoder,
    message: &[u8],
    length: Option<u64>,
    plan: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    encoder.begin(length, out)?;
    assert!(encoder.is_inside());
    assert_eq!(encoder.encode(b"", out), Err(EncodeError::OutOfOrder));
    assert_eq!(encoder.begin(Some(1), out), Err(EncodeError::OutOfOrder));
    let mut rest = message;
    let mut sizes = plan.iter().cycle();
    while !rest.is_empty() {
        let size = usize::from(*sizes.next().unwrap_or(&255) >> 3).min(rest.len());
        let size = if plan.iter().all(|byte| byte >> 3 == 0) {
            rest.len()
        } else {
            size
        };
        encoder.data(&rest[..size], out)?;
        rest = &rest[size..];
    }
    encoder.end(out)?;
    assert!(!encoder.is_inside());
    assert_eq!(encoder.data(b"", out), Err(EncodeError::OutOfOrder));
    Ok(())
}

fn refusal_of(error: &EncodeError) -> Option<Refusal> {
    Some(match error {
        EncodeError::TooLong { .. } => Refusal::TooLong,
        EncodeError::TooShort { .. } => Refusal::TooShort,
        EncodeError::WrongSize { .. } => Refusal::WrongSize,
        EncodeError::Delimiter { at } => Refusal::Delimiter(usize::try_from(*at).ok()?),
        EncodeError::Empty => Refusal::Empty,
        EncodeError::LengthBits => Refusal::LengthBits,
        EncodeError::NotUtf8 { at } => Refusal::NotUtf8(usize::try_from(*at).ok()?),
        EncodeError::NotAMark { .. } => Refusal::NotAMark,
        _ => return None,
    })
}
