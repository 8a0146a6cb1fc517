//! The obviously right decoder: it has the whole stream in a slice, looks at each frame from its
//! start, keeps no state between two frames but three counters, and knows nothing of the crate.
//! Written from the description of the wire format; the crate is compared with it.

pub(crate) mod block;
pub(crate) mod model;
pub(crate) mod number;
pub(crate) mod stuffing;
pub(crate) mod write;

use model::{Shape, Step};
use number::Read;

/// What a decoder is told besides the framing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The most bytes of a message.
    pub(crate) limit: u64,
    /// Larger messages may come in pieces, and need not fit into memory.
    pub(crate) pieces_above: Option<u64>,
    /// Messages that cannot be had are left out, where the next can be found.
    pub(crate) skip: bool,
}

/// What is in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// What was found, and the offset after it.
    pub(crate) events: Vec<(Event, u64)>,
    /// Offset of the frame after the last event.
    pub(crate) offset: u64,
    /// Messages given or left out.
    pub(crate) index: u64,
    /// Whether the stream can end here.
    pub(crate) clean: bool,
    /// What is wrong at `offset`.
    pub(crate) verdict: Option<Verdict>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Message(Vec<u8>),
    Mark(u64),
    Skipped(Verdict),
}

/// An error, with the offset of its frame and the index of its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    pub(crate) offset: u64,
    pub(crate) index: u64,
}

/// What is wrong; places are offsets in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    BadHeader {
        at: u64,
    },
    TooLarge {
        declared: Option<u64>,
        limit: u64,
    },
    TooSmall {
        number: u64,
        minimum: u64,
    },
    BadClose {
        at: u64,
    },
    BadUtf8 {
        at: u64,
    },
    BrokenFrame,
    Truncated {
        part: Part,
        have: u64,
        missing: Option<u64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Header,
    Payload,
    Close,
}

/// A part of a frame, how many bytes of it are there, and how many are missing.
type Missing = (Part, usize, Option<u64>);

/// What stands at the start of some bytes. Places count from there.
enum Frame {
    /// Nothing at all, so that a stream could end here.
    Nothing,
    /// A part of a frame: what is missing.
    Part(Part, usize, Option<u64>),
    Message(Vec<u8>, usize),
    Mark(u64, usize),
    /// Bytes that are neither message nor error.
    Filling(usize),
    /// A message that can be left out, and where it ends if that is known yet.
    LeaveOut(Kind, Result<usize, Missing>),
    Fatal(Kind),
}

/// Decodes what has come of a stream by now, or with `ended` the whole of it.
pub(crate) fn decode(steps: &[Step], settings: Settings, bytes: &[u8], ended: bool) -> Contents {
    let mut contents = Contents::default();
    let mut at = 0;
    let mut step = 0;
    // HDLC: the frame before was one too, so that its flag can begin this one.
    let mut flagged = false;
    loop {
        let rule = &steps[step.min(steps.len() - 1)];
        let frame = look(rule, settings, &bytes[at..], flagged);
        let here = at as u64;
        let index = contents.index;
        let verdict = |kind| Verdict {
            kind: shifted(kind, here),
            offset: here,
            index,
        };
        let mut fail = |kind| contents.verdict = Some(verdict(kind));
        let (event, length) = match frame {
            Frame::Filling(length) => (None, length),
            Frame::Message(message, length) => (Some(Event::Message(message)), length),
            Frame::Mark(number, length) => (Some(Event::Mark(number)), length),
            Frame::LeaveOut(kind, Ok(length)) if settings.skip => {
                (Some(Event::Skipped(verdict(kind))), length)
            }
            Frame::Nothing => {
                contents.clean = true;
                break;
            }
            Frame::Fatal(kind) => {
                fail(kind);
                break;
            }
            Frame::LeaveOut(kind, _) if !settings.skip => {
                fail(kind);
                break;
            }
            Frame::Part(part, have, missing) | Frame::LeaveOut(_, Err((part, have, missing))) => {
                if ended {
                    fail(Kind::Truncated {
                        part,
                        have: have as u64,
                        missing,
                    });
                }
                break;
            }
            Frame::LeaveOut(_, Ok(_)) => unreachable!(),
        };
        at += length;
        flagged = rule.shape == Shape::Hdlc;
        if let Some(event) = event {
            step += 1;
            contents.index += u64::from(!matches!(event, Event::Mark(_)));
            contents.events.push((event, at as u64));
        }
    }
    contents.offset = at as u64;
    contents
}

fn shifted(kind: Kind, by: u64) -> Kind {
    match kind {
        Kind::BadHeader { at } => Kind::BadHeader { at: at + by },
        Kind::BadClose { at } => Kind::BadClose { at: at + by },
        Kind::BadUtf8 { at } => Kind::BadUtf8 { at: at + by },
        kind => kind,
    }
}

fn look(step: &Step, settings: Settings, bytes: &[u8], flagged: bool) -> Frame {
    if bytes.is_empty() {
        return Frame::Nothing;
    }
    if step.is_stuffed() {
        return look_at_stuffed(step, settings, bytes, flagged);
    }
    let head = match read_head(step, bytes) {
        Ok(head) => head,
        Err(frame) => return frame,
    };
    let before = &bytes[step.open.len()..head.message];
    let rest = &bytes[head.size..];
    match &step.shape {
        Shape::Delim(delim) => look_for_delim(step, settings, head.size, rest, delim),
        Shape::Number { add, .. } => {
            if let Some(number) = head.number
                && i128::from(number) + i128::from(*add) < 0
            {
                return if step.marks {
                    Frame::Mark(number, head.size)
                } else {
                    Frame::Fatal(Kind::TooSmall {
                        number,
                        minimum: add.unsigned_abs(),
                    })
                };
            }
            let follow = head.number.and_then(|n| n.checked_add_signed(*add));
            if step.chars {
                look_at_chars(step, settings, head.size, rest, follow)
            } else {
                look_at_counted(step, settings, head.size, before, rest, follow)
            }
        }
        _ => look_at_counted(step, settings, head.size, before, rest, head.number),
    }
}

struct Head {
    size: usize,
    /// Where the bytes of the message that stand in the head end; they begin after `open`.
    message: usize,
    number: Option<u64>,
}

/// Reads what stands before a payload.
fn read_head(step: &Step, bytes: &[u8]) -> Result<Head, Frame> {
    let open = step.open.len();
    let fixed_size = match &step.shape {
        Shape::Number { number, at, .. } => number.size().map(|size| open + at + size),
        Shape::ContentLength => None,
        _ => Some(open),
    };
    let part = || {
        let missing = fixed_size.map(|size| (size - bytes.len()) as u64);
        Frame::Part(Part::Header, bytes.len(), missing)
    };
    let bad = |at: usize| Frame::Fatal(Kind::BadHeader { at: at as u64 });
    if let Some(at) = first_difference(&step.open, bytes) {
        return Err(bad(at));
    }
    if bytes.len() < open {
        return Err(part());
    }
    let at = match &step.shape {
        Shape::Number { at, .. } => open + at,
        _ => open,
    };
    let Some(rest) = bytes.get(at..) else {
        return Err(part());
    };
    let (read, kept) = match &step.shape {
        Shape::Number { number, .. } => (number::read(number, step.lax, rest), number),
        Shape::ContentLength => (block::read(rest), &model::Number::Varint),
        Shape::Fixed(size) => (Read::Done(Some(*size), 0), &model::Number::Varint),
        _ => (Read::Done(None, 0), &model::Number::Varint),
    };
    match read {
        Read::Need => Err(part()),
        Read::Bad(place) => Err(bad(at + place)),
        Read::Done(number, size) => Ok(Head {
            size: at + size,
            message: at + kept.kept(),
            number,
        }),
    }
}

fn first_difference(expected: &[u8], bytes: &[u8]) -> Option<usize> {
    let pairs = expected.iter().zip(bytes);
    pairs.enumerate().find(|(_, (a, b))| a != b).map(|(n, _)| n)
}

/// A payload of `follow` more bytes, of which those `before` the number are a part.
fn look_at_counted(
    step: &Step,
    settings: Settings,
    head: usize,
    before: &[u8],
    rest: &[u8],
    follow: Option<u64>,
) -> Frame {
    let total = follow.and_then(|follow| follow.checked_add(before.len() as u64));
    let too_large = |declared, limit| Kind::TooLarge { declared, limit };
    let Some(total) = total else {
        return Frame::Fatal(too_large(None, settings.limit));
    };
    let follow = total - before.len() as u64;
    let payload_end = usize::try_from(follow)
        .ok()
        .filter(|follow| *follow <= rest.len());
    let end = match payload_end {
        None => Err((
            Part::Payload,
            before.len() + rest.len(),
            Some(follow - rest.len() as u64),
        )),
        Some(end) => match close(step, &rest[end..]) {
            Ok(Ok(size)) => Ok(head + end + size),
            Ok(Err(part)) => Err(part),
            Err(at) => {
                let at = (head + end + at) as u64;
                // A message that is refused anyway is refused before its end.
                if total <= settings.limit || settings.skip {
                    return Frame::Fatal(Kind::BadClose { at });
                }
                Ok(0)
            }
        },
    };
    let memory = isize::MAX.unsigned_abs() as u64;
    let whole = settings.pieces_above.is_none_or(|above| total <= above);
    if total > settings.limit {
        return Frame::LeaveOut(too_large(Some(total), settings.limit), end);
    }
    if whole && total > memory {
        return Frame::LeaveOut(too_large(Some(total), memory), end);
    }
    match (end, payload_end) {
        (Ok(end), Some(payload)) => {
            let mut message = before.to_vec();
            clear_length(step, &mut message);
            message.extend(&rest[..payload]);
            Frame::Message(message, end)
        }
        (Err((part, have, missing)), _) => Frame::Part(part, have, missing),
        (Ok(_), None) => unreachable!(),
    }
}

/// The closing constant at the start of `bytes`: its size, or which part is missing; or where it
/// differs.
fn close(step: &Step, bytes: &[u8]) -> Result<Result<usize, Missing>, usize> {
    let size = step.close.len();
    if let Some(at) = first_difference(&step.close, bytes) {
        return Err(at);
    }
    Ok(if bytes.len() < size {
        let missing = (size - bytes.len()) as u64;
        Err((Part::Close, bytes.len(), Some(missing)))
    } else {
        Ok(size)
    })
}

/// Where the number stays in the message, its length bits are zero there.
fn clear_length(step: &Step, message: &mut [u8]) {
    let Shape::Number { number, at, .. } = &step.shape else {
        return;
    };
    let size = number.kept();
    if size == 0 {
        return;
    }
    let kept = &mut message[*at..at + size];
    let model::Number::Bits { bits, little } = number else {
        unreachable!("only bits are kept");
    };
    for bit in 0..*bits {
        let byte = if *little { bit / 8 } else { size - 1 - bit / 8 };
        kept[byte] &= !(1 << (bit % 8));
    }
}

fn look_at_chars(
    step: &Step,
    settings: Settings,
    head: usize,
    rest: &[u8],
    count: Option<u64>,
) -> Frame {
    let limit = settings.limit;
    let Some(count) = count.filter(|count| *count <= limit) else {
        let declared = count;
        return Frame::Fatal(Kind::TooLarge { declared, limit });
    };
    let (valid, wrong) = match std::str::from_utf8(rest) {
        Ok(text) => (text, None),
        Err(error) => {
            let valid = error.valid_up_to();
            // The first byte is wrong by itself, or the one after those that go together.
            let leads = matches!(rest[valid], 0xc2..=0xf4);
            let wrong = error
                .error_len()
                .map(|length| valid + if leads { length } else { 0 });
            (std::str::from_utf8(&rest[..valid]).unwrap(), wrong)
        }
    };
    let ends: Vec<usize> = valid
        .char_indices()
        .map(|(start, c)| start + c.len_utf8())
        .collect();
    let payload = match usize::try_from(count).unwrap() {
        0 => Some(0),
        count => ends.get(count - 1).copied(),
    };
    let known = payload.or(wrong).unwrap_or(rest.len());
    if known as u64 > limit {
        return Frame::Fatal(Kind::TooLarge {
            declared: None,
            limit,
        });
    }
    match (payload, wrong) {
        (None, Some(at)) => Frame::Fatal(Kind::BadUtf8 {
            at: (head + at) as u64,
        }),
        (None, None) => Frame::Part(Part::Payload, rest.len(), None),
        (Some(end), _) => match close(step, &rest[end..]) {
            Ok(Ok(size)) => Frame::Message(rest[..end].to_vec(), head + end + size),
            Ok(Err((part, have, missing))) => Frame::Part(part, have, missing),
            Err(at) => Frame::Fatal(Kind::BadClose {
                at: (head + end + at) as u64,
            }),
        },
    }
}

fn look_for_delim(
    step: &Step,
    settings: Settings,
    head: usize,
    rest: &[u8],
    delim: &[u8],
) -> Frame {
    let found = rest.windows(delim.len()).position(|w| w == delim);
    // Without the delimiter, the last bytes could be the first of it.
    let known = found.unwrap_or_else(|| (rest.len() + 1).saturating_sub(delim.len()));
    let too_large = known as u64 > settings.limit;
    let end = match found {
        None => Err((Part::Payload, rest.len(), None)),
        Some(end) => match close(step, &rest[end + delim.len()..]) {
            Ok(Ok(size)) => Ok(head + end + delim.len() + size),
            Ok(Err(part)) => Err(part),
            Err(_) if too_large && !settings.skip => Ok(0),
            Err(at) => {
                let at = (head + end + delim.len() + at) as u64;
                return Frame::Fatal(Kind::BadClose { at });
            }
        },
    };
    if too_large {
        let kind = Kind::TooLarge {
            declared: None,
            limit: settings.limit,
        };
        return Frame::LeaveOut(kind, end);
    }
    match end {
        Ok(end) => Frame::Message(rest[..known].to_vec(), end),
        Err((part, have, missing)) => Frame::Part(part, have, missing),
    }
}

fn look_at_stuffed(step: &Step, settings: Settings, bytes: &[u8], flagged: bool) -> Frame {
    if step.shape == Shape::Hdlc && !flagged && bytes[0] == 0x7e {
        return Frame::Filling(1);
    }
    let last = match step.shape {
        Shape::Cobs => 0x00,
        Shape::Slip => 0xc0,
        _ => 0x7e,
    };
    let end = bytes.iter().position(|byte| *byte == last);
    if end == Some(0) {
        return Frame::Filling(1);
    }
    let raw = &bytes[..end.unwrap_or(bytes.len())];
    let (message, broken) = match step.shape {
        Shape::Cobs => stuffing::uncobs(raw, end.is_some()),
        Shape::Slip => stuffing::unslip(raw, end.is_some()),
        _ if flagged => stuffing::unhdlc(raw, end.is_some()),
        _ => (Vec::new(), true),
    };
    let size = end
        .map(|end| end + 1)
        .ok_or((Part::Payload, raw.len(), None));
    if message.len() as u64 > settings.limit {
        let kind = Kind::TooLarge {
            declared: None,
            limit: settings.limit,
        };
        return Frame::LeaveOut(kind, size);
    }
    match (broken, size) {
        (true, size) => Frame::LeaveOut(Kind::BrokenFrame, size),
        (false, Ok(size)) => Frame::Message(message, size),
        (false, Err((part, have, missing))) => Frame::Part(part, have, missing),
    }
}
