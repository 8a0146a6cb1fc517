//! `tenfold talk`: a person at one end of a connection.

use std::io::Write;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use tenfold::{Address, Encoder, Event, Stream, closing};

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::console::{Console, Screen, Typed};
use crate::flow::exposure::Exposure;
use crate::flow::input::Input;
use crate::flow::options::{FramingOptions, PeerOptions, SideName};
use crate::flow::source::{Decoded, Source};
use crate::signals::Stop;
use crate::words::Words;

/// Send what you type to ADDR, and print what comes from there
#[derive(Args, Debug)]
#[command(after_help = "\
Each line is a message. On a terminal a line can be edited while messages come: they are printed
above it, and the arrow keys bring back lines of this run. Ctrl-D ends: the other side gets
everything and then the end of the stream, and a second to answer.

When stdin is not a terminal, its lines are sent, and what comes is printed, until both sides have
ended.

Examples:
  tenfold talk 127.0.0.1:5000
  tenfold talk --listen :5000
  tenfold talk :1883 --framing u32be
  printf 'one\\ntwo\\n' | tenfold talk :5000")]
pub(crate) struct Talk {
    /// Where to connect to
    #[arg(
        value_name = "ADDR",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    to: Option<Address>,

    #[command(flatten)]
    peer: PeerOptions,

    #[command(flatten)]
    framing: FramingOptions,
}

/// How one of the two directions ended.
#[derive(Debug)]
enum Over {
    /// Everything was typed and sent.
    Typed,
    /// The other side has ended.
    Peer,
    Failed(Failure),
}

/// How long a signal can go unnoticed.
const TICK: Duration = Duration::from_millis(100);

impl Talk {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let (stream, name) = self.connection(words)?;
        let stop = Stop::watch()?;
        let (ours, theirs) = match self.to {
            Some(_) => (SideName::Client, SideName::Server),
            None => (SideName::Server, SideName::Client),
        };
        let (ours, theirs) = (
            self.framing.side_of_connection(ours)?,
            self.framing.side_of_connection(theirs)?,
        );
        let failed = |error: std::io::Error| {
            Failure::Other(format!("cannot use the connection to {name}: {error}"))
        };
        let (over, ends) = mpsc::channel();
        let writing = Writing {
            stream: stream.try_clone().map_err(failed)?,
            encoder: Encoder::new(ours),
            name: name.clone(),
            words: words.clone(),
            over: over.clone(),
        };
        let limits = self.framing.limits();
        let console = Console::open("> ".to_owned(), limits.max_message, writing.on_line())?;
        words.note(format_args!(
            "talking to {name}; each line is a message{}",
            if console.is_edited() {
                ", Ctrl-D ends"
            } else {
                ""
            }
        ));
        let input = Input::stream(stream, name.clone()).with_timeout(self.peer.timeout);
        let mut source = Decoded::frames(input, theirs, limits);
        if self.peer.listen.is_some() {
            source = source.guarded();
        }
        hear(source, console.screen(), over);
        let result = until_over(&ends, &stop, console.is_edited());
        drop(console);
        if matches!(result, Ok(Over::Peer)) {
            words.note(format_args!("{name} has ended the connection"));
        }
        result.map(drop)
    }

    fn connection(&self, words: &Words) -> Result<(Stream, String), Failure> {
        if let Some(address) = &self.to {
            let stream = connect::connect(address, &self.peer, words)?;
            return Ok((stream, address.to_string()));
        }
        let Some(listen) = &self.peer.listen else {
            return Err(Failure::Usage("say where to connect to".to_owned()));
        };
        let exposure = Exposure {
            address: listen,
            asks_clients: self.peer.tls.asks_clients(),
            can: "talk to you",
        };
        exposure.tell(words)?;
        let listener = connect::listen(listen, &self.peer, "talk ADDR", words)?;
        connect::accept(&listener, self.peer.timeout, words)
    }
}

/// From the keyboard to the connection.
struct Writing {
    stream: Stream,
    encoder: Encoder,
    name: String,
    words: Words,
    over: mpsc::Sender<Over>,
}

impl Writing {
    /// Takes what is typed. A peer that takes nothing holds up only this.
    fn on_line(mut self) -> impl FnMut(Typed) -> bool + Send + 'static {
        move |typed| {
            let over = match typed {
                Typed::Line(line) => match self.send(&line) {
                    Ok(()) => return true,
                    Err(failure) => Over::Failed(failure),
                },
                Typed::End => match closing::end_writing(&self.stream) {
                    Ok(()) => Over::Typed,
                    Err(error) => Over::Failed(self.failure(&error)),
                },
                Typed::Failed(failure) => Over::Failed(failure),
            };
            // Nobody may be left to hear it.
            let _ = self.over.send(over);
            false
        }
    }

    fn send(&mut self, line: &[u8]) -> Result<(), Failure> {
        let mut frame = Vec::new();
        if let Err(error) = self.encoder.encode(line, &mut frame) {
            self.words.warning(format_args!("not sent: {error}"));
            return Ok(());
        }
        self.stream
            .write_all(&frame)
            .map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &std::io::Error) -> Failure {
        Failure::Other(format!("cannot send to {}: {error}", self.name))
    }
}

/// From the connection to the screen, on a thread of its own.
fn hear(mut source: Decoded, screen: Screen, over: mpsc::Sender<Over>) {
    thread::spawn(move || {
        let mut print = || loop {
            while let Some(event) = source.next()? {
                if let Event::Message(message) = event {
                    screen.line(message)?;
                }
            }
            if !source.wait()? {
                return Ok(());
            }
        };
        let ended = print();
        // Nobody may be left to hear it.
        let _ = over.send(ended.map_or_else(Over::Failed, |()| Over::Peer));
    });
}

/// Waits for the end. A pipe ends when both directions have. A person does not wait: after Ctrl-D no longer than
/// the other side needs to close, and when the other side ends, not at all.
fn until_over(ends: &mpsc::Receiver<Over>, stop: &Stop, is_edited: bool) -> Result<Over, Failure> {
    let (mut all_typed, mut peer_ended, mut deadline) = (false, false, None);
    loop {
        match ends.recv_timeout(TICK) {
            Ok(Over::Typed) => {
                all_typed = true;
                deadline = is_edited.then(|| Instant::now() + closing::WAIT);
            }
            Ok(Over::Peer) if is_edited && !all_typed => return Ok(Over::Peer),
            Ok(Over::Peer) => peer_ended = true,
            Ok(Over::Failed(failure)) => return Err(failure),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Over::Typed),
        }
        if stop.came() {
            return stop.outcome().map(|()| Over::Typed);
        }
        let is_late = deadline.is_some_and(|deadline: Instant| Instant::now() >= deadline);
        if all_typed && peer_ended || is_late {
            return Ok(Over::Typed);
        }
    }
}
