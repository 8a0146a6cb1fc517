//! `tenfold serve`: named channels for publishers and subscribers.

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use tenfold::protocol::ChannelName;
use tenfold::{Address, Encoder, Framing, Listener};
use tenfold_hub::{Direction, Hub, HubOptions, Pattern, Plain, Port, WhenSlow, raise_fd_limit};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::connect::cannot_listen;
use crate::failure::Failure;
use crate::options::ListenOptions;
use crate::port_file;
use crate::signals::{self, Signal};
use crate::units;
use crate::words::Words;

/// Serve named channels to publishers and subscribers
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Where clients connect; may be given several times
    #[arg(
        long,
        short = 'l',
        value_name = "ADDR",
        default_value = "127.0.0.1:10010"
    )]
    listen: Vec<Address>,

    /// A port that belongs to one channel and needs no request; may be given several times
    #[arg(long, value_name = "ADDR=CHANNEL[:out|in|both]", value_parser = plain)]
    plain: Vec<PlainPort>,

    #[command(flatten)]
    listening: ListenOptions,

    #[arg(long, value_name = "N")]
    replay: Option<u64>,
    #[arg(long, value_name = "TEXT")]
    welcome: Option<String>,
    #[arg(long, value_name = "[PATTERN:]wait[=T]|close", value_parser = when_slow)]
    when_slow: Vec<(Pattern, WhenSlow)>,
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = units::size)]
    max_message: u64,
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_channels: usize,
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_producers: usize,
    #[arg(long, value_name = "N", default_value_t = 512)]
    max_pending: usize,
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::size)]
    channel_memory: u64,
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = units::size)]
    memory: u64,
    #[arg(long, value_name = "T", default_value = "2s", value_parser = units::duration)]
    request_timeout: Duration,
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    header_timeout: Duration,
    #[arg(long, value_name = "T", default_value = "30s", value_parser = units::duration)]
    stall_timeout: Duration,
    #[arg(long, value_name = "T", default_value = "10s", value_parser = units::duration)]
    drain: Duration,
}

/// `--plain`.
#[derive(Clone, Debug)]
struct PlainPort {
    address: Address,
    channel: ChannelName,
    direction: Direction,
}

fn plain(text: &str) -> Result<PlainPort, String> {
    let (address, rest) = text.rsplit_once('=').ok_or("write ADDR=CHANNEL")?;
    let (channel, direction) = match rest.split_once(':') {
        None | Some((_, "out")) => (rest.split(':').next().unwrap_or(rest), Direction::Out),
        Some((channel, "in")) => (channel, Direction::In),
        Some((channel, "both")) => (channel, Direction::Both),
        Some(_) => return Err("the direction is out, in or both".to_owned()),
    };
    Ok(PlainPort {
        address: address
            .parse()
            .map_err(|e: tenfold::AddressError| e.to_string())?,
        channel: channel
            .parse()
            .map_err(|e: tenfold::protocol::BadName| e.to_string())?,
        direction,
    })
}

fn when_slow(text: &str) -> Result<(Pattern, WhenSlow), String> {
    let (pattern, policy) = text.split_once(':').unwrap_or(("*", text));
    let pattern = pattern
        .parse()
        .map_err(|e: tenfold_hub::BadPattern| e.to_string())?;
    let policy = match policy {
        "wait" => WhenSlow::default(),
        "close" => WhenSlow::Close,
        _ => match policy.strip_prefix("wait=") {
            Some(time) => WhenSlow::Wait(units::duration(time)?),
            None => return Err("write wait, wait=T or close".to_owned()),
        },
    };
    Ok((pattern, policy))
}

impl Serve {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let (stop, stopped) = oneshot::channel();
        signals::on_first(|signal| {
            let _ = stop.send(signal);
        })?;
        let _ = raise_fd_limit();
        let (ports, places) = self.ports(words)?;
        let runtime =
            Runtime::new().map_err(|error| Failure::Other(format!("cannot start: {error}")))?;
        let signal = runtime.block_on(async {
            let hub = Hub::start(ports, self.options())
                .map_err(|error| Failure::Other(format!("cannot listen: {error}")))?;
            if let Some(path) = &self.listening.port_file {
                port_file::write(path, &places)?;
            }
            let signal = stopped.await;
            let stats = hub.drain().await;
            words.detail(format_args!("{stats:?}"));
            Ok::<_, Failure>(signal)
        })?;
        runtime.shutdown_background();
        match signal {
            Ok(Signal::Interrupt) => Err(Failure::Interrupted),
            _ => Ok(()),
        }
    }

    fn ports(&self, words: &Words) -> Result<(Vec<Port>, Vec<Address>), Failure> {
        let mut ports = Vec::new();
        let mut places = Vec::new();
        let mut listen = |address: &Address| -> Result<Listener, Failure> {
            let failed = |error| cannot_listen(address, &error);
            let listener = address.listen().map_err(failed)?;
            let place = listener.local_address().map_err(failed)?;
            words.note(format_args!("listening {place}"));
            places.push(place);
            Ok(listener)
        };
        for address in &self.listen {
            ports.push(Port::protocol(listen(address)?));
        }
        for port in &self.plain {
            let mut welcome = Vec::new();
            if let Some(text) = &self.welcome {
                Encoder::new(Framing::default().server())
                    .encode(text.as_bytes(), &mut welcome)
                    .map_err(|e| Failure::Usage(e.to_string()))?;
            }
            let plain = Plain {
                channel: port.channel.clone(),
                direction: port.direction,
                replay: self.replay,
                welcome: Bytes::from(welcome),
            };
            ports.push(Port::plain(listen(&port.address)?, plain));
        }
        Ok((ports, places))
    }

    fn options(&self) -> HubOptions {
        let mut options = HubOptions::default();
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        options.max_message = self.max_message;
        options.max_connections = self.max_connections;
        options.max_channels = self.max_channels;
        options.max_producers = self.max_producers;
        options.max_pending = self.max_pending;
        options.channel_memory = size(self.channel_memory);
        options.memory = size(self.memory);
        options.request_timeout = self.request_timeout;
        options.header_timeout = self.header_timeout;
        options.stall_timeout = self.stall_timeout;
        options.drain = self.drain;
        options.when_slow.clone_from(&self.when_slow);
        options
    }
}
