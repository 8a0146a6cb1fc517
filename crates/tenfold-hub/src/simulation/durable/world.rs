//! One run: a disk, hubs on it one after the other, clients, and what happens to all of them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tenfold::protocol::{ChannelName, Epoch, Position};
use tenfold_log::{Health, Retention};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::asking::{Connection, ask, value};
use super::clients::{Producer, listen, speak, subscribe};
use super::copying::{ColdCopy, places};
use super::deleting::{self, delete};
use super::following::follow;
use super::record::{Record, Shared, Sight, Step};
use super::server::{Door, Server, Setup};
use crate::hub_options::{AllowDelete, HubOptions};
use crate::registry::epoch_after;
use crate::simulation::disk::Disk;
use crate::simulation::link::Weather;
use crate::simulation::random::{self, Random};
use crate::simulation::time;
use crate::when_slow::WhenSlow;

/// How a run goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing happens to the hub and its disk.
    Calm,
    /// Hubs end and are killed, and the machine with them.
    Ends,
    /// And whatever can happen to a disk and to a process.
    Troubles,
}

/// All of a run is over in this time.
const BOUND: Duration = Duration::from_secs(1800);
/// A hub is well again within this time after the last trouble.
const HEALING: Duration = Duration::from_secs(90);
/// No process is stopped for longer than this.
const STOP: Duration = Duration::from_secs(4);
/// A power cut that comes with a trouble comes so soon after it has begun.
const SOON: Duration = Duration::from_millis(400);

impl Kind {
    fn of(seed: u64) -> Self {
        match seed % 10 {
            0 => Self::Calm,
            1 | 2 => Self::Ends,
            _ => Self::Troubles,
        }
    }
}

struct World {
    kind: Kind,
    /// How many hubs have begun.
    hubs: u64,
    random: Random,
    shared: Arc<Shared>,
    setup: Setup,
    server: Option<Server>,
    /// The oldest one that was made.
    copy: Option<ColdCopy>,
    /// Troubles that have not passed.
    troubles: JoinSet<()>,
}

/// Runs a seed.
pub(crate) fn run(seed: u64) -> Record {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime can be made");
    runtime.block_on(async {
        time::begin();
        let mut random = Random::new(seed);
        random::begin(random.fork());
        let mut world = World::new(Kind::of(seed), random);
        if timeout(BOUND, world.run()).await.is_err() {
            world.shared.problem("it hangs".to_owned());
        }
        std::mem::take(&mut *world.shared.record())
    })
}

impl World {
    fn new(kind: Kind, mut random: Random) -> Self {
        let names = ["ticks", "a.1", "zz"];
        let count = 1 + random.index(names.len());
        let channels: Vec<ChannelName> = names[..count]
            .iter()
            .map(|name| name.parse().expect("it is a name"))
            .collect();
        let setup = setup(&mut random, channels[0].clone());
        Self {
            kind,
            hubs: 0,
            random,
            shared: Arc::new(Shared::new(channels)),
            setup,
            server: None,
            copy: None,
            troubles: JoinSet::new(),
        }
    }

    async fn run(&mut self) {
        let disk = Disk::new(self.random.fork());
        self.start(disk).await;
        self.shared.record().keeps_everything = self.keeps_everything();
        let mut producers = JoinSet::new();
        let mut subscribers = JoinSet::new();
        self.clients(&mut producers, &mut subscribers);
        for _ in 0..self.random.below(8) {
            sleep(Duration::from_millis(self.random.below(1500))).await;
            self.happening().await;
        }
        self.heal().await;
        self.look_after(producers).await;
        self.mend().await;
        self.settle().await;
        if self.kind != Kind::Calm {
            // What is acknowledged is there, whatever is lost now.
            self.kill(true).await;
        }
        self.audit().await;
        let ends = self.ends();
        self.shared.record().ends = Some(ends);
        subscribers.join_all().await;
        let later = places(&self.shared, &self.server().log);
        let (disk, is_clean) = self
            .leave()
            .end(Duration::from_secs(60), &mut self.random)
            .await;
        if !is_clean {
            self.shared
                .problem("a hub with a sound disk has not ended well".to_owned());
        }
        if let Some(copy) = self.copy.take() {
            let what = (&*self.shared, &self.setup);
            copy.restore(what, &disk, &later, &mut self.random).await;
        }
    }

    fn clients(&mut self, producers: &mut JoinSet<()>, subscribers: &mut JoinSet<()>) {
        let keeps_everything = self.keeps_everything();
        let random = &mut self.random;
        let pad = random.one_of(&[20, 300, 3000]);
        let weather = Weather {
            capacity: 1 << (6 + random.below(8)),
            delay: Duration::from_micros(random.below(5000)),
            // Not so often that no message gets through.
            cut_one_in: random.one_of(&[0, 0, 10, 100]) * (pad as u64 + 200),
        };
        let channels = self.shared.channels.len();
        for number in 0..=random.below(3) {
            let channel = random.index(channels);
            let what = (channel, number, pad);
            let producer = Producer::new(&self.shared, weather, random.fork(), what);
            producers.spawn(producer.run());
        }
        let listener = random.fork();
        producers.spawn(listen(Arc::clone(&self.shared), listener, keeps_everything));
        producers.spawn(speak(Arc::clone(&self.shared), random.fork()));
        if random.one_in(2) {
            let random = random.fork();
            producers.spawn(delete(Arc::clone(&self.shared), weather, random));
        }
        if random.one_in(2) {
            let random = random.fork();
            subscribers.spawn(follow(Arc::clone(&self.shared), weather, random));
        }
        for channel in 0..channels {
            for index in 0..random.below(3) {
                let places = [Position::First, Position::Next, Position::Newest(5)];
                let from = random.one_of(&places);
                let pause = random.one_of(&[0, 3, 300]);
                let who = format!("{}.{index}", self.shared.name(channel));
                subscribers.spawn(subscribe(
                    Arc::clone(&self.shared),
                    weather,
                    random.fork(),
                    (who, channel),
                    (from, pause),
                ));
            }
        }
    }

    fn keeps_everything(&self) -> bool {
        (self.setup.log.retention)("").max_messages.is_none()
    }

    /// Something happens.
    async fn happening(&mut self) {
        let most = match self.kind {
            Kind::Calm => return,
            Kind::Ends => 4,
            Kind::Troubles => 16,
        };
        match self.random.below(most) {
            0 => self.end().await,
            1 | 2 => self.kill(false).await,
            3 => self.kill(true).await,
            4..14 => {
                self.trouble();
                if self.random.one_in(4) {
                    // The power often fails soon after, when little of what was written meanwhile is anywhere else.
                    sleep(self.random.time(SOON)).await;
                    self.kill(true).await;
                }
            }
            14 => {
                let time = self.random.time(STOP);
                let process = self.server().process.clone();
                self.shared.note(format_args!("stopped for {time:?}"));
                process.stop();
                self.troubles.spawn(async move {
                    sleep(time).await;
                    process.go_on();
                });
            }
            _ => {
                let by = self.random.one_of(&[-3_600_000, -2000, 2000, 3_600_000]);
                self.shared
                    .note(format_args!("the clock is set by {by} ms"));
                time::set_clock(by);
            }
        }
    }

    /// Something is the matter with the disk for a while.
    fn trouble(&mut self) {
        let disk = self.server().disk.clone();
        let begun = disk.have_trouble(&mut self.random);
        let time = self.random.time(begun.longest());
        self.shared.note(format_args!("{begun:?} for {time:?}"));
        let shared = Arc::clone(&self.shared);
        self.troubles.spawn(async move {
            sleep(time).await;
            disk.end(begun);
            shared.note(format_args!("{begun:?} is over"));
        });
    }

    /// Waits until all troubles have passed.
    async fn heal(&mut self) {
        while self.troubles.join_next().await.is_some() {}
        self.shared.note(format_args!("all troubles are over"));
        self.server().process.running().await;
    }

    /// Waits for the producers. What only a start can mend is mended with one.
    async fn look_after(&mut self, mut producers: JoinSet<()>) {
        loop {
            match timeout(Duration::from_secs(1), producers.join_next()).await {
                Ok(None) => return,
                Ok(Some(_)) => {}
                Err(_) => self.mend().await,
            }
        }
    }

    /// Starts the hub again if nothing else helps: the log is read-only, or the sync of a channel's directory has
    /// failed, which shuts the channel until the next start.
    async fn mend(&mut self) {
        let log = &self.server().log;
        let is_shut_until_start = log.why().is_some_and(|fault| fault.call == "fsync");
        if log.health() == Health::ReadOnly || is_shut_until_start {
            self.kill(false).await;
        }
    }

    /// Waits until the hub says that it is well, and has nothing left to do.
    async fn settle(&mut self) {
        let mut waited = Duration::ZERO;
        loop {
            let status = ask(&self.shared, &mut self.random, "HEALTH", 1).await;
            let status = status
                .ok()
                .and_then(|answer| value::<String>(answer.first()?, "status"));
            if status.as_deref() == Some("ok") {
                break;
            }
            if waited > HEALING {
                let words =
                    format!("the hub says {status:?} for {waited:?} after the last trouble");
                return self.shared.problem(words);
            }
            sleep(Duration::from_secs(1)).await;
            waited += Duration::from_secs(1);
        }
        // What was said to a plain port without being told.
        sleep(Duration::from_secs(3)).await;
    }

    fn server(&self) -> &Server {
        self.server
            .as_ref()
            .expect("there is a server while it runs")
    }

    /// Starts a hub, as often as it takes.
    async fn start(&mut self, disk: Disk) {
        loop {
            match Server::start(disk.clone(), &self.setup, &mut self.random) {
                Ok((server, doors)) => {
                    self.hubs += 1;
                    self.shared.note(format_args!("hub {} begins", self.hubs));
                    for finding in &server.report.findings {
                        self.shared.record().has_unknown_start |=
                            finding.text.starts_with("nor for");
                        self.shared.note(format_args!("found: {finding}"));
                    }
                    self.look_at(&server);
                    self.server = Some(server);
                    return self.shared.open(Some(doors));
                }
                Err(error) => {
                    self.shared
                        .note(format_args!("a start has failed: {error}"));
                    self.shared.count(|counts| counts.refused_starts += 1);
                }
            }
            sleep(Duration::from_millis(self.random.below(500))).await;
        }
    }

    /// What is acknowledged is there at a start.
    fn look_at(&self, server: &Server) {
        for index in 0..self.shared.channels.len() {
            let name = self.shared.name(index);
            let channels = server.log.channels();
            let channel = channels.iter().find(|channel| channel.name() == name);
            // A channel without messages begins in this start.
            let of_log = channel.map(|channel| Epoch(channel.epoch()));
            let of_new = (0..=deleting::MOST).map(|count| epoch_after(count, server.epoch));
            for epoch in of_log.into_iter().chain(of_new) {
                self.shared.has_epoch(self.hubs, index, epoch);
            }
            let next = channel.map_or(0, |channel| channel.next());
            // A channel that cannot be read is shut, and comes back when that has passed.
            let is_shut = server.report.findings.iter().any(|finding| {
                finding.channel.as_deref() == Some(name) && finding.text.contains("cannot be read")
            });
            let acknowledged = self.shared.acknowledged(index);
            if next < acknowledged && !is_shut {
                self.shared.problem(format!(
                    "{acknowledged} messages of {name} were acknowledged, and a start has found {next}"
                ));
            }
        }
    }

    /// The epochs of the channels that the log has, also of those that have come back.
    fn note_epochs(&self, server: &Server) {
        for channel in server.log.channels() {
            let names = &mut self.shared.channels.iter();
            if let Some(index) = names.position(|name| name.as_str() == channel.name()) {
                let epoch = Epoch(channel.epoch());
                self.shared.has_epoch(self.hubs, index, epoch);
            }
        }
    }

    fn leave(&mut self) -> Server {
        let server = self.server.take().expect("there is a server while it runs");
        self.shared.open(None);
        self.note_epochs(&server);
        let (numbers, health) = (server.log.numbers(), server.log.health());
        self.shared.count(|counts| {
            counts.checkpoints += numbers.checkpoints;
            counts.removed += numbers.removed;
            match health {
                Health::ReadOnly => counts.read_only += 1,
                Health::Full => counts.full += 1,
                Health::Degraded => counts.degraded += 1,
                Health::Slow => counts.slow += 1,
                _ => {}
            }
        });
        server
    }

    async fn kill(&mut self, is_machine: bool) {
        let server = self.leave();
        let what = if is_machine { "machine" } else { "process" };
        self.shared.note(format_args!("the {what} ends"));
        self.shared.count(|counts| counts.kills += 1);
        let disk = server.kill(is_machine, &mut self.random).await;
        sleep(Duration::from_millis(self.random.below(500))).await;
        self.start(disk).await;
    }

    async fn end(&mut self) {
        let server = self.leave();
        let log = server.log.clone();
        self.shared.note(format_args!("the hub is told to end"));
        let patience = Duration::from_millis(self.random.one_of(&[500, 30_000]));
        let (disk, is_clean) = server.end(patience, &mut self.random).await;
        self.shared
            .note(format_args!("it has ended; well: {is_clean}"));
        self.shared
            .count(|counts| counts.clean_ends += u64::from(is_clean));
        if is_clean && self.copy.is_none() {
            self.copy = Some(ColdCopy {
                memory: disk.memory.copy(),
                places: places(&self.shared, &log),
            });
        }
        self.start(disk).await;
    }

    fn ends(&self) -> Vec<u64> {
        let log = &self.server().log;
        let channels = log.channels();
        let next = |name: &ChannelName| {
            let channel = channels
                .iter()
                .find(|channel| channel.name() == name.as_str());
            channel.map_or(0, |channel| channel.next())
        };
        self.shared.channels.iter().map(next).collect()
    }

    /// Reads everything that there is now, as a subscriber.
    async fn audit(&mut self) {
        for channel in 0..self.shared.channels.len() {
            let name = self.shared.name(channel).to_owned();
            let Some((epoch, from, messages)) = self.read(&name).await else {
                continue;
            };
            let mut steps = vec![Step::Began { epoch, from }];
            let messages = (from..).zip(messages);
            steps.extend(messages.map(|(seq, bytes)| Step::Message { seq, bytes }));
            self.shared.record().sights.push(Sight {
                who: super::check::AUDITOR.to_owned(),
                channel,
                steps,
            });
        }
        if let Some((_, from, messages)) = self.read(deleting::NAME).await {
            self.shared.check_gone(from, &messages);
        }
    }

    /// All messages that a channel has.
    async fn read(&mut self, name: &str) -> Option<(Epoch, u64, Vec<Vec<u8>>)> {
        let read = read(&self.shared, &mut self.random, name).await;
        let noted = read.inspect_err(|error| {
            let words = format!("{name} cannot be read at the end: {error}");
            self.shared.problem(words);
        });
        noted.ok()
    }
}

/// The epoch of a channel, the seq of its first message, and all messages that it has.
async fn read(
    shared: &Shared,
    random: &mut Random,
    name: &str,
) -> io::Result<(Epoch, u64, Vec<Vec<u8>>)> {
    let mut connection = Connection::new(shared, Door::Protocol, random)?;
    let request = format!("SUBSCRIBE {name} from=first");
    connection.send(&request).await?;
    let answer = connection.next().await?.unwrap_or_default();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    shared.note(format_args!("audit: {answer}"));
    let key = |key| value(&answer, key).ok_or(io::ErrorKind::InvalidData);
    let (from, next): (u64, u64) = (key("from")?, key("next")?);
    let epoch = value(&answer, "epoch").ok_or(io::ErrorKind::InvalidData)?;
    let mut messages = Vec::new();
    for _ in from..next {
        let ended = || io::Error::from(io::ErrorKind::UnexpectedEof);
        messages.push(connection.next().await?.ok_or_else(ended)?);
    }
    Ok((epoch, from, messages))
}

/// How the hubs of a run are set up.
fn setup(random: &mut Random, channel: ChannelName) -> Setup {
    let mut log = tenfold_log::Options::new(random::random);
    log.clock = time::clock;
    log.timer = time::timer;
    log.journal = random.one_of(&[4, 16, 64]) * 4096;
    log.segment = random.one_of(&[500, 20_000, 1 << 20]);
    // A segment or two are written between two checkpoints, or any number.
    let files = random.one_of(&[8, 16, 8000]);
    log.max_batch = random.one_of(&[3000, 100_000]);
    if random.one_in(5) {
        log.retention = Arc::new(|_| {
            let mut retention = Retention::default();
            retention.max_messages = Some(16);
            retention
        });
    }
    let mut hub = HubOptions {
        clock: time::clock,
        allow_delete: AllowDelete::Everybody,
        ..HubOptions::default()
    };
    hub.channel_memory = random.one_of(&[3000, 20_000, 64 << 20]);
    if random.one_in(4) {
        let patience = WhenSlow::Wait(Duration::from_millis(random.below(2000)));
        hub.when_slow = vec![("*".parse().expect("it is a pattern"), patience)];
    }
    Setup {
        log,
        files: usize::try_from(files).unwrap_or(8),
        hub,
        channel,
        replay: 1 << 40,
    }
}
