//! Producers, subscribers, and programs at plain ports.

use std::sync::Arc;
use std::time::Duration;

use tenfold::asynchronous::{Connecting, Publisher, Subscriber, Transport};
use tenfold::client::{Error, Notice, OnGap, Publish, Retry, Start, Subscribe, SubscriberEvent};
use tenfold::protocol::{Code, Position};
use tokio::time::{sleep, timeout};

use super::asking::{Connection, PATIENCE, ask, look_for_acknowledged, value};
use super::check::PLAIN;
use super::record::{Shared, Sight, Step, note_gap};
use super::server::Door;
use crate::simulation::link::{Weather, link};
use crate::simulation::random::Random;

/// How often a client that waits looks whether it is the end.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// Makes connections to whatever hub there is.
pub(super) fn connect(
    shared: &Arc<Shared>,
    weather: Weather,
    mut random: Random,
) -> impl FnMut() -> Connecting + Send + use<> {
    let shared = Arc::clone(shared);
    move || {
        let (shared, mut random) = (Arc::clone(&shared), random.fork());
        Box::pin(async move {
            sleep(Duration::from_micros(random.below(2000))).await;
            let (theirs, ours) = link(weather, random);
            shared.enter(Door::Protocol, theirs)?;
            Ok(Box::new(ours) as Box<dyn Transport>)
        })
    }
}

/// A producer, which publishes over some sessions. In each it goes on after what is committed; some it ends, and
/// from some it goes away.
pub(super) struct Producer {
    pub(super) shared: Arc<Shared>,
    pub(super) weather: Weather,
    pub(super) random: Random,
    pub(super) channel: usize,
    pub(super) number: u64,
    /// The longest padding of a message.
    pub(super) pad: usize,
    /// Messages that the hub has for sure, and messages that it may have.
    committed: u64,
    sent: u64,
    /// Connections that it went away from, and that the hub may come to only after a later one.
    left: u64,
}

impl Producer {
    pub(super) fn new(
        shared: &Arc<Shared>,
        weather: Weather,
        random: Random,
        (channel, number, pad): (usize, u64, usize),
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            weather,
            random,
            channel,
            number,
            pad,
            committed: 0,
            sent: 0,
            left: 0,
        }
    }

    pub(super) async fn run(mut self) {
        let sessions = 1 + self.random.below(4);
        let mut session = 0;
        while session < sessions {
            sleep(Duration::from_millis(self.random.below(1000))).await;
            let is_last = session + 1 == sessions;
            match self.session(is_last).await {
                Ok(()) => session += 1,
                Err(error) if self.left > 0 && is_fenced(&error) => self.left -= 1,
                Err(error) => {
                    let words = format!("producer {} has failed: {error}", self.number);
                    return self.shared.problem(words);
                }
            }
        }
        let words = format_args!("producer {} has ended with {}", self.number, self.committed);
        self.shared.note(words);
    }

    async fn session(&mut self, is_last: bool) -> Result<(), Error> {
        let number = self.number;
        let observed = Arc::clone(&self.shared);
        let options = Publish::new(self.shared.channels[self.channel].clone())
            .producer(self.name().parse().expect("it is a name"))
            .start(Start::Append)
            .until_connected(Retry::Forever)
            .window(self.random.length(20_000), 1 + self.random.below(100))
            .observer(move |notice| {
                if let Notice::Connected(_) = notice {
                    observed.count(|counts| counts.reconnects += 1);
                }
                observed.note(format_args!("producer {number}: {notice:?}"));
            })
            .seed(self.random.next());
        let connect = connect(&self.shared, self.weather, self.random.fork());
        let mut publisher = Publisher::new(connect, options);
        let committed = publisher.committed().await?;
        if committed < self.committed || committed > self.sent {
            let words = format!(
                "producer {number} has sent {} messages, {} of them are acknowledged, and {committed} are committed",
                self.sent, self.committed
            );
            self.shared.problem(words);
        }
        self.acknowledged(committed);
        self.sent = committed;
        self.shared.count(|counts| counts.sessions += 1);
        for _ in 0..self.random.below(40) {
            let pad = "x".repeat(self.random.length(self.pad));
            let message = format!("{number} {} {pad}", self.sent);
            publisher.send(message.as_bytes()).await?;
            self.sent += 1;
            if self.random.one_in(4) {
                sleep(Duration::from_millis(self.random.below(200))).await;
            }
            self.acknowledged(committed + publisher.acknowledged());
            if self.random.one_in(12) {
                publisher.flush().await?;
                self.acknowledged(self.sent);
                look_for_acknowledged(&self.shared, &mut self.random, self.channel).await;
            }
        }
        if !is_last && self.random.one_in(3) {
            self.acknowledged(committed + publisher.acknowledged());
            self.shared
                .note(format_args!("producer {number} goes away"));
            self.left += 1;
            return Ok(());
        }
        publisher.close().await?;
        self.acknowledged(self.sent);
        self.shared
            .note(format_args!("producer {number} has {}", self.sent));
        self.look_for_own().await;
        Ok(())
    }

    /// The next `PUBLISH` counts what is acknowledged.
    async fn look_for_own(&mut self) {
        let request = format!(
            "PUBLISH {} producer={}",
            self.shared.name(self.channel),
            self.name()
        );
        let Ok(answer) = ask(&self.shared, &mut self.random, &request, 1).await else {
            return;
        };
        let next = answer
            .first()
            .and_then(|answer| value::<u64>(answer, "next"));
        if next.is_some_and(|next| next != self.sent) {
            let words = format!(
                "{} are acknowledged, and {request} says {answer:?}",
                self.sent
            );
            self.shared.problem(words);
        }
    }

    fn acknowledged(&mut self, total: u64) {
        self.committed = self.committed.max(total);
        self.shared.acknowledge(self.channel, self.number, total);
    }

    fn name(&self) -> String {
        format!("p{}", self.number)
    }
}

fn is_fenced(error: &Error) -> bool {
    matches!(error, Error::Refused(refusal) if refusal.code == Some(Code::Fenced))
}

/// A subscriber, which writes down what it gets until it is at the end.
pub(super) async fn subscribe(
    shared: Arc<Shared>,
    weather: Weather,
    mut random: Random,
    (who, channel): (String, usize),
    (from, pause): (Position, u64),
) {
    let options = Subscribe::new(shared.channels[channel].clone())
        .from(from)
        .on_gap(OnGap::Continue)
        .until_connected(Retry::Forever)
        .seed(random.next());
    let mut subscriber = Subscriber::new(connect(&shared, weather, random.fork()), options);
    let mut steps = Vec::new();
    let mut is_quiet = true;
    loop {
        let place = subscriber
            .next_seq()
            .filter(|_| subscriber.epoch().is_some());
        // A gap comes right after the answer, and must not be missed.
        if is_quiet && place.is_some() && place == shared.end(channel) {
            break;
        }
        let Ok(event) = timeout(LOOK, subscriber.next_event()).await else {
            is_quiet = true;
            continue;
        };
        is_quiet = false;
        match event {
            Ok(Some(SubscriberEvent::Connected(answer))) => {
                shared.note(format_args!("{who}: {answer}"));
                shared.count(|counts| counts.reconnects += 1);
                let (epoch, from) = (answer.epoch, answer.from);
                steps.push(Step::Began { epoch, from });
            }
            Ok(Some(SubscriberEvent::Gap(gap))) => {
                shared.gap(&shared.channels[channel], format!("{who}: {gap}"));
                note_gap(&mut steps, &gap);
            }
            Ok(Some(SubscriberEvent::Message(message))) => {
                let (seq, bytes) = (message.seq, message.bytes.to_vec());
                shared.count(|counts| counts.messages += 1);
                steps.push(Step::Message { seq, bytes });
                if pause > 0 && random.one_in(4) {
                    sleep(Duration::from_millis(random.below(pause))).await;
                }
            }
            Ok(Some(event)) => shared.note(format_args!("{who}: {event:?}")),
            Ok(None) => break shared.problem(format!("{who} was ended")),
            Err(error) => break shared.problem(format!("{who} has failed: {error}")),
        }
    }
    shared.note(format_args!("{who}: at the end"));
    shared.record().sights.push(Sight {
        who,
        channel,
        steps,
    });
}

/// A program that connects to a plain port some times, and takes what comes: all that is kept, first. It comes
/// to that, unless the connection ends, if retention removes nothing.
pub(super) async fn listen(shared: Arc<Shared>, mut random: Random, keeps_everything: bool) {
    for _ in 0..random.below(4) {
        sleep(Duration::from_millis(random.below(3000))).await;
        let acknowledged = shared.acknowledged(0);
        let Ok(mut connection) = Connection::new(&shared, Door::Out, &mut random) else {
            continue;
        };
        let mut messages = Vec::new();
        loop {
            let is_waited_for = keeps_everything && (messages.len() as u64) < acknowledged;
            let some = Duration::from_millis(random.below(1000));
            let patience = if is_waited_for { PATIENCE } else { some };
            match timeout(patience, connection.next()).await {
                Ok(Ok(Some(message))) => messages.push(message),
                Err(_) if is_waited_for => {
                    let got = messages.len();
                    let words =
                        format!("plain: {got} messages, and {acknowledged} were acknowledged");
                    break shared.problem(words);
                }
                _ => break,
            }
        }
        shared.note(format_args!("plain: {} messages", messages.len()));
        shared.record().plain.push(messages);
    }
}

/// A program that sends messages to a plain port, without being told what becomes of them. Each of its connections is a
/// publisher of its own: a later one can be served first, while another waits for a slow subscriber.
pub(super) async fn speak(shared: Arc<Shared>, mut random: Random) {
    let mut sent = 0;
    let connections = random.below(3);
    for number in PLAIN..PLAIN + connections {
        sleep(Duration::from_millis(random.below(2000))).await;
        let Ok(mut connection) = Connection::new(&shared, Door::In, &mut random) else {
            continue;
        };
        let speak = async {
            for _ in 0..random.below(10) {
                connection.send(&format!("{number} {sent} plain")).await?;
                sent += 1;
                sleep(Duration::from_millis(random.below(100))).await;
            }
            connection.finish().await
        };
        // The hub may go away at any time.
        let _ = timeout(Duration::from_secs(60), speak).await;
    }
}
