//! The follower's core against a model of a hub, cut anywhere.

use std::collections::BTreeMap;

use super::*;
use crate::client::{Gap, GapReason, OnGap, Retry};
use crate::protocol::{Code, Epoch, HeadingKind, Pattern, Refusal};

/// Channels as a hub keeps them: their epochs, and the seqs that are kept.
#[derive(Clone, Debug, Default)]
struct Hub(BTreeMap<&'static str, (Epoch, u64, u64)>);

/// What a follower was told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Connected(u64),
    Message(String, u64, Vec<u8>),
    Gap(String, Option<u64>, u64, GapReason),
    Deleted(String),
    Unreadable(String),
    Disconnected,
}

fn payload(channel: &str, seq: u64) -> Vec<u8> {
    // Some are empty, and some look like headings.
    let text = format!("@{channel} {seq} deleted ");
    text.repeat(usize::try_from(seq % 3).unwrap()).into_bytes()
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [format!("{:<10}", payload.len()).as_bytes(), payload].concat()
}

fn heading(channel: &str, kind: HeadingKind) -> Vec<u8> {
    frame(Heading { channel, kind }.to_string().as_bytes())
}

impl Hub {
    /// Everything that one connection would be sent: two messages of a channel in a run.
    fn stream(&self, request: &[u8]) -> Vec<u8> {
        let mut lines = native(request).into_iter();
        let Ok(Request::Follow { from, .. }) = Request::parse(&lines.next().unwrap()) else {
            panic!("{}", request.escape_ascii());
        };
        let mut list = BTreeMap::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let place = Place::parse(&line).unwrap();
            list.insert(place.channel.to_string(), place);
        }
        assert_eq!(lines.next(), None);
        let mut out = frame(Answered::new(self.0.len() as u64).to_string().as_bytes());
        let mut places = Vec::new();
        for (name, (epoch, first, next)) in &self.0 {
            let mut seq = match from {
                Position::First => *first,
                Position::Next => *next,
                other => panic!("{other}"),
            };
            if let Some(place) = list.remove(*name) {
                seq = place.from;
                if place.epoch != *epoch {
                    seq = *first;
                    let (epoch, first) = (*epoch, *first);
                    out.extend(heading(name, HeadingKind::Epoch { epoch, first }));
                } else if place.from < *first {
                    seq = *first;
                    out.extend(heading(name, HeadingKind::Trimmed { first: *first }));
                }
            }
            out.extend(heading(name, HeadingKind::place(*epoch, seq, *next)));
            places.push((*name, *epoch, seq, *next));
        }
        for name in list.into_keys() {
            out.extend(heading(&name, HeadingKind::Deleted { next: None }));
        }
        while !places.is_empty() {
            for (name, epoch, seq, next) in &mut places {
                let count = (*next - *seq).min(2);
                out.extend(heading(name, HeadingKind::run(*epoch, *seq, count)));
                for seq in *seq..*seq + count {
                    out.extend(frame(&payload(name, seq)));
                }
                *seq += count;
            }
            places.retain(|(_, _, seq, next)| seq < next);
        }
        out
    }
}

fn native(bytes: &[u8]) -> Vec<Vec<u8>> {
    let frames = tenfold_codec::native::frames(bytes);
    frames
        .map(|frame| bytes[frame.unwrap()][10..].to_vec())
        .collect()
}

fn options() -> Follow {
    Follow::new(["*".parse::<Pattern>().unwrap()])
        .from(Position::First)
        .until_connected(Retry::Forever)
        .seed(1)
}

/// Gives the core these bytes in these parts, and lists what it tells. How it has ended: `None` while it wants
/// more.
fn feed(
    core: &mut Following,
    parts: &[&[u8]],
    ends: bool,
) -> (Vec<Told>, Option<Result<(), Error>>) {
    let mut told = Vec::new();
    let mut parts = parts.iter().copied();
    let mut rest: &[u8] = b"";
    loop {
        match core.advance() {
            Advance::Message | Advance::Notice => told.push(match core.take_event().unwrap() {
                FollowerEvent::Connected(answer) => Told::Connected(answer.channels),
                FollowerEvent::Message(message) => Told::Message(
                    message.channel.to_string(),
                    message.seq,
                    message.bytes.to_vec(),
                ),
                FollowerEvent::Gap(
                    name,
                    Gap {
                        reason,
                        expected,
                        available,
                        ..
                    },
                ) => Told::Gap(name.to_string(), expected, available, reason),
                FollowerEvent::Deleted(name) => Told::Deleted(name.to_string()),
                FollowerEvent::Unreadable(name) => Told::Unreadable(name.to_string()),
                FollowerEvent::Disconnected(_) => Told::Disconnected,
            }),
            Advance::NeedsBytes => {
                if rest.is_empty() {
                    match parts.next() {
                        Some(part) => rest = part,
                        None if ends => core.received(0),
                        None => return (told, None),
                    }
                }
                if !rest.is_empty() {
                    let space = core.space();
                    let n = rest.len().min(space.len());
                    space[..n].copy_from_slice(&rest[..n]);
                    core.received(n);
                    rest = &rest[n..];
                }
            }
            Advance::Cut => {
                if let Err(error) = core.cut(Duration::from_secs(9)) {
                    return (told, Some(Err(error)));
                }
            }
            Advance::NeedsConnection => return (told, None),
            Advance::Done => return (told, Some(Ok(()))),
        }
    }
}

fn messages(told: &[Told], of: &str) -> Vec<u64> {
    let mut seqs = Vec::new();
    for event in told {
        if let Told::Message(channel, seq, bytes) = event
            && channel == of
        {
            assert_eq!(*bytes, payload(channel, *seq));
            seqs.push(*seq);
        }
    }
    seqs
}

fn hub() -> Hub {
    let channels = [
        ("a", (Epoch(7), 0, 5)),
        ("b.1", (Epoch(7), 3, 8)),
        ("quiet", (Epoch(7), 4, 4)),
    ];
    Hub(channels.into_iter().collect())
}

#[test]
fn the_stream_is_the_same_at_every_split() {
    let connect = || {
        let mut core = Following::new(options().on_gap(OnGap::Continue));
        let request = core.connected(Duration::ZERO);
        (core, request)
    };
    let (mut core, request) = connect();
    let mut stream = hub().stream(&request);
    stream.extend(heading("a", HeadingKind::Unreadable));
    stream.extend(heading("b.1", HeadingKind::Corrupt { next: 11 }));
    stream.extend(heading("b.1", HeadingKind::run(Epoch(7), 11, 1)));
    stream.extend(frame(&payload("b.1", 11)));
    stream.extend(heading("a", HeadingKind::Deleted { next: Some(5) }));
    // Channels that came and went between two looks.
    stream.extend(heading("brief", HeadingKind::Deleted { next: Some(2) }));
    stream.extend(heading("unknown", HeadingKind::Deleted { next: None }));
    // What a later version says.
    stream.extend(frame(b"@a sparkles colour=red"));
    stream.extend(heading("a", HeadingKind::run(Epoch(9), 0, 1)));
    stream.extend(frame(&payload("a", 0)));
    let (whole, ended) = feed(&mut core, &[&stream], false);
    assert!(ended.is_none());
    assert_eq!(whole[0], Told::Connected(3));
    assert_eq!(messages(&whole, "a"), [0, 1, 2, 3, 4, 0]);
    assert_eq!(messages(&whole, "b.1"), [3, 4, 5, 6, 7, 11]);
    let others: Vec<_> = whole[1..]
        .iter()
        .filter(|told| !matches!(told, Told::Message(..)))
        .collect();
    assert_eq!(
        others,
        [
            &Told::Unreadable("a".to_owned()),
            &Told::Gap("b.1".to_owned(), Some(8), 11, GapReason::Corrupt),
            &Told::Deleted("a".to_owned()),
            &Told::Gap("brief".to_owned(), Some(0), 2, GapReason::Deleted)
        ]
    );
    let places: Vec<_> = core
        .places()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(places.len(), 3);
    assert!(places.contains(&"a epoch=0000000000000009 from=1".to_owned()));
    for split in 1..stream.len() {
        let (mut core, _) = connect();
        let (before, after) = stream.split_at(split);
        assert_eq!(
            feed(&mut core, &[before, after], false).0,
            whole,
            "split at {split}"
        );
    }
    let (mut core, _) = connect();
    let bytes: Vec<_> = stream.chunks(1).collect();
    assert_eq!(feed(&mut core, &bytes, false).0, whole);
}

#[test]
fn wherever_it_is_cut_each_channel_goes_on_exactly() {
    let before = hub();
    let length = before
        .stream(&Following::new(options()).connected(Duration::ZERO))
        .len();
    for cut in 0..=length {
        let mut core = Following::new(options());
        let request = core.connected(Duration::ZERO);
        let stream = before.stream(&request);
        let (mut told, ended) = feed(&mut core, &[&stream[..cut]], true);
        assert!(ended.is_none(), "cut at {cut}: {ended:?}");
        // Meanwhile there are more messages, and a new channel.
        let mut after = before.clone();
        after.0.insert("a", (Epoch(7), 0, 9));
        after.0.insert("quiet", (Epoch(7), 4, 6));
        after.0.insert("new", (Epoch(7), 0, 3));
        let request = core.connected(Duration::ZERO);
        told.extend(feed(&mut core, &[&after.stream(&request)], false).0);
        assert_eq!(
            messages(&told, "a"),
            (0..9).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        assert_eq!(
            messages(&told, "b.1"),
            (3..8).collect::<Vec<_>>(),
            "cut at {cut}"
        );
        assert_eq!(messages(&told, "quiet"), [4, 5], "cut at {cut}");
        assert_eq!(messages(&told, "new"), [0, 1, 2], "cut at {cut}");
        assert!(told.contains(&Told::Disconnected));
    }
}

#[test]
fn what_was_quiet_while_it_was_followed_is_not_missed() {
    let mut core = Following::new(options().from(Position::Next));
    let request = core.connected(Duration::ZERO);
    let (told, _) = feed(&mut core, &[&hub().stream(&request)], true);
    assert_eq!(messages(&told, "a"), [0_u64; 0]);
    let mut after = hub();
    after.0.insert("a", (Epoch(7), 0, 7));
    let request = core.connected(Duration::ZERO);
    assert!(request.starts_with(b"19        FOLLOW * from=first"));
    let (told, _) = feed(&mut core, &[&after.stream(&request)], false);
    assert_eq!(messages(&told, "a"), [5, 6]);
}

#[test]
fn each_gap_is_told_of_its_channel_and_the_others_go_on() {
    let places = ["a", "b.1", "gone", "quiet"].map(|name| {
        Place::new(
            name.parse().unwrap(),
            Epoch(if name == "a" { 6 } else { 7 }),
            2,
        )
    });
    let resume = || options().resume(places.clone());
    let mut core = Following::new(resume().on_gap(OnGap::Continue));
    let mut hub = hub();
    hub.0.insert("quiet", (Epoch(7), 0, 3));
    hub.0.insert("late", (Epoch(7), 6, 8));
    let request = core.connected(Duration::ZERO);
    let (told, _) = feed(&mut core, &[&hub.stream(&request)], false);
    for gap in [
        Told::Gap("a".to_owned(), Some(2), 0, GapReason::Epoch),
        Told::Gap("b.1".to_owned(), Some(2), 3, GapReason::Trimmed),
        Told::Gap("gone".to_owned(), Some(2), 2, GapReason::Deleted),
        Told::Gap("late".to_owned(), Some(0), 6, GapReason::Trimmed),
    ] {
        assert!(told.contains(&gap), "{gap:?} in {told:?}");
    }
    assert_eq!(messages(&told, "a"), [0, 1, 2, 3, 4]);
    assert_eq!(messages(&told, "quiet"), [2]);
    assert_eq!(messages(&told, "late"), [6, 7]);
    // By default the first of them is the end.
    let mut core = Following::new(resume());
    let request = core.connected(Duration::ZERO);
    let (told, ended) = feed(&mut core, &[&hub.stream(&request)], false);
    let Some(Err(error)) = ended else {
        panic!("{told:?}");
    };
    let words = "channel a: the hub has another history of the channel (epoch 0000000000000007, and \
                 0000000000000006 was asked for); message 2 was to come next; its first message is 0";
    assert_eq!(error.to_string(), words);
    assert_eq!(told, []);
}

#[test]
fn it_ends_with_what_was_there_at_the_beginning() {
    let mut core = Following::new(options().until_end());
    let request = core.connected(Duration::ZERO);
    let stream = hub().stream(&request);
    for cut in 0..stream.len() {
        let mut core = Following::new(options().until_end());
        core.connected(Duration::ZERO);
        let (mut told, ended) = feed(&mut core, &[&stream[..cut]], true);
        assert!(ended.is_none(), "cut at {cut}");
        let mut after = hub();
        after.0.insert("a", (Epoch(7), 0, 9));
        after.0.insert("new", (Epoch(7), 0, 3));
        let request = core.connected(Duration::ZERO);
        let (rest, ended) = feed(&mut core, &[&after.stream(&request)], false);
        let is_new = !told.contains(&Told::Connected(3));
        told.extend(rest);
        assert!(matches!(ended, Some(Ok(()))), "cut at {cut}");
        assert_eq!(messages(&told, "b.1"), [3, 4, 5, 6, 7], "cut at {cut}");
        // If it has not heard of all channels yet, the beginning is the second one.
        assert_eq!(
            messages(&told, "a").len(),
            if is_new { 9 } else { 5 },
            "cut at {cut}"
        );
        assert_eq!(
            messages(&told, "new").len(),
            if is_new { 3 } else { 0 },
            "cut at {cut}"
        );
    }
    let nothing = Hub::default();
    let (told, ended) = feed(&mut core, &[&nothing.stream(&request)], false);
    assert_eq!(told, [Told::Connected(0)]);
    assert!(matches!(ended, Some(Ok(()))));
}

/// The error that these frames after the answer and one place lead to.
fn error_after(frames: &[Vec<u8>]) -> Option<Error> {
    let mut core = Following::new(options().limit(20));
    core.connected(Duration::ZERO);
    let mut stream = frame(b"OK channels=1");
    stream.extend(heading("a", HeadingKind::place(Epoch(7), 3, 5)));
    stream.extend(frames.concat());
    match feed(&mut core, &[&stream], false).1 {
        Some(Err(error)) => Some(error),
        _ => None,
    }
}

#[test]
fn what_a_hub_cannot_say_is_an_error() {
    let run = |from, count| heading("a", HeadingKind::run(Epoch(7), from, count));
    for (frames, words) in [
        (vec![frame(b"hello")], "no heading has announced"),
        (
            vec![run(3, 1), frame(b"hello"), frame(b"hello")],
            "no heading has announced",
        ),
        (
            vec![run(4, 1)],
            "message 3 of a was to come, and it sends 4",
        ),
        (
            vec![heading("a", HeadingKind::Trimmed { first: 3 })],
            "it says of a that",
        ),
    ] {
        let error = error_after(&frames).unwrap();
        assert!(
            matches!(&error, Error::Protocol(said) if said.contains(words)),
            "{error}"
        );
    }
    assert!(error_after(&[run(3, 0), frame(b"@x"), run(3, 1), frame(b"hello")]).is_none());
}

#[test]
fn a_message_over_the_limit_is_an_error_of_its_channel() {
    let run = heading("a", HeadingKind::run(Epoch(7), 3, 2));
    let error = error_after(&[run, frame(b"hello"), frame(&[b'x'; 21])]).unwrap();
    assert_eq!(
        error.to_string(),
        "channel a: message 4 has 21 bytes, and the limit is 20"
    );
}

#[test]
fn each_code_stops_or_tries_again_as_the_protocol_says() {
    for code in Code::ALL {
        let mut core = Following::new(options());
        core.connected(Duration::ZERO);
        let refusal = frame(Refusal::new(*code, "words").to_string().as_bytes());
        let (told, ended) = feed(&mut core, &[&refusal], true);
        if code.is_temporary() {
            assert_eq!(told, [Told::Disconnected], "{code}");
        } else {
            assert!(matches!(ended, Some(Err(Error::Refused(_)))), "{code}");
        }
    }
}

#[test]
fn channels_that_come_and_go_leave_nothing() {
    let mut core = Following::new(options());
    core.connected(Duration::ZERO);
    let mut stream = frame(b"OK channels=0");
    for n in 0..1000 {
        let name = format!("c{n}");
        stream.extend(heading(&name, HeadingKind::run(Epoch(7), 0, 1)));
        stream.extend(frame(b"x"));
        stream.extend(heading(&name, HeadingKind::Deleted { next: Some(1) }));
    }
    let (told, _) = feed(&mut core, &[&stream], false);
    assert_eq!(told.len(), 2001);
    assert_eq!(core.places(), Some(Vec::new()));
    assert!(format!("{:?}", core.slots).len() < 1000);
}

/// The simulation found it: what was told of a new channel, whose first run had not come, was forgotten with
/// the connection, and the next place of the channel was taken for a mistake.
#[test]
fn a_channel_of_which_only_a_gap_was_told_goes_on_with_what_there_is_then() {
    let mut core = Following::new(options().on_gap(OnGap::Continue));
    core.connected(Duration::ZERO);
    let mut stream = frame(b"OK channels=0");
    stream.extend(heading("new", HeadingKind::Trimmed { first: 8 }));
    feed(&mut core, &[&stream], true);
    let hub = Hub([("new", (Epoch(7), 15, 17))].into_iter().collect());
    let request = core.connected(Duration::ZERO);
    let (told, ended) = feed(&mut core, &[&hub.stream(&request)], false);
    assert!(ended.is_none(), "{ended:?}");
    let gap = Told::Gap("new".to_owned(), Some(8), 15, GapReason::Trimmed);
    assert_eq!(told[..2], [Told::Connected(1), gap]);
    assert_eq!(messages(&told, "new"), [15, 16]);
}
