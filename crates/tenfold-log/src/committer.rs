//! Makes batches durable, and writes them to their segments.
//!
//! ```text
//!   queue --> plan --> reserve space --> journal: write, sync --> committed --> segments --> written
//! ```

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use crate::channel::Channel;
use crate::checkpoint::{Checkpoint, Dirty};
use crate::common::Common;
use crate::error::Refused;
use crate::fault;
use crate::health::Health;
use crate::journal::{Journal, NotWritten};
use crate::opening::Opening;
use crate::options::time;
use crate::plan::{ChannelPlan, Plan};
use crate::queue::Queued;
use crate::rebuild;
use crate::recovery::Unfinished;
use crate::report::Report;
use crate::segment::Segment;
use crate::shut::Remedy;
use crate::snapshot::Count;
use crate::storage::Storage;
use crate::submission::{Commit, Receipt};
use crate::whole::{is_full, is_momentary};

/// Whether the log goes on in the other journal file.
pub(crate) enum Turn {
    Done,
    /// That file is still needed; and what is refused for that reason, if it may take longer.
    Waits(Option<Refused>),
}

/// Makes batches durable. There is one for each log.
///
/// To drive it: [`step`](Self::step) until nothing is left. If it does nothing although frames are
/// queued, it waits for a [`Checkpointer`](crate::Checkpointer) to step.
#[derive(Debug)]
pub struct Committer {
    pub(crate) common: Arc<Common>,
    pub(crate) journal: Journal,
    /// What was taken from the queue and is not committed.
    taken: Vec<Queued>,
    /// What is in segments and not synced, by channel.
    dirty: BTreeMap<Arc<str>, Dirty>,
    /// The last batch was one submission, and was soon on disk.
    is_light: bool,
    /// What the start had no space for: before it is written down, nothing is committed.
    unfinished: Option<Unfinished>,
}

/// How many channels one batch is for, and how many segments are written between two checkpoints. A segment
/// has two files. A channel of a batch has those of its newest segment and of another one that it may begin,
/// which are a quarter of the files that can be open. Another quarter is written since the last checkpoint, and
/// as much is being synced by it. The rest is for those who read.
fn channels_at_once(storage: &dyn Storage) -> usize {
    (storage.files_at_once() / 16).max(1)
}

fn unsynced_at_once(storage: &dyn Storage) -> usize {
    (storage.files_at_once() / 8).max(1)
}

/// For a batch that takes no longer than this, waking the committer's thread would take a good part of
/// the time.
const LIGHT: Duration = Duration::from_millis(1);

impl Committer {
    pub(crate) fn new(common: Arc<Common>, journal: Journal) -> Self {
        Self {
            common,
            journal,
            taken: Vec::new(),
            dirty: BTreeMap::new(),
            is_light: false,
            unfinished: None,
        }
    }

    /// Takes over a recovery that has no space.
    pub(crate) fn finish_later(&mut self, unfinished: Unfinished, no_space: &io::Error) {
        self.common.fill(no_space);
        self.unfinished = Some(unfinished);
    }

    /// Writes down what the start had no space for, if there is space now.
    fn finish_recovery(&mut self) -> io::Result<()> {
        let Some(unfinished) = &mut self.unfinished else {
            return Ok(());
        };
        let mut report = Report::default();
        let finished = unfinished.finish(
            &*self.common.storage,
            &mut self.journal,
            &mut report,
            &Opening::default(),
        );
        finished.map_err(|(_, error)| error)?;
        let files = self.journal.files.clone();
        self.common.set_journal_files(files);
        self.common.checkpointed(self.journal.done());
        if let Some(unfinished) = self.unfinished.take() {
            self.common.shut_failed(unfinished);
        }
        Ok(())
    }

    /// Commits one batch of what is queued. False: there was nothing, or the older journal file is still
    /// needed.
    pub fn step(&mut self) -> bool {
        let mut has_ended = self.end_segments();
        if self.taken.is_empty() {
            // What waits for a checkpoint already does not wait for that of a deletion as well.
            has_ended |= self.bring_deletions_on();
            let most = channels_at_once(&*self.common.storage);
            let queued = self.common.take(self.common.options.max_batch, most);
            if queued.is_empty() {
                return has_ended;
            }
            self.taken = without_followers(queued);
        }
        if self.taken.is_empty() {
            return true;
        }
        let begun = self.common.instant();
        self.common.condition().batch.get_or_insert(begun);
        let submissions = self.taken.len();
        let has_done = self.advance();
        if self.taken.is_empty() {
            self.common.condition().batch = None;
        }
        let took = self.common.instant().duration_since(begun);
        self.is_light = has_done && submissions == 1 && took < LIGHT;
        has_done || has_ended
    }

    /// Does with what was taken what can be done now. False: it has to wait for a checkpoint.
    fn advance(&mut self) -> bool {
        if self.common.health() == Health::ReadOnly {
            self.refuse(Refused::Storage);
            return true;
        }
        if let Err(error) = self.finish_recovery() {
            if is_momentary(&error) {
                self.common.hinder(&error, Refused::Busy);
                self.refuse(Refused::Busy);
            } else {
                self.give_up(&error);
            }
            return true;
        }
        self.refuse_shut();
        if self.taken.is_empty() {
            return true;
        }
        let mut plan = self.plan();
        let has_room = self.journal.has_room(&plan.records(), plan.bytes());
        if !has_room || self.unsynced() >= unsynced_at_once(&*self.common.storage) {
            match self.turn_over() {
                Ok(Turn::Done) => {}
                Ok(Turn::Waits(None)) => return false,
                Ok(Turn::Waits(Some(why))) => {
                    self.refuse(why);
                    return true;
                }
                Err(error) => {
                    self.give_up(&error);
                    return true;
                }
            }
        }
        self.commit(&mut plan);
        true
    }

    /// How many segments are written and not synced.
    fn unsynced(&self) -> usize {
        self.dirty.values().map(Dirty::segments).sum()
    }

    /// Whether the next batch is likely to be one submission that is soon on disk.
    pub(crate) fn is_light(&self) -> bool {
        self.is_light
    }

    /// Whether something was taken from the queue that is not committed.
    pub(crate) fn has_taken(&self) -> bool {
        !self.taken.is_empty()
    }

    /// Refuses what is left when the log ends: there was no space for it.
    pub(crate) fn refuse_all(&mut self) {
        while self.has_taken() {
            self.refuse(Refused::Full);
            self.taken = self.common.take(usize::MAX, usize::MAX);
        }
    }

    fn plan(&self) -> Plan {
        let mut plan = Plan::new(
            self.common.options.now(),
            self.common.channels().len(),
            self.common.max_disk(),
        );
        for queued in &self.taken {
            plan.add(&self.common.options, queued);
        }
        if let Some(by) = plan.behind {
            self.common.clock_is_behind(by);
        }
        plan
    }

    fn commit(&mut self, plan: &mut Plan) {
        match plan.reserve(&*self.common.storage) {
            Ok(failed) => self.refuse_channels(&failed),
            Err(error) => {
                plan.undo(&*self.common.storage);
                return self.give_up(&error);
            }
        }
        if self.taken.is_empty() {
            return;
        }
        let records = plan.records();
        let begun = self.common.instant();
        match self.journal.write(&records, &plan.slices()) {
            Ok(()) => {
                let took = self.common.instant().duration_since(begun);
                self.common.counters.syncs.count(took);
            }
            Err(NotWritten::Full(error)) => {
                plan.undo(&*self.common.storage);
                return self.give_up(&error);
            }
            Err(NotWritten::Broken(error)) => {
                #[cfg(feature = "planted")]
                if crate::planted::is(crate::planted::Mistake::AppendAfterError) {
                    return self.refuse(Refused::Storage);
                }
                self.common.fail(&error);
                return self.refuse(Refused::Storage);
            }
        }
        self.common.unfill();
        let done = self.common.duties().done;
        if !self.common.has_shut() {
            self.journal.checkpointed(done);
        }
        self.acknowledge(plan);
        let mut unwritten = BTreeMap::new();
        for planned in plan.channels() {
            if let Err(error) = self.write(planned) {
                unwritten.insert(Arc::clone(&planned.channel.name), (error, Vec::new()));
            }
        }
        for queued in self.taken.drain(..) {
            let receipt = queued.submission.receipt;
            match unwritten.get_mut(&queued.channel.name) {
                Some((_, receipts)) => receipts.push(receipt),
                None => receipt.written(),
            }
        }
        for (name, (error, receipts)) in unwritten {
            self.shut(&name, receipts, &error);
        }
    }

    /// Shuts a channel whose files do not have what is committed. The journal has it.
    fn shut(&mut self, name: &Arc<str>, receipts: Vec<Box<dyn Receipt>>, error: &io::Error) {
        if let Some(dirty) = self.dirty.remove(name) {
            self.common.shut(name, Remedy::Sync(dirty), receipts, error);
        }
    }

    /// Counts what is durable now, and tells the receipts.
    fn acknowledge(&mut self, plan: &Plan) {
        let mut messages = 0;
        let times = plan.times();
        let mut firsts: HashMap<Arc<str>, u64> = HashMap::new();
        for queued in &mut self.taken {
            let Queued {
                channel,
                submission,
            } = queued;
            let first = firsts
                .entry(Arc::clone(&channel.name))
                .or_insert_with(|| plan.first_of(&channel.name));
            let mut state = channel.state();
            let total = submission.producer.as_ref().map_or(0, |id| {
                let count = state.producers.entry(Arc::clone(id)).or_default();
                count.total += submission.messages;
                count.time = plan.now();
                count.total
            });
            let mut at = times.get(&channel.name).copied().unwrap_or_default();
            if let Some(given) = &submission.given {
                at = given.time;
                for (id, total) in &given.counts {
                    let (total, time) = (*total, given.time);
                    let count = Count { total, time };
                    state.producers.insert(Arc::clone(id), count);
                }
            }
            state.snapshot_is_due |= submission.producers().next().is_some();
            drop(state);
            submission.receipt.committed(Commit {
                first: *first,
                total,
                time: time(at),
            });
            *first += submission.messages;
            messages += submission.messages;
        }
        self.common.counters.batches.fetch_add(1, Relaxed);
        self.common.counters.messages.fetch_add(messages, Relaxed);
    }

    /// Ends the segments that retention wants to delete: the next frames of their channels begin others.
    /// Returns whether there were any.
    fn end_segments(&mut self) -> bool {
        if self.unfinished.is_some() {
            // These segments are not written down yet. Retention asks again.
            return false;
        }
        let ends = std::mem::take(&mut self.common.duties().ends);
        if ends.is_empty() || self.common.health() == Health::ReadOnly {
            return false;
        }
        for (name, segment) in &ends {
            let Some(channel) = self.common.find(name) else {
                continue;
            };
            if channel.is_shut.load(SeqCst) {
                continue;
            }
            let mut newest = channel.newest();
            let Some(ended) = newest.take_if(|newest| newest.first == *segment) else {
                continue;
            };
            if ended.open.is_none() && ended.files.synced() == ended.extent() {
                continue;
            }
            let dirty = self.dirty.entry(Arc::clone(name));
            let dirty = dirty.or_insert_with(|| Dirty::new(Arc::clone(&channel)));
            let sealed = self.common.seal(dirty, &channel, ended);
            drop(newest);
            if let Err(error) = sealed {
                self.shut(name, Vec::new(), &error);
            }
        }
        self.common.call_retention(ends.into_keys());
        true
    }

    /// Writes the frames of one channel to its segments. After an error the segments are as if that were done,
    /// and it is noted that their files are not.
    fn write(&mut self, planned: &mut ChannelPlan) -> io::Result<()> {
        let channel = Arc::clone(&planned.channel);
        let dirty = self
            .dirty
            .entry(Arc::clone(&channel.name))
            .or_insert_with(|| Dirty::new(Arc::clone(&channel)));
        let mut newest = channel.newest();
        let mut result = Ok(());
        for of_segment in &mut planned.segments {
            if let Some(begun) = of_segment.begun.take() {
                let rolled = self.common.roll(dirty, &channel, &mut newest, begun);
                result = result.and(rolled);
            }
            let Some(segment) = newest.as_mut() else {
                return Err(io::Error::other("the plan has no segment"));
            };
            dirty.touch(segment);
            if result.is_err()
                || segment
                    .append(of_segment.record.time, &of_segment.frames)
                    .is_err()
            {
                // What the append has left undone is in the journal.
                segment.next = of_segment.record.next();
                segment.length = of_segment.record.offset + of_segment.record.length;
                let files = self.common.journal_files();
                result = result.and_then(|()| rebuild::rebuild(&files, &channel, segment));
            }
            match result {
                Ok(()) => self.common.took(channel.publish(segment)),
                Err(_) => dirty.break_newest(),
            }
        }
        if self.common.is_over() {
            self.common.call_retention([Arc::clone(&channel.name)]);
        }
        result
    }

    /// Goes on in the other journal file, if it is not needed any more; the batches of this one are now
    /// to be made durable in their segments.
    pub(crate) fn turn_over(&mut self) -> io::Result<Turn> {
        let duties = self.common.duties();
        if duties.is_pending {
            return Ok(Turn::Waits(duties.obstacle));
        }
        let done = duties.done;
        drop(duties);
        // While that fails, nothing is changed: the batches of this file stay where they are.
        match self.complete() {
            Err(error) if is_momentary(&error) => {
                self.common.hinder(&error, Refused::Busy);
                return Ok(Turn::Waits(Some(Refused::Busy)));
            }
            result => result?,
        }
        // Whatever happens to the checkpoint, the batches of the other file are not needed, but for those of
        // channels that are shut. A start can have left some there of channels that are open by now.
        self.journal.checkpointed(done.max(self.journal.first()));
        self.carry()?;
        self.journal.turn_over().map_err(NotWritten::into_error)?;
        self.give_checkpoint();
        Ok(Turn::Done)
    }

    /// Writes what the journal has of channels that are shut once more, to the file that is being written.
    fn carry(&mut self) -> io::Result<()> {
        if !self.common.has_shut() {
            return Ok(());
        }
        let carried = self.common.records_of_shut(self.journal.number())?;
        self.journal.carry(&carried).map_err(NotWritten::into_error)
    }

    /// Gives the checkpointer everything that is not synced.
    pub(crate) fn begin_checkpoint(&mut self) -> io::Result<()> {
        self.finish_recovery()?;
        self.complete()?;
        self.give_checkpoint();
        Ok(())
    }

    /// Completes the entries that are in memory.
    fn complete(&mut self) -> io::Result<()> {
        let mut failed = Vec::new();
        for (name, dirty) in &mut self.dirty {
            let channel = Arc::clone(&dirty.channel);
            let mut newest = channel.newest();
            let Some(segment) = newest.as_mut() else {
                continue;
            };
            if segment.complete().is_err() {
                match rebuild::rebuild(&self.common.journal_files(), &channel, segment) {
                    Err(error) if is_full(&error) || is_momentary(&error) => return Err(error),
                    Err(error) => {
                        dirty.break_newest();
                        failed.push((Arc::clone(name), error));
                        continue;
                    }
                    Ok(()) => {}
                }
            }
            dirty.extent = segment.extent();
            self.common.took(channel.publish(segment));
        }
        for (name, error) in failed {
            self.shut(&name, Vec::new(), &error);
        }
        Ok(())
    }

    fn give_checkpoint(&mut self) {
        let checkpoint = Checkpoint {
            upto: self.journal.number(),
            dirty: std::mem::take(&mut self.dirty).into_values().collect(),
        };
        let mut duties = self.common.duties();
        duties.checkpoint = Some(checkpoint);
        duties.is_pending = true;
        duties.obstacle = None;
        drop(duties);
        self.common.duty.notify_all();
    }

    /// Leaves the journal so that the next start has nothing to recover. The caller has made a checkpoint
    /// of everything.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.journal.finish(&*self.common.storage)
    }

    /// Nothing of what was taken can be committed.
    fn give_up(&mut self, error: &io::Error) {
        let why = self.blame(error);
        self.refuse(why);
    }

    /// Notes why nothing can be committed. What is refused for it is refused with this.
    pub(crate) fn blame(&self, error: &io::Error) -> Refused {
        if is_full(error) {
            self.common.fill(error);
            Refused::Full
        } else {
            self.common.fail(error);
            Refused::Storage
        }
    }

    /// Refuses what was taken of channels for which nothing could be prepared, and notes how all are.
    fn refuse_channels(&mut self, failed: &[(Arc<Channel>, io::Error)]) {
        let now = self.common.instant();
        let mut refused = BTreeMap::new();
        let mut new = Vec::new();
        let mut condition = self.common.condition();
        for (channel, error) in failed {
            let why = fault::refusal(error);
            let fault = self.common.fault(error, why);
            if condition.fault(&channel.name, fault.clone(), now) {
                new.push(fault);
            }
            refused.insert(Arc::clone(&channel.name), why);
        }
        if condition.has_channels() {
            for queued in &self.taken {
                if !refused.contains_key(&queued.channel.name) {
                    condition.passed(&queued.channel.name);
                }
            }
        }
        drop(condition);
        for fault in &new {
            self.common.tell(fault);
        }
        if refused.is_empty() {
            return;
        }
        for queued in std::mem::take(&mut self.taken) {
            match refused.get(&queued.channel.name) {
                Some(why) => queued.submission.receipt.refused(*why),
                None => self.taken.push(queued),
            }
        }
    }

    /// Refuses what was taken of channels that are shut.
    fn refuse_shut(&mut self) {
        let is_shut = |queued: &Queued| queued.channel.is_shut.load(SeqCst);
        if !self.taken.iter().any(is_shut) {
            return;
        }
        for queued in std::mem::take(&mut self.taken) {
            if is_shut(&queued) {
                queued.submission.receipt.refused(Refused::Hindered);
            } else {
                self.taken.push(queued);
            }
        }
    }

    fn refuse(&mut self, why: Refused) {
        for queued in self.taken.drain(..) {
            queued.submission.receipt.refused(why);
        }
    }
}

/// Refuses submissions that must follow one that was refused, and returns the others.
fn without_followers(queued: Vec<Queued>) -> Vec<Queued> {
    let mut taken = Vec::with_capacity(queued.len());
    for one in queued {
        match one.submission.receipt.must_follow() {
            Some(why) => one.submission.receipt.refused(why),
            None => taken.push(one),
        }
    }
    taken
}

impl Common {
    /// Ends the newest segment and goes on in another.
    fn roll(
        &self,
        dirty: &mut Dirty,
        channel: &Arc<Channel>,
        newest: &mut Option<Segment>,
        begun: Segment,
    ) -> io::Result<()> {
        let sealed = match newest.take() {
            Some(full) => self.seal(dirty, channel, full),
            None => Ok(()),
        };
        *newest = Some(begun);
        self.call_retention([Arc::clone(&channel.name)]);
        sealed
    }

    /// Ends a segment: what was reserved for it is given back.
    fn seal(
        &self,
        dirty: &mut Dirty,
        channel: &Arc<Channel>,
        mut ended: Segment,
    ) -> io::Result<()> {
        let completed = ended
            .complete()
            .or_else(|_| rebuild::rebuild(&self.journal_files(), channel, &mut ended));
        if completed.is_ok() {
            // The checkpoint does it again, and deals with a failure.
            let _ = ended.cut();
            self.took(channel.publish(&ended));
        }
        dirty.seal(ended, completed.is_err());
        completed
    }
}
