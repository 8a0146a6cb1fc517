//! The flags that the binaries share: which points and servers, and for how long.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::server_args::number;
use crate::servers::Setup;

pub struct Options {
    pub clients: Vec<usize>,
    pub sizes: Vec<usize>,
    pub rounds: usize,
    seconds: usize,
    pub servers: Vec<String>,
    reference: Option<String>,
    tenfold: PathBuf,
    args: Vec<(String, String)>,
    /// The flags that only one binary has.
    own: Vec<(String, String)>,
}

impl Options {
    /// What is not said is 100 subscribers, 128 bytes, 5 rounds of 4 seconds.
    pub fn new(servers: &str) -> Self {
        Self {
            clients: vec![100],
            sizes: vec![128],
            rounds: 5,
            seconds: 4,
            servers: names(servers),
            reference: None,
            tenfold: "tenfold".into(),
            args: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Takes pairs of flags and values; `own` are those that are kept for the binary.
    pub fn parse(
        mut self,
        args: impl IntoIterator<Item = String>,
        own: &[&str],
    ) -> io::Result<Self> {
        let mut args = args.into_iter();
        while let Some(name) = args.next() {
            let Some(value) = args.next() else {
                return Err(usage(format!("{name} needs a value, or is not known")));
            };
            match name.as_str() {
                "--clients" => self.clients = numbers(&value)?,
                "--size" => self.sizes = numbers(&value)?,
                "--rounds" => self.rounds = number(&value)?,
                "--seconds" => self.seconds = number(&value)?,
                "--servers" => self.servers = names(&value),
                "--reference" => self.reference = Some(value),
                "--tenfold-bin" => self.tenfold = value.into(),
                flag if own.contains(&flag) => self.own.push((name, value)),
                flag => match flag.strip_prefix("--args-") {
                    Some(server) => self.args.push((server.to_owned(), value)),
                    None => return Err(usage(format!("what is {name}?"))),
                },
            }
        }
        Ok(self)
    }

    pub fn own(&self, name: &str) -> Option<&str> {
        let pair = self.own.iter().find(|(given, _)| given == name);
        pair.map(|(_, value)| value.as_str())
    }

    /// The list of numbers of a flag that only one binary has.
    pub fn own_numbers(&self, name: &str, otherwise: &str) -> io::Result<Vec<usize>> {
        numbers(self.own(name).unwrap_or(otherwise))
    }

    /// Gives a server arguments that it has without `--args-NAME`.
    pub fn with_args(mut self, server: &str, args: &str) -> Self {
        self.args.push((server.to_owned(), args.to_owned()));
        self
    }

    pub fn own_number(&self, name: &str, otherwise: usize) -> io::Result<usize> {
        self.own(name).map_or(Ok(otherwise), number)
    }

    pub fn window(&self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }

    /// The server that the ratios are about: the first, unless this or `--reference` says else.
    pub fn reference<'a>(&'a self, usual: &'a str) -> &'a str {
        let has = |name: &&str| self.servers.iter().any(|server| server == name);
        self.reference
            .as_deref()
            .or(Some(usual).filter(has))
            .or(self.servers.first().map(String::as_str))
            .unwrap_or(usual)
    }

    /// What servers are started with, for so many subscribers.
    pub fn setup(&self, clients: usize, place: &Path) -> Setup {
        Setup {
            clients,
            tenfold: self.tenfold.clone(),
            args: self.args.clone(),
            place: place.to_owned(),
        }
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(',').map(str::to_owned).collect()
}

fn numbers(list: &str) -> io::Result<Vec<usize>> {
    list.split(',').map(number).collect()
}

fn usage(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> io::Result<Options> {
        let args = line.split_whitespace().map(str::to_owned);
        Options::new("hub,redis").parse(args, &["--rate"])
    }

    #[test]
    fn lists_are_points_of_a_matrix() {
        let options = parse("--clients 1,10 --size 16,16384 --rate 50").unwrap();
        assert_eq!(options.clients, [1, 10]);
        assert_eq!(options.sizes, [16, 16384]);
        assert_eq!(options.own_number("--rate", 1000).unwrap(), 50);
    }

    #[test]
    fn unknown_flags_and_missing_values_are_refused() {
        for line in ["--sizes 16", "--size", "--size x", "--clients 1,"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_reference_is_the_usual_one_where_it_runs() {
        assert_eq!(parse("").unwrap().reference("redis"), "redis");
        assert_eq!(
            parse("--servers nats,zmq").unwrap().reference("hub"),
            "nats"
        );
        assert_eq!(parse("--reference hub").unwrap().reference("redis"), "hub");
    }
}
