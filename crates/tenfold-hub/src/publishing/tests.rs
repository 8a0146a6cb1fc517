//! Whatever a publisher sends, in whatever pieces: the same blocks, and the same words to it.

use proptest::prelude::*;
use tenfold::protocol::Refusal;

use super::*;

const LIMIT: u64 = 200_000;
const TIMEOUTS: Timeouts = Timeouts {
    header: Duration::from_secs(5),
    stall: Duration::from_secs(30),
};

fn frame(payload: &[u8]) -> Vec<u8> {
    [format!("{:<10}", payload.len()).as_bytes(), payload].concat()
}

/// A session on its own clock, and what has come out of it.
struct Driver {
    session: Publishing,
    now: Instant,
    base: u64,
    /// The frames that were committed, and how many messages these are.
    committed: Vec<u8>,
    messages: u64,
    /// The bytes that were sent.
    sent: Vec<u8>,
}

impl Driver {
    fn new(voice: Voice, base: u64) -> Self {
        Self::with_limit(voice, base, LIMIT)
    }

    fn with_limit(voice: Voice, base: u64, limit: u64) -> Self {
        let now = Instant::now();
        let intake = Intake::new(Framing::default().client(), 4096);
        let mut session = Publishing::new(intake, limit, voice, TIMEOUTS);
        session.begin(base, "OK", now);
        Self {
            session,
            now,
            base,
            committed: Vec::new(),
            messages: 0,
            sent: Vec::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.session.is_receiving() && !bytes.is_empty() {
            self.session.space(usize::MAX).0.extend_from_slice(bytes);
            self.session.received(self.now);
        }
    }

    fn commit(&mut self) {
        while let Some(block) = self.session.take_block(self.now) {
            let (frames, end) = parse(block.bytes(), true, u64::MAX);
            assert_eq!(end, Outcome::Complete, "a block is whole frames");
            assert_eq!(frames.len() as u64, block.messages());
            self.committed.extend_from_slice(block.bytes());
            self.messages += block.messages();
            self.session
                .progressed(committed(self.base + self.messages));
        }
    }

    /// Sends at most so much.
    fn send(&mut self, most: usize) {
        if !self.session.is_receiving() {
            // What was received is committed before the end is told.
            self.commit();
        }
        let output = self.session.output();
        let output = &output[..output.len().min(most)];
        self.sent.extend_from_slice(output);
        let length = output.len();
        self.session.sent(length);
    }

    fn send_all(&mut self) {
        self.commit();
        while !self.session.output().is_empty() {
            self.send(usize::MAX);
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.session.expired(self.now);
    }

    /// What it was told.
    fn lines(&self) -> Vec<String> {
        let (frames, end) = parse(&self.sent, true, LIMIT);
        assert_eq!(end, Outcome::Complete, "output is whole frames");
        let text = |frame: &&[u8]| String::from_utf8(frame.to_vec()).unwrap();
        frames.iter().map(text).collect()
    }
}

/// How a stream of frames ends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// Not yet.
    Open,
    Complete,
    /// The start of the error's line, as far as it does not depend on what follows.
    Error(String),
}

/// The obviously right version: the payloads of all whole frames, and what then.
fn parse(bytes: &[u8], ended: bool, limit: u64) -> (Vec<&[u8]>, Outcome) {
    let mut frames = Vec::new();
    let mut rest = bytes;
    loop {
        let offset = bytes.len() - rest.len();
        let error = |code: &str| {
            Outcome::Error(format!(
                "ERROR {code} offset={offset} message={}",
                frames.len()
            ))
        };
        if rest.is_empty() {
            let end = if ended {
                Outcome::Complete
            } else {
                Outcome::Open
            };
            return (frames, end);
        }
        let header = &rest[..rest.len().min(HEADER)];
        let digits = header.iter().take_while(|byte| byte.is_ascii_digit());
        let (digits, spaces) = header.split_at(digits.count());
        let canonical = digits.len() == 1 || digits.first() != Some(&b'0');
        if digits.is_empty() || !canonical || spaces.iter().any(|byte| *byte != b' ') {
            return (frames.clone(), error("HEADER"));
        }
        if header.len() == HEADER {
            let length: usize = str::from_utf8(digits).unwrap().parse().unwrap();
            if length as u64 > limit {
                let start = error("TOO_LARGE");
                let Outcome::Error(start) = start else {
                    unreachable!()
                };
                let end = Outcome::Error(format!("{start} length={length} limit={limit}"));
                return (frames, end);
            }
            if let Some(payload) = rest[HEADER..].get(..length) {
                frames.push(payload);
                rest = &rest[HEADER + length..];
                continue;
            }
        }
        let end = if ended {
            error("HEADER")
        } else {
            Outcome::Open
        };
        return (frames, end);
    }
}

/// Looks at everything that has come out of a session that was given `bytes` and is at its end.
fn check(driver: &Driver, voice: Voice, bytes: &[u8], ended: bool) {
    let (frames, end) = parse(bytes, ended, LIMIT);
    let whole: Vec<u8> = frames.iter().flat_map(|payload| frame(payload)).collect();
    assert!(
        driver.committed == whole,
        "other frames than those before {end:?}"
    );
    assert_eq!(driver.messages, frames.len() as u64);
    let Voice::Protocol(acks) = voice else {
        assert_eq!(driver.sent, b"");
        return;
    };
    let mut lines = driver.lines();
    assert_eq!(lines.remove(0), "OK");
    if let Outcome::Error(start) = &end {
        let error = lines.pop().unwrap();
        assert!(
            error.starts_with(&format!("{start} ")),
            "{error}, not {start}"
        );
    }
    let numbers: Vec<u64> = lines
        .iter()
        .map(|line| tenfold::protocol::read_ack(line.as_bytes()).expect(line))
        .collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let last = driver.base + driver.messages;
    let is_due = match end {
        Outcome::Open => acks != Acks::None && driver.messages > 0,
        Outcome::Complete => true,
        Outcome::Error(_) => driver.messages > 0,
    };
    assert_eq!(numbers.last().copied(), is_due.then_some(last));
    assert!(
        numbers
            .iter()
            .all(|n| *n > driver.base || driver.messages == 0)
    );
    if acks == Acks::None {
        assert!(numbers.len() <= 1, "{numbers:?}");
    }
}

const MEMORY: Voice = Voice::Protocol(Acks::Memory);
const NONE: Voice = Voice::Protocol(Acks::None);

/// Gives a stream in these pieces, committing and sending after each, and checks all of it.
fn run(voice: Voice, base: u64, pieces: &[&[u8]], ended: bool) -> Driver {
    let mut driver = Driver::new(voice, base);
    for piece in pieces {
        driver.receive(piece);
        driver.commit();
        driver.send(usize::MAX);
    }
    if ended {
        driver.session.peer_ended(driver.now);
    }
    driver.send_all();
    check(&driver, voice, &pieces.concat(), ended);
    driver
}

fn three() -> Vec<u8> {
    [frame(b"hello"), frame(b""), frame(b"0123456789")].concat()
}

#[test]
fn a_stream_is_the_same_at_every_split_and_ends_well_at_every_byte() {
    let streams = [
        three(),
        [three(), b"+5        ".to_vec()].concat(),
        [three(), b"05        ".to_vec()].concat(),
        [three(), b"5  5      ".to_vec()].concat(),
        [three(), b"200001    ".to_vec()].concat(),
        [three(), b"9999999999".to_vec()].concat(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
    ];
    for stream in &streams {
        for end in 0..=stream.len() {
            for split in 0..=end {
                let pieces = [&stream[..split], &stream[split..end]];
                for voice in [MEMORY, NONE, Voice::Silent] {
                    run(voice, 0, &pieces, true);
                    run(voice, 7, &pieces, false);
                }
            }
        }
    }
}

#[test]
fn a_stream_is_the_same_byte_by_byte() {
    let stream = [three(), frame(&[b'x'; 5000]), b"-".to_vec()].concat();
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    let driver = run(MEMORY, 0, &bytes, true);
    let lines = driver.lines();
    assert_eq!(lines[..5], ["OK", "ACK 1", "ACK 2", "ACK 3", "ACK 4"]);
    assert!(lines[5].starts_with("ERROR HEADER offset=5055 message=4 not a length"));
}

#[test]
fn offsets_count_from_the_start_of_the_connection() {
    let mut intake = Intake::new(Framing::default().client(), 4096);
    let bytes = [frame(b"PUBLISH ticks"), frame(b"third"), b"+5".to_vec()].concat();
    intake.space().extend_from_slice(&bytes);
    assert_eq!(intake.scan(1), Ok(1));
    assert_eq!(intake.take_block().bytes().len(), 23);
    let now = Instant::now();
    let mut session = Publishing::new(intake, LIMIT, MEMORY, TIMEOUTS);
    session.begin(0, "OK", now);
    assert_eq!(session.take_block(now).unwrap().messages(), 1);
    session.progressed(committed(1));
    let mut sent = Vec::new();
    while !session.output().is_empty() {
        sent.extend_from_slice(session.output());
        let length = session.output().len();
        session.sent(length);
    }
    let text = String::from_utf8(sent).unwrap();
    assert!(
        text.ends_with(
            "ERROR HEADER offset=38 message=1 not a length; this looks like a number with a sign"
        ),
        "{text}"
    );
    assert!(session.is_ended());
}

#[test]
fn nothing_after_an_error_is_looked_at() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(&[frame(b"good"), b"bad".to_vec(), frame(b"more")].concat());
    assert!(!driver.session.is_receiving());
    driver.session.received(driver.now);
    driver.session.peer_ended(driver.now);
    driver.send_all();
    assert_eq!(driver.committed, frame(b"good"));
    assert!(
        matches!(driver.session.ending(), Some(Ending::Refused(refusal, Said::Yes)) if refusal.code == Some(Code::Header))
    );
    assert!(driver.session.is_ended());
}

#[test]
fn there_is_at_most_one_unsent_ack_and_a_newer_one_replaces_it() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.send_all();
    driver.sent.clear();
    driver.receive(&frame(b"a"));
    driver.commit();
    assert_eq!(driver.session.output(), frame(b"ACK 1"));
    // Of what has begun to go, nothing is taken back.
    driver.send(1);
    for _ in 0..1000 {
        driver.receive(&frame(b"a"));
        driver.commit();
        assert_eq!(driver.session.output(), &frame(b"ACK 1")[1..]);
    }
    driver.send_all();
    assert_eq!(driver.lines(), ["ACK 1", "ACK 1001"]);
}

#[test]
fn an_ack_that_has_not_begun_to_go_is_still_the_same_one() {
    let mut driver = Driver::new(MEMORY, 0);
    // The answer is still on its way, so no ack is formed before it has gone.
    for _ in 0..10 {
        driver.receive(&frame(b"a"));
        driver.commit();
        assert_eq!(driver.session.output(), frame(b"OK"));
    }
    driver.send_all();
    assert_eq!(driver.lines(), ["OK", "ACK 10"]);
}

#[test]
fn a_complete_end_is_acknowledged_even_if_nothing_was_sent() {
    for (voice, base, expected) in [
        (MEMORY, 0, "ACK 0"),
        (MEMORY, 5, "ACK 5"),
        (NONE, 0, "ACK 0"),
        (NONE, 5, "ACK 5"),
    ] {
        let driver = run(voice, base, &[], true);
        assert_eq!(driver.lines(), ["OK", expected]);
    }
}

#[test]
fn an_end_that_was_acknowledged_is_not_acknowledged_again() {
    let stream = three();
    let driver = run(MEMORY, 4, &[&stream], true);
    assert_eq!(driver.lines(), ["OK", "ACK 7"]);
}

#[test]
fn without_acks_the_number_comes_before_the_error() {
    let stream = [three(), b"x".to_vec()].concat();
    let lines = run(NONE, 0, &[&stream], false).lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], "ACK 3");
    let lines = run(NONE, 0, &[b"x"], false).lines();
    assert_eq!(
        lines.len(),
        2,
        "nothing is acknowledged that was not sent: {lines:?}"
    );
}

#[test]
fn the_first_end_is_the_one_that_is_told() {
    let mut driver = Driver::new(MEMORY, 0);
    let (first, second) = (
        Refusal::new(Code::Fenced, "one"),
        Refusal::new(Code::Shutdown, "two"),
    );
    driver.receive(&frame(b"a"));
    driver.session.end(first);
    driver.session.end(second);
    driver.session.peer_ended(driver.now);
    driver.send_all();
    assert_eq!(driver.lines(), ["OK", "ACK 1", "ERROR FENCED one"]);
}

#[test]
fn a_silent_voice_says_nothing_at_any_end() {
    let mut driver = Driver::new(Voice::Silent, 0);
    driver.receive(&three());
    driver
        .session
        .end(Refusal::new(Code::Shutdown, "the hub ends"));
    assert_eq!(driver.session.output(), b"");
    driver.send_all();
    assert_eq!((driver.messages, driver.sent.len()), (3, 0));
    assert!(driver.session.is_ended());
}

#[test]
fn it_ends_only_when_the_last_byte_has_gone() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(&three());
    driver.session.peer_ended(driver.now);
    driver.commit();
    while !driver.session.output().is_empty() {
        assert!(!driver.session.is_ended());
        driver.send(1);
    }
    assert!(driver.session.is_ended());
    assert_eq!(driver.lines(), ["OK", "ACK 3"]);
}

fn timed_out(driver: &Driver) -> Option<&str> {
    match driver.session.ending()? {
        Ending::Refused(refusal, _) if refusal.code == Some(Code::Timeout) => Some(&refusal.words),
        _ => None,
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Just in time for a message that has stalled.
const LATE: Duration = Duration::from_secs(29);

#[test]
fn between_two_frames_a_publisher_may_take_its_time() {
    let mut driver = Driver::new(MEMORY, 0);
    assert_eq!(driver.session.deadline(), None);
    driver.receive(&three());
    driver.commit();
    assert_eq!(driver.session.deadline(), None);
    driver.wait(1_000_000 * SECOND);
    assert!(driver.session.is_receiving());
}

#[test]
fn a_header_has_its_time_from_its_first_byte() {
    let mut driver = Driver::new(MEMORY, 0);
    let start = driver.now;
    for (index, byte) in b"100000   ".iter().enumerate() {
        driver.receive(&[*byte]);
        driver.commit();
        assert_eq!(driver.session.deadline(), Some(start + TIMEOUTS.header));
        driver.wait(if index < 8 { SECOND / 2 } else { SECOND });
    }
    assert_eq!(
        timed_out(&driver),
        Some("the rest of the header did not come in time")
    );
    assert_eq!(driver.session.deadline(), None);
}

#[test]
fn a_header_has_its_time_also_after_another_frame() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(b"1");
    driver.commit();
    driver.wait(4 * SECOND);
    // The rest of this one, and the start of the next: a new clock.
    driver.receive(b"         x5");
    driver.commit();
    assert_eq!(
        driver.session.deadline(),
        Some(driver.now + TIMEOUTS.header)
    );
    // An empty message is nothing but its header.
    driver.wait(4 * SECOND);
    driver.receive(b"         xxxxx0         0");
    driver.commit();
    assert_eq!(driver.messages, 3);
    assert_eq!(
        driver.session.deadline(),
        Some(driver.now + TIMEOUTS.header)
    );
}

#[test]
fn a_small_message_must_bring_some_byte_in_time() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(b"100       ");
    for _ in 0..50 {
        driver.commit();
        driver.wait(LATE);
        driver.receive(b"x");
        assert_eq!(driver.session.deadline(), Some(driver.now + TIMEOUTS.stall));
    }
    driver.wait(TIMEOUTS.stall);
    assert_eq!(
        timed_out(&driver),
        Some("the rest of the message did not come in time")
    );
}

/// Whether a message gets on that brings so much at first, and then so much in each stretch.
fn gets_on(length: u64, first: usize, step: usize) -> bool {
    let mut driver = Driver::with_limit(MEMORY, 0, 16 << 20);
    driver.receive(format!("{length:<10}").as_bytes());
    driver.receive(&vec![b'x'; first]);
    for _ in 0..4 {
        driver.wait(LATE);
        driver.receive(&vec![b'x'; step]);
        driver.commit();
    }
    driver.session.is_receiving()
}

#[test]
fn beyond_4_kib_and_1_mib_more_must_come_in_time() {
    assert!(gets_on(100_000, 0, 1));
    assert!(gets_on(100_000, 4080, 1), "while there are less than 4 KiB");
    assert!(!gets_on(100_000, 5000, 4095));
    assert!(gets_on(100_000, 5000, 4096));
    assert!(gets_on(1 << 20, 5000, 4096), "1 MiB is not large");
    assert!(!gets_on((1 << 20) + 1, 5000, FIRST_PART - 1));
    assert!(gets_on((1 << 20) + 1, 5000, FIRST_PART));
}

#[test]
fn progress_in_small_parts_adds_up() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(b"100000    ");
    driver.receive(&[b'x'; 6000]);
    let mark = driver.now;
    for _ in 0..3 {
        driver.wait(SECOND);
        driver.receive(&[b'x'; 1024]);
        assert_eq!(driver.session.deadline(), Some(mark + TIMEOUTS.stall));
    }
    driver.wait(SECOND);
    driver.receive(&[b'x'; 1024]);
    assert_eq!(driver.session.deadline(), Some(driver.now + TIMEOUTS.stall));
}

#[test]
fn a_large_message_has_the_same_time_if_its_header_was_cut() {
    let mut driver = Driver::with_limit(MEMORY, 0, 16 << 20);
    driver.receive(b"20000");
    driver.commit();
    driver.wait(SECOND);
    driver.receive(b"00   xxxx");
    driver.commit();
    assert_eq!(driver.session.deadline(), Some(driver.now + TIMEOUTS.stall));
}

#[test]
fn a_large_message_has_its_time_from_its_beginning() {
    let mut driver = Driver::with_limit(MEMORY, 0, 16 << 20);
    driver.receive(b"100       x");
    driver.commit();
    driver.wait(LATE);
    driver.receive(&[&[b'x'; 99][..], b"2000000   ", &[b'x'; 5000]].concat());
    driver.commit();
    assert_eq!(driver.messages, 1);
    assert_eq!(driver.session.deadline(), Some(driver.now + TIMEOUTS.stall));
}

#[test]
fn while_the_hub_did_not_receive_the_peer_is_not_to_blame() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(b"100       x");
    driver.now += 1000 * SECOND;
    driver.session.pardon(driver.now);
    driver.session.expired(driver.now);
    assert!(driver.session.is_receiving());
    driver.wait(TIMEOUTS.stall);
    assert!(timed_out(&driver).is_some());
}

#[test]
fn a_publisher_that_is_late_has_what_came_before_committed() {
    let mut driver = Driver::new(NONE, 0);
    driver.receive(&[three(), b"9".to_vec()].concat());
    driver.commit();
    driver.wait(TIMEOUTS.header);
    driver.send_all();
    let expected = "ERROR TIMEOUT the rest of the header did not come in time";
    assert_eq!(driver.lines(), ["OK", "ACK 3", expected]);
}

#[test]
fn only_more_than_1_mib_needs_a_place_and_only_for_more_than_its_first_part() {
    let parts = |length: u64, first: usize| {
        let mut driver = Driver::with_limit(MEMORY, 0, 16 << 20);
        driver.receive(&three());
        driver.commit();
        driver.receive(format!("{length:<10}").as_bytes());
        driver.receive(&vec![b'x'; first]);
        driver.commit();
        (driver.session.is_large(), driver.session.needs_place())
    };
    assert_eq!(parts(1 << 20, 1 << 19), (false, false));
    assert_eq!(parts((1 << 20) + 1, 0), (true, false));
    assert_eq!(parts((1 << 20) + 1, FIRST_PART - 11), (true, false));
    assert_eq!(parts((1 << 20) + 1, FIRST_PART - 10), (true, true));
    assert_eq!(parts(16 << 20, 1 << 20), (true, true));
    assert_eq!(parts((16 << 20) + 1, 1 << 20), (false, false), "too large");
    let whole = parts((1 << 20) + 1, (1 << 20) + 1);
    assert_eq!(whole, (false, false), "whole");
}

#[test]
fn an_idle_session_holds_nothing() {
    let mut driver = Driver::new(MEMORY, 0);
    driver.receive(&three());
    driver.send_all();
    driver.session.rest();
    assert_eq!(driver.session.held(), 0);
    assert_eq!(driver.session.unsent.capacity(), 0);
    driver.receive(b"5    ");
    driver.session.rest();
    assert_eq!(driver.session.held(), 5, "what was received is kept");
    driver.receive(b"     hello");
    driver.send_all();
    assert_eq!(driver.lines(), ["OK", "ACK 3", "ACK 4"]);
}

/// How a stream of whole frames goes on.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    /// The start of another frame.
    Part(usize, usize),
    Bytes(Vec<u8>),
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        8 => 0..30_usize,
        3 => 0..6000_usize,
        1 => 60_000..140_000_usize,
    ];
    prop::collection::vec(length, 0..14)
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![
        2 => Just(Then::Nothing),
        2 => (1..80_000_usize, 0.0..1.0_f64).prop_map(|(length, part)| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "any part will do")]
            let have = ((length + HEADER) as f64 * part) as usize;
            Then::Part(length, have)
        }),
        1 => prop::collection::vec(any::<u8>(), 1..30).prop_map(Then::Bytes),
        1 => prop::collection::vec(prop::sample::select(b"0123456789 +-x".to_vec()), 1..12).prop_map(Then::Bytes),
        1 => Just(Then::Bytes(b"200001    and more".to_vec())),
    ]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Receive(usize),
    Commit,
    Send(usize),
    Rest,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop_oneof![1..25_usize, 1..9000_usize, 1..300_000_usize].prop_map(Step::Receive),
        3 => Just(Step::Commit),
        2 => prop_oneof![1..4_usize, 1..200_usize].prop_map(Step::Send),
        1 => Just(Step::Rest),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_stream_in_any_pieces_and_any_order_of_commits_and_sends(
        lengths in lengths(),
        then in then(),
        steps in steps(),
        ended: bool,
        base in prop_oneof![Just(0), 0..u64::MAX / 2],
        voice in prop::sample::select(vec![MEMORY, NONE, Voice::Silent]),
    ) {
        let mut stream: Vec<u8> = lengths.iter().flat_map(|length| frame(&vec![b'm'; *length])).collect();
        match then {
            Then::Nothing => {}
            Then::Part(length, have) => stream.extend_from_slice(&frame(&vec![b'p'; length])[..have]),
            Then::Bytes(bytes) => stream.extend_from_slice(&bytes),
        }
        let mut driver = Driver::new(voice, base);
        let mut rest = &stream[..];
        for step in steps {
            match step {
                Step::Receive(most) => {
                    let (piece, behind) = rest.split_at(most.min(rest.len()));
                    driver.receive(piece);
                    rest = behind;
                }
                Step::Commit => driver.commit(),
                Step::Send(most) => driver.send(most),
                Step::Rest => driver.session.rest(),
            }
            // An answer or an ack, with an error after it: never more, whatever is not taken.
            assert!(driver.session.unsent.len() < 400);
        }
        driver.receive(rest);
        if ended {
            driver.session.peer_ended(driver.now);
        }
        driver.send_all();
        let is_open = parse(&stream, ended, LIMIT).1 == Outcome::Open;
        prop_assert_eq!(driver.session.is_receiving(), is_open);
        prop_assert_eq!(driver.session.is_ended(), !is_open);
        check(&driver, voice, &stream, ended);
    }
}

/// So many messages are committed, and nothing is on its way.
fn committed(messages: u64) -> ClaimProgress {
    ClaimProgress {
        is_settled: true,
        committed: messages,
        accepted: messages,
        refused: None,
        is_fenced: false,
    }
}

const DURABLE: Voice = Voice::Protocol(Acks::Durable);

/// Ten messages were received and taken; so many are on the disk, and the others on their way.
fn in_flight(voice: Voice, on_disk: u64) -> Driver {
    let mut driver = Driver::new(voice, 0);
    driver.receive(&frame(b"x").repeat(10));
    while driver.session.take_block(driver.now).is_some() {}
    progress(&mut driver, on_disk, None);
    driver
}

fn progress(driver: &mut Driver, on_disk: u64, refused: Option<Code>) {
    driver.session.progressed(ClaimProgress {
        is_settled: on_disk == 10 || refused.is_some(),
        accepted: 10,
        ..committed(on_disk)
    });
    if let Some(code) = refused {
        driver.session.fail(Refusal::new(code, "words"));
    }
    driver.send_all();
}

#[test]
fn what_is_on_its_way_is_acknowledged_as_it_arrives() {
    let mut driver = in_flight(DURABLE, 0);
    progress(&mut driver, 4, None);
    progress(&mut driver, 10, None);
    assert_eq!(driver.lines(), ["OK", "ACK 4", "ACK 10"]);
}

#[test]
fn acks_of_memory_run_ahead_of_the_disk() {
    let mut driver = in_flight(MEMORY, 3);
    progress(&mut driver, 7, None);
    assert_eq!(driver.lines(), ["OK", "ACK 10"]);
}

#[test]
fn the_end_is_told_when_nothing_is_on_its_way_any_more() {
    let mut driver = in_flight(DURABLE, 3);
    driver.session.peer_ended(driver.now);
    driver.send_all();
    assert!(!driver.session.is_ended());
    progress(&mut driver, 10, None);
    assert_eq!(driver.lines(), ["OK", "ACK 3", "ACK 10"]);
    assert!(driver.session.is_ended());
}

#[test]
fn what_is_refused_on_its_way_is_told_in_the_place_of_the_end() {
    for is_bad in [false, true] {
        let mut driver = in_flight(DURABLE, 3);
        if is_bad {
            driver.receive(b"no header");
        } else {
            driver.session.peer_ended(driver.now);
        }
        progress(&mut driver, 5, Some(Code::Full));
        assert_eq!(driver.lines(), ["OK", "ACK 3", "ACK 5", "ERROR FULL words"]);
        assert!(driver.session.is_ended());
    }
}

#[test]
fn a_fenced_publisher_is_told_so_even_if_something_was_refused_as_well() {
    let mut driver = in_flight(DURABLE, 3);
    driver.session.end(Refusal::new(Code::Fenced, "words"));
    driver.send_all();
    progress(&mut driver, 3, Some(Code::Storage));
    assert_eq!(driver.lines(), ["OK", "ACK 3", "ERROR FENCED words"]);
}
