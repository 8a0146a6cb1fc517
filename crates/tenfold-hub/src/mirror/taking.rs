//! What a mirror makes of what its source tells.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tenfold::protocol::{ChannelName, MirrorLine, Pattern, Place};
use tenfold_log::{Lineage, Link, Log, Start};
use tokio::time::sleep;
use tracing::warn;

use super::link::Why;
use crate::appender::Appender;
use crate::block::Block;
use crate::channel::{Channel, Role};
use crate::deadline::while_running;
use crate::ledger::Count;
use crate::shared::Shared;
use crate::tail::NotAppended;
use crate::task::blocking;
use crate::upstream::Upstream;

/// The channels of a mirror, on one connection to the source.
pub(super) struct Taking {
    shared: Arc<Shared>,
    upstream: Arc<Upstream>,
    channels: BTreeMap<ChannelName, Taken>,
}

struct Taken {
    appender: Appender,
    /// The seq of the next message that comes.
    next: u64,
    /// What was told of producers, and is so after the next run.
    counts: Vec<Count>,
    /// No producers are known but those.
    are_all: bool,
    /// The channel's epochs are written down.
    is_noted: bool,
}

/// How often it is looked whether what is committed is in its files, and how often at the most: where files fail, the
/// mirror goes on with the others.
const LOOK: Duration = Duration::from_millis(10);
const LOOKS: usize = 500;

impl Taken {
    /// Waits until everything is refused, or committed and in its files.
    async fn land(&self) {
        self.appender.landed().await;
        let channel = self.appender.channel();
        let is_written = || {
            let history = channel.history();
            history.is_none_or(|history| history.channel.next() >= channel.tail().next_seq())
        };
        for _ in 0..LOOKS {
            if is_written() {
                return;
            }
            sleep(LOOK).await;
        }
    }
}

/// A run that is being taken.
pub(super) struct Run {
    channel: ChannelName,
    time: SystemTime,
    pub(super) left: u64,
}

impl Taking {
    pub(super) fn new(shared: Arc<Shared>, upstream: Arc<Upstream>) -> Self {
        Self {
            shared,
            upstream,
            channels: BTreeMap::new(),
        }
    }

    /// Where the mirror is in each channel.
    pub(super) fn places(&self) -> Vec<Place> {
        let channels = self.shared.registry.channels();
        let has_messages = |channel: &&Arc<Channel>| {
            let is_wanted = |pattern: &Pattern| pattern.fits(channel.name());
            channel.tail().next_seq() > 0 && self.upstream.options.patterns.iter().any(is_wanted)
        };
        let place = |channel: &Arc<Channel>| {
            let next = channel.tail().next_seq();
            Place::new(channel.name().clone(), channel.epoch(), next)
        };
        channels.iter().filter(has_messages).map(place).collect()
    }

    /// Waits until everything that was taken is refused, or committed and in its files.
    pub(super) async fn land(&mut self) {
        for taken in std::mem::take(&mut self.channels).into_values() {
            taken.land().await;
        }
    }

    /// Takes a line that is neither a place nor a run.
    pub(super) async fn hear(&mut self, line: MirrorLine) -> Result<(), Why> {
        match line {
            MirrorLine::Starts { oldest, random } => self.follow_starts(oldest, &random).await,
            MirrorLine::Counts { channel, counts } => {
                let taken = self
                    .channels
                    .get_mut(&channel)
                    .ok_or("it counts what it has not begun")?;
                if counts.is_empty() {
                    taken.are_all = true;
                    taken.counts.clear();
                }
                let counts = counts.into_iter();
                taken
                    .counts
                    .extend(counts.map(|(id, count)| (id.as_str().into(), count)));
                let most = self.shared.options.now().max_producers_in_all;
                if taken.counts.len() > most.saturating_mul(2) {
                    return Err("it has more producers than this hub may remember".to_owned());
                }
                Ok(())
            }
            MirrorLine::Deleted { channel } => {
                self.upstream.forget(&channel);
                self.end(&channel, true).await
            }
            _ => Ok(()),
        }
    }

    async fn follow_starts(&mut self, oldest: u64, random: &[u64]) -> Result<(), Why> {
        let told: Vec<Start> = (oldest..)
            .zip(random)
            .map(|(number, &random)| Start { number, random })
            .collect();
        let log = self.log();
        let known = log.starts();
        if told == known {
            return Ok(());
        }
        if let (Some(newest), Some(ours)) = (told.last(), known.last())
            && known.contains(newest)
            && newest != ours
        {
            return Err("it does not know the newest start of the source yet".to_owned());
        }
        let followed = blocking(move || log.follow_starts(&told)).await;
        match followed.map_err(|error| error.to_string())? {
            Ok(true) => Ok(()),
            Ok(false) => Err("it tells starts that no log can have had".to_owned()),
            Err(error) => Err(format!(
                "the starts of the source cannot be written down: {error}"
            )),
        }
    }

    /// Takes the place of a channel: it goes on where it is, or begins again.
    pub(super) async fn place(&mut self, line: MirrorLine) -> Result<(), Why> {
        let MirrorLine::Place {
            channel: name,
            birth,
            links,
            since,
            from,
            next,
        } = line
        else {
            return Ok(());
        };
        let links = links.into_iter();
        let links = links.map(|(start, first)| Link { start, first }).collect();
        let lineage =
            Lineage::new(birth, links, since).ok_or("it tells epochs that no channel can have")?;
        if !self
            .upstream
            .options
            .patterns
            .iter()
            .any(|pattern| pattern.fits(&name))
        {
            return Err("it tells of a channel that was not asked for".to_owned());
        }
        self.upstream.note(&name, next);
        let known = self.log().find(name.as_str());
        let at = self
            .shared
            .registry
            .find(&name)
            .map(|channel| channel.tail().next_seq());
        let at = at.ok().filter(|at| *at > 0);
        if known.as_ref().map(|known| known.next()) != at {
            return Err(format!("what {name} has is not in its files yet"));
        }
        let is_same = |known: &Arc<tenfold_log::Channel>| known.lineage().birth == birth;
        let goes_on = known.as_ref().is_some_and(is_same) && at == Some(from);
        match known {
            Some(known) if goes_on => {
                let mut ended = None;
                let newest = self.log().starts().last().map_or(0, |newest| newest.random);
                if known.epoch() != birth ^ newest {
                    // Whoever has the channel learns the new epoch by coming back.
                    ended = self.disconnect(&name).await;
                }
                self.log().follow(&known, &lineage);
                if let Some(ended) = ended {
                    self.shared.registry.end_deletion(&ended, false);
                    ended.end_deletion(false);
                }
            }
            known => {
                if let Some(known) = known {
                    warn!(channel = %name, had = known.next(), begins = from,
                        "the mirror begins the channel again: the source has another history, or not the messages in between");
                    self.end(&name, false).await?;
                }
                self.begin(&name, lineage, from).await?;
            }
        }
        self.enter(name, from)
    }

    /// Begins a channel at a seq.
    async fn begin(&self, name: &ChannelName, lineage: Lineage, from: u64) -> Result<(), Why> {
        // Whoever waits for it was told an epoch that it does not have.
        let waiting = self.disconnect(name).await;
        let (log, of_log) = (self.log(), name.clone());
        let begun = blocking(move || log.begin(of_log.as_str(), &lineage, from)).await;
        if let Some(waiting) = waiting {
            self.shared.registry.end_deletion(&waiting, false);
            waiting.end_deletion(false);
        }
        match begun.map_err(|error| error.to_string())? {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("channel {name} cannot be begun: {error}")),
        }
    }

    fn enter(&mut self, name: ChannelName, next: u64) -> Result<(), Why> {
        let visit = self.shared.registry.enter(&name, Role::Publisher);
        let appender = visit
            .and_then(|visit| Appender::new(visit, None, self.shared.options.now().clock))
            .map_err(|refusal| refusal.to_string())?;
        let taken = Taken {
            appender,
            next,
            counts: Vec::new(),
            are_all: false,
            is_noted: false,
        };
        self.channels.insert(name, taken);
        Ok(())
    }

    /// Ends the connections that have a channel, which then come back. `None` if nobody has it.
    async fn disconnect(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        let channel = self.shared.registry.begin_again(name)?;
        channel.is_left(Role::Publisher).await;
        channel.tail().close();
        let drain = self.shared.options.now().drain;
        while_running(drain, channel.is_left(Role::Subscriber)).await;
        Some(channel)
    }

    /// Ends a channel with everything that is kept of it.
    async fn end(&mut self, name: &ChannelName, is_deleted: bool) -> Result<(), Why> {
        if let Some(taken) = self.channels.remove(name) {
            taken.land().await;
        }
        let Some(channel) = self.disconnect(name).await else {
            return Ok(());
        };
        let deleted = match channel.history() {
            Some(history) => history.delete(name).await,
            None => Ok(()),
        };
        if is_deleted || deleted.is_err() {
            self.shared.registry.end_deletion(&channel, deleted.is_ok());
        } else {
            // Its epochs may be good ones of the channel that comes.
            self.shared.registry.forget(&channel);
        }
        channel.end_deletion(deleted.is_ok());
        deleted.map_err(|refusal| format!("channel {name} cannot be deleted: {refusal}"))
    }

    /// Begins to take a run.
    pub(super) fn run(
        &self,
        channel: &ChannelName,
        from: u64,
        count: u64,
        time: u64,
    ) -> Result<Run, Why> {
        let taken = self
            .channels
            .get(channel)
            .ok_or("it sends what it has not begun")?;
        if taken.next != from {
            return Err(format!(
                "it sends message {from} of {channel} in the place of {}",
                taken.next
            ));
        }
        let time = UNIX_EPOCH.checked_add(Duration::from_millis(time));
        Ok(Run {
            channel: channel.clone(),
            time: time.ok_or("it tells a time that cannot be")?,
            left: count,
        })
    }

    /// Takes messages of a run.
    pub(super) async fn take(&mut self, run: &mut Run, block: Block) -> Result<(), Why> {
        let Some(taken) = self.channels.get_mut(&run.channel) else {
            return Err("the channel has gone".to_owned());
        };
        if !taken.is_noted
            && let Some(history) = taken.appender.channel().history()
        {
            let (log, channel) = (history.durable.log.clone(), Arc::clone(&history.channel));
            let noted = blocking(move || log.note(&channel)).await;
            let noted = noted.map_err(|error| error.to_string())?;
            let cannot = |error| {
                format!(
                    "the epochs of {} cannot be written down: {error}",
                    run.channel
                )
            };
            noted.map_err(cannot)?;
            taken.is_noted = true;
        }
        run.left = run.left.saturating_sub(block.messages());
        taken.next += block.messages();
        let mut counts = Box::default();
        if run.left == 0 {
            counts = newest(std::mem::take(&mut taken.counts));
            if std::mem::take(&mut taken.are_all) {
                taken.appender.channel().forget_producers_but(&counts);
            }
        }
        let appended = taken.appender.append_given(block, run.time, counts).await;
        appended.map_err(|why| match why {
            NotAppended::Refused(why) => {
                format!("messages of {} cannot be stored: {why}", run.channel)
            }
            _ => format!("channel {} ends here", run.channel),
        })
    }

    /// The run is over.
    pub(super) fn end_run(&mut self, run: &Run) {
        let Some(taken) = self.channels.get_mut(&run.channel) else {
            return;
        };
        // Counts that are left came with a run without messages.
        let counts = newest(std::mem::take(&mut taken.counts));
        if std::mem::take(&mut taken.are_all) {
            taken.appender.channel().know_producers(&counts, run.time);
        }
    }

    fn log(&self) -> Log {
        let durable = self.shared.registry.on_disk();
        // A mirror is not started without one.
        durable.expect("a mirror has a log").log.clone()
    }
}

/// Of several counts of a producer the last one is so.
fn newest(counts: Vec<Count>) -> Box<[Count]> {
    let newest: BTreeMap<_, _> = counts.into_iter().collect();
    newest.into_iter().collect()
}
