//! What the proxy wrote down: a directory with both streams of each connection, and their times.
//!
//! ```text
//!   recording.json    the format's version, the framing, the start, the upstream address
//!   0.client.bin      the bytes of the client of connection 0, as they came
//!   0.server.bin      those of its server
//!   0.times           a line for each read: microseconds since the start, whose, how many bytes;
//!                     0 bytes are the end of that direction
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use jiff::{SignedDuration, ZonedDateTime};
use serde_json::{Value, json};
use tenfold::{Address, Framing};
use tenfold_doctor::Lengths;

use super::rows::{Stamp, Who};
use super::sheet::Sheet;
use super::track::Track;
use super::{Choice, Inspect};
use crate::failure::Failure;
use crate::signals::Stop;

/// The version of the format.
const VERSION: u64 = 1;

/// The name of the file that makes a directory a recording.
const ABOUT: &str = "recording.json";

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Writes a recording.
#[derive(Debug)]
pub(super) struct Recorder {
    dir: PathBuf,
    start: Instant,
    connections: Mutex<Vec<Option<Files>>>,
}

/// The files of a connection that has not ended in both directions.
#[derive(Debug)]
struct Files {
    streams: [File; 2],
    times: File,
    ended: u8,
}

impl Recorder {
    /// Makes the directory, which must not be there or be empty.
    pub(super) fn create(
        dir: &Path,
        framing: &Framing,
        upstream: &Address,
    ) -> Result<Self, Failure> {
        let cannot = |error: io::Error| cannot_write(dir, &error);
        fs::create_dir_all(dir).map_err(cannot)?;
        if fs::read_dir(dir).map_err(cannot)?.next().is_some() {
            return Err(Failure::Usage(format!(
                "{} is not empty: --record begins a new directory",
                dir.display()
            )));
        }
        // The same moment by both clocks.
        let (started, start) = (ZonedDateTime::now(), Instant::now());
        let about = json!({
            "version": VERSION,
            "framing": framing.to_string(),
            "started": started.timestamp().to_string(),
            "upstream": upstream.to_string(),
        });
        fs::write(dir.join(ABOUT), format!("{about}\n")).map_err(cannot)?;
        Ok(Self {
            dir: dir.to_owned(),
            start,
            connections: Mutex::default(),
        })
    }

    /// Writes down what one read brought; nothing is the end.
    pub(super) fn record(&self, who: Who, bytes: &[u8]) -> Result<(), Failure> {
        let mut connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.write(&mut connections, who, bytes)
            .map_err(|error| cannot_write(&self.dir, &error))
    }

    fn write(
        &self,
        connections: &mut Vec<Option<Files>>,
        who: Who,
        bytes: &[u8],
    ) -> io::Result<()> {
        let number = usize::try_from(who.connection).unwrap_or(usize::MAX);
        while connections.len() <= number {
            connections.push(Some(Files::create(&self.dir, connections.len())?));
        }
        let Some(files) = &mut connections[number] else {
            return Ok(());
        };
        let micros = self.start.elapsed().as_micros();
        // The bytes first: a time that is there speaks of bytes that are there.
        files.streams[usize::from(!who.client)].write_all(bytes)?;
        let time = format!("{micros} {} {}\n", who.name(), bytes.len());
        files.times.write_all(time.as_bytes())?;
        if bytes.is_empty() {
            files.ended += 1;
            if files.ended == 2 {
                connections[number] = None;
            }
        }
        Ok(())
    }

    /// Connections that were recorded.
    pub(super) fn connections(&self) -> u64 {
        let connections = self
            .connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        connections.len() as u64
    }
}

impl Files {
    fn create(dir: &Path, connection: usize) -> io::Result<Self> {
        let file = |name: &str| {
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(dir.join(format!("{connection}.{name}")))
        };
        Ok(Self {
            streams: [file("client.bin")?, file("server.bin")?],
            times: file("times")?,
            ended: 0,
        })
    }
}

/// Shows a recording, one connection after the other.
pub(super) fn show(options: &Inspect, dir: &Path, mut sheet: Sheet) -> Result<(), Failure> {
    let stop = Stop::watch()?;
    let about = About::read(dir)?;
    let framing = match &options.framing {
        Some(Choice::Line(framing)) => framing.clone(),
        _ => about.framing.clone(),
    };
    sheet.title();
    let mut lengths = <[Lengths; 2]>::default();
    let mut broken = false;
    let mut connection = 0;
    while dir.join(format!("{connection}.times")).exists() && !stop.came() {
        let mut shown = Shown {
            dir,
            about: &about,
            connection,
            tracks: [true, false].map(|client| {
                let side = if client {
                    framing.client()
                } else {
                    framing.server()
                };
                Track::new(side, options.max_message, Some(Who { connection, client }))
            }),
            reported: [false; 2],
            lengths: &mut lengths,
        };
        shown.run(&mut sheet, &stop)?;
        broken |= shown.reported.contains(&true);
        connection += 1;
    }
    sheet.both(&lengths, [framing.client(), framing.server()]);
    sheet.flush()?;
    stop.outcome()?;
    if broken {
        Err(Failure::Diagnosed)
    } else {
        Ok(())
    }
}

/// What a recording says about itself.
#[derive(Debug)]
struct About {
    framing: Framing,
    started: ZonedDateTime,
}

impl About {
    fn read(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(ABOUT);
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::Other(format!(
                "{} is a directory and no recording: cannot read {}: {error}",
                dir.display(),
                path.display()
            ))
        })?;
        Self::parse(&text)
            .map_err(|problem| Failure::Other(format!("{}: {problem}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let about: Value =
            serde_json::from_str(text).map_err(|error| format!("this is not JSON: {error}"))?;
        match about["version"].as_u64() {
            Some(VERSION) => {}
            version => {
                return Err(format!(
                    "version {version:?} is not known here, only {VERSION}"
                ));
            }
        }
        let field = |name: &str| {
            about[name]
                .as_str()
                .ok_or_else(|| format!("\"{name}\" is missing"))
        };
        let framing = field("framing")?
            .parse::<Framing>()
            .map_err(|error| error.to_string())?;
        let started: jiff::Timestamp = field("started")?
            .parse()
            .map_err(|error| format!("{error}"))?;
        Ok(Self {
            framing,
            started: started.to_zoned_datetime(jiff::tz::TimeZone::system()),
        })
    }

    fn stamp(&self, micros: i64) -> Stamp {
        let time = self
            .started
            .checked_add(SignedDuration::from_micros(micros));
        Stamp::of(time.as_ref().unwrap_or(&self.started))
    }
}

/// A connection that is shown.
struct Shown<'a> {
    dir: &'a Path,
    about: &'a About,
    connection: u64,
    tracks: [Track; 2],
    reported: [bool; 2],
    lengths: &'a mut [Lengths; 2],
}

impl Shown<'_> {
    fn run(&mut self, sheet: &mut Sheet, stop: &Stop) -> Result<(), Failure> {
        let path = self.dir.join(format!("{}.times", self.connection));
        let mut times =
            BufReader::new(File::open(&path).map_err(|error| cannot_read(&path, &error))?);
        let mut streams = [self.open("client")?, self.open("server")?];
        let mut last = None;
        let mut line = String::new();
        loop {
            if stop.came() {
                return Ok(());
            }
            line.clear();
            times
                .read_line(&mut line)
                .map_err(|error| cannot_read(&path, &error))?;
            // Nothing more; or a line that a proxy had begun when it was killed, or its disk was full.
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            let damaged = || {
                Failure::Other(format!(
                    "{}: \"{}\" is not a time",
                    path.display(),
                    line.escape_debug()
                ))
            };
            let (micros, client, bytes) = parse_time(line).ok_or_else(damaged)?;
            let stamp = self.about.stamp(micros);
            let which = usize::from(!client);
            let read = self.take(which, &mut streams[which], bytes, &stamp, sheet)?;
            if read < bytes {
                return Err(Failure::Other(format!(
                    "{}: the times speak of {} bytes more than the stream has",
                    path.display(),
                    bytes - read
                )));
            }
            last = Some(stamp);
        }
        // Bytes that were written without their time.
        let stamp = last.unwrap_or_else(|| self.about.stamp(0));
        for which in [0, 1] {
            self.take(which, &mut streams[which], u64::MAX, &stamp, sheet)?;
        }
        Ok(())
    }

    fn open(&self, whose: &str) -> Result<File, Failure> {
        let path = self.dir.join(format!("{}.{whose}.bin", self.connection));
        File::open(&path).map_err(|error| cannot_read(&path, &error))
    }

    /// Shows this many bytes, or as many as there are; none are the end of the direction.
    fn take(
        &mut self,
        which: usize,
        stream: &mut File,
        bytes: u64,
        stamp: &Stamp,
        sheet: &mut Sheet,
    ) -> Result<u64, Failure> {
        let (track, lengths) = (&mut self.tracks[which], &mut self.lengths[which]);
        let rows = (!sheet.quiet).then_some(&sheet.rows);
        let mut left = bytes;
        let mut space = vec![0; CHUNK.min(usize::try_from(bytes).unwrap_or(CHUNK))];
        while left > 0 {
            let room = space.len().min(usize::try_from(left).unwrap_or(CHUNK));
            let n = stream
                .read(&mut space[..room])
                .map_err(|error| cannot_read(self.dir, &error))?;
            if n == 0 {
                break;
            }
            left -= n as u64;
            track.take(
                &space[..n],
                Some(stamp),
                rows,
                &mut sheet.batch,
                |_, found| lengths.note(found),
            );
        }
        if bytes == 0 {
            track.end(Some(stamp), rows, &mut sheet.batch, |_, found| {
                lengths.note(found);
            });
        }
        if track.is_broken() && !self.reported[which] {
            self.reported[which] = true;
            sheet.report(track);
        }
        sheet.flush_if_full()?;
        Ok(bytes - left)
    }
}

fn parse_time(line: &str) -> Option<(i64, bool, u64)> {
    let mut fields = line.split(' ');
    let micros = fields.next()?.parse().ok()?;
    let client = match fields.next()? {
        "client" => true,
        "server" => false,
        _ => return None,
    };
    let bytes = fields.next()?.parse().ok()?;
    fields.next().is_none().then_some((micros, client, bytes))
}

fn cannot_write(dir: &Path, error: &io::Error) -> Failure {
    Failure::Other(format!("cannot record in {}: {error}", dir.display()))
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::Other(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_three_fields() {
        assert_eq!(parse_time("1500 client 12"), Some((1500, true, 12)));
        assert_eq!(parse_time("0 server 0"), Some((0, false, 0)));
        for wrong in [
            "",
            "1500 client",
            "1500 who 12",
            "x client 12",
            "1 client 2 3",
            "1 client -2",
        ] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_newer_recording_is_refused() {
        let about = |version| {
            format!(r#"{{"version":{version},"framing":"git","started":"2026-01-02T03:04:05Z"}}"#)
        };
        assert_eq!(
            About::parse(&about(1)).unwrap().framing,
            "git".parse().unwrap()
        );
        assert!(About::parse(&about(2)).unwrap_err().contains("version"));
        assert!(About::parse("{}").is_err());
    }
}
