//! Where a hub listens, and what it offers there.

use std::sync::Arc;

use bytes::Bytes;
use tenfold::protocol::{BadName, ChannelName};
use tenfold::{Address, AddressError, Encoder, Framing, Listener};
use tenfold_http::Http;
use tenfold_hub::{Direction, Plain, Port};

use super::handed_over::HandedOver;
use super::{Serve, Settings};
use crate::failure::Failure;
use crate::flow::connect::bind;
use crate::flow::options::ListenOptions;

/// `--plain`.
#[derive(Clone, Debug)]
pub(super) struct PlainPort {
    pub(super) address: Address,
    channel: ChannelName,
    direction: Direction,
    asks_token: bool,
}

/// Where the hub listens, and what is offered there if it is not everything.
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) what: Option<String>,
}

/// What commas leave of `--plain`.
#[derive(Clone, Debug)]
pub(super) enum PlainArgument {
    Port(PlainPort),
    /// The `token` after a port.
    Token,
}

/// Reads `127.0.0.1:10011=ticks:both`, or the `token` that may come after it and a comma.
pub(super) fn plain_argument(text: &str) -> Result<PlainArgument, String> {
    match text {
        "token" => Ok(PlainArgument::Token),
        text => plain(text).map(PlainArgument::Port),
    }
}

/// Ports, each with its token.
pub(super) fn joined(arguments: &[PlainArgument]) -> Result<Vec<PlainPort>, String> {
    let mut ports: Vec<PlainPort> = Vec::new();
    for argument in arguments {
        match (argument, ports.last_mut()) {
            (PlainArgument::Port(port), _) => ports.push(port.clone()),
            (PlainArgument::Token, Some(port)) if !port.asks_token => port.asks_token = true,
            (PlainArgument::Token, _) => {
                return Err(
                    "--plain: `token` belongs after a port: ADDR=CHANNEL:in,token".to_owned(),
                );
            }
        }
    }
    Ok(ports)
}

fn plain(text: &str) -> Result<PlainPort, String> {
    let (address, rest) = text
        .rsplit_once('=')
        .ok_or("write ADDR=CHANNEL, with :out, :in or :both after it if you like")?;
    let (channel, direction) = rest.split_once(':').unwrap_or((rest, "out"));
    Ok(PlainPort {
        address: address
            .parse()
            .map_err(|error: AddressError| error.to_string())?,
        channel: channel
            .parse()
            .map_err(|error: BadName| error.to_string())?,
        direction: match direction {
            "out" => Direction::Out,
            "in" => Direction::In,
            "both" => Direction::Both,
            _ => return Err("the direction after the channel is out, in or both".to_owned()),
        },
        asks_token: false,
    })
}

impl PlainPort {
    fn sends(&self) -> bool {
        self.direction != Direction::In
    }

    pub(super) fn takes(&self) -> bool {
        self.direction != Direction::Out
    }

    fn description(&self) -> String {
        let token = if self.asks_token {
            ", with a token"
        } else {
            ""
        };
        format!("channel {}, {}{token}", self.channel, self.direction)
    }
}

/// The options for plain ports that send need such a port.
pub(super) fn check_plain_options(plain: &[PlainPort], settings: &Settings) -> Result<(), Failure> {
    if plain.iter().any(PlainPort::sends) {
        return Ok(());
    }
    match ["welcome", "replay"]
        .iter()
        .find_map(|key| settings.given(key))
    {
        None => Ok(()),
        Some(setting) => Err(Failure::Usage(format!(
            "{} is for plain ports that send, and there is none: add --plain ADDR=CHANNEL, or leave it out",
            setting.place()
        ))),
    }
}

/// Listens, or takes the socket that was handed over; of an address over TLS too, which the hub speaks by itself.
fn listen(
    address: &Address,
    options: &ListenOptions,
    handed_over: &mut HandedOver,
) -> Result<(Listener, Address), Failure> {
    let plain = address.clone().without_tls();
    let (listener, place) = match handed_over.take(&plain) {
        Some(there) => there,
        None => bind(&plain, options)?,
    };
    let place = if address.is_tls() {
        place.over_tls()
    } else {
        place
    };
    Ok((listener, place))
}

/// A port over TLS, if its address is.
fn over_tls(port: Port, address: &Address) -> Port {
    if address.is_tls() {
        return port.over_tls();
    }
    port
}

impl Serve {
    /// Listens everywhere: the ports for the protocol, then the plain ones, those for HTTP, and those for numbers.
    pub(super) fn ports(&self) -> Result<(Vec<Port>, Vec<Place>), Failure> {
        let mut handed_over = HandedOver::from_environment()?;
        let mut ports = Vec::new();
        let mut places = Vec::new();
        for address in &self.listen {
            let (listener, address) = listen(address, &self.listening, &mut handed_over)?;
            ports.push(over_tls(Port::protocol(listener), &address));
            let what = None;
            places.push(Place { address, what });
        }
        let welcome = self.welcome()?;
        for port in self.plain_ports()? {
            let (listener, address) = listen(&port.address, &self.listening, &mut handed_over)?;
            let mut plain =
                Plain::new(port.channel.clone(), port.direction).welcome(welcome.clone());
            if port.asks_token {
                plain = plain.asking_for_token();
            }
            if let Some(messages) = self.replay {
                plain = plain.replay(messages);
            }
            ports.push(over_tls(Port::plain(listener, plain), &address));
            let what = Some(port.description());
            places.push(Place { address, what });
        }
        let (server, numbers) = (
            Arc::new(self.http.server()),
            Arc::new(self.http.server().only_numbers()),
        );
        let doors = self.http.doors().map(|address| (address, &server, "HTTP"));
        let metrics = self.http.metrics().iter();
        let metrics = metrics.map(|address| (address, &numbers, "metrics"));
        for (address, server, what) in doors.chain(metrics) {
            let (listener, address) = listen(address, &self.listening, &mut handed_over)?;
            let server: Arc<Http> = Arc::clone(server);
            ports.push(over_tls(Port::guests(listener, server), &address));
            let what = Some(what.to_owned());
            places.push(Place { address, what });
        }
        handed_over.finish()?;
        Ok((ports, places))
    }

    /// The first frame of each client of a plain port.
    pub(super) fn welcome(&self) -> Result<Bytes, Failure> {
        let mut frame = Vec::new();
        if let Some(text) = &self.welcome {
            Encoder::new(Framing::default().server())
                .encode(text.as_bytes(), &mut frame)
                .map_err(|error| Failure::Usage(format!("cannot frame --welcome: {error}")))?;
        }
        Ok(frame.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_port_sends_unless_it_is_told() {
        let port = plain("127.0.0.1:10011=ticks").unwrap();
        assert_eq!(port.direction, Direction::Out);
        assert_eq!(
            plain("unix:/tmp/a=b=ticks:both")
                .unwrap()
                .address
                .to_string(),
            "unix:/tmp/a=b"
        );
        for wrong in [
            "ticks",
            "=ticks",
            ":1=",
            ":1=TICKS",
            ":1=ticks:",
            ":1=ticks:up",
        ] {
            assert!(plain(wrong).is_err(), "{wrong}");
        }
    }
}
