//! Two opened ends and the two lanes between them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::child::Child;
use super::giver::Giver;
use super::joint::Joint;
use super::lane::{Ended, Lane, Tally};
use super::taker::Taker;
use crate::failure::Failure;
use crate::signals::Stop;
use crate::words::Words;

/// What the sessions of a bridge have in common.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// How long it may take to hand over the messages that were taken, once the session is to end.
    pub(super) drain: Duration,
    /// After which silence in both directions a session ends.
    pub(super) timeout: Option<Duration>,
    /// The signal after which everything is to end.
    pub(super) stop: Stop,
    /// Says which messages are left out because the framing of the other end cannot carry them, if that is wanted.
    pub(super) skips: Option<Words>,
}

/// What a session has done, and how it ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) result: Result<(), Failure>,
    /// Messages from the first end to the second, and back.
    pub(super) messages: [u64; 2],
}

/// A lane that runs.
struct Running {
    task: JoinHandle<Ended>,
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
    /// It has nothing to carry, and ends with the other one.
    is_idle: bool,
    into_child: bool,
    into_device: bool,
    ended: Option<Ended>,
}

/// How the lanes came to their end.
struct Course {
    failure: Option<Failure>,
    /// From outside, or because of a failure.
    is_stopped: bool,
}

/// Carries messages in both directions until both have ended, or one has failed.
pub(super) async fn run(a: Joint, b: Joint, terms: Terms) -> Outcome {
    let mut lanes = [
        Running::start(a.giver, b.taker, b.child.is_some(), terms.skips.clone()),
        Running::start(b.giver, a.taker, a.child.is_some(), terms.skips.clone()),
    ];
    // The lane with the number of its child goes into the child, the other one comes from it.
    let mut children = [b.child, a.child];
    let course = drive(&mut lanes, &mut children, &terms).await;
    let messages = [lanes[0].tally.messages(), lanes[1].tally.messages()];
    for lane in lanes {
        close(lane.ended).await;
    }
    let mut result = course.failure.map_or(Ok(()), Err);
    for child in children.into_iter().flatten() {
        let ended = child.end(terms.drain).await;
        // How a command ends after it was cut off is our doing, and not worth an error; that it had to be
        // killed is.
        if !course.is_stopped || matches!(ended, Err(Failure::TimedOut(_))) {
            result = result.and(ended);
        }
    }
    Outcome { result, messages }
}

/// Waits for the end of both lanes.
async fn drive(
    lanes: &mut [Running; 2],
    children: &mut [Option<Child>; 2],
    terms: &Terms,
) -> Course {
    let mut course = Course {
        failure: None,
        is_stopped: false,
    };
    let mut stop = terms.stop.clone();
    let mut deadline = None;
    let both = [0, 1].map(|lane: usize| Arc::clone(&lanes[lane].tally));
    let mut silence = terms.timeout.map(|timeout| Silence::new(timeout, both));
    let [forth, back] = lanes;
    let [into_b, into_a] = children;
    // Counted from the end of the command: another process may still hold its output, and be silent. A device has no
    // end, so what counts is the end of what is sent to it.
    let (mut left_by_b, mut left_by_a) = (None, None);
    let left = |lane: &Running| Some(Silence::new(terms.drain, [Arc::clone(&lane.tally)]));
    while forth.ended.is_none() || back.ended.is_none() {
        tokio::select! {
            biased;
            () = forth.end(), if forth.ended.is_none() => course.after(forth, back),
            () = back.end(), if back.ended.is_none() => course.after(back, forth),
            () = gone(into_b), if is_news(forth, back, left_by_b.is_some()) => match back.ended {
                // It has said its last word, and takes nothing any more.
                Some(_) => forth.tell(),
                None => left_by_b = left(back),
            },
            () = gone(into_a), if is_news(back, forth, left_by_a.is_some()) => match forth.ended {
                Some(_) => back.tell(),
                None => left_by_a = left(forth),
            },
            _ = stop.wait(), if !course.is_stopped => course.is_stopped = true,
            () = lasts(&mut silence, |_| true), if !course.is_stopped => {
                course.fail(Failure::TimedOut(format!(
                    "nothing came or went for {:?} (--timeout)", terms.timeout.unwrap_or_default()
                )));
            }
            () = lasts(&mut left_by_b, Tally::waits), if back.is_awaited() && !course.is_stopped => {
                course.after_silence(back, into_b.as_ref(), terms.drain);
            }
            () = lasts(&mut left_by_a, Tally::waits), if forth.is_awaited() && !course.is_stopped => {
                course.after_silence(forth, into_a.as_ref(), terms.drain);
            }
            () = until(deadline) => {
                course.fail(Failure::Other(format!(
                    "not everything was taken within {:?} (--drain)", terms.drain
                )));
                forth.abort();
                back.abort();
                break;
            }
        }
        if forth.has_fed_device() && left_by_b.is_none() {
            left_by_b = left(back);
        }
        if back.has_fed_device() && left_by_a.is_none() {
            left_by_a = left(forth);
        }
        if course.is_stopped && deadline.is_none() {
            forth.tell();
            back.tell();
            deadline = Some(Instant::now() + terms.drain);
        }
    }
    course
}

impl Course {
    /// What follows from the end of a lane for the other one.
    fn after(&mut self, ended: &Running, other: &Running) {
        match ended.ended.as_ref().map(|ended| &ended.result) {
            // It wants no more, and may have more to say; how it exits tells whether that is right.
            Some(Err(Failure::OutputClosed)) if ended.into_child => {}
            Some(Err(failure)) => self.fail(failure.clone()),
            _ if other.is_idle => other.tell(),
            _ => {}
        }
    }

    /// What follows from it that a lane is silent, whose command has exited, or whose device is sent nothing more.
    fn after_silence(&mut self, lane: &Running, child: Option<&Child>, drain: Duration) {
        match child {
            Some(child) => self.fail(held(child, drain)),
            None => lane.tell(),
        }
    }

    /// Keeps the first failure; what follows is mostly its consequence.
    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
        self.is_stopped = true;
    }
}

impl Running {
    fn start(giver: Giver, taker: Taker, into_child: bool, skips: Option<Words>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let tally = Arc::new(Tally::default());
        let is_idle = matches!(giver, Giver::Nobody);
        let into_device = matches!(taker, Taker::Device(_));
        let lane = Lane {
            giver,
            taker,
            tally: Arc::clone(&tally),
            skips,
        };
        Self {
            task: tokio::spawn(lane.run(stopped)),
            stop,
            tally,
            is_idle,
            into_child,
            into_device,
            ended: None,
        }
    }

    async fn end(&mut self) {
        let ended = (&mut self.task).await;
        self.ended = Some(ended.unwrap_or_else(|error| Ended {
            giver: Giver::Nobody,
            taker: Taker::Nobody,
            result: Err(Failure::Other(format!("a direction broke off: {error}"))),
        }));
    }

    /// Tells it to end between two messages.
    fn tell(&self) {
        self.stop.send_replace(true);
    }

    fn is_told(&self) -> bool {
        *self.stop.borrow()
    }

    /// Whether it goes on, and was not told to end.
    fn is_awaited(&self) -> bool {
        self.ended.is_none() && !self.is_told()
    }

    /// Whether it has ended, and went to a device.
    fn has_fed_device(&self) -> bool {
        self.into_device && self.ended.is_some()
    }

    fn abort(&self) {
        self.task.abort();
    }
}

/// Closes a giver whose bytes are not wanted any more, without destroying what the other side
/// has not yet received. (The taker is closed with it.)
async fn close(ended: Option<Ended>) {
    if let Some(Ended {
        mut giver, taker, ..
    }) = ended
    {
        giver.discard().await;
        drop(taker);
    }
}

async fn gone(child: &mut Option<Child>) {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

/// Whether it matters now that a command is gone: for the lane into it, or for the one from it.
fn is_news(into: &Running, from: &Running, is_left: bool) -> bool {
    match from.ended {
        Some(_) => !into.is_told(),
        None => !is_left,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The failure of a command that has exited, and whose output does not end.
fn held(child: &Child, drain: Duration) -> Failure {
    let name = child.name();
    Failure::TimedOut(format!(
        "{name} has exited, and what it has started holds its output open and says nothing for {drain:?} (--drain; \
         give it an output of its own)"
    ))
}

/// How long some lanes have not moved.
struct Silence<const LANES: usize> {
    limit: Duration,
    tallies: [Arc<Tally>; LANES],
    since: Instant,
    steps: u64,
}

impl<const LANES: usize> Silence<LANES> {
    fn new(limit: Duration, tallies: [Arc<Tally>; LANES]) -> Self {
        Self {
            limit,
            tallies,
            since: Instant::now(),
            steps: 0,
        }
    }
}

/// Ends when nothing has moved for the time, and what did not move counts.
async fn lasts<const LANES: usize>(
    silence: &mut Option<Silence<LANES>>,
    counts: fn(&Tally) -> bool,
) {
    let Some(silence) = silence else {
        return std::future::pending().await;
    };
    // Looked at often enough that the time is not much exceeded.
    let tick = (silence.limit / 8).max(Duration::from_millis(1));
    loop {
        let steps = silence.tallies.iter().map(|tally| tally.steps()).sum();
        if steps != silence.steps || !silence.tallies.iter().all(|tally| counts(tally)) {
            silence.steps = steps;
            silence.since = Instant::now();
        }
        if silence.since.elapsed() >= silence.limit {
            return;
        }
        sleep_until(Instant::now() + tick).await;
    }
}
