//! `tenfold pub`: messages to a channel.

mod batches;
mod following;
mod past;
mod report;

use std::ffi::OsString;
use std::future::{Future, pending};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tenfold::Framing;
use tenfold::asynchronous::Publisher;
use tenfold::client::{Error, Notice, Publish, Start};
use tenfold::protocol::{Acks, ChannelName, ProducerId};
use tokio::runtime;

use crate::failure::Failure;
use crate::flow::follow::Followed;
use crate::flow::goal::Goal;
use crate::flow::hub_client::{self, Outages};
use crate::flow::input::Input;
use crate::flow::options::{HubPeer, InOptions, ReportOptions};
use crate::flow::payload::Written;
use crate::flow::source::{In, Limits, Paced, Source, Ticker, given, payloads, rate};
use crate::numbers::{counted, grouped};
use crate::signals::{Signal, Stop};
use crate::units;
use crate::words::Words;
use batches::{Batch, Batches};
use following::Following;
use past::Past;
use report::Numbers;

/// Publish messages to a hub's channel: the arguments, or else what comes from stdin
#[derive(Args, Debug)]
#[command(after_help = "\
Without MESSAGE, or with the one MESSAGE `-`, messages are read from stdin, whether it is
a terminal or not. Ends when the hub has acknowledged everything. A connection that breaks
is made again, and each message is stored once.

With --producer the hub counts over several runs; the input comes after what the hub has.
With --history the input is everything that the producer has ever published: what the hub has
of it is compared and skipped, and an input that begins differently is an error.

With --follow a run goes on where the last one has ended, whatever ended it: each line is
published once.

Examples:
  tenfold pub ticks 'hello, world' 'second message'
  seq 10 | tenfold pub ticks
  tenfold pub ticks --producer meter7 17.25
  tenfold pub ticks --producer meter7 --history < meter7.txt
  tenfold pub ticks --every 3s 'The time is {time}'
  tenfold pub log --follow /var/log/app.log
  echo '{\"volt\": 3.3}' | tenfold pub metrics --payload cbor")]
pub(crate) struct Pub {
    /// The channel; the first message creates it
    #[arg(value_name = "CHANNEL")]
    channel: ChannelName,

    /// The messages
    #[arg(value_name = "MESSAGE")]
    messages: Vec<OsString>,

    #[command(flatten)]
    input: InOptions,

    /// Publish what is in FILE and what is appended to it, as `tail -F` follows it: also when it is
    /// renamed, truncated or made again
    #[arg(long, value_name = "FILE", conflicts_with_all = ["messages", "every"])]
    follow: Option<PathBuf>,

    /// Where to keep how far the file of --follow is published, so that the next run goes on there
    /// [default: a file in ~/.local/state/tenfold]
    #[arg(long, value_name = "FILE", requires = "follow")]
    state: Option<PathBuf>,

    /// Each line of stdin, or each MESSAGE, is a value in JSON; send it as this. With --in json it is
    /// the `value` of each object
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "every")]
    payload: Option<Written>,

    /// Send the messages in turn, one at once and one every T; `{time}` in them is the local time
    #[arg(long, value_name = "T", value_parser = units::duration, conflicts_with_all = ["format", "json"])]
    every: Option<Duration>,

    /// Publish no more than N messages in a second
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "every")]
    rate: Option<f64>,

    /// Publish under this name; the input comes after what the hub has of the producer
    #[arg(long, short = 'p', value_name = "ID")]
    producer: Option<ProducerId>,

    /// The input is everything that the producer has ever published: what the hub has of it is
    /// compared, and not stored again
    #[arg(long, requires = "producer", conflicts_with_all = ["append", "every"])]
    history: bool,

    /// The input comes after what the hub has of the producer, which is the default
    #[arg(long, requires = "producer", hide = true)]
    append: bool,

    /// What an acknowledgement is to mean: durable (it is on disk), memory, or none before the end
    /// [default: durable on a channel with a log, else memory]
    #[arg(long, value_name = "durable|memory|none")]
    acks: Option<Acks>,

    /// Stop after N messages; it is a failure if there are fewer
    #[arg(long, short = 'n', value_name = "N", value_parser = units::count::<u64>)]
    count: Option<u64>,

    /// The largest message to read
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    #[command(flatten)]
    hub: HubPeer,

    /// Give up when the hub takes nothing for T, or has not acknowledged everything within T of the
    /// last message
    #[arg(long, value_name = "T", value_parser = units::duration)]
    timeout: Option<Duration>,

    #[command(flatten)]
    report: ReportOptions,
}

/// Where messages come from.
struct Supply {
    /// None where a file is followed.
    source: Option<Box<dyn Source + Send>>,
    followed: Option<Followed>,
    following: Option<Following>,
}

/// How the sending ended.
enum Outcome {
    Complete(Result<(), Failure>),
    Stopped(Signal),
}

impl Pub {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let mut supply = self.supply(words)?;
        let mut stop = Stop::watch()?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let (numbers, result) = runtime.block_on(async {
            let options = self.options(supply.following.as_ref(), words);
            let mut publisher = Publisher::new(self.hub.server.clone(), options);
            let mut known = 0;
            let outcome = tokio::select! {
                biased;
                signal = stop.wait() => Outcome::Stopped(signal),
                result = self.publish(&mut publisher, &mut supply, &mut known, words) => Outcome::Complete(result),
            };
            let mut result = self.judge(outcome, &mut publisher).await;
            if let Some(following) = &mut supply.following {
                let kept = following.keep(known + publisher.acknowledged(), true);
                result = result.and(kept);
            }
            (self.numbers(&publisher, known), result)
        });
        // A thread may still wait for stdin.
        runtime.shutdown_background();
        report::at_end(numbers, &result, self.report.is_json(), words);
        result.map_err(|failure| numbers.behind(failure))
    }

    /// Where the messages come from. Where a file is followed, the hub's count has to be known first.
    fn supply(&self, words: &Words) -> Result<Supply, Failure> {
        let Some(path) = &self.follow else {
            return Ok(Supply {
                source: Some(self.source(words)?),
                followed: None,
                following: None,
            });
        };
        if self.input.given() == Some(In::Whole) {
            return Err(Failure::Usage(
                "--follow never comes to the end that --in whole waits for".to_owned(),
            ));
        }
        if self.history {
            return Err(Failure::Usage(
                "--history does not go with --follow: a file that is replaced is not everything that was published"
                    .to_owned(),
            ));
        }
        let followed = Followed::new(path.clone(), words)?;
        let hub = (&self.hub.server, &self.channel);
        let state = self.state.as_deref();
        let following = Following::open(path, state, hub, self.producer.as_ref(), words)?;
        Ok(Supply {
            source: None,
            followed: Some(followed),
            following: Some(following),
        })
    }

    fn source(&self, words: &Words) -> Result<Box<dyn Source + Send>, Failure> {
        let from_stdin = self.messages.is_empty() || self.messages == ["-"];
        if !from_stdin && self.input.given().is_some() {
            return Err(Failure::Usage(
                "--in and --json are for stdin, and the messages are given (the report at the end is --report json)"
                    .to_owned(),
            ));
        }
        match (self.every, from_stdin) {
            (Some(every), _) => Ok(Box::new(Ticker::of(&self.messages, every)?)),
            (None, false) => Ok(Box::new(given(&self.messages, self.payload)?)),
            (None, true) => self.messages_in(Input::messages(self.input.format(), words)?),
        }
    }

    fn messages_in(&self, input: Input) -> Result<Box<dyn Source + Send>, Failure> {
        let limits = Limits {
            max_message: self.max_message,
            pieces: false,
            skip_bad: false,
        };
        if let Some(written) = self.payload {
            return payloads(self.input.given(), input, written, limits);
        }
        let format = self.input.format();
        Ok(format.open(input, Framing::default().client(), limits))
    }

    fn options(&self, following: Option<&Following>, words: &Words) -> Publish {
        let mut outages = Outages::new(&self.hub.server, words);
        let notices = std::sync::Mutex::new(move |notice: &Notice| match notice {
            Notice::Connected(_) => outages.connected("going on"),
            Notice::Disconnected(notice) => outages.disconnected(notice),
            _ => {}
        });
        let mut options = Publish::new(self.channel.clone())
            .token(self.hub.credential.token())
            .tls(self.hub.credential.tls())
            .until_connected(self.hub.until_connected())
            .once_connected(self.hub.once_connected())
            .start(if self.history {
                Start::History
            } else {
                Start::Append
            })
            .observer(move |notice| {
                if let Ok(mut tell) = notices.lock() {
                    tell(notice);
                }
            });
        let producer = following.map(Following::producer);
        if let Some(producer) = producer.or(self.producer.as_ref()) {
            options = options.producer(producer.clone());
        }
        if let Some(acks) = self.acks {
            options = options.acks(acks);
        }
        options
    }

    /// Sends everything, and waits until it has arrived. `known` is how many of the producer's
    /// messages the hub had.
    async fn publish(
        &self,
        publisher: &mut Publisher,
        supply: &mut Supply,
        known: &mut u64,
        words: &Words,
    ) -> Result<(), Failure> {
        let mut past = None;
        if let Some(producer) = &self.producer {
            *known = self.bounded(publisher.committed()).await?;
            words.detail(format_args!(
                "the hub has {} of producer {producer}",
                counted(*known, "message")
            ));
            if self.history && *known > 0 {
                past = Some(self.past(producer, *known, words).await?);
            }
        }
        let source = match supply.source.take() {
            Some(source) => source,
            None => self.follow(publisher, supply, known).await?,
        };
        let source = match self.rate {
            Some(rate) => Box::new(Paced::new(source, rate)),
            None => source,
        };
        let mut batches = Batches::read(source, Goal::new(self.count));
        let following = &mut supply.following;
        while let Some(batch) = self
            .next_batch(publisher, &mut batches, following, *known)
            .await?
        {
            if let Some(following) = following
                && following.is_next_file(batch.place())
            {
                self.bounded(publisher.flush()).await?;
                following.begin_file(batch.place(), *known + publisher.acknowledged())?;
            }
            for message in batch.messages() {
                if let Some(past) = past.as_mut().filter(|_| publisher.sent() < *known) {
                    let at = publisher.sent();
                    self.in_time(past.compare(at, message)).await??;
                }
                if following.as_mut().is_none_or(Following::is_new) {
                    self.bounded(publisher.send(message)).await?;
                }
            }
            if let Some(following) = following {
                following.end_batch(batch.place());
                following.keep(*known + publisher.acknowledged(), false)?;
            }
        }
        // Messages that came before a mistake in the input are still published.
        let input = match batches.result() {
            Ok(()) => self.check_history(publisher.sent(), *known),
            mistake => mistake,
        };
        input.and(self.bounded(publisher.close()).await)
    }

    /// The messages of the file that is followed, from where it goes on.
    async fn follow(
        &self,
        publisher: &mut Publisher,
        supply: &mut Supply,
        known: &mut u64,
    ) -> Result<Box<dyn Source + Send>, Failure> {
        *known = self.bounded(publisher.committed()).await?;
        match (supply.followed.take(), &mut supply.following) {
            (Some(file), Some(following)) => self.messages_in(following.begin(file, *known)?),
            _ => Err(Failure::Other("there is nothing to follow".to_owned())),
        }
    }

    /// Waits for input, and keeps meanwhile what is acknowledged.
    async fn next_batch(
        &self,
        publisher: &mut Publisher,
        batches: &mut Batches,
        following: &mut Option<Following>,
        known: u64,
    ) -> Result<Option<Batch>, Failure> {
        loop {
            let is_behind = following.as_ref().is_some_and(Following::is_behind);
            tokio::select! {
                biased;
                batch = self.input(publisher, batches) => return batch,
                () = tokio::time::sleep(following::EVERY), if is_behind => {}
            }
            if let Some(following) = following {
                following.keep(known + publisher.acknowledged(), false)?;
            }
        }
    }

    /// Waits for input; but not if the publisher has failed in the meantime.
    async fn input(
        &self,
        publisher: &mut Publisher,
        batches: &mut Batches,
    ) -> Result<Option<Batch>, Failure> {
        let failed = async {
            loop {
                if let Err(error) = publisher.flush().await {
                    return hub_client::failure(&error, &self.hub.server);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            batch = batches.next() => Ok(batch),
            failure = failed => Err(failure),
        }
    }

    /// What the hub has of the producer, for the comparison with the input.
    async fn past(
        &self,
        producer: &ProducerId,
        known: u64,
        words: &Words,
    ) -> Result<Past, Failure> {
        words.note(format_args!(
            "the hub has {} of producer {producer} already: as many are compared and skipped",
            counted(known, "message")
        ));
        let open = Past::open(&self.hub, &self.channel, producer, known, words);
        self.in_time(open).await?
    }

    /// An input that ends before what the hub has of it is some other input.
    fn check_history(&self, given: u64, known: u64) -> Result<(), Failure> {
        let (Some(producer), true) = (&self.producer, self.history) else {
            return Ok(());
        };
        if given >= known {
            return Ok(());
        }
        Err(Failure::Other(format!(
            "the hub has {} of producer {producer}, and the input only {}: that is not all that the producer \
             has published (without --history the input is what comes next)",
            counted(known, "message"),
            grouped(given)
        )))
    }

    /// With the patience of `--timeout`, and with errors in our words.
    async fn bounded<T>(&self, step: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.in_time(step)
            .await?
            .map_err(|error| hub_client::failure(&error, &self.hub.server))
    }

    /// With the patience of `--timeout`.
    async fn in_time<T>(&self, step: impl Future<Output = T>) -> Result<T, Failure> {
        let late = async {
            match self.timeout {
                Some(time) => tokio::time::sleep(time).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            result = step => Ok(result),
            () = late => Err(Failure::TimedOut(format!(
                "{} took nothing, or acknowledged too little, for {:?} (--timeout)",
                self.hub.server,
                self.timeout.unwrap_or_default()
            ))),
        }
    }

    /// After SIGTERM the messages that were read are still delivered, and the exit code says whether they were.
    async fn judge(&self, outcome: Outcome, publisher: &mut Publisher) -> Result<(), Failure> {
        match outcome {
            Outcome::Complete(result) => result,
            Outcome::Stopped(Signal::Interrupt) => Err(Failure::Interrupted),
            Outcome::Stopped(Signal::Terminate) => {
                match tokio::time::timeout(LAST, publisher.close()).await {
                    Ok(closed) => {
                        closed.map_err(|error| hub_client::failure(&error, &self.hub.server))
                    }
                    Err(_) => Err(Failure::Other(format!(
                        "terminated, and {} did not acknowledge the rest within {LAST:?}",
                        self.hub.server
                    ))),
                }
            }
        }
    }

    fn numbers(&self, publisher: &Publisher, known: u64) -> Numbers {
        let given = publisher.sent();
        let skipped = if self.history { known.min(given) } else { 0 };
        Numbers {
            given,
            skipped,
            acknowledged: publisher.acknowledged().max(skipped),
        }
    }
}

/// How often to look whether the publisher has failed, while there is nothing to publish.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long the rest may take after SIGTERM.
const LAST: Duration = Duration::from_secs(10);
