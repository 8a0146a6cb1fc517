//! The channels of a hub, by name.

mod told;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tenfold::protocol::{ChannelName, Code, Epoch, ProducerId, Refusal};
use tenfold_gate::{Identity, Visitor};
use tenfold_log::{Log, Refused};

use crate::channel::{Channel, ChannelInfo, ChannelNumbers, Role};
use crate::claim::Claim;
use crate::durable::Durable;
use crate::history::History;
use crate::hub_options::HubOptions;
use crate::ledger::Count;
use crate::live::Live;
use crate::memory::{Receiving, Rests, SHARE};
use crate::news::{Followers, Gone, News};
use crate::producers::{AllProducers, Producers, TooMany};
use crate::refusals::{not_stored, shutdown, unread};
use crate::tail::Tail;

/// How many channels are looked at for one part of a list.
const LISTED_AT_ONCE: usize = 64;
/// How many channels that were deleted are remembered: whoever comes back to one of them is told.
const DELETED: usize = 1000;

/// What the epochs of channels that are made after one deletion and after the next differ by: an odd number, so
/// that none comes again, with bits all over.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// All channels, and what they keep together.
#[derive(Debug)]
pub(crate) struct Registry {
    channels: Mutex<Channels>,
    /// What is in memory has one history for each start of the hub.
    epoch: Epoch,
    /// What all channels keep, in bytes.
    total: Arc<AtomicUsize>,
    /// The producers that all channels remember.
    producers: Arc<AllProducers>,
    /// What publishers hold of what they receive.
    receiving: Arc<Receiving>,
    rests: Arc<Rests>,
    /// What keeps channels on disk.
    durable: Option<Arc<Durable>>,
    options: Arc<Live>,
}

#[derive(Debug, Default)]
struct Channels {
    by_name: BTreeMap<ChannelName, Arc<Channel>>,
    /// Those of them that have no message and no publisher: subscribers wait for them.
    only_names: BTreeSet<ChannelName>,
    /// Which of them an identity has begun whose share of the channels is limited.
    begun_by: HashMap<ChannelName, String>,
    /// Who is told of channels that come and go.
    followers: Followers,
    /// Channels that were deleted, and their epochs: the newest of them.
    deleted: VecDeque<(ChannelName, Epoch)>,
    /// How many channels were deleted since the start.
    deletions: u64,
    /// Messages that were committed since the start to channels that were deleted.
    past_messages: u64,
    /// What of that, and of its bytes, was not told under the name of its channel.
    past: ChannelNumbers,
    /// The hub ends: no connection enters a channel any more.
    closed: bool,
}

/// A connection's stay with a channel. A name without messages is forgotten when the last one ends.
#[derive(Debug)]
pub(crate) struct Visit {
    channel: Arc<Channel>,
    registry: Arc<Registry>,
    role: Role,
    /// It is counted among those that have the channel.
    counts: AtomicBool,
}

impl Registry {
    pub(crate) fn new(epoch: Epoch, options: Arc<Live>) -> Self {
        Self {
            channels: Mutex::default(),
            epoch,
            total: Arc::default(),
            producers: Arc::new(AllProducers::new(options.now().max_producers_in_all)),
            receiving: Arc::new(Receiving::new(&options.now())),
            rests: Arc::new(Rests::new(options.now().memory / SHARE)),
            durable: None,
            options,
        }
    }

    /// The channels of a log, and those that clients will name.
    pub(crate) fn durable(epoch: Epoch, options: Arc<Live>, log: Log) -> Self {
        let mut registry = Self::new(epoch, options);
        let kept = log.channels();
        registry.durable = Some(Arc::new(Durable::new(log, registry.options.now().memory)));
        let mut channels = registry.lock();
        for channel in kept {
            // The log has the same rules for names.
            if let Ok(name) = channel.name().parse::<ChannelName>() {
                let made = Arc::new(registry.make(&name, epoch));
                channels.by_name.insert(name, made);
            }
        }
        drop(channels);
        registry
    }

    /// What keeps channels on disk.
    pub(crate) fn on_disk(&self) -> Option<&Arc<Durable>> {
        self.durable.as_ref()
    }

    /// The channel of a name, for as long as a connection has to do with it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        name: &ChannelName,
        role: Role,
    ) -> Result<Visit, Refusal> {
        self.enter_as(None, name, role, || Ok(()))
    }

    /// The same for an identity, whose share of the channels may be limited. `begins` is asked if this one begins.
    pub(crate) fn enter_as(
        self: &Arc<Self>,
        identity: Option<&Identity>,
        name: &ChannelName,
        role: Role,
        begins: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Visit, Refusal> {
        let mut channels = self.lock();
        if channels.closed {
            return Err(shutdown());
        }
        self.look_for_fault(name, role)?;
        let known = self.known(&mut channels, name);
        if known
            .as_ref()
            .is_some_and(|channel| channel.deletion().is_raised())
        {
            return Err(being_deleted());
        }
        let comes =
            role == Role::Publisher && (known.is_none() || channels.only_names.contains(name));
        if comes {
            channels.share(identity, name)?;
            begins()?;
        }
        channels.admit(name, role, known.is_some(), &self.options.now())?;
        if comes {
            channels.note_beginning(identity, name);
        }
        let channel = known.unwrap_or_else(|| {
            let channel = Arc::new(self.make(name, channels.epoch(self.epoch)));
            channels.by_name.insert(name.clone(), Arc::clone(&channel));
            channel
        });
        // Under the lock, so that the end of another visit does not forget the name in between.
        channel.count(role).fetch_add(1, Relaxed);
        if comes {
            channels.followers.came(&channel);
        }
        drop(channels);
        Ok(Visit {
            channel,
            registry: Arc::clone(self),
            role,
            counts: AtomicBool::new(true),
        })
    }

    /// The channel of a name, if it has a message.
    pub(crate) fn find(&self, name: &ChannelName) -> Result<Arc<Channel>, Refusal> {
        let mut channels = self.lock();
        if channels.closed {
            return Err(shutdown());
        }
        self.look_for_fault(name, Role::Subscriber)?;
        match self.known(&mut channels, name) {
            Some(channel) if channel.deletion().is_raised() => Err(being_deleted()),
            Some(channel) if !channel.is_only_a_name() => Ok(channel),
            _ => Err(Refusal::new(
                Code::NoChannel,
                "there is no channel of this name that has a message",
            )),
        }
    }

    /// Refuses a connection that wants something of a channel whose files fail.
    fn look_for_fault(&self, name: &ChannelName, role: Role) -> Result<(), Refusal> {
        self.look_for_unread(name)?;
        let Some(durable) = &self.durable else {
            return Ok(());
        };
        match durable.log.shut(name.as_str()) {
            Some(fault) if role == Role::Publisher => {
                Err(not_stored(Refused::Hindered, Some(&fault)))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a connection that wants something of a channel that could not be read at the start.
    fn look_for_unread(&self, name: &ChannelName) -> Result<(), Refusal> {
        let durable = self.durable.as_ref();
        let fault = durable.and_then(|durable| durable.log.unread(name.as_str()));
        fault.map_or(Ok(()), |fault| Err(unread(&fault)))
    }

    /// Adds channels of the log that could not be read at the start.
    pub(crate) fn adopt(&self) {
        let Some(durable) = &self.durable else {
            return;
        };
        for channel in durable.log.channels() {
            if let Ok(name) = channel.name().parse::<ChannelName>() {
                self.known(&mut self.lock(), &name);
            }
        }
    }

    /// The channel of a name. One that could not be read at the start comes as soon as the log has it.
    fn known(&self, channels: &mut Channels, name: &ChannelName) -> Option<Arc<Channel>> {
        if let Some(channel) = channels.by_name.get(name) {
            return Some(Arc::clone(channel));
        }
        self.durable.as_ref()?.log.find(name.as_str())?;
        let channel = Arc::new(self.make(name, self.epoch));
        channels.followers.came(&channel);
        channels.by_name.insert(name.clone(), Arc::clone(&channel));
        Some(channel)
    }

    /// Refuses connections that want to enter a channel, and ends all channels: subscribers get what
    /// is committed.
    pub(crate) fn close(&self) {
        let mut channels = self.lock();
        channels.closed = true;
        for channel in channels.by_name.values() {
            channel.tail().close();
        }
        channels.followers.close();
    }

    /// The channels that somebody follows by patterns: those that there are, but for mere names. Of those
    /// that come and go from now on the follower hears. Of the channels that it knows, those that could not be
    /// read at the start are returned as well: they are to come.
    pub(crate) fn follow<'a>(
        &self,
        news: &Arc<News>,
        knows: impl Iterator<Item = &'a ChannelName>,
    ) -> Result<(Vec<Arc<Channel>>, Vec<ChannelName>), Refusal> {
        let mut channels = self.lock();
        if channels.closed {
            return Err(shutdown());
        }
        let mut unread = Vec::new();
        for name in knows {
            if self.look_for_unread(name).is_err() {
                unread.push(name.clone());
            } else {
                self.known(&mut channels, name);
            }
        }
        channels.followers.enter(news);
        let fitting = channels.by_name.values().filter(|channel| {
            news.is_about(channel.name()) && !channels.only_names.contains(channel.name())
        });
        Ok((fitting.cloned().collect(), unread))
    }

    /// Begins to delete a channel: nobody enters it any more, and its publishers end.
    pub(crate) fn begin_deletion(&self, name: &ChannelName) -> Result<Arc<Channel>, Refusal> {
        let mut channels = self.lock();
        if channels.closed {
            return Err(shutdown());
        }
        self.look_for_unread(name)?;
        let Some(channel) = self.known(&mut channels, name) else {
            return Err(Refusal::new(
                Code::NoChannel,
                "there is no channel of this name",
            ));
        };
        if channel.deletion().is_raised() {
            return Err(being_deleted());
        }
        channel.deletion().raise();
        Ok(channel)
    }

    /// The same of a channel that begins again, or whose epochs change: whoever has it is to come back. `None` if there is none
    /// of that name.
    pub(crate) fn begin_again(&self, name: &ChannelName) -> Option<Arc<Channel>> {
        let channel = Arc::clone(self.lock().by_name.get(name)?);
        channel.deletion().raise();
        Some(channel)
    }

    /// A channel is not there any more, and another one of the same name will be.
    pub(crate) fn forget(&self, channel: &Arc<Channel>) {
        let name = channel.name();
        let mut channels = self.lock();
        channels.note_past(channel);
        if !channels.only_names.contains(name) {
            let next = channel.tail().next_seq();
            channels.followers.went(name, Gone::Deleted(next));
        }
        channels.by_name.remove(name);
        channels.only_names.remove(name);
        channels.begun_by.remove(name);
    }

    /// Ends a deletion. A channel that could not be deleted goes on, without the connections that it had.
    pub(crate) fn end_deletion(&self, channel: &Arc<Channel>, is_deleted: bool) {
        let name = channel.name();
        let mut channels = self.lock();
        channels.note_past(channel);
        if is_deleted && !channels.only_names.contains(name) {
            let next = channel.tail().next_seq();
            let how = match next {
                0 => Gone::Unused,
                next => Gone::Deleted(next),
            };
            channels.followers.went(name, how);
        }
        channels.by_name.remove(name);
        channels.only_names.remove(name);
        channels.begun_by.remove(name);
        if is_deleted {
            channels.deletions += 1;
            channels.deleted.push_back((name.clone(), channel.epoch()));
            if channels.deleted.len() > DELETED {
                channels.deleted.pop_front();
            }
        } else {
            let again = Arc::new(self.make(name, channel.epoch()));
            if channels.closed {
                again.tail().close();
            }
            channels.followers.kept(&again);
            channels.by_name.insert(name.clone(), again);
        }
    }

    /// Has the channels keep to the limits that the options have now.
    pub(crate) fn limits_changed(&self) {
        let options = self.options.now();
        self.producers.set_limit(options.max_producers_in_all);
        for channel in self.channels() {
            channel.set_max_producers(options.max_producers);
        }
        self.enforce_producers();
    }

    /// Whether the channel of a name had this epoch when it was deleted, not long ago.
    pub(crate) fn was_deleted(&self, name: &ChannelName, epoch: Epoch) -> bool {
        let channels = self.lock();
        let mut deleted = channels.deleted.iter();
        deleted.any(|(other, of)| other == name && *of == epoch)
    }

    fn make(&self, name: &ChannelName, epoch: Epoch) -> Channel {
        let options = self.options.now();
        let producers = Producers::new(options.max_producers, Arc::clone(&self.producers));
        if let Some(durable) = &self.durable {
            let channel = durable.log.channel(name.as_str(), epoch.0);
            // A mirror's messages have the times of another clock.
            let newest = match options.mirror {
                Some(_) => channel.last_time(),
                None => (options.clock)(),
            };
            let tail = Tail::following(
                channel.next(),
                newest,
                counts(&channel),
                options.channel_memory,
                Arc::clone(&self.total),
            );
            let history = History::new(Arc::clone(durable), channel, options.when_slow(name));
            return Channel::durable(name.clone(), history, tail, producers);
        }
        let tail = Tail::keeping(
            options.channel_memory,
            options.when_slow(name),
            Arc::clone(&self.total),
        );
        Channel::new(name.clone(), epoch, tail, producers)
    }

    /// All channels, by name.
    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        self.lock().by_name.values().cloned().collect()
    }

    /// All channels, and how many messages were committed since the start to those that were deleted.
    pub(crate) fn channels_and_past(&self) -> (Vec<Arc<Channel>>, u64) {
        let channels = self.lock();
        let all = channels.by_name.values().cloned().collect();
        (all, channels.past_messages)
    }

    /// What `CHANNELS` says to a visitor, in parts and by name: so much at once as a peer that takes it slowly may cost.
    /// A channel that comes or goes meanwhile may be in it or not.
    pub(crate) fn listing(&self, visitor: &Visitor) -> impl Iterator<Item = Vec<ChannelInfo>> {
        let mut last: Option<ChannelName> = None;
        std::iter::from_fn(move || {
            let after = last.as_ref().map_or(Unbounded, Excluded);
            let channels = self.lock();
            let some = channels.by_name.range::<ChannelName, _>((after, Unbounded));
            let some: Vec<_> = some
                .take(LISTED_AT_ONCE)
                .map(|(_, channel)| Arc::clone(channel))
                .collect();
            drop(channels);
            last = Some(some.last()?.name().clone());
            let shown = some
                .iter()
                .filter(|channel| visitor.identity().may_see(channel.name()));
            Some(shown.map(|channel| channel.info()).collect())
        })
    }

    /// The channels with a log whose publishers wait for slow subscribers.
    pub(crate) fn holding(&self) -> Vec<Arc<History>> {
        let channels = self.lock();
        let histories = channels
            .by_name
            .values()
            .filter_map(|channel| channel.history());
        let holding = histories.filter(|history| history.holding.is_some());
        holding.cloned().collect()
    }

    /// What publishers hold of what they receive.
    pub(crate) fn receiving(&self) -> &Arc<Receiving> {
        &self.receiving
    }

    /// What slow subscribers hold that no channel keeps.
    pub(crate) fn rests(&self) -> &Arc<Rests> {
        &self.rests
    }

    /// What all channels keep, what publishers and slow subscribers hold, and what is on its way to the disk or comes from
    /// there, in bytes.
    pub(crate) fn total(&self) -> usize {
        let files = self
            .durable
            .as_ref()
            .map(|durable| durable.on_its_way.taken() + durable.from_files.taken());
        let held = self.receiving.taken() + self.rests.taken();
        self.total.load(Relaxed) + held + files.unwrap_or(0)
    }

    /// Keeps the memory for messages within its bound: the largest channel gives. A part more
    /// than is needed is freed, so that the largest need not be looked for at each append.
    pub(crate) fn enforce_total(&self) {
        let limit = self.options.now().memory;
        if self.total() <= limit {
            return;
        }
        let target = limit - limit / 64;
        let channels = self.channels();
        while self.total() > target {
            let largest = channels.iter().map(|channel| channel.tail());
            let sized = largest.map(|tail| (tail.trimmable(), tail));
            // What is on its way to the disk stays: it is little, and has a bound of its own.
            let largest = sized.filter(|(bytes, _)| *bytes > 0);
            let Some((bytes, largest)) = largest.max_by_key(|(bytes, _)| *bytes) else {
                return;
            };
            let excess = self.total().saturating_sub(target);
            largest.trim(excess.min(bytes / 4).max(1));
        }
    }

    /// Forgets a named producer of any channel, if there is one that may be forgotten.
    fn forget_named(&self, now: SystemTime) -> bool {
        let channels = self.channels();
        channels.iter().any(|channel| channel.forget_named(now))
    }

    /// Keeps the number of temporary producers within its bound. A part more than is needed is forgotten,
    /// so that the channels need not be looked through each time.
    fn enforce_producers(&self) {
        while self.producers.is_exceeded() {
            let mut oldest: Vec<_> = self
                .channels()
                .into_iter()
                .filter_map(|channel| Some((channel.oldest_temporary()?, channel)))
                .collect();
            oldest.sort_by_key(|(since, _)| *since);
            let some = oldest.len().div_ceil(64);
            let some = oldest.iter().take(some);
            let forgotten = some.filter(|(_, channel)| channel.forget_temporary());
            if forgotten.count() == 0 {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many messages of each producer a channel of the log has, before anything is on its way to it.
fn counts(channel: &tenfold_log::Channel) -> Box<[Count]> {
    let producers = channel.producers().into_iter();
    producers.map(|known| (known.id, known.messages)).collect()
}

fn being_deleted() -> Refusal {
    Refusal::new(Code::Busy, "the channel is being deleted")
}

/// The name of an identity, and how many channels it may begin, if that is limited.
fn share_of(identity: &Identity) -> Option<(&str, usize)> {
    Some((
        identity.name().unwrap_or_default(),
        identity.limits().channels?,
    ))
}

/// The epoch of a channel that begins after so many deletions.
pub(crate) fn epoch_after(deletions: u64, of_start: Epoch) -> Epoch {
    Epoch(of_start.0.wrapping_add(deletions.wrapping_mul(STEP)))
}

impl Channels {
    /// The epoch of a channel that begins now: that of the start, until a channel is deleted. Then it is another
    /// one after each deletion, so that no channel has that of one that had its name before.
    fn epoch(&self, of_start: Epoch) -> Epoch {
        epoch_after(self.deletions, of_start)
    }

    /// Refuses an identity that has begun as many channels as it may.
    fn share(&self, identity: Option<&Identity>, name: &ChannelName) -> Result<(), Refusal> {
        let Some((own, most)) = identity.and_then(share_of) else {
            return Ok(());
        };
        let others = self.begun_by.iter().filter(|(of, _)| *of != name);
        if others.filter(|(_, by)| *by == own).count() >= most {
            let words = "your share of the channels is taken";
            return Err(Refusal::new(Code::Busy, words));
        }
        Ok(())
    }

    /// Notes who begins a channel.
    fn note_beginning(&mut self, identity: Option<&Identity>, name: &ChannelName) {
        if let Some((own, _)) = identity.and_then(share_of) {
            self.begun_by.insert(name.clone(), own.to_owned());
        }
    }

    /// Lets a connection have a channel, if there is a place for it. Those who wait for a name take no
    /// places from those who publish.
    fn admit(
        &mut self,
        name: &ChannelName,
        role: Role,
        is_known: bool,
        options: &HubOptions,
    ) -> Result<(), Refusal> {
        let busy = |words: &str| Err(Refusal::new(Code::Busy, words));
        match role {
            Role::Follower => {}
            Role::Subscriber if is_known => {}
            Role::Subscriber => {
                if self.only_names.len() >= options.max_empty_channels {
                    return busy("too many channels without a message are waited for");
                }
                self.only_names.insert(name.clone());
            }
            Role::Publisher if is_known && !self.only_names.contains(name) => {}
            Role::Publisher => {
                if self.by_name.len() - self.only_names.len() >= options.max_channels {
                    return busy("the hub has too many channels");
                }
                self.only_names.remove(name);
            }
        }
        Ok(())
    }
}

impl Visit {
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// Keeps the memory of all channels together within its bound.
    pub(crate) fn enforce_total(&self) {
        self.registry.enforce_total();
    }

    /// Leave to append to the channel.
    pub(crate) fn claim(
        &self,
        producer: Option<&ProducerId>,
        now: SystemTime,
    ) -> Result<Arc<Claim>, Refusal> {
        let mut claimed = self.channel.claim(producer, now);
        if let Err(TooMany::OfHub) = claimed
            && self.registry.forget_named(now)
        {
            claimed = self.channel.claim(producer, now);
        }
        claimed.map_err(|limit| {
            let words = match limit {
                TooMany::OfChannel => "the channel has too many producers",
                TooMany::OfHub => "the hub's channels have too many producers together",
            };
            Refusal::new(Code::Busy, words)
        })
    }

    /// Leaves a channel that is being deleted before the connection ends, which waits for what becomes of that.
    pub(crate) fn leave_early(&self) {
        self.stop_counting();
        self.channel.leaves();
    }

    /// It counts no more among those that have the channel. To be called as often as one likes.
    fn stop_counting(&self) {
        if self.counts.swap(false, SeqCst) {
            self.channel.count(self.role).fetch_sub(1, Relaxed);
        }
    }

    /// Notes that a producer's connection has ended.
    pub(crate) fn leave(&self, producer: &ProducerId, claim: &Arc<Claim>, now: SystemTime) {
        self.channel.leave(producer, claim, now);
        self.registry.enforce_producers();
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut channels = self.registry.lock();
        self.stop_counting();
        let known = channels.by_name.get(self.channel.name());
        let is_known = known.is_some_and(|known| Arc::ptr_eq(known, &self.channel));
        if self.channel.deletion().is_raised() || !is_known {
            drop(channels);
            return self.channel.leaves();
        }
        if self.channel.is_only_a_name() {
            let is_new = channels.only_names.insert(self.channel.name().clone());
            if is_new {
                channels.followers.went(self.channel.name(), Gone::Unused);
                channels.begun_by.remove(self.channel.name());
            }
        }
        if self.channel.is_forgettable() {
            channels.by_name.remove(self.channel.name());
            channels.only_names.remove(self.channel.name());
            channels.begun_by.remove(self.channel.name());
            if let Some(durable) = &self.registry.durable {
                durable.log.forget(self.channel.name().as_str());
            }
        }
    }
}

#[cfg(test)]
mod tests;
