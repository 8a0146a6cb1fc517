//! `tenfold sub`: print the messages of a channel.

mod incoming;
mod pace;
mod printing;
mod state;
mod times;
mod unpublished;

use std::future::{Future, pending};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use clap::ValueEnum;
use tenfold::Framing;
use tenfold::asynchronous::{Follower, Subscriber};
use tenfold::client::{Follow, OnGap, Subscribe};
use tenfold::protocol::{ChannelName, MAX_PATTERNS, Pattern, Position};
use tokio::runtime;

use crate::failure::Failure;
use crate::flow::goal::Goal;
use crate::flow::hub_client::{self, Outages};
use crate::flow::options::HubPeer;
use crate::flow::place::place;
use crate::flow::printing::{PrintOptions, Printer};
use crate::flow::pump::Sink;
use crate::flow::time_text::TimeText;
use crate::numbers::counted;
use crate::signals::{Signal, Stop};
use crate::units;
use crate::words::Words;
use incoming::{Incoming, Standing};
use pace::Pace;
use printing::Printing;
use state::StateFile;
use times::Times;

/// Print the messages of one or more of a hub's channels
#[derive(Args, Debug)]
#[command(after_help = "\
A connection that breaks is made again, and goes on with the message that comes next: each
is printed once. When messages are missing that the hub no longer has, it says which, and
ends.

CHANNEL may be a pattern, such as 'quotes.*', and several can be given. Then each line begins with
the name of the channel and a tab, and --format has %c for it. Channels that appear later are
printed from their first message. Order is kept within each channel.

--out json has the seq of each message, its channel, and when the hub has committed it. CMD of
--exec finds the same in TENFOLD_SEQ, TENFOLD_CHANNEL and TENFOLD_TIME.

--exec runs CMD with the shell; exit code 0 says that the message is done with. After any other,
and after a signal, it ends with exit code 1 and says at which message that was; with --state, the
next run begins with that message.

Examples:
  tenfold sub ticks
  tenfold sub ticks --from first --until-end --out json
  tenfold sub ticks --from -10 --count 10
  tenfold sub ticks --from 1h --format '%T %s %m'
  tenfold sub ticks --from 2026-11-26 --speed 10
  tenfold sub ticks --from first --state ticks.state >> ticks.txt
  tenfold sub orders --state orders.state --exec ./book-order
  tenfold sub metrics --payload cbor
  tenfold sub 'quotes.*' ticks --from first --state quotes.state")]
pub(crate) struct Sub {
    /// The channel; or several, and patterns: the start of names and *
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<Pattern>,

    /// Where to begin: first (the oldest that is kept), next, last (the newest), a seq, -N (the last N),
    /// how long ago (1h), or a time (2026-11-26, 2026-11-26T18:44, @ and unix seconds)
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "next",
        value_parser = place,
        allow_hyphen_values = true
    )]
    from: Position,

    /// Print messages as far apart as they were committed, or so many times as fast: 1, 10, 0.5
    #[arg(long, value_name = "TIMES", value_parser = pace::speed)]
    speed: Option<f64>,

    /// End after the newest message that the hub has when the command begins
    #[arg(long)]
    until_end: bool,

    /// End after N messages; it is a failure if there are fewer
    #[arg(long, short = 'n', value_name = "N", value_parser = units::count::<u64>)]
    count: Option<u64>,

    /// What to do when messages are missing
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_gap: WhenMissing,

    /// Keep the place in this file, and go on from there in the next run; --from is for the first
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,

    #[command(flatten)]
    printing: PrintOptions,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    #[command(flatten)]
    hub: HubPeer,

    /// Give up when no message comes for T, also while there is no connection
    #[arg(long, value_name = "T", value_parser = units::duration)]
    timeout: Option<Duration>,
}

/// `--on-gap`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum WhenMissing {
    /// End with an error
    #[default]
    Stop,
    /// Warn, and go on after them
    Continue,
}

impl From<WhenMissing> for OnGap {
    fn from(what: WhenMissing) -> Self {
        match what {
            WhenMissing::Stop => Self::Stop,
            WhenMissing::Continue => Self::Continue,
        }
    }
}

/// The channel, if it is one.
fn one(channels: &[Pattern]) -> Option<ChannelName> {
    match channels {
        [pattern] => pattern.to_string().parse().ok(),
        _ => None,
    }
}

impl Sub {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let printer = self.printing.printer(words)?;
        let mut state = StateFile::open(self.state.as_deref(), &self.channels)?;
        let mut incoming = self.incoming(&state)?;
        let mut printing = self.printing(printer, &incoming, words)?;
        let mut stop = Stop::watch_and_end_soon()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let result = runtime.block_on(async {
            let mut is_kept = true;
            while self
                .go_on(&mut incoming, &mut printing, &mut stop, is_kept)
                .await?
            {
                is_kept = state.keep(&incoming, printing.at_once)?;
            }
            Ok(())
        });
        // What came before a message that cannot be printed is printed.
        let flushed = printing.sink.flush();
        // Nothing is kept that was not printed.
        if printing.sink.is_empty() {
            match &printing.failed_at {
                Some(message) => state.keep_before(&incoming, message)?,
                None => drop(state.keep(&incoming, true)?),
            }
        }
        let messages = printing.sink.messages();
        words.detail(format_args!("{}", counted(messages, "message")));
        result.and(flushed).and_then(|()| printing.goal.check("it"))
    }

    fn printing(
        &self,
        printer: Printer,
        incoming: &Incoming,
        words: &Words,
    ) -> Result<Printing, Failure> {
        let format = self.printing.format(Framing::default().server(), &printer);
        let wants_time = self.printing.wants_time(&format) || self.speed.is_some();
        if self.speed.is_some() && matches!(incoming, Incoming::Many(_)) {
            return Err(Failure::Usage(
                "--speed is for one channel: of many, each comes by itself, and not in the order of time"
                    .to_owned(),
            ));
        }
        let times = wants_time.then(|| Times::new(&self.hub, words));
        Ok(Printing {
            // A command that fails must find no message kept that it has not done with, and none again
            // that it has.
            at_once: printer.is_command(),
            sink: Sink::new(format, printer, words).on_bad(self.printing.on_bad()),
            are_many: matches!(incoming, Incoming::Many(_)),
            times,
            time_text: TimeText::default(),
            pace: self.speed.map(Pace::new),
            failed_at: None,
            goal: Goal::new(self.count),
            outages: Outages::new(&self.hub.server, words),
            unpublished: Some((self.hub.clone(), self.channels.clone())),
            words: words.clone(),
            last: Instant::now(),
        })
    }

    fn incoming(&self, state: &StateFile) -> Result<Incoming, Failure> {
        let hub = self.hub.server.clone();
        if let Some(channel) = one(&self.channels) {
            let subscriber =
                Subscriber::new(hub, self.subscribe(channel.clone(), state.standing()));
            return Ok(Incoming::One(Box::new(subscriber), channel));
        }
        if self.channels.len() > MAX_PATTERNS {
            let words = format!("at most {MAX_PATTERNS} channels and patterns can be given");
            return Err(Failure::Usage(words));
        }
        if let Position::Seq(_) = self.from {
            let words =
                "many channels have no seq in common: say --from first, next, last, -N or @TIME";
            return Err(Failure::Usage(words.to_owned()));
        }
        let follower = Follower::new(hub, self.follow(state.standing()));
        Ok(Incoming::Many(Box::new(follower)))
    }

    fn subscribe(&self, channel: ChannelName, standing: Option<&Standing>) -> Subscribe {
        let mut options = Subscribe::new(channel)
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls())
            .from(self.from)
            .limit(self.max_message)
            .until_connected(self.hub.until_connected())
            .once_connected(self.hub.once_connected())
            .on_gap(self.on_gap.into());
        if self.until_end {
            options = options.until_end();
        }
        match standing {
            Some(Standing::One(epoch, next)) => options.from(Position::Seq(*next)).epoch(*epoch),
            _ => options,
        }
    }

    fn follow(&self, standing: Option<&Standing>) -> Follow {
        let mut options = Follow::new(self.channels.clone())
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls())
            .from(self.from)
            .limit(self.max_message)
            .until_connected(self.hub.until_connected())
            .once_connected(self.hub.once_connected())
            .on_gap(self.on_gap.into());
        if self.until_end {
            options = options.until_end();
        }
        match standing {
            Some(Standing::Many(places)) => options.resume(places.clone()),
            _ => options,
        }
    }

    /// Waits for what comes next, and prints all that is there; but not for long if the place
    /// `is_kept` only up to an earlier one. False at the end.
    async fn go_on(
        &self,
        incoming: &mut Incoming,
        printing: &mut Printing,
        stop: &mut Stop,
        is_kept: bool,
    ) -> Result<bool, Failure> {
        let event = tokio::select! {
            biased;
            signal = stop.wait() => return match signal {
                Signal::Interrupt => Err(Failure::Interrupted),
                Signal::Terminate => Ok(false),
            },
            event = self.patiently(printing.last, incoming.next()) => event?,
            () = tokio::time::sleep(state::EVERY), if !is_kept => return Ok(true),
        };
        let Some(event) = event.map_err(|error| hub_client::failure(&error, &self.hub.server))?
        else {
            return Ok(false);
        };
        let before = printing.sink.messages();
        printing.take(event, stop).await?;
        while !printing.is_handed_over() && !printing.is_over() {
            match incoming.buffered() {
                Some(event) => printing.take(event, stop).await?,
                None => break,
            }
        }
        printing.sink.flush()?;
        if printing.sink.messages() > before {
            printing.last = Instant::now();
        }
        Ok(!printing.is_over())
    }

    /// With the patience of `--timeout`, which counts from the last message, also while the hub is away.
    async fn patiently<T>(
        &self,
        last: Instant,
        event: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let late = async {
            match self.timeout {
                Some(time) => tokio::time::sleep_until((last + time).into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            event = event => Ok(event),
            () = late => Err(Failure::TimedOut(format!(
                "no message came from {} for {:?} (--timeout)",
                self.hub.server,
                self.timeout.unwrap_or_default()
            ))),
        }
    }
}
