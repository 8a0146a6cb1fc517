//! `tenfold bridge`: two ends that frame differently.
//!
//! ```text
//!   end A --> giver --> lane --> taker --> end B
//!   end A <-- taker <-- lane <-- giver <-- end B
//! ```
//!
//! A [session](session::run) is two opened ends and the two lanes between them. A
//! [service](service::Service) makes one for each connection that it accepts.

mod child;
mod device;
mod end;
mod file;
mod giver;
mod joint;
mod lane;
mod last_line;
mod metered;
mod serial;
mod service;
mod session;
mod stdio;
mod taker;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tenfold::protocol::Position;
use tenfold::{Address, Framing};
use tokio::runtime::Runtime;

use crate::failure::Failure;
use crate::flow::budget::Budget;
use crate::flow::exposure::{Exposure, NetworkOptions};
use crate::flow::on_bad::OnBad;
use crate::flow::options::{HubPeer, ListenOptions, ReportOptions};
use crate::flow::place::place;
use crate::flow::tls_clients::TlsClientsOptions;
use crate::flow::tls_peer;
use crate::numbers::counted;
use crate::signals::Stop;
use crate::stderr;
use crate::units;
use crate::words::Words;
use end::{End, Way};
use joint::Seat;
use service::{Listening, Service, Totals};
use session::Terms;

/// Join two ends that frame differently, in both directions
#[derive(Args, Debug)]
#[command(after_help = "\
An end is one of these:
  host:port  :port  unix:/path   somebody who listens there
  listen:ADDR                    whoever connects there; each gets an other end of his own
  exec:COMMAND                   a command of the shell, by its stdin and stdout
  -                              stdin and stdout
  /path  ./path                  a file: as A it is read, and as B it is appended to
  /dev/ttyUSB0,115200            a serial device and its speed (8 data bits, no parity, 1 stop bit);
                                 one that goes away is waited for, and opened again
  hub:CHANNEL                    a channel of the hub: its messages from --from on, and what is
                                 published; hub:CHANNEL:out and hub:CHANNEL:in are one of the two
                                 (tcp://hub:80 is a host of that name)

The end of one direction is passed on when everything before it is, and the other direction goes
on: a session ends when both have ended. If one fails, both ends are closed, and the error says
which end it was and where. With listen: only that session ends, with a warning; without it the
exit code is that of the session. A command that exits with anything but 0 is a failure.
A device has no end: when the other end has ended, it is heard until it says nothing for --drain.
SIGTERM ends all sessions between two messages; what was taken is handed over (--drain).

Where client and server frame differently, who is connected to is the server, who connects is the
client, and a command, a pipe, a file or a device is what the other end is not.

Examples:
  tenfold bridge listen::4000 exec:'ruff server' --framing line --to lsp
  tenfold bridge listen::4001 127.0.0.1:5000 --framing u32be --to decimal:10
  tenfold bridge exec:./sensor hub:ticks:in --framing cobs
  tenfold bridge /dev/ttyUSB0,115200 hub:ticks:in
  tenfold bridge - hub:lobby
  tenfold bridge - unix:/run/agent.sock --framing netstring --to u32be")]
pub(crate) struct Bridge {
    /// The one end
    #[arg(value_name = "A", allow_hyphen_values = true)]
    a: End,

    /// The other end
    #[arg(value_name = "B", allow_hyphen_values = true)]
    b: End,

    /// How A is framed (see `tenfold framings`) [default: decimal:10; beside a channel, stdin and stdout, a file and
    /// a device have lines]
    #[arg(long, short = 'f', value_name = "FRAMING")]
    framing: Option<Framing>,

    /// How B is framed [default: as A; beside a channel as for A]
    #[arg(long, value_name = "FRAMING")]
    to: Option<Framing>,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,

    /// End after the first connection to listen:, as that session ends
    #[arg(long)]
    once: bool,

    #[command(flatten)]
    listening: ListenOptions,

    #[command(flatten)]
    hub: HubPeer,

    #[command(flatten)]
    tls_clients: TlsClientsOptions,

    #[command(flatten)]
    network: NetworkOptions,

    /// Where to begin in a channel: first, next, last, a seq, -N, how long ago (1h), or a time
    #[arg(
        long,
        value_name = "PLACE",
        default_value = "next",
        value_parser = place,
        allow_hyphen_values = true
    )]
    from: Position,

    /// What to do with a message that the framing of the other end cannot carry
    #[arg(
        long,
        value_name = "stop|skip",
        default_value = "stop",
        hide_possible_values = true
    )]
    on_bad: OnBad,

    /// End a session in which nothing comes or goes for T; also bounds each attempt to connect
    #[arg(long, value_name = "T", value_parser = units::duration)]
    timeout: Option<Duration>,

    /// How long the rest may take to be handed over at the end of a session that is cut short, and
    /// a command to exit when its input and its output have ended; how long a device is heard that
    /// says nothing, when the other end has ended
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    drain: Duration,

    #[command(flatten)]
    report: ReportOptions,
}

impl Bridge {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        self.check()?;
        stderr::detach();
        let runtime = Runtime::new();
        let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let stop = Stop::watch()?;
        let mut totals = Totals::default();
        let result = runtime.block_on(async {
            let service = self.service(stop.clone(), words)?;
            service.run(&mut totals).await
        });
        // A thread may still wait for stdin, or to connect.
        runtime.shutdown_background();
        let result = stop.outcome().and(result);
        self.warn(&totals, words);
        self.tell(&totals, &result, words);
        result
    }

    /// Refuses ends that cannot be joined.
    fn check(&self) -> Result<(), Failure> {
        let wrong = |words: &str| Err(Failure::Usage(words.to_owned()));
        match (&self.a, &self.b) {
            (End::Stdio, End::Stdio) => {
                return wrong("both ends are stdin and stdout: `tenfold convert` is for that");
            }
            (End::Hub(a, from), End::Hub(b, into)) => match (from, into) {
                _ if a == b => return wrong("both ends are the same channel"),
                (Way::Out, Way::In) | (Way::In, Way::Out) => {}
                _ => {
                    return wrong(
                        "between two channels messages go one way only, or they would go in circles: \
                         write hub:FROM:out hub:TO:in",
                    );
                }
            },
            _ => {}
        }
        if let (End::File(a), End::File(b)) = (&self.a, &self.b)
            && is_same(&a.path, &b.path)
        {
            return wrong("both ends are the same file");
        }
        if matches!(self.a, End::Hub(..)) && self.framing.is_some() {
            return wrong("a channel has no framing: --framing is that of A, and --to that of B");
        }
        if matches!(self.b, End::Hub(..)) && self.to.is_some() {
            return wrong("a channel has no framing: --to is that of B, and --framing that of A");
        }
        if self.on_bad == OnBad::Show {
            return wrong("a bridge prints nothing: --on-bad is stop or skip");
        }
        let listens = self.a.is_listen() || self.b.is_listen();
        if self.once && !listens {
            return wrong("--once is for listen: without it there is only one session anyway");
        }
        let addresses: Vec<&Address> = [&self.a, &self.b]
            .into_iter()
            .filter_map(End::address)
            .chain(self.hub.server.addresses())
            .collect();
        tls_peer::check(
            self.hub.credential.tls_files(),
            &self.tls_clients,
            &addresses,
        )?;
        if self.listening.port_file.is_some() && !listens {
            return wrong("--port-file is for listen:");
        }
        Ok(())
    }

    fn service(&self, stop: Stop, words: &Words) -> Result<Service, Failure> {
        let (framing_a, framing_b) = self.framings();
        let in_pieces = self.allows_pieces(&framing_a, &framing_b);
        let budget = Budget::new(self.max_message);
        let seat = |end: &End, is_first: bool, other: &End, framing: &Framing| {
            let role = end.role(other);
            Seat {
                end: end.clone(),
                is_first,
                other: other.clone(),
                reads: role.of(framing).clone(),
                writes: end::opposite(role).of(framing).clone(),
                in_pieces,
                max_message: self.max_message,
                budget: Arc::clone(&budget),
                hub: self.hub.clone(),
                from: self.from,
                timeout: self.timeout,
                words: words.clone(),
            }
        };
        let ends = [
            seat(&self.a, true, &self.b, &framing_a),
            seat(&self.b, false, &self.a, &framing_b),
        ];
        let listening = self.listen(&ends, words)?;
        Ok(Service {
            ends,
            listening,
            is_once: self.once || !(self.a.is_many() && self.b.is_many()),
            terms: Terms {
                drain: self.drain,
                timeout: self.timeout,
                stop,
                skips: (self.on_bad == OnBad::Skip).then(|| words.clone()),
            },
            words: words.clone(),
        })
    }

    /// How the two ends are framed.
    fn framings(&self) -> (Framing, Framing) {
        let is_channel = |end: &End| matches!(end, End::Hub(..));
        let unsaid = |end: &End, other: &End| {
            if end.has_lines() && is_channel(other) {
                Framing::delimited(b"\n").unwrap_or_default()
            } else {
                Framing::default()
            }
        };
        let a = self.framing.clone();
        let a = a.unwrap_or_else(|| unsaid(&self.a, &self.b));
        let b = match &self.to {
            Some(to) => to.clone(),
            None if is_channel(&self.a) => unsaid(&self.b, &self.a),
            None => a.clone(),
        };
        (a, b)
    }

    fn listen(&self, ends: &[Seat; 2], words: &Words) -> Result<Listening, Failure> {
        let files = self.hub.credential.tls_files();
        let mut servers = [None, None];
        for (server, end) in servers.iter_mut().zip([&self.a, &self.b]) {
            let End::Listen(address) = end else {
                continue;
            };
            let exposure = Exposure {
                address,
                asks_clients: self.tls_clients.asks(),
                can: "use what is at the other end",
            };
            exposure.check(self.network, words)?;
            *server = tls_peer::server(files, &self.tls_clients, address, words)?;
        }
        Listening::begin(ends, &servers, &self.listening, words)
    }

    /// Whether a giant message need not be there as a whole before it goes on.
    fn allows_pieces(&self, a: &Framing, b: &Framing) -> bool {
        // A device gets each message as a whole, so that it can get it again.
        let is_stream = |end: &End| match end {
            End::Hub(..) => false,
            End::File(file) => !file.is_device(),
            _ => true,
        };
        let announces = |framing: &Framing| {
            framing.client().announces_length() && framing.server().announces_length()
        };
        is_stream(&self.a) && is_stream(&self.b) && announces(a) && announces(b)
    }

    /// Says what was not passed on.
    fn warn(&self, totals: &Totals, words: &Words) {
        let [_, back] = totals.messages;
        if let End::File(file) = &self.a
            && !self.a.takes(true)
            && back > 0
        {
            words.warning(format_args!(
                "thrown away: {} from B, because {file}, as end A, is only read",
                counted(back, "message")
            ));
        }
    }

    fn tell(&self, totals: &Totals, result: &Result<(), Failure>, words: &Words) {
        let Totals {
            sessions,
            failed,
            messages: [forth, back],
        } = *totals;
        if self.report.is_json() {
            words.object(&json!({
                "sessions": sessions,
                "failed": failed,
                "a_to_b": forth,
                "b_to_a": back,
                "error": result.as_ref().err().filter(|failure| failure.is_failure()).map(ToString::to_string),
            }));
        } else {
            words.detail(format_args!(
                "{sessions} sessions, {failed} failed; {forth} messages from A to B, {back} from B to A"
            ));
        }
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let file = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    match (file(one), file(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}
