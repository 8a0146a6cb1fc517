//! Channels are shut when their files fail, and opened again when that has passed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::batch::Carried;
use crate::carry::records_of;
use crate::checkpoint::{Checkpoint, Dirty};
use crate::common::Common;
use crate::directory::sync_dir;
use crate::error::Refused;
use crate::names;
use crate::options::Notice;
use crate::recovery::{Unfinished, Unread};
use crate::report::Report;
use crate::shut::Remedy;
use crate::submission::Receipt;
use crate::whole::is_failed_sync_of_names;

impl Common {
    /// Shuts a channel. Others are not concerned.
    pub(crate) fn shut(
        &self,
        name: &Arc<str>,
        remedy: impl Into<Option<Remedy>>,
        receipts: Vec<Box<dyn Receipt>>,
        error: &io::Error,
    ) {
        if let Some(channel) = self.find(name) {
            channel.is_shut.store(true, SeqCst);
        }
        let mut shut = self.shut_ones();
        let waiting = shut.entry(Arc::clone(name)).or_default();
        if let Some(remedy) = remedy.into() {
            waiting.add(remedy);
        }
        waiting.receipts.extend(receipts);
        waiting.is_given_up |= is_failed_sync_of_names(error);
        drop(shut);
        self.note_shut(name, error);
    }

    /// Shuts what a start could not read.
    pub(crate) fn shut_unread(&self, unread: Vec<(Unread, io::Error)>) {
        for (unread, error) in unread {
            let name = Arc::clone(&unread.name);
            self.shut(&name, Remedy::Read(unread), Vec::new(), &error);
        }
    }

    /// Shuts what a start could not write to.
    pub(crate) fn shut_failed(&self, unfinished: Unfinished) {
        for (unwritten, error) in unfinished.into_failed() {
            let name = Arc::clone(&unwritten.channel.name);
            let remedy = Remedy::Write(Box::new(unwritten));
            self.shut(&name, remedy, Vec::new(), &error);
        }
    }

    /// Says why a channel is shut, if that is new.
    fn note_shut(&self, name: &Arc<str>, error: &io::Error) {
        let fault = self.fault(error, Refused::Hindered);
        let known = self
            .condition()
            .shut
            .insert(Arc::clone(name), fault.clone());
        if !known.is_some_and(|known| known.is_like(&fault)) {
            self.tell(&fault);
        }
    }

    /// Whether the journal has something that no checkpoint may give up.
    pub(crate) fn has_shut(&self) -> bool {
        !self.shut_ones().is_empty()
    }

    /// Whether a channel could not be read since the start.
    pub(crate) fn is_unread(&self, name: &str) -> bool {
        let shut = self.shut_ones();
        shut.get(name).is_some_and(|waiting| waiting.is_unread)
    }

    /// What the journal has of channels that are shut, and segments may not have.
    pub(crate) fn records_of_shut(&self, before: u64) -> io::Result<Vec<Carried>> {
        let names: Vec<Arc<str>> = self.shut_ones().keys().cloned().collect();
        records_of(&self.journal_files(), before, |name| {
            names.iter().any(|shut| **shut == *name)
        })
    }

    /// What a checkpoint has of channels that are shut waits with the rest of them.
    pub(crate) fn set_aside_shut(&self, checkpoint: &mut Checkpoint) {
        let mut shut = self.shut_ones();
        if shut.is_empty() {
            return;
        }
        let (waits, dirty) = std::mem::take(&mut checkpoint.dirty)
            .into_iter()
            .partition::<Vec<Dirty>, _>(|dirty| shut.contains_key(&dirty.channel.name));
        checkpoint.dirty = dirty;
        for dirty in waits {
            if let Some(waiting) = shut.get_mut(&dirty.channel.name) {
                waiting.add(Remedy::Sync(dirty));
            }
        }
    }

    /// Tries to open the channels that are shut. The caller has locked `CHECKPOINT`.
    pub(crate) fn open_shut(&self) {
        let shut = self.shut_ones();
        let hopeful = shut.iter().filter(|(_, waiting)| !waiting.is_given_up);
        let names: Vec<Arc<str>> = hopeful.map(|(name, _)| Arc::clone(name)).collect();
        drop(shut);
        for name in names {
            let taken = self
                .shut_ones()
                .get_mut(&name)
                .map(|waiting| std::mem::take(&mut waiting.remedies));
            let mut remedies = taken.unwrap_or_default();
            let result = self.remedy(&name, &mut remedies);
            let mut shut = self.shut_ones();
            let Some(waiting) = shut.get_mut(&name) else {
                continue;
            };
            // Something may have been added meanwhile.
            for added in std::mem::replace(&mut waiting.remedies, remedies) {
                waiting.add(added);
            }
            if waiting.remedies.is_empty() {
                let receipts = shut.remove(&name).map(|waiting| waiting.receipts);
                drop(shut);
                self.condition().shut.remove(&name);
                if let Some(channel) = self.find(&name) {
                    channel.is_shut.store(false, SeqCst);
                }
                for receipt in receipts.unwrap_or_default() {
                    receipt.written();
                }
            } else if let Err(error) = result {
                waiting.is_given_up |= is_failed_sync_of_names(&error);
                drop(shut);
                self.note_shut(&name, &error);
            }
        }
    }

    /// Tells what was found in a channel that a start could not recover.
    fn report_late(&self, report: Report) {
        for finding in report.findings {
            (self.options.notice)(&Notice::Found(finding));
        }
    }

    /// Does what is to be done for a channel; what is done is taken out.
    fn remedy(&self, name: &Arc<str>, remedies: &mut Vec<Remedy>) -> io::Result<()> {
        let storage = &*self.storage;
        while let Some(remedy) = remedies.first_mut() {
            let has_new_names = match remedy {
                Remedy::Sync(dirty) => {
                    dirty.finish(storage, &self.journal_files())?;
                    dirty.has_new_names
                }
                Remedy::Write(unwritten) => {
                    let mut report = Report::default();
                    let has_written = unwritten.write(storage, &mut report);
                    self.report_late(report);
                    has_written?
                }
                Remedy::Read(unread) => {
                    let read = unread.read(
                        &self.storage,
                        &self.journal_files(),
                        &self.starts(),
                        self.options.opens(),
                    )?;
                    let (read, report) = read;
                    self.report_late(report);
                    if let Some(unwritten) = read {
                        let channel = Arc::clone(&unwritten.channel);
                        channel.is_shut.store(true, SeqCst);
                        self.channels().insert(Arc::clone(name), channel);
                        remedies[0] = Remedy::Write(Box::new(unwritten));
                    } else {
                        remedies.remove(0);
                    }
                    if let Some(waiting) = self.shut_ones().get_mut(name) {
                        waiting.is_unread = false;
                    }
                    self.counters.late.fetch_add(1, Relaxed);
                    continue;
                }
            };
            if has_new_names {
                // That directory is everybody's.
                sync_dir(storage, names::CHANNELS).inspect_err(|error| self.fail(error))?;
            }
            remedies.remove(0);
        }
        Ok(())
    }
}
