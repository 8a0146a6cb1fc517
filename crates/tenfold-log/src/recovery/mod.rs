//! What a start makes of the files that the last hub has left: `docs/log-format.md`, section 7.
//!
//! ```text
//!   journal: scan both files --> steps: batches in their order, and where some are lost
//!   channels: names, snapshots --> replay the steps --> newest segment --> sync, snapshot
//!   journal: begin anew
//! ```
//!
//! Nothing is deleted that a second recovery would need, so all of it can be repeated after a crash.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::channel::Channel;
use crate::directory::sync_dir;
use crate::journal::Journal;
use crate::names;
use crate::options::Options;
use crate::report::Report;
use crate::storage::Storage;
use crate::whole::uninterrupted;

mod channel;
mod journal;
mod rescue;

use channel::Recovering;
use journal::{Remains, Step};

/// What a recovery gives.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) channels: Vec<Arc<Channel>>,
    pub(crate) journal: Journal,
    pub(crate) report: Report,
}

/// What was being done when the storage failed, and its error.
pub(crate) type Failed = (&'static str, io::Error);

pub(crate) fn doing(what: &'static str) -> impl Fn(io::Error) -> Failed {
    move |error| (what, error)
}

/// Recovers everything. The caller has the lock.
pub(crate) fn recover(storage: &Arc<dyn Storage>, options: &Options) -> Result<Recovered, Failed> {
    let mut report = Report::default();
    let names = channel_names(&**storage, &mut report).map_err(doing("listing the channels"))?;
    let mut channels = BTreeMap::new();
    for name in names {
        let channel =
            Recovering::look(storage, &name, &mut report).map_err(doing("looking at a channel"))?;
        channels.insert(name, channel);
    }
    let remains = Remains::read(&**storage, !channels.is_empty(), &mut report)
        .map_err(doing("reading the journal"))?;
    let mut replay = Replay {
        storage,
        channels,
        report: &mut report,
    };
    let mut end = remains.end;
    for step in remains.steps {
        if let Some(cut) = replay
            .step(step)
            .map_err(doing("writing the journal's frames to segments"))?
        {
            end = end.map(|end| cut.cut(end));
            break;
        }
    }
    let mut channels = replay.channels;
    for channel in channels.values_mut() {
        channel
            .finish(options.random, &mut report)
            .map_err(doing("recovering a channel"))?;
    }
    let was_changed = channels.values().any(|channel| channel.is_saved);
    if was_changed {
        sync_dir(&**storage, names::CHANNELS)
            .map_err(doing("syncing the directory of the channels"))?;
    }
    let journal = Journal::begin(&**storage, options.journal, end, options.random)
        .map_err(doing("beginning the journal"))?;
    let channels = channels.into_values().filter_map(Recovering::into_channel);
    Ok(Recovered {
        channels: channels.collect(),
        journal,
        report,
    })
}

/// The directories of the channels. What a channel cannot have for a name is left alone.
fn channel_names(storage: &dyn Storage, report: &mut Report) -> io::Result<Vec<Arc<str>>> {
    let mut found = Vec::new();
    for name in uninterrupted(|| storage.list(names::CHANNELS))? {
        if names::is_channel(&name) {
            found.push(name.into());
        } else {
            report.note(format!(
                "channels/{name} is not a name of a channel, and is left alone"
            ));
        }
    }
    Ok(found)
}

/// The journal's frames on their way into segments.
struct Replay<'a> {
    storage: &'a Arc<dyn Storage>,
    channels: BTreeMap<Arc<str>, Recovering>,
    report: &'a mut Report,
}

impl Replay<'_> {
    /// Takes one step. Returns the last batch if it is torn: it was never acknowledged.
    fn step(&mut self, step: Step) -> io::Result<Option<journal::Torn>> {
        let (found, is_last) = match step {
            Step::Lost => {
                for channel in self.channels.values_mut() {
                    channel.is_uncertain = true;
                }
                return Ok(None);
            }
            Step::Batch { found, is_last } => (found, is_last),
        };
        if is_last && !found.is_whole() && !self.was_acknowledged(&found)? {
            let torn = journal::Torn::new(&found);
            torn.put_aside(&**self.storage, self.report)?;
            return Ok(Some(torn));
        }
        for ((record, range), is_sound) in found.batch.records_with_ranges().zip(&found.are_sound) {
            let channel = self.channels.entry(Arc::clone(&record.channel));
            let channel = channel.or_insert_with_key(|name| Recovering::new(self.storage, name));
            let frames = is_sound.then(|| found.batch.frames.slice(range));
            channel.replay(record, frames, self.report)?;
        }
        self.report.replayed += u64::from(!found.batch.records.is_empty());
        Ok(None)
    }

    /// Whether a segment has bytes that only this batch can have brought. A segment is written after the
    /// batch is synced, so the batch may have been acknowledged.
    fn was_acknowledged(&self, found: &crate::scan::Scanned) -> io::Result<bool> {
        for record in &found.batch.records {
            if channel::segment_has(&**self.storage, record)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
