//! `--state`: where a client is, so that the next run goes on there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use serde_json::{Value, json};
use tenfold::protocol::{ChannelName, Epoch, Pattern, Place};

use super::incoming::{Incoming, Standing};
use crate::failure::Failure;
use crate::flow::whole_file;

/// A file with a place: the channel, its epoch, and the seq of the next message; or with the patterns, and a
/// place in each of their channels. Or there is no file.
#[derive(Debug)]
pub(super) struct StateFile {
    file: Option<(PathBuf, Vec<Pattern>)>,
    /// What the file has.
    standing: Option<Standing>,
    written: Instant,
    /// It is written at the most so often.
    every: Duration,
}

/// It is written at the most so often: a run that is killed prints at the most what came in this
/// time once more.
pub(super) const EVERY: Duration = Duration::from_millis(100);

/// The places in thousands of channels take their time to be written: so many times longer there is a pause.
const PAUSE: u32 = 10;

impl StateFile {
    pub(super) fn open(path: Option<&Path>, channels: &[Pattern]) -> Result<Self, Failure> {
        let standing = match path {
            Some(path) => read(path, channels)?,
            None => None,
        };
        Ok(Self {
            file: path.map(|path| (path.to_owned(), channels.to_vec())),
            standing,
            written: Instant::now(),
            every: EVERY,
        })
    }

    /// What the last run left.
    pub(super) fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    /// Keeps where the client is; everything before must have been printed. False if it was too early for
    /// that.
    pub(super) fn keep(&mut self, incoming: &Incoming, at_end: bool) -> Result<bool, Failure> {
        if self.file.is_none() {
            return Ok(true);
        }
        let is_early = !at_end && self.written.elapsed() < self.every;
        if is_early && matches!(incoming, Incoming::Many(_)) {
            // To compare all places takes long.
            return Ok(false);
        }
        let standing = incoming.standing();
        if standing.is_none() || standing == self.standing {
            return Ok(true);
        }
        if is_early {
            return Ok(false);
        }
        self.replace(standing)?;
        Ok(true)
    }

    /// Keeps a message as the next one of its channel: it has come, and was not printed.
    pub(super) fn keep_before(
        &mut self,
        incoming: &Incoming,
        (channel, seq): &(ChannelName, u64),
    ) -> Result<(), Failure> {
        let mut standing = incoming.standing();
        if let Some(standing) = &mut standing {
            standing.back_to(channel, *seq);
        }
        if standing.is_none() || standing == self.standing {
            return Ok(());
        }
        self.replace(standing)
    }

    fn replace(&mut self, standing: Option<Standing>) -> Result<(), Failure> {
        let Some((path, channels)) = &self.file else {
            return Ok(());
        };
        let begun = Instant::now();
        if let Some(standing) = &standing {
            let state = write(channels, standing);
            whole_file::replace_durably(path, &format!("{state}\n")).map_err(|error| {
                Failure::Other(format!(
                    "cannot write the state {}: {error}",
                    path.display()
                ))
            })?;
        }
        self.standing = standing;
        self.written = Instant::now();
        self.every = EVERY.max(begun.elapsed() * PAUSE);
        Ok(())
    }
}

fn write(channels: &[Pattern], standing: &Standing) -> Value {
    let place = |channel: &str, epoch: Epoch, next: u64| json!({ "channel": channel, "epoch": epoch.to_string(), "next": next });
    match standing {
        Standing::One(epoch, next) => place(&text(channels), *epoch, *next),
        Standing::Many(places) => {
            let of = |one: &Place| place(one.channel.as_str(), one.epoch, one.from);
            let places: Vec<_> = places.iter().map(of).collect();
            json!({ "channels": text(channels), "places": places })
        }
    }
}

/// The channels and patterns, as they are given to the command.
fn text(channels: &[Pattern]) -> String {
    let all = channels.iter().map(ToString::to_string);
    all.collect::<Vec<_>>().join(" ")
}

fn read(path: &Path, channels: &[Pattern]) -> Result<Option<Standing>, Failure> {
    let name = path.display();
    let found = match fs::read_to_string(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::Other(format!(
                "cannot read the state {name}: {error}"
            )));
        }
    };
    let Some((kept, standing)) = understand(&found) else {
        return Err(Failure::Other(format!(
            "{name} is not a state that this command has written; remove it to begin with --from"
        )));
    };
    let wanted = text(channels);
    if kept == wanted {
        return Ok(Some(standing));
    }
    let kept = kept.escape_debug();
    Err(Failure::Other(match standing {
        Standing::One(..) if !wanted.contains([' ', '*']) => format!(
            "{name} is the state of channel {kept}, not of {wanted}: each channel needs a file of its own"
        ),
        _ => format!(
            "{name} is the state of {kept}, not of {wanted}: give the same channels, or another file"
        ),
    }))
}

fn understand(found: &str) -> Option<(String, Standing)> {
    let state: Value = serde_json::from_str(found).ok()?;
    if let Some(channels) = state.get("channels") {
        let places = state.get("places")?.as_array()?.iter();
        let places = places.map(|one| {
            let (channel, epoch, next) = place(one)?;
            Some(Place::new(channel.parse().ok()?, epoch, next))
        });
        let standing = Standing::Many(places.collect::<Option<_>>()?);
        return Some((channels.as_str()?.to_owned(), standing));
    }
    let (channel, epoch, next) = place(&state)?;
    Some((channel, Standing::One(epoch, next)))
}

fn place(value: &Value) -> Option<(String, Epoch, u64)> {
    let channel = value.get("channel")?.as_str()?.to_owned();
    let epoch = value.get("epoch")?.as_str()?.parse().ok()?;
    Some((channel, epoch, value.get("next")?.as_u64()?))
}
