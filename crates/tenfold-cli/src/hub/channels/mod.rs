//! `tenfold channels`: what a hub holds.

mod table;

use clap::Args;
use serde_json::Value;
use tenfold::protocol::{ChannelName, Request};

use crate::failure::Failure;
use crate::flow::listing::{Listing, ask, ask_for_objects};
use crate::flow::output::Stdout;
use crate::numbers::counted;
use crate::signals;
use crate::words::Words;
use table::Channels as Table;

/// List the channels of a hub
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenfold channels
  tenfold channels --watch=500ms
  tenfold channels --names
  tenfold channels --health
  tenfold channels --json | jq .channel")]
pub(crate) struct Channels {
    #[command(flatten)]
    listing: Listing,

    /// Say how the hub is, in one line, instead of what it holds; the exit code is 1 while it takes no messages, because it
    /// is `starting`, `full` or `read-only`
    #[arg(long, conflicts_with = "watch")]
    health: bool,

    /// The names only, one in each line
    #[arg(long, conflicts_with_all = ["watch", "health", "json"])]
    names: bool,
}

impl Channels {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        if !self.health && !self.names {
            return self.listing.run::<Table>(&Request::Channels, words);
        }
        let stdout = Stdout::open()?;
        signals::end_between_writes()?;
        if self.names {
            return stdout.write(self.names()?.as_bytes());
        }
        let (text, status) = self.health()?;
        stdout.write(text.as_bytes())?;
        match status.as_str() {
            "starting" | "full" | "read-only" => Err(Failure::Other(format!(
                "{} takes no messages now: it is {status}",
                self.listing.server
            ))),
            _ => Ok(()),
        }
    }

    /// Shells take what is printed as words of theirs, so a name that cannot be one is left out, whatever the hub says.
    fn names(&self) -> Result<String, Failure> {
        let Listing {
            server,
            timeout,
            credential,
            ..
        } = &self.listing;
        let credential = credential.all();
        let request = Request::Channels;
        let objects = ask_for_objects(&request, &credential, "channel", server, *timeout)?;
        let name = |object: &Value| object["channel"].as_str()?.parse::<ChannelName>().ok();
        let names = objects.iter().filter_map(name);
        Ok(names
            .flat_map(|name| [name.to_string(), "\n".to_owned()])
            .collect())
    }

    /// What the hub says of itself, and its status.
    fn health(&self) -> Result<(String, String), Failure> {
        let Listing {
            server,
            timeout,
            json,
            credential,
            ..
        } = &self.listing;
        let credential = credential.all();
        let is_answer = |line: &str| line.starts_with("OK ");
        let lines = ask(&Request::Health, &credential, is_answer, server, *timeout)?;
        let [line] = &lines[..] else {
            return Err(Failure::Other(format!(
                "{server} is not a hub: it answered HEALTH with {}",
                counted(lines.len() as u64, "line")
            )));
        };
        let fields = line.strip_prefix("OK ").unwrap_or(line);
        let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
        let status = pairs.clone().find(|(key, _)| *key == "status");
        let status = status.map_or(String::new(), |(_, status)| status.to_owned());
        if !json {
            return Ok((format!("{fields}\n"), status));
        }
        let object = pairs.map(|(key, value)| {
            let value = value
                .parse::<u64>()
                .map_or_else(|_| value.into(), Value::from);
            (key.to_owned(), value)
        });
        Ok((format!("{}\n", Value::Object(object.collect())), status))
    }
}
