//! The publisher's core against a model of a hub, cut anywhere.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::client::Retry;
use crate::client::backoff::FIRST as FIRST_PAUSE;
use crate::protocol::{Code, Refusal};

const NOW: Duration = Duration::ZERO;

fn frame(payload: &[u8]) -> Vec<u8> {
    [format!("{:<10}", payload.len()).as_bytes(), payload].concat()
}

fn options() -> Publish {
    Publish::new("ticks".parse().unwrap())
        .until_connected(Retry::Forever)
        .seed(1)
}

fn named() -> Publish {
    options().producer("meter7".parse().unwrap())
}

/// Answers and acknowledgements of a hub.
fn ok(next: u64, acks: &str) -> Vec<u8> {
    frame(format!("OK epoch=0000000000000001 next={next} acks={acks}").as_bytes())
}

fn ack(n: u64) -> Vec<u8> {
    frame(format!("ACK {n}").as_bytes())
}

/// Takes what the core writes, up to `limit` bytes. Whether it shuts down writing after that.
fn take(core: &mut Publication, limit: usize, out: &mut Vec<u8>) -> bool {
    let until = out.len() + limit;
    while out.len() < until {
        match core.outgoing() {
            Outgoing::Bytes(unwritten) => {
                let n = unwritten.rest().len().min(until - out.len());
                out.extend_from_slice(&unwritten.rest()[..n]);
                core.wrote(n);
            }
            Outgoing::Shutdown => return true,
            Outgoing::Nothing => return false,
        }
    }
    false
}

/// A hub that has one producer's messages, and a connection on which bytes are under way.
#[derive(Default)]
struct Hub {
    committed: Vec<Vec<u8>>,
    decoder: Option<Decoder>,
    wire: Vec<u8>,
}

impl Hub {
    fn accept(&mut self, core: &mut Publication) {
        core.connected(NOW);
        self.wire.clear();
        self.decoder = Some(Decoder::new(Framing::default().server()));
        core.received(&ok(self.committed.len() as u64, "memory"));
        assert!(!core.is_cut());
    }

    /// Commits what is whole in the next bytes.
    fn read(&mut self, n: usize) {
        let Some(decoder) = &mut self.decoder else {
            return;
        };
        let n = n.min(self.wire.len());
        decoder.feed(&self.wire[..n]);
        self.wire.drain(..n);
        while let Some(tenfold_codec::Event::Message(message)) = decoder.next_event().unwrap() {
            self.committed.push(message.to_vec());
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Accept(usize),
    Write(usize),
    Read(usize),
    Ack,
    /// After the hub has read so many of the bytes that are under way.
    Cut(usize),
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => prop_oneof![20 => 0..30_usize, 1 => 50_000..100_000_usize].prop_map(Step::Accept),
        4 => (1..200_usize).prop_map(Step::Write),
        1 => (1..200_000_usize).prop_map(Step::Write),
        4 => prop_oneof![1..100_usize, 1..200_000_usize].prop_map(Step::Read),
        3 => Just(Step::Ack),
        1 => (0..200_usize).prop_map(Step::Cut),
        2 => Just(Step::Connect),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn each_message_is_committed_once_in_order_wherever_it_is_cut(
        steps in prop::collection::vec(step(), 1..200)
    ) {
        let mut core = Publication::new(options());
        let mut hub = Hub::default();
        let mut sent: Vec<Vec<u8>> = Vec::new();
        let mut is_open = false;
        for step in steps {
            match step {
                Step::Accept(len) => {
                    let message = [sent.len().to_string().as_bytes(), &vec![b'.'; len]].concat();
                    prop_assert!(core.is_room(message.len()));
                    core.accept(&message).unwrap();
                    sent.push(message);
                }
                Step::Write(limit) if is_open => drop(take(&mut core, limit, &mut hub.wire)),
                Step::Read(n) => hub.read(n),
                Step::Ack if is_open => core.received(&ack(hub.committed.len() as u64)),
                Step::Cut(n) if is_open => {
                    hub.read(n);
                    core.lost(Error::Closed);
                    prop_assert!(core.cut(NOW).is_some());
                    is_open = false;
                }
                Step::Connect if !is_open => {
                    hub.accept(&mut core);
                    is_open = true;
                }
                _ => {}
            }
            prop_assert!(!core.is_cut());
            prop_assert!(core.acknowledged() <= hub.committed.len() as u64);
        }
        if !is_open {
            hub.accept(&mut core);
        }
        core.begin_close();
        prop_assert!(take(&mut core, usize::MAX / 2, &mut hub.wire));
        hub.read(usize::MAX);
        core.received(&ack(hub.committed.len() as u64));
        core.ended();
        prop_assert!(core.cut(NOW).is_none());
        prop_assert!(matches!(core.result(), Some(Ok(()))));
        prop_assert_eq!(core.acknowledged(), sent.len() as u64);
        prop_assert_eq!(hub.committed, sent);
    }
}

/// A core with an open connection, and messages `0 1 2 ...` that were written to it.
fn with_written(options: Publish, next: u64, messages: u64) -> (Publication, Vec<u8>) {
    let mut core = Publication::new(options);
    core.connected(NOW);
    let acks = match core.options().acks {
        Some(acks) => acks.as_str(),
        None => "memory",
    };
    core.received(&ok(next, acks));
    for n in 0..messages {
        core.accept(n.to_string().as_bytes()).unwrap();
    }
    let mut out = Vec::new();
    take(&mut core, usize::MAX / 2, &mut out);
    (core, out)
}

/// How the core ends, after the connection is let go of.
fn end(core: &mut Publication) -> Error {
    assert!(core.is_cut());
    assert_eq!(core.cut(NOW), None);
    core.result().unwrap().unwrap_err()
}

#[test]
fn a_count_that_cannot_be_is_an_error_with_its_numbers() {
    for (next, fits) in [(10, false), (11, true), (13, true), (14, false), (0, false)] {
        let (mut core, _) = with_written(named(), 10, 3);
        core.received(&ack(11));
        core.lost(Error::Closed);
        core.cut(NOW).unwrap();
        core.connected(NOW);
        let answer = format!("OK epoch=0000000000000002 next={next} acks=memory");
        core.received(&frame(answer.as_bytes()));
        assert_eq!(core.is_cut(), !fits);
        if fits {
            let mut out = Vec::new();
            take(&mut core, 1000, &mut out);
            let missing = (next - 10)..3;
            let expected: Vec<u8> = missing
                .flat_map(|n| frame(n.to_string().as_bytes()))
                .collect();
            assert_eq!(out, expected);
            continue;
        }
        let error = end(&mut core);
        let Error::History(mismatch) = &error else {
            panic!("{error}");
        };
        assert_eq!(
            (mismatch.committed, mismatch.acknowledged, mismatch.sent),
            (next, 11, 13)
        );
        let words = error.to_string();
        assert!(words.contains("producer meter7") && words.contains("11 to 13"));
        assert!(words.contains("0000000000000001") && words.contains("0000000000000002"));
    }
}

#[test]
fn what_was_accepted_and_not_written_is_not_in_doubt() {
    let (mut core, _) = with_written(named(), 0, 2);
    core.accept(b"not written").unwrap();
    core.lost(Error::Closed);
    core.cut(NOW).unwrap();
    core.connected(NOW);
    core.received(&ok(3, "memory"));
    assert!(matches!(end(&mut core), Error::History(_)));
}

#[test]
fn an_acknowledgement_that_cannot_be_is_an_error() {
    for n in [1, 4] {
        let (mut core, _) = with_written(options(), 0, 3);
        core.received(&ack(2));
        core.received(&ack(2));
        assert!(!core.is_cut());
        core.received(&ack(n));
        assert!(matches!(end(&mut core), Error::Protocol(_)));
    }
    let (mut core, _) = with_written(options(), 0, 0);
    core.accept(b"cut in its frame").unwrap();
    take(&mut core, 12, &mut Vec::new());
    core.received(&ack(1));
    assert!(matches!(end(&mut core), Error::Protocol(_)));
}

#[test]
fn each_code_stops_or_tries_again_as_the_protocol_says() {
    for code in Code::ALL {
        for answer in [true, false] {
            let (mut core, _) = with_written(options(), 0, 1);
            if answer {
                core.lost(Error::Closed);
                core.cut(NOW).unwrap();
                core.connected(NOW);
            }
            core.received(&frame(Refusal::new(*code, "words").to_string().as_bytes()));
            assert!(core.is_cut());
            assert_eq!(core.cut(NOW).is_some(), code.is_temporary(), "{code}");
            match core.result() {
                None => assert!(code.is_temporary()),
                Some(Err(Error::Refused(refusal))) => assert_eq!(refusal.code, Some(*code)),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_history_is_sent_from_where_the_hub_is() {
    let mut core = Publication::new(named().start(Start::History));
    assert!(!core.is_room(1), "nobody knows yet how much to leave out");
    core.connected(NOW);
    core.received(&ok(2, "memory"));
    for n in 0..4_u64 {
        assert!(core.is_room(1));
        core.accept(n.to_string().as_bytes()).unwrap();
    }
    let mut out = Vec::new();
    take(&mut core, 1000, &mut out);
    assert_eq!(out, [frame(b"2"), frame(b"3")].concat());
    core.received(&ack(3));
    assert_eq!((core.given(), core.acknowledged()), (4, 3));
    core.received(&ack(4));
    assert!(core.is_flushed());
    assert_eq!(core.committed(), Some(2));
}

#[test]
fn a_fresh_producer_has_nothing_at_the_hub() {
    let mut core = Publication::new(named().start(Start::Fresh));
    core.connected(NOW);
    core.received(&ok(1, "memory"));
    assert!(matches!(end(&mut core), Error::History(_)));
}

#[test]
fn the_window_bounds_what_is_kept() {
    let mut core = Publication::new(options().window(100, 3));
    assert!(core.is_room(1000), "one message is always taken");
    core.accept(&[0; 30]).unwrap();
    assert!(core.is_room(50) && !core.is_room(51));
    core.accept(b"").unwrap();
    core.accept(b"").unwrap();
    assert!(!core.is_room(0));
    core.connected(NOW);
    core.received(&ok(0, "memory"));
    take(&mut core, 1000, &mut Vec::new());
    core.received(&ack(1));
    assert!(core.is_room(70) && !core.is_room(71));
}

#[test]
fn with_acks_none_what_is_written_is_let_go_of() {
    let (mut core, out) = with_written(options().acks(Acks::None).window(20, 1), 0, 1);
    assert_eq!(out, frame(b"0"));
    assert!(core.is_flushed() && core.is_room(1));
    assert_eq!(core.acknowledged(), 0);
    core.begin_close();
    assert!(matches!(core.outgoing(), Outgoing::Shutdown));
    core.received(&ack(1));
    core.ended();
    assert_eq!(core.cut(NOW), None);
    assert!(matches!(core.result(), Some(Ok(()))));
}

#[test]
fn with_acks_none_a_cut_is_not_forgotten() {
    let (mut core, _) = with_written(options().acks(Acks::None), 0, 2);
    core.lost(Error::Closed);
    core.cut(NOW).unwrap();
    core.connected(NOW);
    core.received(&ok(0, "none"));
    core.accept(b"third").unwrap();
    let mut out = Vec::new();
    core.begin_close();
    assert!(take(&mut core, 1000, &mut out));
    assert_eq!(out, frame(b"third"));
    core.received(&ack(1));
    core.ended();
    let Error::Unacknowledged { acknowledged, sent } = end(&mut core) else {
        panic!();
    };
    assert_eq!((acknowledged, sent), (1, 3));

    let (mut core, _) = with_written(named().acks(Acks::None), 5, 2);
    core.lost(Error::Closed);
    core.cut(NOW).unwrap();
    core.connected(NOW);
    core.received(&ok(6, "none"));
    assert!(matches!(end(&mut core), Error::Lost { first: 6, next: 7 }));
}

#[test]
fn a_close_without_messages_still_visits_the_hub() {
    let mut core = Publication::new(options());
    core.begin_close();
    assert!(core.result().is_none());
    core.connected(NOW);
    core.received(&ok(0, "memory"));
    assert!(matches!(core.outgoing(), Outgoing::Shutdown));
    core.timed_out();
    assert_eq!(core.cut(NOW), None);
    assert!(matches!(core.result(), Some(Ok(()))));
}

#[test]
fn an_end_before_the_last_acknowledgement_is_a_cut() {
    let (mut core, _) = with_written(options(), 0, 3);
    core.begin_close();
    assert!(matches!(core.outgoing(), Outgoing::Shutdown));
    core.received(&ack(2));
    core.ended();
    assert!(core.cut(NOW).is_some());
    core.connected(NOW);
    core.received(&ok(2, "memory"));
    let mut out = Vec::new();
    assert!(take(&mut core, 1000, &mut out));
    assert_eq!(out, frame(b"2"));
    core.received(&ack(3));
    core.timed_out();
    assert_eq!(core.cut(NOW), None);
    assert!(matches!(core.result(), Some(Ok(()))));
}

#[test]
fn what_is_not_a_frame_or_not_a_word_of_a_hub_is_an_error() {
    for bytes in [&b"HTTP/1.1 400"[..], b"5         hello", b"99999999  "] {
        let (mut core, _) = with_written(options(), 0, 1);
        core.received(bytes);
        let error = end(&mut core);
        assert!(
            matches!(error, Error::Frame(_) | Error::Protocol(_)),
            "{error}"
        );
    }
}

/// A publisher that may go to another hub, and has written three messages to this one.
fn of_two_hubs(options: Publish) -> Publication {
    let (mut core, _) = with_written(options, 0, 3);
    core.set_hubs(2);
    core
}

#[test]
fn a_hub_that_acknowledges_nothing_is_left_for_another_one() {
    let mut core = of_two_hubs(named());
    let waits = core.patience().unwrap();
    assert_eq!(waits.time, NEXT_ACK);
    core.received(&ack(2));
    let beyond = core.patience().unwrap();
    assert_ne!(beyond, waits, "the time counts from the acknowledgement");
    core.timed_out();
    assert!(core.is_cut());
    assert_eq!((core.cut(NOW), core.hub()), (Some(NOW), 1));

    core.connected(NOW);
    core.received(&ok(2, "memory"));
    let mut out = Vec::new();
    take(&mut core, 1000, &mut out);
    assert_eq!(out, frame(b"2"), "what was not acknowledged is sent again");
    let twice = core.patience().unwrap().time;
    assert_eq!(twice, NEXT_ACK * 2, "a slow network gets more time");
    core.received(&ack(3));
    assert_eq!(core.patience(), None, "there is nothing to acknowledge");
}

#[test]
fn a_hub_owes_no_acknowledgement_of_what_it_does_not_have_whole() {
    let mut core = Publication::new(named());
    core.set_hubs(2);
    core.connected(NOW);
    core.received(&ok(0, "memory"));
    core.accept(b"first").unwrap();
    core.accept(b"second").unwrap();
    assert_eq!(core.patience(), None);
    take(&mut core, 14, &mut Vec::new());
    assert_eq!(core.patience(), None, "one byte is to come");
    take(&mut core, 1, &mut Vec::new());
    assert!(core.patience().is_some());
}

#[test]
fn a_publisher_without_another_hub_or_without_acknowledgements_waits() {
    let (core, _) = with_written(named(), 0, 3);
    assert_eq!(core.patience(), None);
    let mut core = of_two_hubs(named().acks(Acks::None));
    core.accept(b"more").unwrap();
    assert_eq!(core.patience(), None);
}

#[test]
fn the_pauses_begin_again_after_a_connection_that_worked() {
    let mut core = Publication::new(options());
    for _ in 0..8 {
        core.lost(Error::Closed);
        core.cut(NOW).unwrap();
    }
    core.connected(NOW);
    core.received(&ok(0, "memory"));
    core.accept(b"first").unwrap();
    take(&mut core, 1000, &mut Vec::new());
    core.received(&ack(1));
    core.lost(Error::Closed);
    assert_eq!(core.cut(NOW), Some(NOW), "it is tried again at once");
    core.lost(Error::Closed);
    let pause = core.cut(NOW).unwrap();
    assert!(!pause.is_zero() && pause <= FIRST_PAUSE, "{pause:?}");
}
