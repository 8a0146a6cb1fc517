//! `tenfold channels`: what a hub holds.

mod table;

use clap::Args;
use serde_json::Value;
use tenfold::protocol::Request;

use crate::failure::Failure;
use crate::flow::listing::{Listing, ask};
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
  tenfold channels --json | jq .channel")]
pub(crate) struct Channels {
    #[command(flatten)]
    listing: Listing,

    /// Say how the hub is, in one line, instead of what it holds
    #[arg(long, conflicts_with = "watch")]
    health: bool,
}

impl Channels {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        if !self.health {
            return self.listing.run::<Table>(&Request::Channels, words);
        }
        let stdout = Stdout::open()?;
        signals::end_between_writes()?;
        stdout.write(self.health()?.as_bytes())
    }

    fn health(&self) -> Result<String, Failure> {
        let Listing {
            server,
            timeout,
            json,
            credential,
            ..
        } = &self.listing;
        let token = credential.token();
        let is_answer = |line: &str| line.starts_with("OK ");
        let lines = ask(
            &Request::Health,
            token.as_ref(),
            is_answer,
            server,
            *timeout,
        )?;
        let [line] = &lines[..] else {
            return Err(Failure::Other(format!(
                "{server} is not a hub: it answered HEALTH with {}",
                counted(lines.len() as u64, "line")
            )));
        };
        let fields = line.strip_prefix("OK ").unwrap_or(line);
        if !json {
            return Ok(format!("{fields}\n"));
        }
        let pairs = fields.split(' ').filter_map(|field| field.split_once('='));
        let object = pairs.map(|(key, value)| {
            let value = value
                .parse::<u64>()
                .map_or_else(|_| value.into(), Value::from);
            (key.to_owned(), value)
        });
        Ok(format!("{}\n", Value::Object(object.collect())))
    }
}
