//! `--state`: where a subscriber stands, so that the next run goes on there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::{Value, json};
use tenfold::asynchronous::Subscriber;
use tenfold::protocol::{ChannelName, Epoch};

use crate::failure::Failure;
use crate::flow::whole_file;

/// A file with the channel, its epoch, and the seq of the next message; or none.
#[derive(Debug)]
pub(super) struct StateFile {
    file: Option<(PathBuf, ChannelName)>,
    /// The line that the file has.
    place: Option<(Epoch, u64)>,
    written: Instant,
}

/// It is written at the most so often: a run that is killed prints at the most what came in this
/// time once more.
pub(super) const EVERY: Duration = Duration::from_millis(100);

impl StateFile {
    pub(super) fn open(path: Option<&Path>, channel: &ChannelName) -> Result<Self, Failure> {
        let place = match path {
            Some(path) => read(path, channel)?,
            None => None,
        };
        Ok(Self {
            file: path.map(|path| (path.to_owned(), channel.clone())),
            place,
            written: Instant::now(),
        })
    }

    /// What the last run left.
    pub(super) fn place(&self) -> Option<(Epoch, u64)> {
        self.place
    }

    /// Keeps where the subscriber stands; everything before must have been printed. False if it was
    /// too early for that.
    pub(super) fn keep(&mut self, subscriber: &Subscriber, at_end: bool) -> Result<bool, Failure> {
        let Some((path, channel)) = &self.file else {
            return Ok(true);
        };
        let place = subscriber.epoch().zip(subscriber.next_seq());
        if place.is_none() || place == self.place {
            return Ok(true);
        }
        if !at_end && self.written.elapsed() < EVERY {
            return Ok(false);
        }
        if let Some((epoch, next)) = place {
            let state = json!({
                "channel": channel.as_str(),
                "epoch": epoch.to_string(),
                "next": next,
            });
            whole_file::replace(path, &format!("{state}\n")).map_err(|error| {
                Failure::Other(format!(
                    "cannot write the state {}: {error}",
                    path.display()
                ))
            })?;
        }
        self.place = place;
        self.written = Instant::now();
        Ok(true)
    }
}

fn read(path: &Path, channel: &ChannelName) -> Result<Option<(Epoch, u64)>, Failure> {
    let name = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::Other(format!(
                "cannot read the state {name}: {error}"
            )));
        }
    };
    let Some((kept, epoch, next)) = understand(&text) else {
        return Err(Failure::Other(format!(
            "{name} is not a state that this command has written; remove it to begin with --from"
        )));
    };
    if kept != channel.as_str() {
        return Err(Failure::Other(format!(
            "{name} is the state of channel {}, not of {channel}: each channel needs a file of its own",
            kept.escape_debug()
        )));
    }
    Ok(Some((epoch, next)))
}

fn understand(text: &str) -> Option<(String, Epoch, u64)> {
    let state: Value = serde_json::from_str(text).ok()?;
    let channel = state.get("channel")?.as_str()?.to_owned();
    let epoch = state.get("epoch")?.as_str()?.parse().ok()?;
    Some((channel, epoch, state.get("next")?.as_u64()?))
}
