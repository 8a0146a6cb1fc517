//! Messages into a hub's channel, for programs with a runtime.

use std::sync::Arc;

use tokio::task::{JoinHandle, yield_now};

use super::Connect;
use super::pump::{Abandon, Handover};
use crate::client::{Error, Publication, Publish};

/// After so many bytes the other tasks get their turn, the publisher's own among them.
const TURN: usize = 64 * 1024;

/// Publishes messages to a channel of a hub: each is stored once and in order, over as many
/// connections as it takes.
///
/// [`send`](Self::send) hands a message over and waits only while the
/// [window](crate::client::Publish::window) is full; a task of the publisher's own sends it soon,
/// with others if there are, keeps it until it is acknowledged, and sends it again if need be. So an
/// error is one of the publisher, not of the message that it was returned for, and it stays.
///
/// **Cancel-safe**: a call of `send` that is dropped before it is ready has not taken its message;
/// one of the others is simply made again.
///
/// ```no_run
/// use tenfold::Address;
/// use tenfold::client::Publish;
/// use tenfold::asynchronous::Publisher;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let hub: Address = "127.0.0.1:10010".parse()?;
/// let mut publisher = Publisher::new(hub, Publish::new("ticks".parse()?));
/// publisher.send(b"17.25").await?;
/// publisher.close().await?; // it has arrived
/// # Ok(()) }
/// ```
///
/// Dropping it ends the connection and the task; what is not acknowledged may be lost.
#[derive(Debug)]
pub struct Publisher {
    handover: Arc<Handover>,
    task: JoinHandle<()>,
    /// Bytes since the last turn of the other tasks.
    taken: usize,
}

impl Publisher {
    /// A publisher that connects in the background.
    ///
    /// # Panics
    ///
    /// Outside of a runtime. It needs one with I/O and time enabled; all time is tokio's.
    pub fn new(hub: impl Connect + 'static, options: Publish) -> Self {
        let mut core = Publication::new(options);
        core.set_hubs(hub.hubs());
        let handover = Arc::new(Handover::new(core));
        let abandon = Abandon(Arc::clone(&handover));
        let task = tokio::spawn(async move {
            let until_it_ends = abandon;
            until_it_ends.0.run(hub).await;
        });
        Self {
            handover,
            task,
            taken: 0,
        }
    }

    /// Sends a message, soon. Waits while the window is full.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        if self.taken >= TURN {
            self.taken = 0;
            yield_now().await;
        }
        let accept =
            |core: &mut Publication| core.is_room(message.len()).then(|| core.accept(message));
        self.handover.wait_for(accept).await??;
        self.taken += message.len();
        Ok(())
    }

    /// Waits until all messages are acknowledged. With `acks=none`, until the system has taken
    /// them: more is not known before [`close`](Self::close).
    pub async fn flush(&mut self) -> Result<(), Error> {
        let flushed = |core: &mut Publication| core.is_flushed().then_some(());
        self.handover.wait_for(flushed).await
    }

    /// Ends the publication: waits until all messages have arrived, with any `acks`. Dropped, it
    /// goes on in the background, and can be called again.
    pub async fn close(&mut self) -> Result<(), Error> {
        self.handover.begin_close();
        self.handover.wait_for_end().await
    }

    /// How many messages of the producer the hub had when it answered first; waits for that.
    pub async fn committed(&mut self) -> Result<u64, Error> {
        self.handover.wait_for(|core| core.committed()).await
    }

    /// How many messages were given to [`send`](Self::send).
    pub fn sent(&self) -> u64 {
        self.handover.lock().core.given()
    }

    /// How many of those are acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.handover.lock().core.acknowledged()
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}
