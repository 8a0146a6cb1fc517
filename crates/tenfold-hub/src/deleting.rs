//! Ends a channel with everything that is kept of it.
//!
//! ```text
//!   asked --> publishers append nothing more --> subscribers get what is committed, and end --> it is gone
//! ```
//!
//! From the beginning on, nobody enters the channel: whoever asks for it is told to try again. Publishers wait for what
//! becomes of it, and are told that. What has begun goes on without the client that has asked for it.

use std::sync::Arc;

use tenfold::protocol::{ChannelName, Code, Deleted, Refusal};

use crate::channel::Role;
use crate::connection::Connection;
use crate::deadline::while_running;
use crate::history::History;
use crate::hub_options::AllowDelete;
use crate::refusals::{not_stored, shutdown};
use crate::shared::Shared;
use crate::task::spawn;

impl Connection {
    /// Deletes a channel. The answer comes when it is gone.
    pub(crate) async fn delete(&self, name: &ChannelName) -> Result<Deleted, Refusal> {
        let denied = |words: &str| Err(Refusal::new(Code::Denied, words));
        if self.shared.upstream.is_some() {
            return denied("this hub is a mirror: a channel is deleted at its source");
        }
        match self.shared.options.now().allow_delete {
            AllowDelete::Nobody => return denied("this hub lets nobody delete channels"),
            AllowDelete::Local if !self.peer.is_local() => {
                return denied("only clients on the hub's own machine may delete channels");
            }
            _ => {}
        }
        if let Some(durable) = self.shared.registry.on_disk() {
            durable.may_publish().await?;
        }
        let deletion = spawn(delete(Arc::clone(&self.shared), name.clone()));
        tokio::select! {
            biased;
            deleted = deletion => deleted.unwrap_or_else(|_| Err(shutdown())),
            () = self.shared.draining.raised() => Err(shutdown()),
        }
    }
}

async fn delete(shared: Arc<Shared>, name: ChannelName) -> Result<Deleted, Refusal> {
    let channel = shared.registry.begin_deletion(&name)?;
    channel.is_left(Role::Publisher).await;
    let deleted = channel.to_be_deleted();
    channel.tail().close();
    // As at the end of the hub; who stands in the way longer than that finds its files gone.
    while_running(
        shared.options.now().drain,
        channel.is_left(Role::Subscriber),
    )
    .await;
    let result = match channel.history() {
        Some(history) => history.delete(&name).await,
        None => Ok(()),
    };
    shared.registry.end_deletion(&channel, result.is_ok());
    channel.end_deletion(result.is_ok());
    result.map(|()| deleted)
}

impl History {
    /// Deletes what is on disk. Nothing may be on its way there.
    pub(crate) async fn delete(&self, name: &ChannelName) -> Result<(), Refusal> {
        let (tells, told) = tokio::sync::oneshot::channel();
        let log = &self.durable.log;
        log.delete(&self.channel, move |result| {
            let _ = tells.send(result);
        });
        let result = told.await.map_err(|_| shutdown())?;
        result.map_err(|why| not_stored(why, log.why_refused(name.as_str(), why).as_ref()))
    }
}
