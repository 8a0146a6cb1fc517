//! An opening that somebody ends: at each call to the disk, and the next one finds everything.

use std::fmt::Debug;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tenfold_log::storage::{File, Memory, Sharing};
use tenfold_log::{OpenError, Opening, Step, Storage, open};

use crate::support::{read, reopen, reset, send, settle, small};

/// Storage in which somebody ends the opening before a call of this number.
#[derive(Debug)]
struct Ending {
    memory: Memory,
    opening: Arc<Opening>,
    calls: AtomicU64,
    at: u64,
}

impl Ending {
    fn call(&self) -> &Memory {
        if self.calls.fetch_add(1, Relaxed) == self.at {
            self.opening.end();
        }
        &self.memory
    }
}

impl Storage for Ending {
    fn open(&self, path: &str, create: bool) -> io::Result<Arc<dyn File>> {
        self.call().open(path, create)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.call().list(path)
    }

    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.call().create_dir(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.call().rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.call().remove(path)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        self.call().remove_dir(path)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.call().sync_dir(path)
    }

    fn lock(&self, path: &str, sharing: Sharing) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.call().lock(path, sharing)
    }
}

const CHANNELS: usize = 4;

/// A log whose hub was killed, with channels that are in the journal alone.
fn killed() -> Memory {
    let memory = Memory::new();
    let mut opened = reopen(memory.clone(), small()).unwrap();
    for number in 0..CHANNELS {
        let messages = [b"one".to_vec(), b"two".to_vec()];
        send(&opened, &format!("c{number}"), None, &messages);
    }
    settle(&mut opened);
    drop(opened);
    memory.image_kept()
}

#[test]
fn an_opening_that_is_ended_at_any_call_costs_nothing() {
    let mut ended_in = Vec::new();
    for at in 0.. {
        reset();
        let memory = killed();
        let options = small();
        let opening = Arc::clone(&options.opening);
        let ending = Arc::new(Ending {
            memory: memory.clone(),
            opening: Arc::clone(&opening),
            calls: AtomicU64::new(0),
            at,
        });
        match open(Arc::clone(&ending) as Arc<dyn Storage>, options) {
            Err(OpenError::Ended) => ended_in.push(opening.progress()),
            Err(error) => panic!("call {at}: {error}"),
            Ok(opened) => assert_eq!(opened.log.channels().len(), CHANNELS),
        }
        // The process ends, and so does the machine.
        let opened = reopen(memory.image_kept(), small()).unwrap();
        for number in 0..CHANNELS {
            let read = read(&opened.log.channel(&format!("c{number}"), 0));
            assert_eq!(read.all(), [b"one", b"two"], "channel {number}, call {at}");
        }
        assert!(
            !opened.report.is_damaged(),
            "call {at}: {:?}",
            opened.report
        );
        if ending.calls.load(Relaxed) <= at {
            break;
        }
    }
    // It was ended in the middle of the channels, too.
    for (step, done) in [(Step::Looking, 0), (Step::Writing, 2)] {
        let is_there = |it: &&tenfold_log::Progress| (it.step, it.done) == (step, done);
        assert!(ended_in.iter().any(|it| is_there(&it)), "{ended_in:?}");
    }
}
