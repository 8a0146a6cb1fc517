//! Fills a log with Tenfold's own crate, so that it need not go through a hub.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use bytes::Bytes;
use tenfold_log::storage::{Disk, FewFiles};
use tenfold_log::{Channel, Commit, Log, Options, Receipt, Refused, Retention, Submission, open};

use crate::Result;
use crate::frames::frame;

/// What is queued at once, in bytes; several of them are in flight.
const PIECE: usize = 1 << 20;
const IN_FLIGHT: usize = 16;
/// A log that commits nothing for so long has failed.
const STALLED: Duration = Duration::from_secs(60);

/// Makes a log with these channels, each with equal messages of about so many bytes of frames.
/// Returns how many messages each has.
pub fn fill(data: &Path, channels: &[String], size: usize, bytes: u64) -> Result<u64> {
    let storage = Arc::new(FewFiles::new(Arc::new(Disk::create(data)?), 512));
    let mut options = Options::new(random);
    options.max_disk = u64::MAX;
    options.retention = Arc::new(|_| {
        let mut everything = Retention::default();
        everything.max_bytes = u64::MAX;
        everything
    });
    let (log, _, threads) = open(storage, options)?.start()?;
    let frame = frame(size);
    let per_piece = (PIECE / frame.len()).max(1);
    let piece = Bytes::from(frame.repeat(per_piece));
    let pieces = bytes.div_ceil(piece.len() as u64);
    for name in channels {
        append(
            &log,
            &log.channel(name, random()),
            &piece,
            per_piece as u64,
            pieces,
        )?;
    }
    if threads.stop() {
        Ok(pieces * per_piece as u64)
    } else {
        Err("the log was not closed".into())
    }
}

/// Tells what has become of a piece.
struct Told(Sender<Option<Refused>>);

impl Receipt for Told {
    fn committed(&mut self, _: Commit) {}

    fn written(self: Box<Self>) {
        let _ = self.0.send(None);
    }

    fn refused(self: Box<Self>, why: Refused) {
        let _ = self.0.send(Some(why));
    }
}

fn append(log: &Log, into: &Arc<Channel>, piece: &Bytes, messages: u64, pieces: u64) -> Result<()> {
    let (teller, told) = channel();
    for number in 0..pieces {
        if number >= IN_FLIGHT as u64 {
            wait(&told)?;
        }
        let submission = Submission::new(piece.clone(), messages, Told(teller.clone()));
        log.submit(into, submission);
    }
    drop(teller);
    (0..pieces.min(IN_FLIGHT as u64)).try_for_each(|_| wait(&told))
}

fn wait(told: &Receiver<Option<Refused>>) -> Result<()> {
    match told.recv_timeout(STALLED)? {
        None => Ok(()),
        Some(why) => Err(format!("the log refuses: {why:?}").into()),
    }
}

/// The system's random numbers are the keys of the hash.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::files_in;
    use crate::frames::whole_frames;

    #[test]
    fn each_channel_has_as_many_messages_as_it_says() {
        let place = tempfile::tempdir().unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let messages = fill(place.path(), &names, 128, 40 << 20).unwrap();
        for name in names {
            let files = files_in(&place.path().join("channels").join(name)).unwrap();
            let frames = files
                .iter()
                .filter(|file| file.extension().is_some_and(|e| e == "frames"));
            let found = frames.map(|file| whole_frames(&std::fs::read(file).unwrap()).unwrap());
            let found: Vec<_> = found.collect();
            assert_eq!(found.iter().map(|found| found.1).sum::<u64>(), messages);
            assert_eq!(
                found.iter().map(|found| found.0).sum::<usize>() as u64,
                messages * 138
            );
        }
    }
}
