//! Messages into a hub's channel, for programs that wait.

use std::sync::{Arc, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use super::pump::{Handover, State};
use super::stopper::{Stop, Stopper, TimeLimit};
use crate::client::{Error, Publication, Publish};
use crate::hubs::Hubs;

/// Publishes messages to a channel of a hub: each is stored once and in order, over as many
/// connections as it takes.
///
/// [`send`](Self::send) hands a message over and waits only while the
/// [window](crate::client::Publish::window) is full; a thread of the publisher's own sends it at
/// once, with others if there are, keeps it until it is acknowledged, and sends it again if need be.
/// So an error is one of the publisher, not of the message that it was returned for, and it stays.
///
/// ```no_run
/// use tenfold::blocking::Publisher;
/// use tenfold::client::Publish;
///
/// let hub: tenfold::Address = "127.0.0.1:10010".parse()?;
/// let mut publisher = Publisher::new(&hub, Publish::new("ticks".parse()?))?;
/// for line in std::io::stdin().lines() {
///     publisher.send(line?.as_bytes())?;
/// }
/// publisher.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Dropping it ends the connection and the thread at once; what is not acknowledged may be lost.
#[derive(Debug)]
pub struct Publisher {
    handover: Arc<Handover>,
    thread: Option<JoinHandle<()>>,
    timeout: Option<Duration>,
}

impl Publisher {
    /// A publisher that connects in the background. Fails if the system has no thread or no
    /// descriptor left for it.
    pub fn new(hubs: impl Into<Hubs>, options: Publish) -> Result<Self, Error> {
        let (hubs, mut core) = (hubs.into(), Publication::new(options));
        core.set_hubs(hubs.addresses().len());
        let handover = Arc::new(Handover::new(core).map_err(Error::start)?);
        let threads = Arc::clone(&handover);
        let thread = std::thread::Builder::new()
            .name("tenfold-publisher".into())
            .spawn(move || threads.run(hubs))
            .map_err(Error::start)?;
        Ok(Self {
            handover,
            thread: Some(thread),
            timeout: None,
        })
    }

    /// Bounds the time that each call may take; `None`, as in the beginning, does not. A call that
    /// takes longer returns [`Error::TimedOut`]: a message was then not taken, and a
    /// [`close`](Self::close) goes on in the background. It can be made again.
    pub fn set_timeout(&mut self, time: Option<Duration>) {
        self.timeout = time;
    }

    /// A handle with which another thread can stop the publisher. What is not acknowledged by then
    /// may be lost.
    pub fn stopper(&self) -> Stopper {
        let handover = Arc::clone(&self.handover);
        Stopper::new(handover)
    }

    /// Sends a message, soon. Waits while the window is full.
    pub fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let mut state = self.wait_until(|state| state.core.is_room(message.len()))?;
        state.core.accept(message)?;
        self.handover.ring(state);
        Ok(())
    }

    /// Waits until all messages are acknowledged. With `acks=none`, until the system has taken
    /// them: more is not known before [`close`](Self::close).
    pub fn flush(&mut self) -> Result<(), Error> {
        self.wait_until(|state| state.core.is_flushed()).map(drop)
    }

    /// Ends the publication: waits until all messages have arrived, with any `acks`.
    pub fn close(&mut self) -> Result<(), Error> {
        let mut state = self.handover.lock();
        state.core.begin_close();
        self.handover.ring(state);
        let mut state = self.handover.lock();
        let mut limit = TimeLimit::new(self.timeout);
        loop {
            match state.core.result() {
                Some(result) => return result,
                None => state = self.handover.wait(state, &mut limit)?,
            }
        }
    }

    /// How many messages of the producer the hub had when it answered first; waits for that.
    pub fn committed(&mut self) -> Result<u64, Error> {
        let state = self.wait_until(|state| state.core.committed().is_some())?;
        Ok(state.core.committed().unwrap_or_default())
    }

    /// How many messages were given to [`send`](Self::send).
    pub fn sent(&self) -> u64 {
        self.handover.lock().core.given()
    }

    /// How many of those are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.handover.lock().core.acknowledged()
    }

    /// Waits for a condition, or the publisher's end.
    fn wait_until(
        &self,
        mut is_so: impl FnMut(&State) -> bool,
    ) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.handover.lock();
        let mut limit = TimeLimit::new(self.timeout);
        loop {
            if let Some(result) = state.core.result() {
                return Err(result.err().unwrap_or(Error::Ended));
            }
            if is_so(&state) {
                return Ok(state);
            }
            state = self.handover.wait(state, &mut limit)?;
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.handover.stop();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that is not said already.
            let _ = thread.join();
        }
    }
}
