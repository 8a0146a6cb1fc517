//! `tenfold serve`: named channels for publishers and subscribers.

mod allocator;
mod audit;
mod auth;
mod checked;
mod config_file;
mod data;
mod exposed;
mod handed_over;
mod http;
mod limits;
mod log;
mod machine;
mod mirror;
mod ports;
mod print;
mod reload;
mod report;
mod service_manager;
mod settings;
mod starting;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use tenfold::Address;
use tenfold_hub::{AllowDelete, Hub, HubOptions, HubStats, Port, Starting, Tls, raise_fd_limit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::flow::options::{ListenOptions, ReportOptions};
use crate::flow::port_file;
use crate::flow::tls_server::TlsServerOptions;
use crate::signals::{self, Signal, Stop};
use crate::stderr;
use crate::units;
use crate::words::Words;
use audit::AuditFile;
use checked::Checked;
use data::DataOptions;
use exposed::Exposed;
use http::HttpOptions;
use limits::LimitOptions;
use log::{Log, LogLevel};
use mirror::MirrorOptions;
use ports::{Place, PlainArgument, PlainPort};
use reload::{Again, Reload};
use service_manager::ServiceManager;
pub(crate) use settings::{FileError, Settings, explain, with_environment, with_file};
use starting::Started;

/// Serve named channels to publishers and subscribers
#[derive(Args, Debug)]
#[command(after_help = "\
Each setting can be in the file of --config as well, under its long name, and in the
environment: `max-message = \"1MiB\"` or TENFOLD_MAX_MESSAGE=1MiB. A flag wins over the
environment, that over the file, and that over the default. What may be given several
times is an array in the file, and has commas in the environment. --print-config shows
what is in force, and where it comes from.

At SIGHUP the hub reads file, environment, policy and the files of TLS again. Limits of what
channels keep (retain, max-disk), of connections, channels and producers, timeouts, drain,
allow-delete and the settings of TLS are changed then, all or none of them, and each is
told; others need a restart, and are told, too. A file that is wrong changes nothing.

At SIGTERM or SIGINT the hub takes nothing more, and delivers what it has; a second one
ends it.

Examples:
  tenfold serve
  tenfold serve --listen unix:/run/tenfold.sock --plain 127.0.0.1:10011=ticks
  tenfold serve --http
  tenfold serve --auth hub.toml
  tenfold serve --auth hub.toml --listen tls://0.0.0.0:10010 --tls-cert hub.pem --tls-key hub.key
  tenfold serve --data mirror --listen 127.0.0.1:10020 --mirror 127.0.0.1:10010
  tenfold serve --config /etc/tenfold.toml --check")]
pub(crate) struct Serve {
    /// Read settings from this TOML file
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,

    /// Print every setting with its value and its origin, as TOML, and end
    #[arg(long, help_heading = "Configuration")]
    print_config: bool,

    /// Say whether the settings are right, and end; nothing is listened to
    #[arg(long, help_heading = "Configuration")]
    check: bool,

    /// Where clients connect; may be given several times
    #[arg(
        long,
        short = 'l',
        value_name = "ADDR",
        default_value = "127.0.0.1:10010",
        value_delimiter = ','
    )]
    listen: Vec<Address>,

    /// A port that belongs to one channel and needs no request: whoever connects gets messages (out, the
    /// default), sends them (in) or both. With `,token` the first frame of each client is its token; without,
    /// clients are anonymous. May be given several times
    #[arg(long, value_name = "ADDR=CHANNEL[:out|in|both[,token]]", value_parser = ports::plain_argument, value_delimiter = ',')]
    plain: Vec<PlainArgument>,

    /// Ask clients who they are, and allow what the policy in this file says (docs/security.md). `tenfold token`
    /// makes it
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,

    /// Add a line of JSON to this file for each request that was answered and for the end of each connection that
    /// had published or subscribed: time, peer, identity, request, channel, result
    #[arg(long, value_name = "FILE")]
    audit: Option<PathBuf>,

    /// Listen to more than this machine without TLS, where nothing is encrypted, or without --auth, where
    /// everybody there may do everything
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, action = ArgAction::Set,
          default_value = "false", default_missing_value = "true", hide_default_value = true,
          hide_possible_values = true, value_parser = BoolishValueParser::new())]
    insecure_listen: bool,

    #[command(flatten)]
    listening: ListenOptions,

    /// On plain ports, begin with the last N messages
    #[arg(long, value_name = "N", value_parser = units::count::<u64>)]
    replay: Option<u64>,

    /// On plain ports, begin with this message, which is not in the channel
    #[arg(long, value_name = "TEXT")]
    welcome: Option<String>,

    /// How to tell of connections on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log: Log,

    /// The least important line that is still told (default: info, error with -q, debug with -v)
    #[arg(long, value_name = "LEVEL", value_enum)]
    log_level: Option<LogLevel>,

    #[command(flatten)]
    report: ReportOptions,

    // These have headings of their own in the help, and what comes after one of them would be under its heading.
    #[command(flatten)]
    http: HttpOptions,

    #[command(flatten)]
    tls: TlsServerOptions,

    #[command(flatten)]
    data: DataOptions,

    #[command(flatten)]
    mirror: MirrorOptions,

    #[command(flatten)]
    limits: LimitOptions,

    /// The settings as they were given, and where.
    #[arg(skip)]
    pub(crate) settings: Settings,

    /// Reads them once more.
    #[arg(skip)]
    pub(crate) again: Option<Again>,
}

impl Serve {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let checked = self.validate()?;
        if self.print_config {
            return print::print(&self.settings);
        }
        if self.check {
            for finding in checked.findings() {
                words.note(finding);
            }
            words.note("the settings are right");
            return Ok(());
        }
        allocator::settle();
        stderr::detach();
        let stop = Stop::watch()?;
        let hangup = Arc::new(Notify::new());
        let came = Arc::clone(&hangup);
        signals::on_hangup(move || came.notify_one())?;
        // Thousands of clients are more than the usual limit allows. With less it works as well.
        let _ = raise_fd_limit();
        self.log.start(self.log_level, words);
        let (signal, stats) = self.serve(&checked, stop, &hangup, words)?;
        let result = self.judge(signal, &stats);
        let json = self.report.is_json() || self.log == Log::Json;
        report::at_end(&stats, &result, json, words);
        result
    }

    /// What clap cannot know. Returns what is in the files that the settings name.
    fn validate(&self) -> Result<Checked, Failure> {
        let plain = self.plain_ports()?;
        ports::check_plain_options(&plain, &self.settings)?;
        self.data.check(&self.settings)?;
        let takes = plain.iter().any(PlainPort::takes);
        self.mirror
            .check(&self.settings, self.data.is_given(), takes)?;
        self.http.check(&self.settings)?;
        let plain = plain.iter().map(|port| &port.address);
        let addresses = self.listen.iter().chain(plain);
        let addresses: Vec<_> = addresses.chain(self.http.addresses()).collect();
        let mut exposed = Exposed::default();
        for address in &addresses {
            exposed.add(address, self.auth.is_some())?;
        }
        if !self.insecure_listen {
            exposed.refuse()?;
        }
        self.welcome()?;
        Ok(Checked {
            policy: self.auth.as_deref().map(auth::policy).transpose()?,
            tls: self.tls.load(addresses)?,
            exposed,
        })
    }

    /// Serves until a signal comes, and then as long as it takes to deliver what is there.
    fn serve(
        &self,
        checked: &Checked,
        mut stop: Stop,
        hangup: &Notify,
        words: &Words,
    ) -> Result<(Signal, HubStats), Failure> {
        // Before clients are told that they can connect.
        let audit = self.audit.as_deref().map(AuditFile::open).transpose()?;
        let (ports, places) = self.ports()?;
        let cannot = |error| Failure::Other(format!("cannot start: {error}"));
        let runtime = runtime(self.data.is_given()).map_err(cannot)?;
        let manager = ServiceManager::from_environment();
        let mut manager = manager.map_err(|error| {
            Failure::Other(format!(
                "cannot tell the service manager anything at NOTIFY_SOCKET: {error}"
            ))
        })?;
        let mut data = None;
        let served = runtime.block_on(async {
            self.limits.tell_memory();
            checked.tell();
            let mut options = self.options(checked, self.data.is_given());
            options.audit = audit.as_ref().map(AuditFile::taker);
            options.mirror = self.mirror.of_hub()?;
            let hub = match self
                .start(options, ports, &places, &mut stop, (words, &manager))
                .await?
            {
                Started::Hub(hub, running) => {
                    data = running;
                    hub
                }
                Started::Ended(signal, stats) => return Ok((signal, stats)),
            };
            manager.ready(&hub);
            let mut reload = Reload::new(&self.settings, self.again);
            let signal = loop {
                tokio::select! {
                    biased;
                    signal = stop.wait() => break signal,
                    () = hangup.notified() => {
                        reload.run(&hub, data.as_ref()).await;
                        audit.as_ref().inspect(|audit| audit.reopen());
                    }
                    () = manager.beat(&hub) => {}
                }
            };
            manager.stopping();
            Ok((signal, hub.drain().await))
        });
        // The tasks of connections that were cut may still be running.
        runtime.shutdown_background();
        if let Some(audit) = audit {
            audit.end();
        }
        if let Some(data) = data {
            data.stop();
        }
        served
    }

    fn plain_ports(&self) -> Result<Vec<PlainPort>, Failure> {
        ports::joined(&self.plain).map_err(Failure::Usage)
    }

    /// How to treat clients.
    fn options(&self, checked: &Checked, has_data: bool) -> HubOptions {
        let mut options = self.limits.fitted(has_data);
        if checked.policy.is_some() && self.settings.given("allow-delete").is_none() {
            // The policy says who, and it does not matter from where.
            options.allow_delete = AllowDelete::Everybody;
        }
        options.policy.clone_from(&checked.policy);
        options.tls = checked.tls.as_ref().map(|server| {
            let clients = server.client_verifier().cloned();
            Tls::new(Arc::clone(server.config()), clients)
        });
        options
    }

    /// A person at a terminal is told what to do next, and whether messages outlive the hub.
    fn tell_how_to_use(&self, places: &[Place], words: &Words) {
        if self.log != Log::Text {
            return;
        }
        if let Some(Place { address: place, .. }) =
            places.first().filter(|_| !self.listen.is_empty())
        {
            words.hint(format_args!(
                "publish with `tenfold pub CHANNEL MESSAGE -s {place}`, subscribe with `tenfold sub CHANNEL -s {place}`"
            ));
        }
        // The last ports are those for HTTP, and after them those for numbers.
        let pages = &places[..places.len() - self.http.metrics().len()];
        let has_page = self.http.doors().next().is_some();
        if let Some(place) = pages.last().filter(|_| has_page)
            && let Some(url) = http::url(&place.address)
        {
            words.hint(format_args!("with a browser or curl: {url}"));
        }
        match self.data.directory() {
            Some(data) => words.hint(format_args!("messages are kept in {}", data.display())),
            None => words.hint("messages are kept in memory, and are gone when this ends (--data DIR keeps them on disk)"),
        }
    }

    /// Starts a hub, once its log is open if it has one.
    async fn start(
        &self,
        options: HubOptions,
        ports: Vec<Port>,
        places: &[Place],
        stop: &mut Stop,
        (words, manager): (&Words, &ServiceManager),
    ) -> Result<Started, Failure> {
        let cannot = |error| Failure::Other(format!("cannot start: {error}"));
        let announce = || self.announce(places, words);
        let Some(opening) = self.data.open(self.mirror.is_given()).map_err(cannot)? else {
            let hub = Hub::start(ports, options).map_err(cannot)?;
            announce()?;
            return Ok(Started::Hub(hub, None));
        };
        let starting = Starting::new(ports, options, opening.log()).map_err(cannot)?;
        starting::start(starting, opening, stop, (words, manager), announce).await
    }

    /// Says where the hub listens.
    fn announce(&self, places: &[Place], words: &Words) -> Result<(), Failure> {
        for Place { address, what } in places {
            self.log.listening(address, what.as_deref(), words);
        }
        self.tell_how_to_use(places, words);
        let addresses: Vec<_> = places.iter().map(|place| place.address.clone()).collect();
        let Some(path) = &self.listening.port_file else {
            return Ok(());
        };
        stderr::settle();
        port_file::write(path, &addresses)
    }

    fn judge(&self, signal: Signal, stats: &HubStats) -> Result<(), Failure> {
        match (signal, stats.connections as u64) {
            (Signal::Interrupt, _) => Err(Failure::Interrupted),
            (Signal::Terminate, 0) => Ok(()),
            (Signal::Terminate, cut) => Err(report::cut(cut, self.limits.drain)),
        }
    }
}

/// One thread for each processor, and one more where a task may wait for the disk.
fn runtime(has_data: bool) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if has_data && std::env::var_os("TOKIO_WORKER_THREADS").is_none() {
        let processors = std::thread::available_parallelism()?;
        builder.worker_threads(processors.get() + 1);
    }
    builder.build()
}
