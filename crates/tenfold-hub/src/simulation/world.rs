//! One run: a network, hubs one after the other, producers and subscribers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tenfold::asynchronous::{Connecting, Publisher, Subscriber, Transport};
use tenfold::client::{OnGap, Publish, Start, Subscribe, SubscriberEvent};
use tenfold::protocol::{ChannelName, Epoch, Position, ProducerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::guests::{EventReader, Events};
use super::link::{Link, Weather, link};
use super::random::Random;
use super::time::{self, since_start};
use crate::acceptor::Acceptor;
use crate::hub::Hub;
use crate::hub_options::HubOptions;
use crate::port::PortKind;
use crate::when_slow::WhenSlow;

/// What all have written down.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) subscribers: Vec<(String, Vec<Step>)>,
    pub(crate) producers: Vec<(u64, Ending)>,
    /// Hubs that there were, one after the other.
    pub(crate) hubs: u64,
    /// It did not come to its end.
    pub(crate) hangs: bool,
    pub(crate) trace: Vec<String>,
}

impl Record {
    pub(crate) const FIRST_EPOCH: Epoch = Epoch(1);
}

/// What a subscriber has met.
#[derive(Debug)]
pub(crate) enum Step {
    Began {
        epoch: Epoch,
        from: u64,
    },
    Gap,
    Message {
        epoch: Epoch,
        seq: u64,
        bytes: Vec<u8>,
    },
}

/// How a producer has ended.
#[derive(Debug)]
pub(crate) enum Ending {
    Acknowledged { epoch: Epoch, messages: u64 },
    Failed(String),
}

/// How much has happened, over all runs.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    messages: u64,
    reconnects: u64,
    gaps: u64,
    restarts: u64,
    failed_producers: u64,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.reconnects += other.reconnects;
        self.gaps += other.gaps;
        self.restarts += other.restarts;
        self.failed_producers += other.failed_producers;
    }

    pub(crate) fn is_eventful(&self) -> bool {
        self.messages > 10_000
            && self.reconnects > 1000
            && self.gaps > 20
            && self.restarts > 20
            && self.failed_producers > 5
    }
}

/// Runs a seed.
pub(crate) fn run(seed: u64) -> (Outcome, Record) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        time::begin();
        World::new(seed).run().await
    })
}

type Door = Arc<Mutex<Option<mpsc::UnboundedSender<Link>>>>;

/// What the parts of a run share.
struct World {
    random: Random,
    door: Door,
    /// For those who get events.
    guests: Door,
    weather: Weather,
    pad: usize,
    record: Arc<Mutex<Record>>,
    /// The seq at which all subscribers can stop, when it is known.
    end: Arc<Mutex<Option<(Epoch, u64)>>>,
}

/// Nothing takes longer than this on the virtual clock, or hangs.
const BOUND: Duration = Duration::from_secs(3600);

/// How often a subscriber that waits looks whether it is the end.
const LOOK: Duration = Duration::from_millis(100);

fn channel() -> ChannelName {
    "ticks".parse().unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let pad = random.one_of(&[20, 300, 3000]);
        let weather = Weather {
            capacity: 1 << (6 + random.below(8)),
            delay: Duration::from_micros(random.below(5000)),
            // Not so often that no message gets through.
            cut_one_in: random.one_of(&[0, 2, 10, 100]) * (pad as u64 + 200),
        };
        Self {
            pad,
            random,
            door: Arc::default(),
            guests: Arc::default(),
            weather,
            record: Arc::default(),
            end: Arc::default(),
        }
    }

    async fn run(mut self) -> (Outcome, Record) {
        let hubs = tokio::spawn(self.hubs());
        let mut subscribers = tokio::task::JoinSet::new();
        let auditor = Weather {
            capacity: 1 << 16,
            delay: Duration::ZERO,
            cut_one_in: 0,
        };
        subscribers.spawn(self.subscriber("auditor".to_owned(), auditor, Position::First, 0));
        for index in 0..self.random.below(4) {
            let places = [Position::First, Position::Next, Position::Newest(5)];
            let from = self.random.one_of(&places);
            let pause = self.random.one_of(&[0, 3, 40]);
            subscribers.spawn(self.subscriber(format!("sub{index}"), self.weather, from, pause));
        }
        for index in 0..self.random.below(3) {
            let from = self.random.one_of(&[Position::First, Position::Next]);
            let pause = self.random.one_of(&[0, 3, 40]);
            subscribers.spawn(self.guest(format!("guest{index}"), from, pause));
        }
        let mut producers = tokio::task::JoinSet::new();
        for index in 0..=self.random.below(2) {
            producers.spawn(self.producer(index));
        }
        let in_time = async {
            producers.join_all().await;
            let hub = hubs.await.unwrap();
            let end = hub.place();
            *self.end.lock().unwrap() = Some(end);
            subscribers.join_all().await;
            drop(hub);
        };
        let hangs = timeout(BOUND, in_time).await.is_err();
        let mut record = std::mem::take(&mut *self.record.lock().unwrap());
        record.hangs = hangs;
        (Self::count(&record), record)
    }

    fn count(record: &Record) -> Outcome {
        let steps = || record.subscribers.iter().flat_map(|(_, steps)| steps);
        let began = steps()
            .filter(|step| matches!(step, Step::Began { .. }))
            .count();
        Outcome {
            messages: steps()
                .filter(|step| matches!(step, Step::Message { .. }))
                .count() as u64,
            reconnects: began.saturating_sub(record.subscribers.len()) as u64,
            gaps: steps().filter(|step| matches!(step, Step::Gap)).count() as u64,
            restarts: record.hubs - 1,
            failed_producers: record
                .producers
                .iter()
                .filter(|(_, ending)| matches!(ending, Ending::Failed(_)))
                .count() as u64,
        }
    }

    /// Hubs, one after the other; returns the last.
    fn hubs(&mut self) -> impl Future<Output = LastHub> + Send + use<> {
        let mut random = self.random.fork();
        let (door, record) = (Arc::clone(&self.door), Arc::clone(&self.record));
        let guests = Arc::clone(&self.guests);
        async move {
            let count = if random.one_in(4) {
                2 + random.below(2)
            } else {
                1
            };
            for epoch in 1.. {
                let (sender, receiver) = mpsc::unbounded_channel();
                let options = options(&mut random);
                let (guests_sender, guests_receiver) = mpsc::unbounded_channel();
                let events = PortKind::Guests(Arc::new(Events));
                let doors = vec![
                    (Acceptor::link(receiver), PortKind::Protocol),
                    (Acceptor::link(guests_receiver), events),
                ];
                let hub = Hub::open(doors, options, Epoch(epoch), None);
                *door.lock().unwrap() = Some(sender);
                *guests.lock().unwrap() = Some(guests_sender);
                note(&record, format_args!("hub {epoch} begins"));
                record.lock().unwrap().hubs += 1;
                if epoch == count {
                    return LastHub(hub, Epoch(epoch));
                }
                sleep(Duration::from_millis(random.below(1500))).await;
                *door.lock().unwrap() = None;
                *guests.lock().unwrap() = None;
                hub.drain().await;
                note(&record, format_args!("hub {epoch} has ended"));
                sleep(Duration::from_millis(random.below(500))).await;
            }
            unreachable!("the last hub has returned");
        }
    }

    /// Makes connections to whatever hub there is.
    fn connect(&mut self, weather: Weather) -> impl FnMut() -> Connecting + Send + use<> {
        self.connect_to(Arc::clone(&self.door), weather)
    }

    fn connect_to(
        &mut self,
        door: Door,
        weather: Weather,
    ) -> impl FnMut() -> Connecting + Send + use<> {
        let mut random = self.random.fork();
        move || {
            let (door, mut random) = (Arc::clone(&door), random.fork());
            Box::pin(async move {
                sleep(Duration::from_micros(random.below(2000))).await;
                let door = door.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
                let (theirs, ours) = link(weather, random);
                door.ok_or_else(refused)?
                    .send(theirs)
                    .map_err(|_| refused())?;
                Ok(Box::new(ours) as Box<dyn Transport>)
            })
        }
    }

    fn subscriber(
        &mut self,
        name: String,
        weather: Weather,
        from: Position,
        pause: u64,
    ) -> impl Future<Output = ()> + Send + use<> {
        let connect = self.connect(weather);
        let mut random = self.random.fork();
        let options = Subscribe::new(channel())
            .from(from)
            .on_gap(OnGap::Continue)
            .until_connected(tenfold::client::Retry::Forever)
            .seed(random.next());
        let record = Arc::clone(&self.record);
        let end = Arc::clone(&self.end);
        async move {
            sleep(Duration::from_millis(
                random.below(200) * u64::from(pause > 0),
            ))
            .await;
            let mut subscriber = Subscriber::new(connect, options);
            let mut steps: Vec<Step> = Vec::new();
            let mut quiet = true;
            loop {
                let place = subscriber.epoch().zip(subscriber.next_seq());
                // A gap comes right after the answer, and must not be missed.
                if quiet && end.lock().unwrap().is_some_and(|end| place == Some(end)) {
                    break;
                }
                // The end may come to be known while nothing happens.
                let Ok(event) = timeout(LOOK, subscriber.next_event()).await else {
                    quiet = true;
                    continue;
                };
                quiet = false;
                let event = event.unwrap().unwrap();
                match event {
                    SubscriberEvent::Connected(answer) => {
                        note(&record, format_args!("{name}: {answer}"));
                        steps.push(Step::Began {
                            epoch: answer.epoch,
                            from: answer.from,
                        });
                    }
                    SubscriberEvent::Gap(gap) => {
                        note(&record, format_args!("{name}: {gap}"));
                        // It comes after the answer of the connection that goes on.
                        let began = steps.pop();
                        steps.push(Step::Gap);
                        steps.extend(began);
                    }
                    SubscriberEvent::Disconnected(event) => {
                        note(&record, format_args!("{name}: {event}"));
                    }
                    SubscriberEvent::Message(message) => {
                        let (seq, bytes) = (message.seq, message.bytes.to_vec());
                        let epoch = subscriber.epoch().unwrap();
                        steps.push(Step::Message { epoch, seq, bytes });
                        if pause > 0 && random.one_in(4) {
                            sleep(Duration::from_millis(random.below(pause))).await;
                        }
                    }
                    _ => {}
                }
            }
            note(&record, format_args!("{name}: at the end"));
            record.lock().unwrap().subscribers.push((name, steps));
        }
    }

    /// A subscriber that gets events, and connects again whenever they end.
    fn guest(
        &mut self,
        name: String,
        from: Position,
        pause: u64,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut connect = self.connect_to(Arc::clone(&self.guests), self.weather);
        let mut random = self.random.fork();
        let (record, end) = (Arc::clone(&self.record), Arc::clone(&self.end));
        async move {
            let (mut reader, mut steps) = (EventReader::default(), Vec::new());
            let is_end = |reader: &EventReader| {
                let end = *end.lock().unwrap();
                end.is_some() && reader.place() == end
            };
            while !is_end(&reader) {
                let Ok(mut stream) = connect().await else {
                    sleep(Duration::from_millis(1 + random.below(100))).await;
                    continue;
                };
                reader.reconnects();
                let place = match reader.place() {
                    Some((epoch, seq)) => format!("{epoch}.{seq}"),
                    None => from.to_string(),
                };
                let line = format!("{} {place}\n", channel());
                let _ = stream.write_all(line.as_bytes()).await;
                let mut buffer = vec![0; random.one_of(&[1, 100, 5000])];
                loop {
                    match timeout(LOOK, stream.read(&mut buffer)).await {
                        Ok(Ok(read)) if read > 0 => steps.extend(reader.take(&buffer[..read])),
                        Ok(_) => break,
                        Err(_) if is_end(&reader) => break,
                        Err(_) => {}
                    }
                    if pause > 0 && random.one_in(4) {
                        sleep(Duration::from_millis(random.below(pause))).await;
                    }
                }
                let how = if reader.is_complete {
                    "complete"
                } else {
                    "cut"
                };
                note(
                    &record,
                    format_args!("{name}: {how} at {:?}", reader.place()),
                );
            }
            note(&record, format_args!("{name}: at the end"));
            record.lock().unwrap().subscribers.push((name, steps));
        }
    }

    fn producer(&mut self, index: u64) -> impl Future<Output = ()> + Send + use<> {
        let connect = self.connect(self.weather);
        let mut random = self.random.fork();
        let (pad, record) = (self.pad, Arc::clone(&self.record));
        let epoch = Arc::new(Mutex::new(Epoch(0)));
        let seen = Arc::clone(&epoch);
        let observed = Arc::clone(&record);
        let options = Publish::new(channel())
            .producer(format!("p{index}").parse::<ProducerId>().unwrap())
            .start(Start::History)
            .until_connected(tenfold::client::Retry::Forever)
            .window(random.length(20_000), 1 + random.below(100))
            .observer(move |notice| {
                if let tenfold::client::Notice::Connected(answer) = notice {
                    *seen.lock().unwrap() = answer.epoch;
                }
                note(&observed, format_args!("p{index}: {notice:?}"));
            })
            .seed(random.next());
        async move {
            let messages = random.below(100);
            let mut publisher = Publisher::new(connect, options);
            let result = async {
                for number in 0..messages {
                    let pad = "x".repeat(random.length(pad));
                    publisher
                        .send(format!("{index} {number} {pad}").as_bytes())
                        .await?;
                    if random.one_in(4) {
                        sleep(Duration::from_millis(random.below(30))).await;
                    }
                    if random.one_in(40) {
                        publisher.flush().await?;
                    }
                }
                publisher.close().await
            };
            let ending = match result.await {
                Ok(()) => Ending::Acknowledged {
                    epoch: *epoch.lock().unwrap(),
                    messages,
                },
                Err(error) => Ending::Failed(error.to_string()),
            };
            note(&record, format_args!("p{index}: {ending:?}"));
            record.lock().unwrap().producers.push((index, ending));
        }
    }
}

/// The hub that goes on to the end, and its epoch.
struct LastHub(Hub, Epoch);

impl LastHub {
    /// The seq after the last message.
    fn place(&self) -> (Epoch, u64) {
        (self.1, self.0.stats().messages)
    }
}

fn options(random: &mut Random) -> HubOptions {
    let mut options = HubOptions {
        clock: time::clock,
        ..HubOptions::default()
    };
    options.channel_memory = random.one_of(&[3000, 20_000, 200_000, 64 << 20]);
    if random.one_in(3) {
        let patience = WhenSlow::Wait(Duration::from_millis(random.below(2000)));
        options.when_slow = vec![("*".parse().unwrap(), patience)];
    }
    options
}

fn note(record: &Mutex<Record>, words: std::fmt::Arguments<'_>) {
    let time = since_start().as_micros();
    let line = format!("{time:>10} {words}");
    record.lock().unwrap().trace.push(line);
}
