//! Ending calls of a blocking client from outside: by time, and from another thread.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::Error;
use crate::deadline::Deadline;

/// Stops a blocking client from another thread: a call that waits returns
/// [`Error::Stopped`], and so does the next one that would wait. After that the client has ended.
///
/// It does not matter what the call waits for: room, the hub's bytes, a connection, or the time to
/// try again. (Only a lookup of a name cannot be interrupted.) A clone stops the same client.
///
/// ```
/// use tenfold::blocking::Subscriber;
/// use tenfold::client::{Error, Retry, Subscribe};
///
/// let hub: tenfold::Address = "127.0.0.1:1".parse()?; // nothing listens there
/// let options = Subscribe::new("ticks".parse()?).until_connected(Retry::Forever);
/// let mut subscriber = Subscriber::new(&hub, options)?;
/// let stopper = subscriber.stopper();
/// let receiving = std::thread::spawn(move || subscriber.message().map(drop));
/// stopper.stop();
/// assert!(matches!(receiving.join().unwrap(), Err(Error::Stopped)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stopper(Arc<dyn Stop>);

/// What a client shares with its stoppers.
pub(super) trait Stop: Debug + Send + Sync {
    fn stop(&self);
}

impl Stopper {
    pub(super) fn new(client: Arc<dyn Stop>) -> Self {
        Self(client)
    }

    /// Stops the client, for good.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// How long one call may take. The clock is read only if the call has to wait.
#[derive(Debug)]
pub(super) struct TimeLimit {
    time: Option<Duration>,
    deadline: Option<Deadline>,
}

impl TimeLimit {
    pub(super) fn new(time: Option<Duration>) -> Self {
        Self {
            time,
            deadline: None,
        }
    }

    /// When the call must return, or look again. The time begins when this is asked first.
    pub(super) fn deadline(&mut self) -> Option<Instant> {
        if self.deadline.is_none() {
            self.deadline = self.time.and_then(Deadline::after);
        }
        self.deadline.as_ref().map(Deadline::wake_at)
    }

    /// An error if the time is over, for a call that has found nothing.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        let is_over = self.deadline.as_mut().is_some_and(Deadline::is_over);
        match self.time {
            Some(waited) if is_over => Err(Error::TimedOut { waited }),
            _ => Ok(()),
        }
    }
}
