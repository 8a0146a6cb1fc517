//! A connection that is told when the messages of a channel were committed.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tenfold::protocol::{ChannelName, Code, Committed, Epoch, Position, Refusal, Subscribed};
use tenfold_log::ReadError;
use tokio::io::Interest;

use crate::admission::revoked;
use crate::audit::AuditResult;
use crate::channel::Channel;
use crate::connection::Connection;
use crate::frames::framed;
use crate::refusals::deleted;
use crate::transport::{Discarded, INPUT_PER_TURN};

/// Blocks of the tail whose times are told at once.
const AT_ONCE: usize = 512;

/// Times on their way from a channel to a peer.
pub(crate) struct Times {
    channel: Arc<Channel>,
    answer: Subscribed,
    /// The seq of the next message whose time is to be told.
    seq: u64,
    /// The seq after the last one.
    to: u64,
}

impl Connection {
    /// Finds the channel, and whether the times from a seq on can be told.
    pub(crate) async fn times(
        &self,
        name: &ChannelName,
        from: u64,
        to: Option<u64>,
        epoch: Option<Epoch>,
    ) -> Result<Times, Refusal> {
        let registry = &self.shared.registry;
        if epoch.is_some_and(|epoch| registry.was_deleted(name, epoch)) {
            return Err(deleted());
        }
        self.take_place().await?;
        let channel = registry.find(name)?;
        let answer = channel.place_of_times(from, epoch)?;
        if from < answer.next {
            channel.times(from).await?;
        }
        self.stay.listed.is_told_times(&channel);
        self.stay.asked.record(AuditResult::Ok);
        Ok(Times {
            channel,
            answer,
            seq: from,
            to: to.unwrap_or(u64::MAX),
        })
    }

    /// Tells the times that there are, and those that follow, until one side ends; and closes.
    pub(crate) async fn tell_times(self, mut times: Times) {
        self.begin_list();
        let admission = self.stay.listed.admission().cloned();
        let mut lines = framed([times.answer]);
        loop {
            if !lines.is_empty() {
                let sent = tokio::select! {
                    biased;
                    () = revoked(admission.as_deref()) => false,
                    sent = self.send(&lines) => sent.is_ok(),
                };
                if !sent {
                    return self.socket.reset_on_close();
                }
            }
            if times.seq >= times.to {
                break;
            }
            // Why there are no more is the answer to the next request.
            let Ok(more) = times.channel.times(times.seq).await else {
                break;
            };
            lines = times.take(&more);
            if lines.is_empty() && !self.more_times(&times).await {
                break;
            }
        }
        self.socket.finish(false).await;
    }

    /// Waits until there are more messages; false if there will be none, or if the peer has ended its side.
    async fn more_times(&self, times: &Times) -> bool {
        let tail = times.channel.tail();
        tokio::select! {
            biased;
            _ = self.peer_ends() => false,
            () = revoked(self.stay.listed.admission().map(|admission| &**admission)) => false,
            is_open = tail.until_after(times.seq) => is_open,
        }
    }

    /// Waits until the peer ends its side; what it sends before that is thrown away.
    pub(crate) async fn peer_ends(&self) -> io::Result<()> {
        loop {
            self.socket.ready(Interest::READABLE).await?;
            if let Discarded::End = self.socket.discard(INPUT_PER_TURN)? {
                return Ok(());
            }
        }
    }
}

impl Times {
    /// The lines of what was found, and goes on after it.
    fn take(&mut self, found: &[Committed]) -> Vec<u8> {
        let mut lines = Vec::with_capacity(found.len());
        for committed in found {
            let end = committed.end().min(self.to);
            if committed.from < end {
                lines.push(Committed::new(
                    committed.from,
                    end - committed.from,
                    committed.time,
                ));
            }
            self.seq = end;
        }
        framed(lines)
    }
}

impl Channel {
    /// What is said to whoever asks for times from a seq on.
    fn place_of_times(&self, from: u64, epoch: Option<Epoch>) -> Result<Subscribed, Refusal> {
        let (first, next) = self.extent();
        if !self.has_place(Position::Seq(from), epoch) {
            return Err(self.another_epoch(first));
        }
        if from > next {
            let words = "that seq has not been reached";
            return Err(Refusal::new(Code::Future, words).with("next", next));
        }
        Ok(Subscribed::new(self.epoch(), from, first, next))
    }

    /// When some messages from a seq on were committed, in their order; of none at the end.
    async fn times(&self, seq: u64) -> Result<Vec<Committed>, Refusal> {
        let found = self.tail().with(|ledger| ledger.times(seq, AT_ONCE));
        let found = match (found, self.history()) {
            (Some(found), _) => found,
            (None, Some(history)) => history
                .times(seq)
                .await
                .map_err(|error| self.unreadable(&error))?,
            (None, None) => {
                let (first, _) = self.extent();
                return Err(self.unreadable(&ReadError::Trimmed { first }));
            }
        };
        let mut times: Vec<Committed> = Vec::new();
        for (from, count, time) in found {
            let time = milliseconds(time);
            match times.last_mut() {
                Some(last) if last.time == time => last.count += count,
                _ => times.push(Committed::new(from, count, time)),
            }
        }
        Ok(times)
    }
}

/// Whole milliseconds since 1970.
pub(crate) fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
