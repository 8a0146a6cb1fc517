//! A log that is driven by hand.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tenfold_log::storage::FewFiles;
use tenfold_log::{
    Channel, Commit, Log, OpenError, Opened, Options, Pending, ReadError, Receipt, Refused,
    Retention, Storage, Submission, open,
};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(1_700_000_000_000) };
    static RANDOM: Cell<u64> = const { Cell::new(1) };
    static MOST_FILES: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The clock of these tests stands still unless it is told to go on.
pub(crate) fn clock() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(NOW.get())
}

/// Begins again with the time and the random numbers, so that each run is the same.
pub(crate) fn reset() {
    NOW.set(1_700_000_000_000);
    RANDOM.set(1);
}

pub(crate) fn advance(milliseconds: u64) {
    NOW.set(NOW.get() + milliseconds);
}

/// The clock was wrong.
pub(crate) fn go_back(milliseconds: u64) {
    NOW.set(NOW.get() - milliseconds);
}

/// Numbers that do not repeat on a thread, and are the same in each run.
pub(crate) fn random() -> u64 {
    let next = RANDOM.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    RANDOM.set(next);
    (next ^ (next >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Small files, so that a short script rolls segments and turns the journal over.
pub(crate) fn small() -> Options {
    let mut options = Options::new(random);
    options.clock = clock;
    options.journal = 4 * 4096;
    options.segment = 500;
    options.retention = Arc::new(|name| {
        let mut retention = Retention::default();
        if name == "b" {
            // A segment takes two blocks at the least.
            retention.max_bytes = 24 * 4096;
            retention.max_messages = Some(8);
        }
        retention
    });
    options
}

/// What became of one submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Waiting,
    Committed { first: u64, total: u64 },
    Written { first: u64, total: u64 },
    Refused(Refused),
}

#[derive(Debug)]
struct Told(Arc<Mutex<Fate>>);

impl Receipt for Told {
    fn committed(&mut self, commit: Commit) {
        let Commit { first, total, .. } = commit;
        *self.0.lock().unwrap() = Fate::Committed { first, total };
    }

    fn written(self: Box<Self>) {
        let mut fate = self.0.lock().unwrap();
        let Fate::Committed { first, total } = *fate else {
            panic!("written before it was committed: {fate:?}");
        };
        *fate = Fate::Written { first, total };
    }

    fn refused(self: Box<Self>, why: Refused) {
        let mut fate = self.0.lock().unwrap();
        assert_eq!(*fate, Fate::Waiting, "refused after it was committed");
        *fate = Fate::Refused(why);
    }
}

/// A receipt of frames whose fate is seen in the log.
pub(crate) struct Silent;

impl Receipt for Silent {
    fn committed(&mut self, _: Commit) {}

    fn written(self: Box<Self>) {}

    fn refused(self: Box<Self>, why: Refused) {
        panic!("{why}");
    }
}

/// Some messages on their way into a channel.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) channel: String,
    pub(crate) producer: Option<String>,
    pub(crate) messages: Vec<Vec<u8>>,
    /// The name of the channel's history.
    pub(crate) epoch: u64,
    fate: Arc<Mutex<Fate>>,
}

impl Sent {
    pub(crate) fn fate(&self) -> Fate {
        *self.fate.lock().unwrap()
    }
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = format!("{:<10}", message.len()).into_bytes();
    frame.extend_from_slice(message);
    frame
}

pub(crate) fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| frame(message)).collect()
}

/// Cuts whole frames into their messages.
pub(crate) fn messages(mut frames: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while !frames.is_empty() {
        let header = std::str::from_utf8(&frames[..10]).unwrap();
        let length: usize = header.trim_end().parse().unwrap();
        messages.push(frames[10..10 + length].to_vec());
        frames = &frames[10 + length..];
    }
    messages
}

/// Queues messages.
pub(crate) fn send(
    opened: &Opened,
    channel: &str,
    producer: Option<&str>,
    messages: &[Vec<u8>],
) -> Sent {
    send_to(&opened.log, channel, producer, messages)
}

/// Queues messages of a log that may run by itself.
pub(crate) fn send_to(
    log: &Log,
    channel: &str,
    producer: Option<&str>,
    messages: &[Vec<u8>],
) -> Sent {
    queue(log, channel, producer, messages).0
}

/// Queues messages, and says nothing of it to the log's thread.
pub(crate) fn queue(
    log: &Log,
    channel: &str,
    producer: Option<&str>,
    messages: &[Vec<u8>],
) -> (Sent, Pending) {
    let to = log.channel(channel, random());
    let sent = Sent {
        epoch: to.epoch(),
        channel: channel.to_owned(),
        producer: producer.map(str::to_owned),
        messages: messages.to_vec(),
        fate: Arc::new(Mutex::new(Fate::Waiting)),
    };
    let told = Told(Arc::clone(&sent.fate));
    let mut submission = Submission::new(frames(messages), messages.len() as u64, told);
    if let Some(id) = producer {
        submission = submission.by(id);
    }
    let pending = log.submit(&to, submission);
    (sent, pending)
}

/// Waits for what other threads do.
pub(crate) fn until(is_met: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_met() {
        assert!(Instant::now() < deadline, "it takes too long");
        std::thread::yield_now();
    }
}

/// Does everything that can be done.
pub(crate) fn settle(opened: &mut Opened) {
    while opened.committer.step() || opened.checkpointer.step() {}
}

/// What is read from a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) messages: BTreeMap<u64, Vec<u8>>,
    pub(crate) damaged: Vec<(u64, u64)>,
}

impl Read {
    pub(crate) fn all(&self) -> Vec<Vec<u8>> {
        self.messages.values().cloned().collect()
    }
}

/// Reads everything that a channel serves.
pub(crate) fn read(channel: &Arc<Channel>) -> Read {
    let mut read = Read {
        first: channel.first(),
        next: channel.next(),
        ..Read::default()
    };
    let mut reader = channel.reader(read.first);
    loop {
        let seq = reader.seq();
        match reader.read(300) {
            Ok(frames) => {
                let messages = messages(&frames.bytes);
                assert_eq!(messages.len() as u64, frames.messages);
                assert_eq!(reader.seq(), seq + frames.messages);
                read.messages.extend((seq..).zip(messages));
                reader.reuse(frames.bytes);
            }
            Err(ReadError::Corrupt { first, next }) => {
                assert!(first <= seq && seq < next, "{first} {seq} {next}");
                read.damaged.push((seq, next));
                reader = channel.reader(next);
            }
            Err(ReadError::End) => return read,
            Err(error) => panic!("reading {seq}: {error:?}"),
        }
    }
}

/// Opens what must be a log.
pub(crate) fn reopen(
    storage: impl Storage + 'static,
    options: Options,
) -> Result<Opened, OpenError> {
    let storage: Arc<dyn Storage> = Arc::new(storage);
    match MOST_FILES.get() {
        Some(most) => open(Arc::new(FewFiles::new(storage, most)), options),
        None => open(storage, options),
    }
}

/// Logs have so few files open on this thread for as long as `run` takes.
pub(crate) fn with_few_files<T>(most: usize, run: impl FnOnce() -> T) -> T {
    MOST_FILES.set(Some(most));
    let result = run();
    MOST_FILES.set(None);
    result
}
