//! `tenfold channels`: what a hub holds.

mod table;

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tenfold::Address;

use crate::failure::Failure;
use crate::flow::output::Stdout;
use crate::hub::listing::ask;
use crate::signals;
use crate::units;
use crate::words::Words;
use table::Table;

/// List the channels of a hub
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tenfold channels
  tenfold channels --watch=500ms
  tenfold channels --json | jq .channel")]
pub(crate) struct Channels {
    /// Where the hub listens
    #[arg(
        long,
        short = 's',
        value_name = "ADDR",
        env = "TENFOLD_SERVER",
        default_value = "127.0.0.1:10010"
    )]
    server: Address,

    /// The hub's own objects, one in each line
    #[arg(long)]
    json: bool,

    /// Look again every T (1s), and show rates
    #[arg(long, value_name = "T", num_args = 0..=1, require_equals = true, default_missing_value = "1s",
          value_parser = units::duration)]
    watch: Option<Duration>,

    /// Say how the hub is, in one line, instead of what it holds
    #[arg(long, conflicts_with = "watch")]
    health: bool,

    /// Give up when the hub says nothing for T
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    timeout: Duration,
}

impl Channels {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        signals::end_between_writes()?;
        if self.health {
            return stdout.write(self.health()?.as_bytes());
        }
        let mut before = None;
        let text = self.look(&mut before)?;
        let Some(every) = self.watch else {
            return stdout.write(text.as_bytes());
        };
        let mut looked = Ok(text);
        let mut is_away = false;
        let mut due = Instant::now();
        loop {
            match looked {
                Ok(text) => {
                    if std::mem::take(&mut is_away) {
                        words.note(format_args!("{} is there again", self.server));
                    }
                    stdout.write(in_place(text, stdout.is_terminal() && !self.json).as_bytes())?;
                }
                // The hub may come back, and a person who watches wants to see that.
                Err(failure) if !is_away => {
                    is_away = true;
                    before = None;
                    words.warning(format_args!("{failure}; looking again every {every:?}"));
                }
                Err(_) => {}
            }
            due = (due + every).max(Instant::now());
            thread::sleep(due.saturating_duration_since(Instant::now()));
            looked = self.look(&mut before);
        }
    }

    /// What is there now, and the rates since the look before.
    fn look(&self, before: &mut Option<Table>) -> Result<String, Failure> {
        let lines = ask("CHANNELS", &self.server, self.timeout)?;
        if self.json {
            return Ok(lines
                .iter()
                .flat_map(|line| [line.as_str(), "\n"])
                .collect());
        }
        let table = Table::new(&objects(&lines, &self.server)?);
        let text = table.text(self.watch.is_some(), before.as_ref());
        *before = Some(table);
        Ok(text)
    }

    fn health(&self) -> Result<String, Failure> {
        let lines = ask("HEALTH", &self.server, self.timeout)?;
        let line = lines.concat();
        let fields = line.strip_prefix("OK ").unwrap_or(&line);
        if !self.json {
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

/// On a terminal each table takes the place of the one before.
fn in_place(text: String, terminal: bool) -> String {
    if terminal {
        let lines = text.replace('\n', "\x1b[K\n");
        format!("\x1b[H{lines}\x1b[J")
    } else {
        text
    }
}

fn objects(lines: &[String], server: &Address) -> Result<Vec<Value>, Failure> {
    lines
        .iter()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| {
                Failure::Other(format!(
                    "{server} describes a channel as what is no JSON: {error}"
                ))
            })
        })
        .collect()
}
