//! What encodings look like, and that those of a block are those of its messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tenfold::{Encoder, Framing};

use super::*;
use tenfold::text::is_hidden;

const EPOCH: Epoch = Epoch(0x00c0_ffee);

const ALL: [Encoding; 5] = [
    Encoding::Frames,
    Encoding::JsonLines,
    Encoding::EventStream,
    Encoding::Lines,
    Encoding::WebSocket,
];

fn forms() -> impl Iterator<Item = Form> {
    ALL.into_iter()
        .flat_map(|encoding| [Form::of(encoding), Form::of(encoding).chunked()])
}

fn block(messages: &[Vec<u8>]) -> Block {
    let mut frames = Vec::new();
    let mut encoder = Encoder::new(Framing::default().server());
    for message in messages {
        encoder.encode(message, &mut frames).unwrap();
    }
    Block::new(frames, messages.len() as u64)
}

/// What is in the chunks of a stream, which may go on.
fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let line = bytes.iter().position(|byte| *byte == b'\r').unwrap();
        let size = str::from_utf8(&bytes[..line]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        assert_eq!(&bytes[line..line + 2], b"\r\n");
        let (chunk, rest) = bytes[line + 2..].split_at(size);
        out.extend_from_slice(chunk);
        bytes = rest.strip_prefix(b"\r\n").unwrap();
    }
    out
}

/// An event as a browser gets it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: String,
    kind: String,
    data: String,
}

/// Reads a stream of events as the standard says it, line by line.
fn events(stream: &[u8]) -> Vec<Event> {
    let stream = String::from_utf8_lossy(stream);
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(&stream);
    let stream = stream.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut id) = (Vec::new(), String::new());
    let mut event = Event::default();
    for line in stream.split('\n') {
        if line.is_empty() {
            let mut done = std::mem::take(&mut event);
            if done.data.pop().is_some() {
                done.id.clone_from(&id);
                events.push(done);
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                event.data.push_str(value);
                event.data.push('\n');
            }
            "event" => value.clone_into(&mut event.kind),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            _ => {}
        }
    }
    events
}

fn odd_payloads() -> Vec<Vec<u8>> {
    let payloads: [&[u8]; 17] = [
        b"",
        b" leading space",
        b"  two",
        b"\n",
        b"a\nb",
        b"ends\n",
        b"\n\n\nmany\n\n",
        b"carriage\rreturn",
        b"crlf\r\n",
        b"\xef\xbb\xbfbom",
        b"nul\0nul",
        b"id: 7",
        b"data: x\nid: 8\nevent: y\n\nretry: 1",
        b": comment",
        b"not utf-8 \xff\xfe",
        "line separator \u{2028} and \u{1f600}".as_bytes(),
        b"{\"json\":\"</script>\"}",
    ];
    let mut all: Vec<_> = payloads.iter().map(|payload| payload.to_vec()).collect();
    all.push(b"70 kB ".repeat(12_000));
    all
}

#[test]
fn odd_messages_are_the_same_as_events() {
    let messages = odd_payloads();
    assert_eq!(messages.len(), 18);
    let stream = Form::of(Encoding::EventStream)
        .chunked()
        .encode(EPOCH, 40, &block(&messages));
    let events = events(&unchunked(&stream));
    assert_eq!(events.len(), messages.len());
    for (index, (event, message)) in events.iter().zip(&messages).enumerate() {
        let bytes = match &*event.kind {
            "" => event.data.clone().into_bytes(),
            "base64" => STANDARD.decode(&event.data).unwrap(),
            other => panic!("an event of the type {other}"),
        };
        assert!(bytes == *message, "message {index}: {event:?}");
        assert_eq!(event.id, format!("0000000000c0ffee.{}", 40 + index));
    }
}

#[test]
fn a_gap_is_an_event_after_which_a_client_goes_on_with_what_there_is() {
    let form = Form::of(Encoding::EventStream);
    let gap = Gap::new(GapReason::Trimmed, 3, 9, EPOCH);
    let said = events(&form.gap(&gap).unwrap());
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].kind, "gap");
    assert_eq!(said[0].id, "0000000000c0ffee.8");
    let data = r#"{"reason":"trimmed","expected":3,"first":9,"epoch":"0000000000c0ffee"}"#;
    assert_eq!(said[0].data, data);
    assert!(Form::of(Encoding::Frames).gap(&gap).is_none());
}

#[test]
fn a_line_of_json_is_one_that_a_reader_understands_and_that_a_terminal_can_be_given() {
    let messages = [odd_payloads(), vec!["\u{1b}[2J\u{202e}\u{7f}\u{8}".into()]].concat();
    let lines = Form::of(Encoding::JsonLines).encode(EPOCH, 0, &block(&messages));
    let text = str::from_utf8(&lines).unwrap();
    let lines: Vec<_> = text.strip_suffix('\n').unwrap().split('\n').collect();
    assert_eq!(lines.len(), messages.len());
    for (seq, (line, message)) in lines.iter().zip(&messages).enumerate() {
        assert!(!line.chars().any(is_hidden), "{line}");
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["seq"], seq);
        let bytes = match (&value["text"], &value["base64"]) {
            (serde_json::Value::String(text), serde_json::Value::Null) => text.clone().into_bytes(),
            (serde_json::Value::Null, serde_json::Value::String(text)) => {
                STANDARD.decode(text).unwrap()
            }
            _ => panic!("{line}"),
        };
        assert!(bytes == *message, "{line}");
    }
}

#[test]
fn what_a_websocket_client_gets_is_one_binary_message_for_each() {
    let messages: Vec<_> = [0, 1, 125, 126, 65_535, 65_536, 200_000]
        .map(|length| vec![b'x'; length])
        .into();
    let stream = Form::of(Encoding::WebSocket).encode(EPOCH, 0, &block(&messages));
    let mut rest = &stream[..];
    for message in &messages {
        let (head, after) = rest.split_at(2);
        assert_eq!(head[0], 0x82, "all of a binary message");
        let (length, after) = match head[1] {
            126 => (
                u64::from(u16::from_be_bytes([after[0], after[1]])),
                &after[2..],
            ),
            127 => {
                let (length, after) = after.split_at(8);
                (u64::from_be_bytes(length.try_into().unwrap()), after)
            }
            length => (u64::from(length), after),
        };
        assert_eq!(length, message.len() as u64);
        let (payload, after) = after.split_at(message.len());
        assert!(payload == &message[..]);
        rest = after;
    }
    assert!(rest.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_encoding_of_a_block_is_that_of_its_messages_one_by_one(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 0..40),
        first: u32,
    ) {
        let first = u64::from(first);
        let block = block(&messages);
        for form in forms() {
            let whole = form.encoded(EPOCH, first, &block);
            let unwrapped = |bytes: &[u8]| {
                if form.is_chunked { unchunked(bytes) } else { bytes.to_vec() }
            };
            let mut one_by_one = Vec::new();
            for (index, message) in messages.iter().enumerate() {
                let one = self::block(std::slice::from_ref(message));
                one_by_one.extend(unwrapped(&form.encode(EPOCH, first + index as u64, &one)));
            }
            prop_assert_eq!(unwrapped(&whole.bytes), one_by_one);
            // Each piece begins and ends with a message, and can be begun with.
            let mut start = (0, 0);
            for cut in &whole.cuts {
                let rest = crate::frames::after(&block, start.1);
                let piece = crate::frames::first(&rest, cut.messages - start.1);
                let again = form.encode(EPOCH, first + start.1, &piece);
                prop_assert_eq!(&again[..], &whole.bytes[start.0..cut.end]);
                prop_assert_eq!(whole.offset_after(cut.messages), Some(cut.end));
                start = (cut.end, cut.messages);
            }
            prop_assert_eq!(start, (whole.bytes.len(), messages.len() as u64));
        }
    }
}
