//! `--audit`: a line of JSON for each request and each end of a connection.
//!
//! A thread writes the file, from a bounded queue. So nobody waits for it, whatever the file does; what finds the
//! queue full is counted, and the file says how many are missing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tenfold_hub::{Audit, AuditRecord, AuditResult};
use tracing::{error, info};

use crate::failure::Failure;

/// How many records wait to be written.
const QUEUE: usize = 10_000;
/// How many bytes are written at once.
const AT_ONCE: usize = 64 * 1024;
/// How long the end of the hub waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// The file of `--audit`, as long as the hub runs.
pub(super) struct AuditFile {
    records: SyncSender<AuditRecord>,
    /// Records that found the queue full, or could not be written.
    dropped: Arc<AtomicU64>,
    /// The file is to be opened again.
    reopen: Arc<AtomicBool>,
    ended: Receiver<()>,
}

/// What the thread has.
struct Writer {
    path: PathBuf,
    file: Option<File>,
    dropped: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    /// The last attempt has failed, and that was said.
    is_failing: bool,
}

impl AuditFile {
    /// Opens the file, and begins to write what comes.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let cannot = |error| Failure::Other(format!("cannot write {}: {error}", path.display()));
        let file = open(path).map_err(cannot)?;
        let (records, come) = mpsc::sync_channel(QUEUE);
        let (end, ended) = mpsc::sync_channel(1);
        let (dropped, reopen) = (Arc::default(), Arc::default());
        let mut writer = Writer {
            path: path.to_owned(),
            file: Some(file),
            dropped: Arc::clone(&dropped),
            reopen: Arc::clone(&reopen),
            is_failing: false,
        };
        let write = move || {
            writer.run(&come);
            // Nobody may wait for it any more.
            let _ = end.send(());
        };
        let thread = thread::Builder::new().name("audit".to_owned());
        thread.spawn(write).map_err(cannot)?;
        Ok(Self {
            records,
            dropped,
            reopen,
            ended,
        })
    }

    /// What the hub gives its records to.
    pub(super) fn taker(&self) -> Audit {
        let (records, dropped) = (self.records.clone(), Arc::clone(&self.dropped));
        Audit::new(move |record| {
            if records.try_send(record).is_err() {
                dropped.fetch_add(1, SeqCst);
            }
        })
    }

    /// The file was moved: the next record goes into a new one of its name.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, SeqCst);
    }

    /// Waits for what is still to be written, but not forever. The hub has ended.
    pub(super) fn end(self) {
        drop(self.records);
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

impl Writer {
    fn run(&mut self, come: &Receiver<AuditRecord>) {
        while let Ok(record) = come.recv() {
            let mut lines = Vec::new();
            let mut count = 1;
            put(&mut lines, &record);
            while lines.len() < AT_ONCE
                && let Ok(record) = come.try_recv()
            {
                put(&mut lines, &record);
                count += 1;
            }
            self.write(&lines, count);
        }
    }

    fn write(&mut self, lines: &[u8], count: u64) {
        if self.reopen.swap(false, SeqCst) {
            self.file = None;
        }
        let dropped = self.dropped.swap(0, SeqCst);
        match self.try_write(lines, dropped) {
            Ok(()) if self.is_failing => {
                self.is_failing = false;
                info!(path = %self.path.display(), "the audit is written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.dropped.fetch_add(dropped + count, SeqCst);
                self.file = None;
                if !std::mem::replace(&mut self.is_failing, true) {
                    error!(path = %self.path.display(), %error, "the audit cannot be written; what is missing is counted");
                }
            }
        }
    }

    fn try_write(&mut self, lines: &[u8], dropped: u64) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(open(&self.path)?),
        };
        if dropped == 0 {
            return file.write_all(lines);
        }
        let missing = json!({"time": timestamp(SystemTime::now()), "dropped": dropped});
        file.write_all(&[format!("{missing}\n").as_bytes(), lines].concat())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn put(lines: &mut Vec<u8>, record: &AuditRecord) {
    let begin = lines.len();
    let mut member = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            let comma = if lines.len() > begin { ',' } else { '{' };
            lines.extend_from_slice(format!("{comma}\"{key}\":{value}").as_bytes());
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    member("time", timestamp(record.time).map(Value::from));
    member("peer", Some(record.peer.to_string().into()));
    member("identity", text(&record.identity));
    member("token", text(&record.token));
    member("request", Some(record.request.into()));
    member("channel", text(&record.channel));
    member("producer", text(&record.producer));
    let (result, end) = match record.result {
        AuditResult::Refused(code) => (code.as_str(), None),
        AuditResult::End {
            messages, bytes, ..
        } => ("END", Some((messages, bytes))),
        _ => ("OK", None),
    };
    member("result", Some(result.into()));
    member("messages", end.map(|(messages, _)| messages.into()));
    member("bytes", end.map(|(_, bytes)| bytes.into()));
    lines.extend_from_slice(b"}\n");
}

/// Always with three digits of fraction, so that the texts are in the order of the times.
fn timestamp(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(format!("{time:.3}"))
}
