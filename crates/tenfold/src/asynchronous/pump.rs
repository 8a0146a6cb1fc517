//! The task that owns a publisher's connection.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::connect::begin;
use super::{Connect, Transport};
use crate::client::{Error, Outgoing, Patience, Publication, Unwritten};
use crate::deadline::{Late, within};

/// What the caller and the task share. Nothing waits with the lock held, and what is done with it
/// held is short.
#[derive(Debug)]
pub(super) struct Handover {
    state: Mutex<State>,
    started: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) core: Publication,
    /// The task, while it has nothing to write.
    idle: Option<Waker>,
    /// The caller, while it waits for room, acknowledgements or the end.
    caller: Option<Waker>,
}

impl Handover {
    pub(super) fn new(core: Publication) -> Self {
        Self {
            state: Mutex::new(State {
                core,
                idle: None,
                caller: None,
            }),
            started: Instant::now(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There may be something to do for the task.
    fn wake_task(mut state: MutexGuard<'_, State>) {
        let idle = state.idle.take();
        drop(state);
        wake(idle);
    }

    /// Waits until there is something in the state, or the publisher's end. What has been done in a
    /// call that is ready is done; one that is not has done nothing.
    pub(super) async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&mut Publication) -> Option<T>,
    ) -> Result<T, Error> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(result) = state.core.result() {
                return Poll::Ready(Err(result.err().unwrap_or(Error::Ended)));
            }
            if let Some(found) = look(&mut state.core) {
                Self::wake_task(state);
                return Poll::Ready(Ok(found));
            }
            state.caller = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// No message will follow.
    pub(super) fn begin_close(&self) {
        let mut state = self.lock();
        state.core.begin_close();
        Self::wake_task(state);
    }

    /// Waits for the publisher's end.
    pub(super) async fn wait_for_end(&self) -> Result<(), Error> {
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(result) = state.core.result() {
                return Poll::Ready(result);
            }
            state.caller = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Changes something that the caller may wait for, or the observer is told of.
    fn change<T>(&self, change: impl FnOnce(&mut Publication) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state.core);
        let observer = state.core.options().observer.clone();
        let notices: Vec<_> = std::iter::from_fn(|| state.core.take_notice()).collect();
        let caller = state.caller.take();
        drop(state);
        wake(caller);
        if let Some(observer) = observer {
            observer.tell_all(&notices);
        }
        result
    }

    /// Makes connections and uses them, until the publisher has a result.
    pub(super) async fn run(&self, mut connect: impl Connect) {
        let mut connect_at = Duration::ZERO;
        while self.pause_until(connect_at).await {
            let (time, connecting) = {
                let mut state = self.lock();
                let time = state.core.attempt(self.started.elapsed());
                connect.turn_to(state.core.hub());
                (
                    time,
                    begin(&mut connect, state.core.options().common.tls.as_ref()),
                )
            };
            let made = within(time, connecting).await;
            match made.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())) {
                Ok(transport) => self.exchange(transport).await,
                Err(error) => {
                    let error = Error::connect(connect.address(), error);
                    self.change(|core| core.lost(error));
                }
            }
            match self.change(|core| core.cut(self.started.elapsed())) {
                Some(at) => connect_at = at,
                None => return,
            }
        }
    }

    /// Whether there is something to connect for at that time.
    async fn pause_until(&self, time: Duration) -> bool {
        let mut pause = std::pin::pin!(sleep_until(self.started + time));
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.core.result().is_some() {
                return Poll::Ready(false);
            }
            state.idle = Some(cx.waker().clone());
            drop(state);
            pause.as_mut().poll(cx).map(|()| true)
        })
        .await
    }

    async fn exchange(&self, transport: Box<dyn Transport>) {
        let request = self.change(|core| core.connected(self.started.elapsed()));
        let mut exchange = Exchange {
            handover: self,
            transport,
            unwritten: Some(request),
            is_request: true,
            writing: Writing::Open,
            patience: None,
            late: None,
        };
        poll_fn(|cx| exchange.poll(cx)).await;
    }
}

/// Says so if the task ends without a result, also one that has never run.
pub(super) struct Abandon(pub(super) Arc<Handover>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.change(Publication::abandon);
    }
}

/// One connection.
struct Exchange<'a> {
    handover: &'a Handover,
    transport: Box<dyn Transport>,
    /// What is being written.
    unwritten: Option<Unwritten>,
    is_request: bool,
    writing: Writing,
    patience: Option<Patience>,
    late: Option<Late>,
}

/// Our direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Open,
    ShuttingDown,
    Shut,
}

impl Exchange<'_> {
    /// Reads and writes until the connection is cut. Reading comes first, so that a hub that waits
    /// until its acknowledgements are taken does not wait.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let read = self.poll_read(cx);
            let written = match self.poll_write(cx) {
                Poll::Ready(Err(error)) => {
                    self.handover.change(|core| core.lost(Error::io(error)));
                    true
                }
                polled => polled.is_ready(),
            };
            let is_late = self.poll_late(cx).is_ready();
            if self.handover.lock().core.is_cut() {
                return Poll::Ready(());
            }
            if read.is_pending() && !written && !is_late {
                return Poll::Pending;
            }
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = [0; 4096];
        let mut space = ReadBuf::new(&mut buffer);
        let polled = Pin::new(&mut self.transport).poll_read(cx, &mut space);
        polled.map(|result| {
            self.handover.change(|core| match (result, space.filled()) {
                (Err(error), _) => core.lost(Error::io(error)),
                (Ok(()), []) => core.ended(),
                (Ok(()), bytes) => core.received(bytes),
            });
        })
    }

    /// Ready if something was written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unwritten.is_none() && self.writing == Writing::Open {
            self.unwritten = self.next_bytes(cx);
        }
        let Some(unwritten) = &mut self.unwritten else {
            return self.poll_finish(cx);
        };
        let written = Pin::new(&mut self.transport).poll_write(cx, unwritten.rest());
        let n = ready!(written)?;
        if n == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        unwritten.wrote(n);
        let was_request = self.is_request;
        if unwritten.rest().is_empty() {
            self.unwritten = None;
            self.is_request = false;
        }
        if !was_request {
            self.wrote(n);
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(&self, n: usize) {
        let mut state = self.handover.lock();
        let caller = if state.core.wrote(n) {
            state.caller.take()
        } else {
            None
        };
        drop(state);
        wake(caller);
    }

    fn next_bytes(&mut self, cx: &mut Context<'_>) -> Option<Unwritten> {
        let mut state = self.handover.lock();
        match state.core.outgoing() {
            Outgoing::Bytes(unwritten) => return Some(unwritten),
            Outgoing::Shutdown => self.writing = Writing::ShuttingDown,
            Outgoing::Nothing => state.idle = Some(cx.waker().clone()),
        }
        None
    }

    /// There is nothing to write: never ready but with an error.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let transport = Pin::new(&mut self.transport);
        let polled = match self.writing {
            // A transport may have a buffer of its own.
            Writing::Open => transport.poll_flush(cx),
            Writing::ShuttingDown => transport.poll_shutdown(cx),
            Writing::Shut => return Poll::Pending,
        };
        ready!(polled)?;
        if self.writing == Writing::ShuttingDown {
            self.writing = Writing::Shut;
        }
        Poll::Pending
    }

    /// The clock starts again when something else is waited for.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let patience = self.handover.lock().core.patience();
        if patience != self.patience {
            self.patience = patience;
            self.late = patience.map(|patience| Late::after(patience.time));
        }
        let Some(late) = &mut self.late else {
            return Poll::Pending;
        };
        ready!(late.poll(cx));
        self.handover.change(Publication::timed_out);
        Poll::Ready(())
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
