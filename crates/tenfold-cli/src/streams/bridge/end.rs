//! What a bridge joins.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use tenfold::Address;
use tenfold::protocol::ChannelName;

use super::serial::may_be_device;
use crate::flow::options::SideName;

/// One of the two ends, as it is written on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A server at this address, to connect to.
    Connect(Address),
    /// Clients that connect to this address.
    Listen(Address),
    /// A command, by its stdin and stdout.
    Exec(String),
    /// Our own stdin and stdout.
    Stdio,
    /// A file, or a serial device.
    File(FilePath),
    /// A channel of the hub.
    Hub(ChannelName, Way),
}

/// The path of a file or of a device, and for a device its speed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath {
    pub(crate) path: PathBuf,
    /// Bits per second; without, the device keeps the speed that it has.
    pub(crate) speed: Option<u32>,
}

/// Which way messages go between a channel and the other end; the words are those of
/// `serve --plain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The other end gets the channel's messages.
    Out,
    /// What the other end sends is published.
    In,
    Both,
}

impl End {
    /// Whether it can be had any number of times.
    pub(super) fn is_many(&self) -> bool {
        !matches!(self, Self::Stdio)
    }

    /// The address, if it is one.
    pub(super) fn address(&self) -> Option<&Address> {
        match self {
            Self::Connect(address) | Self::Listen(address) => Some(address),
            _ => None,
        }
    }

    pub(super) fn is_listen(&self) -> bool {
        matches!(self, Self::Listen(_))
    }

    /// Whether something can come from there. Of two files, the first is read and the second is written.
    pub(super) fn gives(&self, is_first: bool) -> bool {
        match self {
            Self::File(file) => is_first || file.is_device(),
            Self::Hub(_, way) => *way != Way::In,
            _ => true,
        }
    }

    /// Whether something can go there.
    pub(super) fn takes(&self, is_first: bool) -> bool {
        match self {
            Self::File(file) => !is_first || file.is_device(),
            Self::Hub(_, way) => *way != Way::Out,
            _ => true,
        }
    }

    /// Whether it is one of those that have lines beside a channel, if no framing was said.
    pub(super) fn has_lines(&self) -> bool {
        matches!(self, Self::Stdio | Self::File(_))
    }

    /// Whose bytes come from this end, where client and server frame differently. The side
    /// that accepted is a server, and the side that connected is a client. A command, a pipe, a file or a device is what
    /// the other end is not.
    pub(super) fn role(&self, other: &Self) -> SideName {
        match self.own_role().or_else(|| other.own_role().map(opposite)) {
            Some(role) => role,
            // A command is started to be asked something.
            None if matches!(self, Self::Exec(_)) => SideName::Server,
            None => SideName::Client,
        }
    }

    fn own_role(&self) -> Option<SideName> {
        match self {
            Self::Connect(_) => Some(SideName::Server),
            Self::Listen(_) => Some(SideName::Client),
            Self::Exec(_) | Self::Stdio | Self::File(_) | Self::Hub(..) => None,
        }
    }
}

pub(super) fn opposite(side: SideName) -> SideName {
    match side {
        SideName::Client => SideName::Server,
        SideName::Server => SideName::Client,
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdio);
        }
        if let Some(address) = text.strip_prefix("listen:") {
            let address = Address::parse(address).map_err(|error| error.to_string())?;
            return Ok(Self::Listen(address));
        }
        if let Some(command) = text.strip_prefix("exec:") {
            if command.trim().is_empty() {
                return Err("exec: needs a command after it".to_owned());
            }
            return Ok(Self::Exec(command.to_owned()));
        }
        if let Some(channel) = text.strip_prefix("hub:") {
            return channel_end(channel);
        }
        if is_path(text) {
            return text.parse().map(Self::File);
        }
        Address::parse(text)
            .map(Self::Connect)
            .map_err(|error| match text.parse::<ChannelName>() {
                Ok(_) => format!(
                    "{error}; a channel of the hub is written hub:{text}, and a file ./{text}"
                ),
                Err(_) => error.to_string(),
            })
    }
}

/// Whether an end is written as a path, and not as an address.
fn is_path(text: &str) -> bool {
    let begins = ["/", "./", "../"];
    begins.iter().any(|begin| text.starts_with(begin)) || text.contains('/') && !text.contains(':')
}

impl FilePath {
    /// Whether it is a serial device, as far as its path says. That may not be there yet.
    pub(super) fn is_device(&self) -> bool {
        self.speed.is_some() || may_be_device(&self.path)
    }
}

impl FromStr for FilePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = |speed| Self {
            path: text.into(),
            speed,
        };
        let Some((path, speed)) = text.rsplit_once(',') else {
            return Ok(whole(None));
        };
        if speed.is_empty() || !speed.bytes().all(|byte| byte.is_ascii_digit()) {
            // Other files may have a comma in their names.
            return match text.split_once(',') {
                Some((path, rest)) if path.starts_with("/dev/") => Err(format!(
                    "\"{rest}\" is not the speed of a device: write {path},115200 for 115200 bits in a second \
                     (of 8 data bits, no parity and 1 stop bit)"
                )),
                _ => Ok(whole(None)),
            };
        }
        match speed.parse() {
            Ok(speed @ 1..) => Ok(Self {
                path: path.into(),
                speed: Some(speed),
            }),
            _ => Err(format!(
                "{speed} bits in a second are not the speed of a device: write {path},115200"
            )),
        }
    }
}

fn channel_end(text: &str) -> Result<End, String> {
    let (name, way) = match text.split_once(':') {
        None => (text, Way::Both),
        Some((name, "out")) => (name, Way::Out),
        Some((name, "in")) => (name, Way::In),
        Some((name, "both")) => (name, Way::Both),
        Some((_, other)) => {
            return Err(format!(
                "\"{other}\" is not a direction: write in, out or both"
            ));
        }
    };
    let name = name
        .parse::<ChannelName>()
        .map_err(|error| format!("\"{name}\" is not {error}"))?;
    Ok(End::Hub(name, way))
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(address) => address.fmt(f),
            Self::Listen(address) => write!(f, "listen:{address}"),
            Self::Exec(command) => write!(f, "exec:{command}"),
            Self::Stdio => f.write_str("-"),
            Self::File(file) => file.fmt(f),
            Self::Hub(channel, way) => {
                write!(f, "hub:{channel}")?;
                match way {
                    Way::Out => f.write_str(":out"),
                    Way::In => f.write_str(":in"),
                    Way::Both => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)?;
        match self.speed {
            Some(speed) => write!(f, ",{speed}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> End {
        text.parse().unwrap()
    }

    #[test]
    fn an_end_is_printed_as_it_was_written() {
        for text in [
            "-",
            "127.0.0.1:80",
            "unix:/run/agent",
            "listen:127.0.0.1:0",
            "listen:unix:/run/x",
            "exec:ruff server",
            "./ticks",
            "records/today",
            "/tmp/a,b",
            "/dev/ttyUSB0",
            "/dev/ttyUSB0,115200",
            "hub:ticks",
            "hub:ticks:in",
            "hub:ticks:out",
        ] {
            assert_eq!(end(text).to_string(), text);
        }
        assert_eq!(end("hub:ticks:both"), end("hub:ticks"));
    }

    #[test]
    fn what_is_not_an_end_says_what_would_be_one() {
        let problem = |text: &str| text.parse::<End>().unwrap_err();
        assert!(problem("ticks").contains("hub:ticks, and a file ./ticks"));
        assert!(problem("/dev/ttyS0,fast").contains("/dev/ttyS0,115200"));
        assert!(problem("/dev/ttyS0,115200,8n1").contains("8 data bits"));
        assert!(problem("/dev/ttyS0,0").contains("/dev/ttyS0,115200"));
        assert!(problem("exec: ").contains("command"));
        assert!(problem("hub:ticks:up").contains("in, out or both"));
        assert!(problem("hub:Ticks").contains("Ticks"));
        assert!(problem("listen:80").contains("port"));
    }

    #[test]
    fn who_connects_is_the_client_and_a_command_is_what_the_other_is_not() {
        let role = |a: &str, b: &str| (end(a).role(&end(b)), end(b).role(&end(a)));
        let (client, server) = (SideName::Client, SideName::Server);
        assert_eq!(role("listen::0", "exec:x"), (client, server));
        assert_eq!(role("listen::0", ":80"), (client, server));
        assert_eq!(role("exec:x", ":80"), (client, server));
        assert_eq!(role("-", "exec:x"), (client, server));
        assert_eq!(role("-", "listen::0"), (server, client));
        assert_eq!(role("exec:x", "hub:ticks").0, server);
    }
}
