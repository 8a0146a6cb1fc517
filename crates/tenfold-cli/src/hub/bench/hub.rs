//! `tenfold bench hub`: publishers and subscribers of one channel.

use std::hash::{BuildHasher, RandomState};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::Args;
use tenfold::client::Error;
use tenfold::protocol::ChannelName;
use tenfold::{Address, DEFAULT_LIMIT, Hubs};
use tenfold_hub::{Hub, HubOptions, Pattern, Port, WhenSlow};
use tokio::runtime::Runtime;

use super::channel::OwnChannel;
use super::load::{Plan, Until};
use super::payload::SMALLEST;
use super::report::Report;
use super::watch::Seen;
use crate::failure::Failure;
use crate::flow::connect::cannot_listen;
use crate::flow::credential::CredentialOptions;
use crate::flow::hub_client;
use crate::flow::output::Stdout;
use crate::flow::tls_client::nothing_is_over_tls;
use crate::signals::Stop;
use crate::units;
use crate::words::Words;

/// Measure a hub: throughput, latency, and that each message arrives once and in order
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Without --server a hub in this process is measured, over TCP on a free port of this
machine; it holds publishers that are too fast. With --rate the latency counts from when a
message was to be sent, so a stall counts for every message that it delays. Without,
publishers send as fast as the hub takes it, and latency is mostly the time in queues. A
message that is lost, or comes twice or out of order, is a failure.

A hub that keeps its channels on disk is measured only if a person agrees, or with --yes, and
with a channel that is not there yet. It is deleted at the end, also after Ctrl-C.

Examples:
  tenfold bench hub
  tenfold bench hub --publishers 4 --subscribers 100 --rate 1000
  tenfold bench hub --server 127.0.0.1:10010 --yes --count 1000000 --json")]
pub(super) struct HubBench {
    /// The hub to measure [default: one in this process]
    #[arg(long, short = 's', value_name = "ADDR", env = "TENFOLD_SERVER")]
    server: Option<Hubs>,

    #[command(flatten)]
    credential: CredentialOptions,

    /// The channel
    #[arg(long, value_name = "NAME", default_value = "bench")]
    channel: ChannelName,

    /// How many publish
    #[arg(long, short = 'p', value_name = "N", default_value = "1", value_parser = units::count::<u16>)]
    publishers: u16,

    /// How many subscribe
    #[arg(long, value_name = "N", default_value = "1", value_parser = units::count::<u16>)]
    subscribers: u16,

    /// The size of each message, at least 28 bytes
    #[arg(long, value_name = "SIZE", default_value = "128", value_parser = size)]
    size: usize,

    /// Messages in each second, of all publishers together [default: as many as it takes]
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<u64>,

    /// How long to publish [default: 5s]
    #[arg(long, value_name = "T", value_parser = units::duration)]
    duration: Option<Duration>,

    /// Publish N messages, of all publishers together
    #[arg(long, short = 'n', value_name = "N", value_parser = units::count::<u64>, conflicts_with = "duration")]
    count: Option<u64>,

    /// Do not ask, also if the hub keeps its channels on disk
    #[arg(long, short)]
    yes: bool,

    /// Print the result as one line of JSON
    #[arg(long)]
    json: bool,
}

/// How often to look whether a subscriber has failed, while others are waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the publishers have to end after a signal.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long to publish if nothing is said.
const DURATION: Duration = Duration::from_secs(5);

fn size(text: &str) -> Result<usize, String> {
    let size = units::memory(text)?;
    if (SMALLEST..=usize::try_from(DEFAULT_LIMIT).unwrap_or(usize::MAX)).contains(&size) {
        Ok(size)
    } else {
        Err(format!(
            "write {SMALLEST} bytes to 16MiB: who sent it and when must fit in"
        ))
    }
}

/// Reads `1000` or `1000/s`.
fn rate(text: &str) -> Result<u64, String> {
    units::count(text.strip_suffix("/s").unwrap_or(text))
}

impl HubBench {
    pub(super) fn run(&self, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        let Some(server) = &self.server else {
            if let Some(option) = self.credential.tls_files().given() {
                return Err(Failure::Usage(nothing_is_over_tls(option)));
            }
            let stop = Stop::watch()?;
            let (_runtime, _hub, server) = start_hub()?;
            words.note(format_args!("measuring a hub in this process, on {server}"));
            return self.measure_until(&stop, &server, &stdout);
        };
        // As long as a person is asked, a signal just ends the process.
        let channel = OwnChannel::find(&self.channel, server, self.credential.all(), self.yes)?;
        let stop = Stop::watch()?;
        let measured = self.measure_until(&stop, server, &stdout);
        let deleted = channel.map_or(Ok(()), |channel| channel.delete());
        match (measured, deleted) {
            // What went wrong first is the last word.
            (Err(failure), Err(left)) if !failure.is_silent() => {
                words.error(left);
                Err(failure)
            }
            (measured, deleted) => deleted.and(measured),
        }
    }

    /// Measures, unless a signal comes before.
    fn measure_until(&self, stop: &Stop, server: &Hubs, stdout: &Stdout) -> Result<(), Failure> {
        let (done, measured) = mpsc::channel();
        let (bench, of, until) = (self.clone(), server.clone(), stop.clone());
        // Nobody needs what was measured after the end.
        thread::spawn(move || drop(done.send(bench.measure(&of, until))));
        let mut left = END_WITHIN;
        loop {
            match measured.recv_timeout(LOOK_EVERY) {
                Err(RecvTimeoutError::Timeout) if !stop.came() => {}
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {
                    left = left.saturating_sub(LOOK_EVERY);
                }
                _ if stop.came() => return stop.outcome(),
                Ok(report) => {
                    let report = report.map_err(|error| hub_client::failure(&error, server))?;
                    stdout.write(report.text(self.json).as_bytes())?;
                    return report.judge();
                }
                Err(_) => {
                    return Err(Failure::Other("the measurement has panicked".to_owned()));
                }
            }
        }
    }

    fn plan(&self, server: &Hubs, stop: Stop) -> Plan {
        let publishers = u32::from(self.publishers);
        let each = u64::from(publishers);
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody sends 2^53 messages in a second"
        )]
        let rate = self.rate.map(|rate| rate as f64 / f64::from(publishers));
        Plan {
            server: server.clone(),
            credential: self.credential.clone(),
            channel: self.channel.clone(),
            run: RandomState::new().hash_one(0_u8),
            size: self.size,
            publishers,
            rate,
            until: match self.count {
                Some(count) => Until::Count(
                    count / each,
                    u32::try_from(count % each).unwrap_or(publishers),
                ),
                None => Until::Time(self.duration.unwrap_or(DURATION)),
            },
            start: Instant::now(),
            stop,
        }
    }

    fn measure(&self, server: &Hubs, stop: Stop) -> Result<Report, Error> {
        let plan = self.plan(server, stop);
        let subscribers = self.subscribe(&plan)?;
        let begin = Instant::now();
        let publishers: Vec<_> = (0..plan.publishers)
            .map(|publisher| {
                let plan = plan.clone();
                thread::spawn(move || plan.publish(publisher))
            })
            .collect();
        let sent = joined(publishers)?;
        let publishing = begin.elapsed();
        if plan.stop.came() {
            return Err(Error::Ended);
        }
        plan.publish_end()?;
        let seen = joined(subscribers)?;
        let delivering = begin.elapsed();
        Ok(Report::new(&plan, &sent, &seen, publishing, delivering))
    }

    /// All subscribers, connected.
    fn subscribe(&self, plan: &Plan) -> Result<Vec<JoinHandle<Result<Seen, Error>>>, Error> {
        let (ready, connected) = mpsc::channel();
        let mut subscribers = Vec::new();
        for _ in 0..self.subscribers {
            let (plan, ready) = (plan.clone(), ready.clone());
            subscribers.push(thread::spawn(move || plan.subscribe(ready)));
        }
        drop(ready);
        let mut left = self.subscribers;
        while left > 0 {
            match connected.recv_timeout(LOOK_EVERY) {
                Ok(()) => left -= 1,
                // One that has ended before has failed.
                Err(_) => {
                    if let Some(at) = subscribers.iter().position(JoinHandle::is_finished) {
                        joined(vec![subscribers.swap_remove(at)])?;
                    }
                }
            }
        }
        Ok(subscribers)
    }
}

fn joined<T>(threads: Vec<JoinHandle<Result<T, Error>>>) -> Result<Vec<T>, Error> {
    let ended = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or(Err(Error::Ended)));
    ended.collect()
}

/// A hub in this process, as long as these are kept.
fn start_hub() -> Result<(Runtime, Hub, Hubs), Failure> {
    let anywhere = Address::Tcp {
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    let failed = |error| cannot_listen(&anywhere, &error);
    let listener = anywhere.listen().map_err(failed)?;
    let server = listener.local_address().map_err(failed)?;
    let runtime = Runtime::new().map_err(failed)?;
    let mut options = HubOptions::default();
    let all: Result<Pattern, _> = "*".parse();
    options.when_slow = all
        .into_iter()
        .map(|all| (all, WhenSlow::default()))
        .collect();
    let hub = runtime
        .block_on(async { Hub::start([Port::protocol(listener)], options) })
        .map_err(failed)?;
    Ok((runtime, hub, server.into()))
}
