//! `--follow`: how far a file is published, so that the next run goes on there.
//!
//! The hub counts what it has of the producer, and the state says at which place of the file which count
//! was reached. So the messages that were committed after the state was written last are not sent again:
//!
//! ```text
//!   file     first .......... count .......... what is new
//!            |                |      ^
//!            offset 0         offset the hub's count: skip up to here
//! ```
//!
//! That holds in one file. So before the first message of the next file is sent (also of one that was truncated),
//! everything before it is acknowledged, and the state is at the next file's beginning.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenfold::Hubs;
use tenfold::protocol::{ChannelName, ProducerId};

use crate::failure::Failure;
use crate::flow::follow::{Followed, Origin, Place, Resumed};
use crate::flow::input::Input;
use crate::flow::whole_file;
use crate::numbers::counted;
use crate::random::random;
use crate::words::Words;

/// A file that is published while it grows.
#[derive(Debug)]
pub(super) struct Following {
    path: PathBuf,
    /// Where the state is; none if no place for it could be found.
    state: Option<PathBuf>,
    channel: ChannelName,
    producer: ProducerId,
    words: Words,
    /// What the last run has left.
    left: Option<Mark>,
    /// How many messages of the producer come before the next one of the file.
    seen: u64,
    /// How many the hub had at the beginning: so many are not sent.
    known: u64,
    /// The count at the beginning of the file that is being read.
    first: u64,
    /// Which of the files that is, once the state has its head.
    file: Option<u64>,
    /// Places that were sent and are not acknowledged.
    marks: VecDeque<Mark>,
    /// The newest place that is acknowledged and not written.
    reached: Option<Mark>,
    written: Instant,
}

/// A count of the producer's messages, and the place in a file where it was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    /// The count at the beginning of the file.
    first: u64,
    count: u64,
    /// None before anything of a file was read.
    place: Option<Place>,
}

/// The state is written at the most so often.
pub(super) const EVERY: Duration = Duration::from_millis(100);

impl Following {
    pub(super) fn open(
        path: &Path,
        state: Option<&Path>,
        (server, channel): (&Hubs, &ChannelName),
        producer: Option<&ProducerId>,
        words: &Words,
    ) -> Result<Self, Failure> {
        let cannot =
            |error: io::Error| Failure::Other(format!("cannot follow {}: {error}", path.display()));
        let path = std::path::absolute(path).map_err(cannot)?;
        let state = match state {
            Some(state) => Some(state.to_owned()),
            None => usual_place(&[
                // Mirrors that are added later change nothing.
                server.addresses()[0].to_string(),
                channel.to_string(),
                producer.map(ToString::to_string).unwrap_or_default(),
                path.display().to_string(),
            ])
            .inspect_err(|error| {
                words.warning(format_args!(
                    "no place to keep how far {} is published ({error}): the next run begins again from the start of the file, unless \
                     --state FILE says where",
                    path.display()
                ));
            })
            .ok(),
        };
        let kept = match state.as_deref() {
            Some(state) => read(state, &path, channel, producer)?,
            None => None,
        };
        let (producer, left) = match (kept, producer) {
            (Some((producer, left)), _) => (producer, Some(left)),
            (None, Some(producer)) => (producer.clone(), None),
            (None, None) => (made_up()?, None),
        };
        Ok(Self {
            path,
            state,
            channel: channel.clone(),
            producer,
            words: words.clone(),
            left,
            seen: 0,
            known: 0,
            first: 0,
            file: None,
            marks: VecDeque::new(),
            reached: None,
            written: Instant::now(),
        })
    }

    pub(super) fn producer(&self) -> &ProducerId {
        &self.producer
    }

    /// The file from where it goes on, when the hub has `known` messages of the producer.
    pub(super) fn begin(&mut self, mut file: Followed, known: u64) -> Result<Input, Failure> {
        self.known = known;
        (self.seen, self.first) = (known, known);
        if let Some(left) = self.left.take() {
            self.go_on(&mut file, left, known)?;
        }
        file.look()?;
        let origin = file.origin();
        self.file = (!origin.head.is_empty()).then_some(origin.files_before);
        // The made-up name of the producer is there before its first message.
        self.write(&Mark {
            first: self.first,
            count: self.seen,
            place: file.place(),
        })?;
        Ok(Input::followed(file, &self.path))
    }

    /// Finds the place that the last run has left.
    fn go_on(&mut self, file: &mut Followed, left: Mark, known: u64) -> Result<(), Failure> {
        let name = self.path.display();
        let Some(mut place) = left.place else {
            self.seen = left.first.min(known);
            self.first = self.seen;
            return Ok(());
        };
        let mut count = left.count;
        if known < count {
            // The hub has less than it had: what it has not is sent again, as far as it is in this file.
            let lost = left.first.saturating_sub(known);
            self.words.warning(format_args!(
                "the hub has {} of producer {}, and had {}: {name} is published again from there{}",
                counted(known, "message"),
                self.producer,
                left.count,
                if lost > 0 {
                    format!("; {} of earlier files are lost", counted(lost, "message"))
                } else {
                    String::new()
                }
            ));
            place.offset = 0;
            count = left.first.min(known);
        }
        let found = file
            .resume(&place, self.state.as_deref())
            .map_err(|error| Failure::Other(format!("cannot follow {name}: {error}")))?;
        let state = match &self.state {
            Some(state) => format!(" (as {} says)", state.display()),
            None => String::new(),
        };
        let published = counted(place.offset, "byte");
        match found {
            Resumed::There => {
                (self.seen, self.first) = (count, left.first.min(known));
                self.words
                    .note(format_args!("going on with {name} after {published}{state}"));
            }
            Resumed::Truncated => self.words.warning(format_args!(
                "{name} was truncated after {published} of it were published{state}: what was appended between that \
                 and the truncation is lost; going on from its beginning"
            )),
            Resumed::Gone => self.words.warning(format_args!(
                "{name} is not the file of which {published} were published{state}, and that file is not beside it: \
                 what was appended there since is lost; beginning with what is there now"
            )),
        }
        Ok(())
    }

    /// Whether the messages up to this place are the first of a file.
    pub(super) fn is_next_file(&self, place: Option<&Place>) -> bool {
        place.is_some_and(|place| self.file != Some(place.origin.files_before))
    }

    /// The messages up to this place are the first of a file, and the hub has acknowledged `count` messages of the
    /// producer.
    pub(super) fn begin_file(&mut self, place: Option<&Place>, count: u64) -> Result<(), Failure> {
        let Some(place) = place else { return Ok(()) };
        self.first = self.seen;
        self.file = Some(place.origin.files_before);
        self.keep(count, true)?;
        if self.seen > count {
            // Without acknowledgements the hub may not have it all.
            return Ok(());
        }
        self.write(&Mark {
            first: self.first,
            count: self.seen,
            place: Some(Place {
                offset: place.origin.start,
                origin: place.origin.clone(),
            }),
        })
    }

    /// Whether the next message is to be sent: the hub has not had it at the beginning.
    pub(super) fn is_new(&mut self) -> bool {
        self.seen += 1;
        self.seen > self.known
    }

    /// The messages up to this place were handed over.
    pub(super) fn end_batch(&mut self, place: Option<&Place>) {
        self.marks.push_back(Mark {
            first: self.first,
            count: self.seen,
            place: place.cloned(),
        });
    }

    /// Whether there is something to keep once it is acknowledged.
    pub(super) fn is_behind(&self) -> bool {
        self.reached.is_some() || !self.marks.is_empty()
    }

    /// Keeps the place up to which the hub has acknowledged `count` messages of the producer; not too often
    /// before the end.
    pub(super) fn keep(&mut self, count: u64, at_end: bool) -> Result<(), Failure> {
        while self.marks.front().is_some_and(|mark| mark.count <= count) {
            self.reached = self.marks.pop_front();
        }
        if !at_end && self.written.elapsed() < EVERY {
            return Ok(());
        }
        match self.reached.take() {
            Some(mark) => self.write(&mark),
            None => Ok(()),
        }
    }

    fn write(&mut self, mark: &Mark) -> Result<(), Failure> {
        let Some(path) = &self.state else {
            return Ok(());
        };
        let mut state = json!({
            "file": self.path.to_string_lossy(),
            "channel": self.channel.as_str(),
            "producer": self.producer.as_str(),
            "first": mark.first,
            "count": mark.count,
        });
        if let Some(place) = &mark.place {
            state["device"] = place.origin.file.0.into();
            state["inode"] = place.origin.file.1.into();
            state["head"] = STANDARD.encode(&place.origin.head).into();
            state["offset"] = place.offset.into();
        }
        whole_file::replace_durably(path, &format!("{state}\n")).map_err(|error| {
            Failure::Other(format!(
                "cannot write the state {}: {error}",
                path.display()
            ))
        })?;
        self.written = Instant::now();
        Ok(())
    }
}

/// A name that outlives this run.
fn made_up() -> Result<ProducerId, Failure> {
    let name = format!("follow-{:016x}", random());
    name.parse()
        .map_err(|error| Failure::Other(format!("no producer can be called {name}: {error}")))
}

/// Where the state of a file is kept, unless that is said.
fn usual_place(key: &[String]) -> io::Result<PathBuf> {
    let directory = |name: &str| {
        let path = PathBuf::from(env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let states = directory("XDG_STATE_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/state")))
        .ok_or_else(|| io::Error::other("HOME is not set"))?
        .join("tenfold");
    fs::create_dir_all(&states)?;
    // FNV-1a: the same name in each run and each version.
    let hash = key
        .join("\0")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Ok(states.join(format!("follow-{hash:016x}")))
}

fn read(
    path: &Path,
    file: &Path,
    channel: &ChannelName,
    producer: Option<&ProducerId>,
) -> Result<Option<(ProducerId, Mark)>, Failure> {
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
    let state: Value = serde_json::from_str(&text).unwrap_or_default();
    let Some((kept, mark)) = understand(&state) else {
        return Err(Failure::Other(format!(
            "{name} is not a state that this command has written; remove it to begin with all of {}",
            file.display()
        )));
    };
    let others = [
        ("file", file.to_string_lossy().into_owned()),
        ("channel", channel.to_string()),
        ("producer", producer.unwrap_or(&kept).to_string()),
    ];
    for (what, wanted) in others {
        let found = state[what].as_str().unwrap_or_default();
        if found != wanted {
            return Err(Failure::Other(format!(
                "{name} is the state of {what} {}, not of {wanted}: each needs a state of its own",
                found.escape_debug()
            )));
        }
    }
    Ok(Some((kept, mark)))
}

fn understand(state: &Value) -> Option<(ProducerId, Mark)> {
    let producer = state["producer"].as_str()?.parse().ok()?;
    let place = match state.get("offset") {
        None => None,
        Some(offset) => Some(Place {
            offset: offset.as_u64()?,
            origin: Origin {
                file: (state["device"].as_u64()?, state["inode"].as_u64()?),
                head: STANDARD.decode(state["head"].as_str()?).ok()?,
                ..Origin::default()
            },
        }),
    };
    let mark = Mark {
        first: state["first"].as_u64()?,
        count: state["count"].as_u64()?,
        place,
    };
    Some((producer, mark))
}
