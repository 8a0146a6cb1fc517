//! `tenfold broadcast`: the same messages to everybody who connects.

mod feed;
mod relay;
mod report;

use std::ffi::OsString;
use std::path::Path;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use tenfold::tls::Server;
use tenfold::{Address, Encoder, Listener};
use tenfold_hub::{Broadcast as Engine, Observer, Options, Stats, WhenSlow, raise_fd_limit};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::exposure::Exposure;
use crate::flow::follow::Followed;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::listening::listening;
use crate::flow::options::{FramingOptions, InOptions, ListenOptions, ReportOptions, SideName};
use crate::flow::port_file;
use crate::flow::source::{In, Ticker};
use crate::flow::tls_server::TlsServerOptions;
use crate::signals::{Signal, Stop};
use crate::stderr;
use crate::units;
use crate::words::Words;
use feed::Feed;
use relay::Relay;

/// Send the lines of stdin, or of a file, to everybody who connects
#[derive(Args, Debug)]
#[command(after_help = "\
Ends when its source does: everything is handed over to every client, and the connections are
closed between two messages. What is sent while nobody is connected is lost (--wait-clients).

Examples:
  seq 1000 | tenfold broadcast --wait-clients 1
  tenfold broadcast --every 3s 'The time is {time}'
  tenfold broadcast --listen 127.0.0.1:0 --listen unix:/tmp/news --follow log.txt
  tenfold broadcast --in frames --framing u32be recorded.bin")]
pub(crate) struct Broadcast {
    /// The messages, in a file or in stdin (`-`, the default); with --every, the messages themselves
    #[arg(value_name = "FILE|MESSAGE")]
    arguments: Vec<OsString>,

    /// Where clients connect; may be given several times
    #[arg(
        long,
        short = 'l',
        value_name = "ADDR",
        default_value = "127.0.0.1:10010"
    )]
    listen: Vec<Address>,

    #[command(flatten)]
    listening: ListenOptions,

    #[command(flatten)]
    framing: FramingOptions,

    #[command(flatten)]
    input: InOptions,

    /// Send the messages in turn, one at once and one every T; `{time}` in them is the local time
    #[arg(long, value_name = "T", value_parser = units::duration, conflicts_with_all = ["format", "json"])]
    every: Option<Duration>,

    /// Another message for --every
    #[arg(long, short = 'm', value_name = "TEXT", requires = "every")]
    message: Vec<OsString>,

    /// Send this to each client first
    #[arg(long, value_name = "TEXT")]
    welcome: Option<String>,

    /// Wait until N clients are connected before the first message
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    wait_clients: usize,

    /// What to do about a client that is too far behind: hold the source, close the client, or leave
    /// out messages for it. `wait=T` closes it after T [default: wait=30s; with --every and
    /// --follow: close]
    #[arg(long, value_name = "wait[=T]|close|skip", value_parser = when_slow)]
    when_slow: Option<WhenSlow>,

    /// At the end, close a client that has taken nothing for T
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    drain: Duration,

    /// Wait for more at the end of FILE, as `tail -F` does: also when it is renamed, truncated or made
    /// again
    #[arg(long, requires = "arguments", conflicts_with = "every")]
    follow: bool,

    /// Stop after N messages; it is a failure if there are fewer
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    report: ReportOptions,

    #[command(flatten)]
    tls: TlsServerOptions,
}

fn when_slow(text: &str) -> Result<WhenSlow, String> {
    match text {
        "wait" => Ok(WhenSlow::default()),
        "close" => Ok(WhenSlow::Close),
        "skip" => Ok(WhenSlow::Skip),
        _ => match text.strip_prefix("wait=") {
            Some(time) => units::duration(time).map(WhenSlow::Wait),
            None => Err("write wait, wait=T, close or skip".to_owned()),
        },
    }
}

/// How the sending ended.
enum Outcome {
    SourceEnded(Result<(), Failure>),
    Stopped(Signal),
}

impl Broadcast {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let options = self.options(words)?;
        let feed = self.feed(words)?;
        stderr::detach();
        let stop = Stop::watch()?;
        // Thousands of clients are more than the usual limit allows. With less it works as well.
        let _ = raise_fd_limit();
        let listeners = self.listen(words)?;
        let runtime =
            Runtime::new().map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let (outcome, stats) = runtime.block_on(async {
            let engine = Engine::start(listeners, options)
                .map_err(|error| Failure::Other(format!("cannot listen: {error}")))?;
            let outcome = self.serve(&engine, feed, stop, words).await;
            words.progress("handing over what is left ...");
            Ok((outcome, engine.drain().await))
        })?;
        let result = self.judge(outcome, &stats);
        report::at_end(&stats, &result, self.report.is_json(), words);
        result
    }

    /// Sends until the source ends or a signal comes.
    async fn serve(&self, engine: &Engine, feed: Feed, mut stop: Stop, words: &Words) -> Outcome {
        let (done, mut ended) = oneshot::channel();
        let (tail, goal, speaker) = (engine.tail().clone(), Goal::new(self.count), words.clone());
        let mut start = Some(move || {
            // A thread of its own, for it waits: for input, for the clock, for slow clients.
            thread::spawn(move || {
                let _ = done.send(feed.run(&tail, &goal, &speaker));
            });
        });
        let mut rates = report::Rates::new();
        loop {
            tokio::select! {
                () = engine.wait_clients(self.wait_clients), if start.is_some() => {
                    if let Some(start) = start.take() {
                        start();
                    }
                }
                Ok(result) = &mut ended => return Outcome::SourceEnded(result),
                signal = stop.wait() => return Outcome::Stopped(signal),
                () = rates.due(), if words.is_terminal() => words.progress(rates.line(&engine.stats())),
            }
        }
    }

    fn judge(&self, outcome: Outcome, stats: &Stats) -> Result<(), Failure> {
        match outcome {
            Outcome::Stopped(Signal::Interrupt) => return Err(Failure::Interrupted),
            Outcome::Stopped(Signal::Terminate) => {}
            Outcome::SourceEnded(result) => result?,
        }
        if stats.stalled > 0 {
            return Err(Failure::Other(format!(
                "{} did not take the end within {:?} (--drain)",
                report::clients(stats.stalled),
                self.drain
            )));
        }
        Ok(())
    }

    fn options(&self, words: &Words) -> Result<Options, Failure> {
        let lasting = self.every.is_some() || self.follow;
        let mut options = Options::new(match self.when_slow {
            Some(chosen) => chosen,
            None if lasting => WhenSlow::Close,
            None => WhenSlow::default(),
        });
        options.drain = self.drain;
        options.welcome = self.welcome()?;
        let words = words.clone();
        options.observer = Observer::new(move |event| report::on_event(&event, &words));
        Ok(options)
    }

    /// The first frame of each client.
    fn welcome(&self) -> Result<Bytes, Failure> {
        let side = self.framing.framing.server();
        if side.steps().len() > 1 {
            return Err(Failure::Usage(format!(
                "the first messages are framed differently in {side}, and a client can come at any time: \
                 a broadcast needs one step"
            )));
        }
        let mut frame = Vec::new();
        if let Some(text) = &self.welcome {
            Encoder::new(side)
                .encode(text.as_bytes(), &mut frame)
                .map_err(|error| Failure::Usage(format!("cannot frame --welcome: {error}")))?;
        }
        Ok(frame.into())
    }

    fn open(&self, words: &Words) -> Result<Input, Failure> {
        let file = match self.arguments.as_slice() {
            [] => Path::new("-"),
            [file] => Path::new(file),
            _ => {
                return Err(Failure::Usage(
                    "one FILE is read; messages are given with --every T, or through stdin"
                        .to_owned(),
                ));
            }
        };
        match (self.follow, self.input.format()) {
            (false, _) if file.as_os_str() == "-" => Input::messages(self.input.format(), words),
            (false, _) => Input::file(file),
            (true, In::Whole) => Err(Failure::Usage(
                "--follow never comes to the end that --in whole waits for".to_owned(),
            )),
            (true, _) if file.as_os_str() == "-" => Err(Failure::Usage(
                "--follow is for a file: stdin is waited for anyway".to_owned(),
            )),
            (true, _) => Ok(Input::followed(
                Followed::new(file.to_owned(), words)?,
                file,
            )),
        }
    }

    fn feed(&self, words: &Words) -> Result<Feed, Failure> {
        let framing = &self.framing.framing;
        let (limits, to) = (self.framing.limits(), framing.server());
        if let Some(every) = self.every {
            let messages = [&self.arguments[..], &self.message].concat();
            let ticker = Ticker::of(&messages, every)?;
            return Ok(Feed::messages(Box::new(ticker), to));
        }
        let input = self.open(words)?;
        let from = self.framing.side.unwrap_or(SideName::Server).of(framing);
        Ok(match self.input.format() {
            In::Frames if from == to => Feed::Relay(Box::new(Relay::new(input, to, limits))),
            format => Feed::messages(format.open(input, from, limits), to),
        })
    }

    fn listen(&self, words: &Words) -> Result<Vec<Listener>, Failure> {
        let mut listeners = Vec::new();
        let mut places = Vec::new();
        let server = self.tls.load(&self.listen)?;
        for finding in server.iter().flat_map(Server::findings) {
            words.warning(finding);
        }
        for address in &self.listen {
            let exposure = Exposure {
                address,
                asks_clients: self.tls.asks(),
                can: "have what is sent",
            };
            exposure.tell(words)?;
            let server = server.as_ref().filter(|_| address.is_tls());
            let (listener, place) = connect::bind_as(server, address, &self.listening)?;
            places.push(place);
            listeners.push(listener);
        }
        for place in &places {
            words.note(listening(place, "recv ADDR"));
        }
        if let Some(path) = &self.listening.port_file {
            port_file::write(path, &places)?;
        }
        Ok(listeners)
    }
}
