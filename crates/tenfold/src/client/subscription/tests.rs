//! The subscriber's core against a model of a hub, cut anywhere.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::client::backoff::FIRST as FIRST_PAUSE;
use crate::client::{OnGap, Retry};
use crate::protocol::{Code, Refusal};

/// A channel as a hub keeps it. Each message tells its epoch and seq.
#[derive(Debug)]
struct Channel {
    epoch: Epoch,
    /// The first epoch of this history: places in it and in those after it are good.
    since: Epoch,
    first: u64,
    next: u64,
    damaged: std::ops::Range<u64>,
}

impl Channel {
    fn payload(&self, seq: u64) -> Vec<u8> {
        // Some are empty, and some are longer than a header.
        let text = format!("{} {seq} ", self.since.0);
        text.repeat(usize::try_from(seq % 4).unwrap()).into_bytes()
    }

    /// The answer to a request, and with which message to go on.
    fn answer(&self, request: &[u8]) -> (String, Option<u64>) {
        let length = std::str::from_utf8(&request[..10]).unwrap().trim_end();
        assert_eq!(length.parse::<usize>().unwrap(), request.len() - 10);
        let Ok(Request::Subscribe { from, epoch, .. }) = Request::parse(&request[10..]) else {
            panic!("{}", request.escape_ascii());
        };
        if epoch.is_some_and(|epoch| !(self.since..=self.epoch).contains(&epoch)) {
            let refusal = Refusal::new(Code::Epoch, "another history")
                .with("epoch", self.epoch)
                .with("first", self.first);
            return (refusal.to_string(), None);
        }
        let from = match from {
            Position::First => self.first,
            Position::Next => self.next,
            Position::Seq(seq) => seq,
            other => panic!("{other}"),
        };
        if from < self.first {
            let refusal = Refusal::new(Code::Trimmed, "gone").with("first", self.first);
            return (refusal.to_string(), None);
        }
        if self.damaged.contains(&from) {
            let refusal = Refusal::new(Code::Corrupt, "damaged")
                .with("epoch", self.epoch)
                .with("first", self.damaged.start)
                .with("next", self.damaged.end);
            return (refusal.to_string(), None);
        }
        let answer = Subscribed {
            epoch: self.epoch,
            from,
            first: self.first,
            next: self.next,
            is_new: false,
        };
        (answer.to_string(), Some(from))
    }

    /// Everything that one connection would be sent.
    fn stream(&self, request: &[u8]) -> Vec<u8> {
        let (answer, from) = self.answer(request);
        let mut out = frame(answer.as_bytes());
        let readable = |seq: &u64| !self.damaged.contains(seq);
        for seq in (from.unwrap_or(self.next)..self.next).take_while(readable) {
            out.extend(frame(&self.payload(seq)));
        }
        out
    }
}

fn frame(payload: &[u8]) -> Vec<u8> {
    [format!("{:<10}", payload.len()).as_bytes(), payload].concat()
}

fn options() -> Subscribe {
    Subscribe::new("ticks".parse().unwrap())
        .from(Position::First)
        .until_connected(Retry::Forever)
        .seed(1)
}

/// Feeds some of the bytes.
fn feed(core: &mut Subscription, bytes: &[u8]) -> usize {
    let space = core.space();
    let n = bytes.len().min(space.len());
    space[..n].copy_from_slice(&bytes[..n]);
    core.received(n);
    n
}

/// What happens to a channel between two connections, and where the connection is cut.
#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Trim(u64),
    /// The same history, with a new epoch.
    Restart,
    /// Another history.
    Replace,
    Damage(u64, u64),
    /// At this permille of the stream, in reads of so many bytes; with the end of the stream or
    /// with an error.
    Connect(usize, usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..20_u64).prop_map(Step::Append),
        1 => (0..10_u64).prop_map(Step::Trim),
        1 => Just(Step::Restart),
        1 => Just(Step::Replace),
        1 => (0..20_u64, 0..5_u64).prop_map(|(at, len)| Step::Damage(at, len)),
        6 => (0..1100_usize, 1..300_usize, any::<bool>())
            .prop_map(|(cut, read, end)| Step::Connect(cut, read, end)),
    ]
}

/// Checks each message and gap against the model.
#[derive(Default)]
struct Seen {
    epoch: Option<Epoch>,
    /// What the last answer had; without a gap after it, it is the same history.
    answered: Option<Epoch>,
    next: Option<u64>,
    /// The last answer was the first.
    is_first: bool,
    given: u64,
}

impl Seen {
    fn note(&mut self, event: &SubscriberEvent<'_>, channel: &Channel) {
        let answered = self.answered.take();
        if !matches!(event, SubscriberEvent::Gap(_)) {
            self.epoch = answered.or(self.epoch);
        }
        match event {
            SubscriberEvent::Connected(answer) => {
                assert_eq!(answer.epoch, channel.epoch);
                self.answered = Some(answer.epoch);
                self.is_first = self.next.is_none();
                if self.is_first {
                    (self.next, self.epoch) = (Some(answer.from), Some(answer.epoch));
                }
            }
            // The place that was asked for first was not a seq, so none is missing.
            SubscriberEvent::Gap(gap) if self.is_first => {
                assert_eq!((gap.expected, gap.known), (None, None));
                assert_eq!(Some(gap.available), self.next);
            }
            SubscriberEvent::Gap(gap) => {
                assert_eq!(gap.expected, self.next);
                assert_eq!(gap.known, self.epoch);
                assert!(gap.reason == GapReason::Epoch || gap.expected < Some(gap.available));
                assert_eq!(gap.epoch, Some(channel.epoch));
                (self.next, self.epoch) = (Some(gap.available), gap.epoch);
            }
            SubscriberEvent::Message(message) => {
                assert_eq!(Some(message.seq), self.next);
                assert_eq!(self.epoch, Some(channel.epoch));
                assert_eq!(message.bytes, channel.payload(message.seq));
                self.next = Some(message.seq + 1);
                self.given += 1;
            }
            SubscriberEvent::Disconnected(_) => {}
        }
    }
}

/// One connection; how many bytes of its stream were fed.
fn connect(core: &mut Subscription, channel: &Channel, step: &Step, seen: &mut Seen) {
    let Step::Connect(permille, read, end) = *step else {
        return;
    };
    let stream = channel.stream(&core.connected(Duration::ZERO));
    let until = (stream.len() * permille / 1000).min(stream.len());
    let mut at = 0;
    loop {
        match core.advance() {
            Advance::Message | Advance::Notice => seen.note(&core.take_event().unwrap(), channel),
            Advance::NeedsBytes if at < until => {
                at += feed(core, &stream[at..until.min(at + read)]);
            }
            Advance::NeedsBytes if end => core.received(0),
            Advance::NeedsBytes => core.lost(Error::Closed),
            Advance::Cut => break,
            other => panic!("{other:?}"),
        }
    }
    core.cut(Duration::ZERO).unwrap();
    while core.advance() == Advance::Notice {
        seen.note(&core.take_event().unwrap(), channel);
    }
    assert_eq!(core.advance(), Advance::NeedsConnection);
}

proptest! {
    #[test]
    fn each_message_comes_once_in_order_or_is_reported_missing(
        steps in prop::collection::vec(step(), 1..40)
    ) {
        let mut channel = Channel {
            epoch: Epoch(1),
            since: Epoch(1),
            first: 0,
            next: 3,
            damaged: 0..0,
        };
        let mut core = Subscription::new(options().on_gap(OnGap::Continue));
        let mut seen = Seen::default();
        for step in steps {
            match step {
                Step::Append(count) => channel.next += count,
                Step::Trim(count) => channel.first = (channel.first + count).min(channel.next),
                Step::Restart => channel.epoch.0 += 1,
                Step::Replace => {
                    let epoch = Epoch(channel.epoch.0 + 1);
                    channel = Channel {
                        epoch,
                        since: epoch,
                        first: 0,
                        next: 2,
                        damaged: 0..0,
                    };
                }
                Step::Damage(at, len) => {
                    let start = (channel.first + at).min(channel.next);
                    channel.damaged = start..(start + len).min(channel.next);
                }
                Step::Connect(..) => connect(&mut core, &channel, &step, &mut seen),
            }
        }
        // With connections that are not cut, it comes to the end.
        for _ in 0..4 {
            connect(&mut core, &channel, &Step::Connect(1000, 100, true), &mut seen);
        }
        prop_assert_eq!(seen.next, Some(channel.next));
        prop_assert_eq!(core.next_seq(), Some(channel.next));
        prop_assert_eq!(core.epoch(), Some(channel.epoch));
    }
}

#[test]
fn goes_on_after_the_last_whole_message_wherever_it_is_cut() {
    let channel = Channel {
        epoch: Epoch(7),
        since: Epoch(7),
        first: 2,
        next: 9,
        damaged: 0..0,
    };
    let length = channel.stream(&encoded("SUBSCRIBE ticks from=first")).len();
    for cut in 0..=length {
        for end in [true, false] {
            let mut core = Subscription::new(options());
            let mut seen = Seen::default();
            let permille = (cut * 1000).div_ceil(length);
            connect(
                &mut core,
                &channel,
                &Step::Connect(permille, 1, end),
                &mut seen,
            );
            let given = seen.given;
            connect(
                &mut core,
                &channel,
                &Step::Connect(1000, 64, true),
                &mut seen,
            );
            assert_eq!(seen.given, 7, "after {given}");
        }
    }
}

fn encoded(line: &str) -> Vec<u8> {
    frame(line.as_bytes())
}

/// The request that a core makes after these answers, and how it ends.
fn after(core: &mut Subscription, answers: &[&str]) -> Result<String, Error> {
    for answer in answers {
        core.connected(Duration::ZERO);
        feed(core, &encoded(answer));
        core.received(0);
        loop {
            match core.advance() {
                Advance::Cut => {
                    core.cut(Duration::ZERO)?;
                    break;
                }
                Advance::Done => break,
                _ => drop(core.take_event()),
            }
        }
    }
    let request = core.connected(Duration::ZERO);
    Ok(String::from_utf8(request[10..].to_vec()).unwrap())
}

const E: &str = "epoch=0000000000000001";

#[test]
fn the_place_that_was_asked_for_is_asked_for_until_there_is_an_answer() {
    for (position, text) in [
        ("first", "first"),
        ("next", "next"),
        ("last", "last"),
        ("7", "7"),
        ("-3", "-3"),
        ("@17", "@17"),
    ] {
        let mut core = Subscription::new(options().from(position.parse().unwrap()));
        let asked = after(&mut core, &["ERROR BUSY too many connections"]).unwrap();
        assert_eq!(asked, format!("SUBSCRIBE ticks from={text}"));
    }
    let mut core = Subscription::new(options().from(Position::Next));
    let answer = format!("OK {E} from=9 first=2 next=9 colour=red");
    let asked = after(&mut core, &[&answer]).unwrap();
    assert_eq!(asked, format!("SUBSCRIBE ticks from=9 {E}"));
}

#[test]
fn a_newer_epoch_of_the_same_history_is_asked_for_from_then_on() {
    let mut core = Subscription::new(options().from(Position::Seq(5)).epoch(Epoch(1)));
    let answer = "OK epoch=0000000000000002 from=5 first=2 next=9";
    let asked = after(&mut core, &[answer]).unwrap();
    assert_eq!(asked, "SUBSCRIBE ticks from=5 epoch=0000000000000002");
    assert_eq!(core.epoch(), Some(Epoch(2)));
}

#[test]
fn the_place_after_damage_is_one_in_the_newer_epoch() {
    let options = options().from(Position::Seq(5)).epoch(Epoch(1));
    let mut core = Subscription::new(options.on_gap(OnGap::Continue));
    let refusal = "ERROR CORRUPT epoch=0000000000000002 first=5 next=9 damaged";
    let asked = after(&mut core, &[refusal]).unwrap();
    assert_eq!(asked, "SUBSCRIBE ticks from=9 epoch=0000000000000002");
}

#[test]
fn an_answer_that_does_not_fit_is_an_error() {
    for (position, answer) in [
        ("first", "from=3 first=2 next=9"),
        ("next", "from=8 first=2 next=9"),
        ("last", "from=9 first=2 next=9"),
        ("last", "from=7 first=2 next=9"),
        ("5", "from=6 first=2 next=9"),
        ("5", "from=4 first=2 next=9"),
        ("-3", "from=5 first=2 next=9"),
        ("-30", "from=0 first=2 next=9"),
        ("@5", "from=1 first=2 next=9"),
        ("@5", "from=10 first=2 next=9"),
        ("10", "from=10 first=2 next=9"),
        ("5", "from=5 first=2"),
    ] {
        let mut core = Subscription::new(options().from(position.parse().unwrap()));
        let error = after(&mut core, &[&format!("OK {E} {answer}")]).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error}");
    }
    for (position, answer) in [
        ("last", "from=8 first=2 next=9"),
        ("last", "from=9 first=9 next=9"),
        ("last", "from=0 first=0 next=0 new=1"),
        ("-3", "from=6 first=2 next=9"),
        ("-30", "from=2 first=2 next=9"),
        ("9", "from=9 first=2 next=9"),
        ("@5", "from=9 first=2 next=9"),
    ] {
        let mut core = Subscription::new(options().from(position.parse().unwrap()));
        after(&mut core, &[&format!("OK {E} {answer}")]).unwrap();
    }
}

#[test]
fn a_refusal_that_leads_nowhere_is_an_error() {
    for refusal in [
        "ERROR TRIMMED first=5 gone",
        "ERROR TRIMMED first=4 gone",
        "ERROR TRIMMED gone",
        "ERROR CORRUPT first=1 next=5 damaged",
        "ERROR CORRUPT first=1 damaged",
        "ERROR EPOCH epoch=0000000000000002 first=1 not asked for",
    ] {
        let options = options().from(Position::Seq(5)).on_gap(OnGap::Continue);
        let error = after(&mut Subscription::new(options), &[refusal]).unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "{error}");
    }
}

#[test]
fn each_code_stops_or_tries_again_as_the_protocol_says() {
    for code in Code::ALL {
        let refusal = Refusal::new(*code, "words")
            .with("first", 6)
            .with("next", 8)
            .with("epoch", Epoch(2));
        let options = options().from(Position::Seq(5)).epoch(Epoch(1));
        let mut core = Subscription::new(options);
        let result = after(&mut core, &[&refusal.to_string()]);
        match code {
            Code::Timeout | Code::Busy | Code::Full | Code::Storage | Code::Shutdown => {
                assert_eq!(result.unwrap(), format!("SUBSCRIBE ticks from=5 {E}"));
            }
            Code::Trimmed | Code::Epoch | Code::Corrupt => {
                assert!(matches!(result, Err(Error::Gap(_))), "{code}");
            }
            _ => assert!(matches!(result, Err(Error::Refused(r)) if r.code == Some(*code))),
        }
    }
}

#[test]
fn the_end_that_was_there_is_the_end() {
    let mut core = Subscription::new(options().until_end());
    core.connected(Duration::ZERO);
    feed(
        &mut core,
        &encoded(&format!("OK {E} from=1 first=1 next=3")),
    );
    for message in [&b"one"[..], b"two", b"three"] {
        feed(&mut core, &frame(message));
    }
    assert_eq!(core.advance(), Advance::Notice);
    drop(core.take_event());
    for seq in [1, 2] {
        assert_eq!(core.advance(), Advance::Message);
        assert_eq!(core.message().unwrap().seq, seq);
    }
    assert_eq!(core.advance(), Advance::Done);
}

#[test]
fn the_end_that_was_there_stays_the_end_after_a_gap() {
    let options = options().until_end().on_gap(OnGap::Continue);
    let mut core = Subscription::new(options);
    let answers = [
        &format!("OK {E} from=1 first=1 next=5"),
        "ERROR TRIMMED first=6 gone",
    ];
    after(&mut core, &answers).unwrap();
    let answer = format!("OK {E} from=6 first=6 next=9");
    feed(&mut core, &encoded(&answer));
    while core.advance() == Advance::Notice {
        drop(core.take_event());
    }
    assert_eq!(core.advance(), Advance::Done);
}

#[test]
fn a_message_over_the_limit_is_an_error_also_where_an_answer_may_be_longer() {
    for length in [9, 100_000] {
        let mut core = Subscription::new(options().limit(8));
        core.connected(Duration::ZERO);
        let answer = encoded(&format!("OK {E} from=0 first=0 next=2"));
        feed(&mut core, &[answer, frame(b"12345678")].concat());
        feed(&mut core, &frame(&vec![b'x'; length]));
        assert_eq!(core.advance(), Advance::Notice);
        drop(core.take_event());
        assert_eq!(core.advance(), Advance::Message);
        assert_eq!(core.advance(), Advance::Cut);
        let Err(Error::TooLarge {
            seq: 1, limit: 8, ..
        }) = core.cut(Duration::ZERO)
        else {
            panic!();
        };
        assert_eq!(core.advance(), Advance::Done);
    }
}

#[test]
fn the_newest_message_may_be_one_that_is_no_longer_kept() {
    let mut core = Subscription::new(options().from(Position::Last));
    let trimmed = Refusal::new(Code::Trimmed, "gone").with("first", 7);
    let result = after(&mut core, &[&trimmed.to_string()]);
    assert!(
        matches!(&result, Err(Error::Gap(gap)) if gap.available == 7 && gap.expected.is_none()),
        "{result:?}"
    );
}

#[test]
fn the_pauses_begin_again_after_a_connection_that_worked() {
    let now = Duration::ZERO;
    let mut core = Subscription::new(options());
    let fail = |core: &mut Subscription| {
        core.lost(Error::Closed);
        let connect_at = core.cut(now).unwrap();
        while core.advance() == Advance::Notice {
            drop(core.take_event());
        }
        connect_at
    };
    for _ in 0..8 {
        fail(&mut core);
    }
    core.connected(now);
    feed(
        &mut core,
        &encoded(&format!("OK {E} from=0 first=0 next=1")),
    );
    feed(&mut core, &frame(b"first"));
    assert_eq!(core.advance(), Advance::Notice);
    drop(core.take_event());
    assert_eq!(core.advance(), Advance::Message);
    assert_eq!(fail(&mut core), now, "it is tried again at once");
    let pause = fail(&mut core);
    assert!(!pause.is_zero() && pause <= FIRST_PAUSE, "{pause:?}");
}

#[test]
fn a_hub_that_is_behind_the_one_before_is_asked_again_later() {
    for hubs in [1, 2] {
        let mut core = Subscription::new(options());
        core.set_hubs(hubs);
        assert_eq!(core.advance(), Advance::NeedsConnection);
        core.connected(Duration::ZERO);
        let answer = frame(b"OK epoch=0123456789abcdef from=0 first=0 next=1");
        feed(&mut core, &[answer, frame(b"hello")].concat());
        assert_eq!(core.advance(), Advance::Notice);
        drop(core.take_event());
        assert_eq!(core.advance(), Advance::Message);
        core.lost(Error::Closed);
        while core.advance() != Advance::Cut {}
        core.cut(Duration::ZERO).unwrap();
        drop(core.take_event());
        assert_eq!(core.hub(), 1 % hubs);

        core.connected(Duration::ZERO);
        feed(&mut core, &frame(b"ERROR FUTURE next=0 not reached"));
        assert_eq!(core.advance(), Advance::Cut);
        assert_eq!(core.cut(Duration::ZERO).is_ok(), hubs > 1, "{hubs} hubs");
    }
}
