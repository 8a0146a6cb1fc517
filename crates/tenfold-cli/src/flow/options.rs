//! Options that several commands have.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tenfold::{Address, Framing, Hubs, Side, client};

use crate::failure::Failure;
use crate::flow::credential::CredentialOptions;
use crate::flow::source::{In, Limits};
use crate::flow::tls_peer::TlsPeerOptions;
use crate::units;

/// How the bytes are cut into messages.
#[derive(Args, Clone, Debug)]
pub(crate) struct FramingOptions {
    /// The framing, as one line: a preset or a rule (see `tenfold framings`)
    #[arg(
        long,
        short = 'f',
        value_name = "FRAMING",
        default_value = "decimal:10"
    )]
    pub(crate) framing: Framing,

    /// The largest message to accept
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    pub(crate) max_message: u64,

    /// Whose frames these are, where client and server frame differently: of a file or of stdin
    #[arg(long, value_name = "SIDE")]
    pub(crate) side: Option<SideName>,
}

/// One of the two sides of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SideName {
    /// Who connected
    Client,
    /// Who listened
    Server,
}

impl SideName {
    pub(crate) fn of(self, framing: &Framing) -> &Side {
        match self {
            Self::Client => framing.client(),
            Self::Server => framing.server(),
        }
    }
}

impl FramingOptions {
    /// The side of a file, which cannot tell by itself.
    pub(crate) fn side_of_file(&self) -> Result<&Side, Failure> {
        side_of_file(&self.framing, self.side)
    }

    /// The side of a connection, where `--side` makes no sense.
    pub(crate) fn side_of_connection(&self, side: SideName) -> Result<&Side, Failure> {
        match self.side {
            None => Ok(side.of(&self.framing)),
            Some(_) => Err(Failure::Usage(
                "--side is for files: whoever connects reads the server's bytes, and whoever listens reads the client's"
                    .to_owned(),
            )),
        }
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            max_message: self.max_message,
            pieces: false,
            skip_bad: false,
        }
    }
}

/// The side of the frames in a file or a pipe.
pub(crate) fn side_of_file(framing: &Framing, side: Option<SideName>) -> Result<&Side, Failure> {
    match side {
        Some(side) => Ok(side.of(framing)),
        None if framing.is_symmetric() => Ok(framing.server()),
        None => Err(Failure::Usage(format!(
            "client and server frame differently in {framing}: say with --side whose bytes these are"
        ))),
    }
}

/// How messages are written in the input.
#[derive(Args, Clone, Debug)]
pub(crate) struct InOptions {
    /// How messages are written in the input [default: lines]
    #[arg(long = "in", short = 'i', value_name = "FORMAT", value_enum)]
    format: Option<In>,

    /// The same as --in json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl InOptions {
    /// The format, if it was said.
    pub(crate) fn given(&self) -> Option<In> {
        if self.json {
            Some(In::Json)
        } else {
            self.format
        }
    }

    pub(crate) fn format(&self) -> In {
        self.given().unwrap_or_default()
    }
}

/// What to say at the end.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ReportOptions {
    /// End with a line on stderr that says what was done, for programs
    #[arg(long, value_name = "FORMAT", value_enum)]
    report: Option<ReportFormat>,
}

/// `--report`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// One object
    Json,
}

impl ReportOptions {
    pub(crate) fn is_json(self) -> bool {
        self.report == Some(ReportFormat::Json)
    }
}

/// Where to wait for connections.
#[derive(Args, Clone, Debug)]
pub(crate) struct ListenOptions {
    /// Write the addresses to this file once they can be connected to, one for each line
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,

    /// Permissions of the file of a unix socket, as chmod takes them: 600 for this user alone, the default,
    /// and 660 for the group as well
    #[arg(long, value_name = "MODE", value_parser = units::mode)]
    pub(crate) socket_mode: Option<u32>,
}

/// How patient to be with the other side.
#[derive(Args, Clone, Debug)]
pub(crate) struct PeerOptions {
    /// Wait for a connection from the other side at this address instead of connecting
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,

    #[command(flatten)]
    pub(crate) listening: ListenOptions,

    /// Keep trying to connect, for T or forever
    #[arg(long, value_name = "T", num_args = 0..=1, require_equals = true,
          default_missing_value = "forever", value_parser = retry, conflicts_with = "listen")]
    pub(crate) retry: Option<Retry>,

    /// Give up when nothing comes or goes for T
    #[arg(long, value_name = "T", value_parser = units::duration)]
    pub(crate) timeout: Option<Duration>,

    #[command(flatten)]
    pub(crate) tls: TlsPeerOptions,
}

/// Which hub to talk to, and how patiently.
#[derive(Args, Clone, Debug)]
pub(crate) struct HubPeer {
    /// Where the hub listens; several addresses with commas between them are a hub and its mirrors,
    /// of which each failure leads to the next
    #[arg(
        long,
        short = 's',
        value_name = "ADDR[,ADDR]...",
        env = "TENFOLD_SERVER",
        default_value = "127.0.0.1:10010"
    )]
    pub(crate) server: Hubs,

    #[command(flatten)]
    pub(crate) credential: CredentialOptions,

    /// Keep trying to connect, for T or forever. A connection that breaks is always made again; with
    /// T, only for so long
    #[arg(long, value_name = "T", num_args = 0..=1, require_equals = true,
          default_missing_value = "forever", value_parser = retry)]
    pub(crate) retry: Option<Retry>,
}

impl HubPeer {
    /// How long to try for the first connection.
    pub(crate) fn until_connected(&self) -> client::Retry {
        match self.retry {
            None => client::Retry::Never,
            Some(Retry::For(time)) => client::Retry::For(time),
            Some(Retry::Forever) => client::Retry::Forever,
        }
    }

    /// How long to try for another.
    pub(crate) fn once_connected(&self) -> client::Retry {
        match self.retry {
            Some(Retry::For(time)) => client::Retry::For(time),
            None | Some(Retry::Forever) => client::Retry::Forever,
        }
    }
}

/// How long to keep trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    For(Duration),
    Forever,
}

fn retry(text: &str) -> Result<Retry, String> {
    match text {
        "forever" => Ok(Retry::Forever),
        text => units::duration(text).map(Retry::For),
    }
}
