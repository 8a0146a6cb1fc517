//! `tenfold inspect`: the framing doctor.
//!
//! The crate `tenfold_doctor` finds frames, and the causes of broken ones. This module shows what it
//! finds, and reads the bytes:
//!
//! ```text
//!   track                               one direction of a stream: the walker, and its rows
//!   rows, fields, preview, dump, report frames and findings as text or JSON
//!   sheet, shown                        the way of rows to stdout
//!   stream, between, recording, capture where bytes come from: a file, stdin or a connection; a
//!                                       proxy, and the files that the proxy wrote; and packets
//! ```

mod between;
mod capture;
mod dump;
mod fields;
mod preview;
mod recording;
mod report;
mod rows;
mod sheet;
mod shown;
mod span;
mod stream;
mod track;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use tenfold::{Address, Framing, FramingError, Side};
use tenfold_doctor::{BEGINNING, Found, WORTH_NAMING, Walker, rank};

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::exposure::{Exposure, NetworkOptions};
use crate::flow::input::Input;
use crate::flow::options::{PeerOptions, SideName, side_of_file};
use crate::flow::origin::{address_in, open_file};
use crate::flow::payload::Payload;
use crate::stderr;
use crate::units;
use crate::words::{Color, Words};

use fields::Field;
use rows::Columns;
use sheet::Sheet;
use span::Span;

/// Show what is in a stream, or what is wrong with it, where, and what it looks like
#[derive(Args, Debug)]
#[command(after_help = "\
A row for each message, then a summary. Where the stream breaks, the bytes around the place, the
likely cause, and a framing that would have worked are shown; the exit code is then 4.
--between is a proxy between a client and a server: it passes everything on as it comes, whether it
can be decoded or not, and shows both directions until it is interrupted. Rows that nobody reads
hold nothing up; beyond 16 MiB they are left out, and that is said. Bytes are shown and recorded as
they are, passwords as well. --timeout is for the connection to the second address.

Examples:
  tenfold inspect capture.bin
  tenfold inspect capture.bin --framing auto
  tenfold inspect capture.bin --hex 17
  tenfold inspect 127.0.0.1:10010 --json
  tenfold inspect capture.pcapng --stream 2 --framing postgres
  tenfold inspect --between :5433 :5432 --framing postgres --record session/
  tenfold inspect session/")]
pub(crate) struct Inspect {
    /// A file, a recording (directory), a capture (pcap), `-` for stdin, or an address to connect to
    #[arg(
        value_name = "FILE|ADDR|-",
        required_unless_present_any = ["listen", "between"],
        conflicts_with_all = ["listen", "between"]
    )]
    from: Option<OsString>,

    /// Listen at the first address, and pass everything on to and from the second
    #[arg(long, num_args = 2, value_names = ["LISTEN", "UPSTREAM"], conflicts_with = "listen")]
    between: Option<Vec<Address>>,

    /// Write what passes into this new directory: both streams of each connection, with times
    // `requires` alone is not enough: clap drops a requirement that conflicts with an argument that is given.
    #[arg(long, value_name = "DIR", requires = "between", conflicts_with_all = ["from", "listen"])]
    record: Option<PathBuf>,

    #[command(flatten)]
    peer: PeerOptions,

    #[command(flatten)]
    network: NetworkOptions,

    /// The framing, as one line: a preset or a rule (see `tenfold framings`); or `auto`, which tries
    /// them all and says which one explains the stream best
    #[arg(long, short = 'f', value_name = "FRAMING|auto")]
    framing: Option<Choice>,

    /// Whose frames these are, where client and server frame differently: of a file or of stdin
    #[arg(long, value_name = "SIDE")]
    side: Option<SideName>,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    /// Show one message, counted from 0, as a hex dump with its header
    #[arg(long, value_name = "N", conflicts_with_all = ["between", "summary"])]
    hex: Option<u64>,

    /// Show the value that is in each message as JSON, for messages of up to 64 KiB
    #[arg(long, value_name = "KIND", value_enum)]
    payload: Option<Payload>,

    /// Show these messages only, counted from 0: `10..20` has those from 10 to 19
    #[arg(long, value_name = "FROM..TO", conflicts_with_all = ["hex", "summary"])]
    messages: Option<Span>,

    /// Show numbers of each message beside it: `0:u8,2:u16be` (also i8 to i64le, f32be to f64le)
    #[arg(long, value_name = "OFFSET:TYPE,...", value_delimiter = ',', conflicts_with_all = ["hex", "summary"])]
    columns: Vec<Field>,

    /// Show this conversation of a capture of packets (pcap, pcapng), counted from 0
    #[arg(long, value_name = "N", conflicts_with_all = ["between", "listen"])]
    stream: Option<u64>,

    /// Take the bytes as they are, also those of a dump, an array of C, digits or base64
    #[arg(long)]
    raw: bool,

    /// Leave the rows out
    #[arg(long)]
    summary: bool,

    /// One JSON object on each line: messages, then what is wrong, then the summary
    #[arg(long)]
    json: bool,
}

/// `--framing`.
#[derive(Clone, Debug)]
enum Choice {
    Auto,
    Line(Framing),
}

impl FromStr for Choice {
    type Err = FramingError;

    fn from_str(text: &str) -> Result<Self, FramingError> {
        match text {
            "auto" => Ok(Self::Auto),
            line => line.parse().map(Self::Line),
        }
    }
}

/// Which side of which framing to read, or to find out.
#[derive(Clone, Debug)]
enum Reading {
    Auto,
    By(Side),
}

impl Reading {
    /// Whether these bytes are whole messages so, or explained better than by chance.
    fn fits(&self, bytes: &[u8], max_message: u64) -> bool {
        match self {
            Self::Auto => {
                let first = &bytes[..bytes.len().min(BEGINNING)];
                let ranked = rank(first, first.len() == bytes.len());
                let first = ranked.first();
                first.is_some_and(|first| first.trial.score() >= WORTH_NAMING)
            }
            Self::By(side) => {
                let (mut walker, mut messages) = (Walker::new(side, max_message), 0_u64);
                let mut count = |_: &_, found: Found<'_>| {
                    messages += u64::from(matches!(found, Found::Message(..)));
                };
                let read = walker
                    .take(bytes, &mut count)
                    .and_then(|()| walker.end(&mut count));
                read.is_ok() && messages > 0
            }
        }
    }
}

impl Inspect {
    pub(crate) fn run(&self, words: &Words, color: Color) -> Result<(), Failure> {
        let sheet = |columns| Sheet::open(self, columns, color);
        if let Some([listen, upstream]) = self.between.as_deref() {
            let framing = self.framing_of_both()?;
            self.peer.tls.check(&[listen, upstream])?;
            self.check_exposure(
                listen,
                "use what is behind it as if from this machine",
                words,
            )?;
            stderr::detach();
            return between::run(
                self,
                (listen, upstream),
                &framing,
                sheet(Columns::Directed)?,
                words,
            );
        }
        let from = self.from.as_deref().unwrap_or_else(|| OsStr::new("-"));
        if self.peer.listen.is_none() && address_in(from)?.is_none() && Path::new(from).is_dir() {
            self.check_recording("recording", "with one of the .bin files in it")?;
            return recording::show(self, Path::new(from), sheet(Columns::Directed)?);
        }
        if self.is_capture(from)? {
            self.check_recording("capture", "with a file of the bytes of one")?;
            return capture::show(self, Path::new(from), sheet(Columns::Directed)?, words);
        }
        if self.stream.is_some() {
            let says = "--stream is for captures of packets (pcap, pcapng), which have several";
            return Err(Failure::Usage(says.to_owned()));
        }
        let (input, reading, live) = self.open(from, words)?;
        let stream = stream::Stream::new(input, live, self.hex, self.raw);
        stream.run(
            reading,
            self.max_message,
            sheet(if live { Columns::Timed } else { Columns::Plain })?,
            words,
        )
    }

    /// Refuses an address at which strangers can do this, unless that is allowed.
    fn check_exposure(&self, address: &Address, can: &str, words: &Words) -> Result<(), Failure> {
        let exposure = Exposure {
            address,
            asks_clients: self.peer.tls.asks_clients(),
            can,
        };
        exposure.check(self.network, words)
    }

    /// Whether packets are to be read, and what they carry is to be shown.
    fn is_capture(&self, from: &OsStr) -> Result<bool, Failure> {
        let is_file = self.peer.listen.is_none() && address_in(from)?.is_none();
        Ok(is_file && !capture::is_frames(self.framing.as_ref()) && capture::is_one(from.as_ref()))
    }

    /// Opens a file, stdin or a connection: an input of one direction.
    fn open(&self, from: &OsStr, words: &Words) -> Result<(Input, Reading, bool), Failure> {
        let timeout = self.peer.timeout;
        let (input, side) = if let Some(address) = &self.peer.listen {
            self.check_exposure(address, "send what is shown here", words)?;
            let listener = connect::listen(address, &self.peer, "send ADDR", words)?;
            let (stream, name) = connect::accept(&listener, timeout, words)?;
            (Input::stream(stream, name), Some(SideName::Client))
        } else if let Some(address) = address_in(from)? {
            let stream = connect::connect(&address, &self.peer, words)?;
            let input = Input::stream(stream, address.to_string());
            (input, Some(SideName::Server))
        } else {
            self.peer.tls.check(&[])?;
            (open_file(from)?, None)
        };
        let reading = match (&self.framing, side) {
            (Some(Choice::Auto), _) => Reading::Auto,
            (choice, side) => Reading::By(self.side(&line(choice.as_ref()), side)?),
        };
        Ok((input.with_timeout(timeout), reading, side.is_some()))
    }

    fn side(&self, framing: &Framing, connected: Option<SideName>) -> Result<Side, Failure> {
        match (connected, self.side) {
            (Some(side), None) => Ok(side.of(framing).clone()),
            (Some(_), Some(_)) => Err(Failure::Usage(
                "--side is for files: whoever connects reads the server's bytes, and whoever listens reads the client's"
                    .to_owned(),
            )),
            (None, side) => side_of_file(framing, side).cloned(),
        }
    }

    fn framing_of_both(&self) -> Result<Framing, Failure> {
        match (&self.framing, self.side) {
            (Some(Choice::Auto), _) => Err(Failure::Usage(
                "--between passes bytes on before it has seen enough of them to guess: record them, and then \
                 inspect one direction with --framing auto"
                    .to_owned(),
            )),
            (_, Some(_)) => Err(Failure::Usage(
                "--side is for files: --between reads both sides".to_owned(),
            )),
            (choice, None) => Ok(line(choice.as_ref())),
        }
    }

    fn check_recording(&self, what: &str, instead: &str) -> Result<(), Failure> {
        let problem = match (&self.framing, self.hex, self.side) {
            (Some(Choice::Auto), ..) if what == "recording" => "--framing auto",
            (_, Some(_), _) => "--hex",
            (.., Some(_)) => "--side",
            _ => return Ok(()),
        };
        Err(Failure::Usage(format!(
            "a {what} has two directions: use {problem} {instead}"
        )))
    }
}

/// The framing that was chosen, or the native one.
fn line(choice: Option<&Choice>) -> Framing {
    match choice {
        Some(Choice::Line(framing)) => framing.clone(),
        _ => Framing::default(),
    }
}
