//! A hub with its log, as a process on a machine: it is started, stopped, ended and killed.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tenfold::protocol::Epoch;
use tenfold_log::storage::Keep;
use tenfold_log::{Checkpointer, Log, OpenError, Report, Steps};
use tokio::sync::{Mutex as Floor, mpsc};
use tokio::task::JoinHandle;

use crate::acceptor::Acceptor;
use crate::hub::Hub;
use crate::hub_options::HubOptions;
use crate::port::{Direction, Plain, PortKind};
use crate::simulation::Link;
use crate::simulation::disk::Disk;
use crate::simulation::process::{Process, of_hub};
use crate::simulation::random::{self, Random};
use crate::simulation::turns::{Turn, Turns};

/// Where clients connect.
pub(super) type Doors = [mpsc::UnboundedSender<Link>; 3];

/// The doors of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Protocol,
    /// Plain ports of the first channel.
    Out,
    In,
}

/// How all hubs of a run are set up.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) log: tenfold_log::Options,
    /// How many files it may have open.
    pub(super) files: usize,
    pub(super) hub: HubOptions,
    /// The channel of the plain ports.
    pub(super) channel: tenfold::protocol::ChannelName,
    /// How many messages they send first.
    pub(super) replay: u64,
}

/// A hub that runs.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) disk: Disk,
    pub(super) log: Log,
    /// The epoch of channels that begin.
    pub(super) epoch: Epoch,
    /// What the start has found.
    pub(super) report: Report,
    pub(super) process: Process,
    hub: Option<Hub>,
    steps: Arc<Mutex<Option<Steps>>>,
    checkpointer: Arc<Mutex<Option<Checkpointer>>>,
    /// The hub has ended, and the log's threads are to end when they have nothing to do.
    over: Arc<AtomicBool>,
    drivers: Vec<JoinHandle<()>>,
}

/// How long the log's threads do nothing while there is nothing to do: at first, and at the most.
const LEAST_PAUSE: Duration = Duration::from_millis(1);
const MOST_PAUSE: Duration = Duration::from_millis(60);

impl Server {
    /// Starts a hub on what the disk has.
    pub(super) fn start(
        disk: Disk,
        setup: &Setup,
        random: &mut Random,
    ) -> Result<(Self, Doors), OpenError> {
        let storage = disk.clone().with_files(setup.files);
        let opened = tenfold_log::open(Arc::new(storage), setup.log.clone())?;
        let (log, report, steps, checkpointer) = opened.stepped();
        let process = Process::new(random.fork());
        let mut doors = Vec::new();
        let doors_of = [Door::Protocol, Door::Out, Door::In].map(|door| {
            let (sender, receiver) = mpsc::unbounded_channel();
            doors.push((Acceptor::link(receiver), setup.kind(door)));
            sender
        });
        let epoch = Epoch(random::random());
        let options = setup.hub.clone();
        let hub = process.run(|| Hub::open(doors, options, epoch, Some(log.clone())));
        let mut server = Self {
            disk,
            log,
            epoch,
            report,
            process,
            hub: Some(hub),
            steps: Arc::new(Mutex::new(Some(steps))),
            checkpointer: Arc::new(Mutex::new(Some(checkpointer))),
            over: Arc::default(),
            drivers: Vec::new(),
        };
        server.drive(random);
        Ok((server, doors_of))
    }

    /// Does the work of the log's two threads.
    fn drive(&mut self, random: &mut Random) {
        let floor = Arc::new(Floor::new(()));
        let steps = Arc::clone(&self.steps);
        let commit = Turns::new(random.fork(), move || {
            lock(&steps).as_ref().is_some_and(Steps::step)
        });
        let checkpointer = Arc::clone(&self.checkpointer);
        let check = Turns::new(random.fork(), move || {
            lock(&checkpointer).as_mut().is_some_and(Checkpointer::step)
        });
        let (steps, checkpointer) = (Arc::clone(&self.steps), Arc::clone(&self.checkpointer));
        let driver = Driver {
            process: self.process.clone(),
            floor,
            over: Arc::clone(&self.over),
            random: random.fork(),
        };
        let has_work = move || lock(&steps).as_ref().is_some_and(Steps::has_work);
        let committing = driver.again(random.fork()).drive(commit, false, has_work);
        let has_work = move || {
            lock(&checkpointer)
                .as_ref()
                .is_some_and(Checkpointer::has_work)
        };
        let checking = driver.drive(check, true, has_work);
        self.drivers = vec![tokio::spawn(committing), tokio::spawn(checking)];
    }

    /// `SIGKILL`. Returns the disk after it, or after the end of the machine.
    pub(super) async fn kill(mut self, is_machine: bool, random: &mut Random) -> Disk {
        self.process.kill();
        self.disk.memory.stop_at(self.disk.memory.calls());
        for driver in self.drivers.drain(..) {
            driver.await.expect("a driver of the log does not panic");
        }
        let memory = &self.disk.memory;
        let part = random.index(5000);
        let last = random.one_of(&[Keep::None, Keep::All, Keep::Prefix(part)]);
        let image = if is_machine {
            memory.image_random(random.next())
        } else {
            memory.image_kept_with(last)
        };
        self.disk.after(image)
    }

    /// `SIGTERM`, and `SIGKILL` if that takes too long. Returns the disk after it, and whether the end was a
    /// clean one.
    pub(super) async fn end(mut self, patience: Duration, random: &mut Random) -> (Disk, bool) {
        let ending = self.drain_and_stop();
        let ended = tokio::time::timeout(patience, ending).await;
        let is_clean = ended.unwrap_or(false);
        (self.kill(false, random).await, is_clean)
    }

    async fn drain_and_stop(&mut self) -> bool {
        let hub = self.hub.take().expect("it ends once");
        let drained = self.process.run(|| tokio::spawn(of_hub(hub.drain())));
        drained.await.expect("a drain does not panic");
        self.over.store(true, Relaxed);
        while let Some(driver) = self.drivers.last_mut() {
            driver.await.expect("a driver of the log does not panic");
            self.drivers.pop();
        }
        let mut log = lock(&self.steps)
            .take()
            .zip(lock(&self.checkpointer).take());
        let stop = move || {
            let log = log.take();
            log.is_some_and(|(steps, checkpointer)| steps.stop(checkpointer))
        };
        let mut stop = Turns::new(Random::new(0), stop);
        take_turn(&mut stop, &self.process, &Floor::new(()), false).await
    }
}

/// What does the work of one of the log's threads.
struct Driver {
    process: Process,
    floor: Arc<Floor<()>>,
    over: Arc<AtomicBool>,
    random: Random,
}

impl Driver {
    fn again(&self, random: Random) -> Self {
        Self {
            process: self.process.clone(),
            floor: Arc::clone(&self.floor),
            over: Arc::clone(&self.over),
            random,
        }
    }

    async fn drive(mut self, mut turns: Turns, may_wait: bool, has_work: impl Fn() -> bool) {
        let mut pause = LEAST_PAUSE;
        loop {
            self.process.running().await;
            if self.process.is_dead() {
                return;
            }
            if has_work() && take_turn(&mut turns, &self.process, &self.floor, may_wait).await {
                pause = LEAST_PAUSE;
                tokio::task::yield_now().await;
                continue;
            }
            if self.over.load(Relaxed) {
                return;
            }
            self.process.sleep(self.random.time(pause)).await;
            pause = (pause * 2).min(MOST_PAUSE);
        }
    }
}

/// Has a thread do its work once; what that returns. It has the floor; if it may wait, it leaves that to the other
/// one while nothing is locked that this needs.
async fn take_turn(
    turns: &mut Turns,
    process: &Process,
    floor: &Floor<()>,
    may_wait: bool,
) -> bool {
    let mut held = floor.lock().await;
    loop {
        let (time, lets_others) = match turns.turn() {
            Turn::Done(done) => return done,
            Turn::Takes(time, lets_others) => (time, lets_others),
        };
        let others = lets_others && may_wait;
        if others {
            drop(held);
            process.sleep(time).await;
            held = floor.lock().await;
        } else {
            process.sleep(time).await;
        }
        process.running().await;
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Setup {
    fn kind(&self, door: Door) -> PortKind {
        let plain = |direction| {
            let plain = Plain::new(self.channel.clone(), direction).replay(self.replay);
            PortKind::Plain(Arc::new(plain))
        };
        match door {
            Door::Protocol => PortKind::Protocol,
            Door::Out => plain(Direction::Out),
            Door::In => plain(Direction::In),
        }
    }
}
