//! Futures that are dropped before they are ready: what was accepted arrives whole and once, and
//! what was not accepted does not arrive.

use tenfold::asynchronous::{Reader, Writer};
use tenfold::{Decoder, Event, Framing, HIGH_WATER, WriteError};

use crate::choppy::{Choppy, Cut};
use crate::drivers::{Blocking, Driver, poll_at_most};
use crate::script::{Random, Step, bytes, messages};

fn steps() -> Vec<Step> {
    let mut steps = messages((0..60).map(|n| bytes(n * 67 % 5000)));
    steps.insert(20, Step::Message(bytes(100_000)));
    steps.insert(40, Step::Message(bytes(HIGH_WATER / 2)));
    steps.splice(
        50..50,
        [
            Step::Begin(Some(80_000)),
            Step::Data(bytes(30_000)),
            Step::Data(bytes(50_000)),
            Step::End,
        ],
    );
    steps
}

#[test]
fn a_write_that_was_dropped_has_sent_nothing() {
    let side = Framing::default().client().clone();
    for polls in 1..6 {
        for cut in [Cut::OneByte, Cut::Random(3), Cut::Random(4)] {
            let mut writer = Writer::new(Choppy::new(cut, Vec::new()), &side);
            let mut accepted = Vec::new();
            let mut dropped = 0;
            for (n, step) in steps().into_iter().enumerate() {
                let call = async |writer: &mut Writer<Choppy>| match &step {
                    Step::Message(message) => writer.write(message).await,
                    Step::Begin(length) => writer.begin(*length).await,
                    Step::Data(bytes) => writer.data(bytes).await,
                    _ => writer.end().await,
                };
                // Of a message in pieces each piece is repeated until it is accepted; any other
                // message is given up once it was not.
                let result = match step {
                    Step::Message(_) => poll_at_most(polls, call(&mut writer)),
                    _ => Some(insist(|| poll_at_most(polls, call(&mut writer)))),
                };
                match result {
                    None => dropped += 1,
                    Some(result) => {
                        result.unwrap();
                        accepted.push(step);
                    }
                }
                if n % 7 == 0 {
                    let _ = poll_at_most(polls, writer.flush());
                }
            }
            insist(|| poll_at_most(polls, writer.flush())).unwrap();
            if matches!(cut, Cut::OneByte) {
                assert!(dropped > 0, "something was dropped with {polls} polls");
            }
            let arrived = Choppy::new(Cut::Whole, writer.into_inner().bytes);
            let seen = Blocking::read_choppy(arrived, Decoder::new(&side)).expect_clean();
            assert!(seen == joined(accepted), "{cut:?}, {polls} polls");
        }
    }
}

/// Calls again and again, but not forever.
fn insist<T>(mut call: impl FnMut() -> Option<T>) -> T {
    (0..10_000_000).find_map(|_| call()).expect("it ends")
}

/// Messages in pieces as whole ones.
fn joined(steps: Vec<Step>) -> Vec<Step> {
    let mut whole = Vec::new();
    for step in steps {
        match (step, whole.last_mut()) {
            (Step::Begin(_), _) => whole.push(Step::Message(Vec::new())),
            (Step::Data(more), Some(Step::Message(message))) => message.extend(more),
            (Step::End, _) => {}
            (step, _) => whole.push(step),
        }
    }
    whole
}

#[test]
fn a_read_that_was_dropped_has_lost_nothing() {
    let side = Framing::default().client().clone();
    let steps = joined(steps());
    let wire = Blocking::write_choppy(Choppy::new(Cut::Whole, Vec::new()), &side, &steps).bytes;
    for polls in 1..4 {
        for cut in [Cut::OneByte, Cut::Random(5)] {
            let mut reader = Reader::new(Choppy::new(cut, wire.clone()), &side);
            let mut seen = Vec::new();
            loop {
                match poll_at_most(polls, reader.message_owned()) {
                    Some(Ok(Some(message))) => seen.push(Step::Message(message)),
                    Some(end) => break assert!(end.unwrap().is_none()),
                    None => {}
                }
            }
            assert!(seen == steps, "{cut:?}, {polls} polls");
        }
    }
}

#[test]
fn evidence_that_was_read_by_a_dropped_call_is_used_by_the_next() {
    let sent = b"GET / HTTP/1.1\r\n".to_vec();
    let mut reader = Reader::new(
        Choppy::new(Cut::OneByte, sent.clone()),
        Framing::default().client(),
    );
    // The call is ready at once with a bad header; then the caller still gets the bytes after it.
    let error = loop {
        if let Some(result) = poll_at_most(1, reader.message()) {
            break result.unwrap_err();
        }
    };
    assert!(error.to_string().starts_with("bad header at offset 0"));
    assert!(sent.starts_with(reader.decoder().rest()));
    assert!(!reader.decoder().rest().is_empty());
}

/// As `select!` does it: writes that lose against other work, over a pipe that is full most of the
/// time, while a reader takes from it.
#[tokio::test]
async fn writes_that_lose_a_race_are_repeated_without_doubles() {
    let framing = Framing::default();
    let (near, far) = tokio::io::duplex(5_000);
    let side = framing.client().clone();
    let reading = tokio::spawn(async move {
        let mut reader = Reader::new(far, &side);
        let mut seen = Vec::new();
        while let Some(event) = reader.next_event().await.unwrap() {
            let Event::Message(message) = event else {
                panic!("{event:?}");
            };
            seen.push(message.to_vec());
        }
        seen
    });
    let mut writer = Writer::new(near, framing.client());
    let mut random = Random(6);
    let sent: Vec<Vec<u8>> = (0..200).map(|_| bytes(random.below(3_000))).collect();
    for message in &sent {
        let mut attempts = 0;
        while race(writer.write(message), random.below(3)).await.is_none() {
            attempts += 1;
            assert!(attempts < 10_000, "it is accepted some time");
        }
    }
    writer.shutdown().await.unwrap();
    assert!(reading.await.unwrap() == sent);
}

async fn race(write: impl Future<Output = Result<(), WriteError>>, patience: usize) -> Option<()> {
    let other_work = async {
        for _ in 0..patience {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        result = write => result.map(Some).unwrap(),
        () = other_work => None,
    }
}
