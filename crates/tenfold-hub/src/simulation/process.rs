//! A hub as a process, which can be stopped, go on, and be killed.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::random::Random;

/// A process: the tasks that its hub has started run only while it does.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    state: Arc<Mutex<State>>,
    /// Wakes those who wait for a status, in the order in which they came.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct State {
    status: Status,
    /// Wakes its tasks when the status changes.
    wakers: Vec<Waker>,
    /// How often it has changed.
    changes: u64,
    random: Random,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Runs,
    Stopped,
    Dead,
}

thread_local! {
    /// The process whose task runs.
    static CURRENT: RefCell<Option<Process>> = const { RefCell::new(None) };
}

/// How long work may take that a thread does which may wait.
const WORK: Duration = Duration::from_millis(5);

impl Process {
    pub(crate) fn new(random: Random) -> Self {
        let state = State {
            status: Status::Runs,
            wakers: Vec::new(),
            changes: 0,
            random,
        };
        Self {
            changed: Arc::default(),
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// The process whose task runs.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Does something as this process: tasks that it starts are of it.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(self.clone()));
        let done = work();
        CURRENT.set(before);
        done
    }

    /// `SIGSTOP`.
    pub(crate) fn stop(&self) {
        self.become_(Status::Stopped);
    }

    /// `SIGCONT`.
    pub(crate) fn go_on(&self) {
        self.become_(Status::Runs);
    }

    /// `SIGKILL`: none of its tasks runs any more.
    pub(crate) fn kill(&self) {
        self.become_(Status::Dead);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.status() == Status::Dead
    }

    /// Waits until it is not stopped.
    pub(crate) async fn running(&self) {
        self.until(|status| status != Status::Stopped).await;
    }

    /// Waits for its end.
    pub(crate) async fn dead(&self) {
        self.until(|status| status == Status::Dead).await;
    }

    /// Lets time pass, unless it ends.
    pub(crate) async fn sleep(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.dead() => {}
            () = sleep(time) => {}
        }
    }

    /// Does some work as on a thread that may wait.
    pub(crate) async fn blocking<T>(&self, work: impl FnOnce() -> T) -> T {
        let time = self.state().random.time(WORK);
        sleep(time).await;
        work()
    }

    async fn until(&self, met: impl Fn(Status) -> bool) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if met(self.status()) {
                return;
            }
            changed.await;
        }
    }

    fn become_(&self, status: Status) {
        if self.is_dead() {
            return;
        }
        let mut state = self.state();
        state.status = status;
        state.changes += 1;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.changed.notify_waiters();
    }

    fn status(&self) -> Status {
        self.state().status
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task of a process, or of none.
pub(crate) struct Task<F> {
    process: Option<Process>,
    /// The change of the process after which it is woken by the next one.
    seen: Option<u64>,
    /// Gone when the process is dead.
    future: Option<Pin<Box<F>>>,
}

/// Makes a task one of the process that runs now.
pub(crate) fn of_hub<F: Future>(future: F) -> Task<F> {
    Task {
        process: Process::current(),
        seen: None,
        future: Some(Box::pin(future)),
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(process) = self.process.clone() else {
            let future = self.future.as_mut();
            return future.map_or(Poll::Pending, |future| future.as_mut().poll(cx));
        };
        let mut state = process.state();
        if self.seen != Some(state.changes) {
            self.seen = Some(state.changes);
            state.wakers.push(cx.waker().clone());
        }
        drop(state);
        match process.status() {
            Status::Runs => process.run(|| {
                let future = self.future.as_mut();
                future.map_or(Poll::Pending, |future| future.as_mut().poll(cx))
            }),
            Status::Stopped => Poll::Pending,
            Status::Dead => {
                // The system closes its sockets.
                self.future = None;
                Poll::Pending
            }
        }
    }
}
