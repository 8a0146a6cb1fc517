//! What a hub tells of many things, one JSON object for each: asked once, or again and again.

mod ask;
mod columns;

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tenfold::Hubs;
use tenfold::protocol::Request;

use crate::escape;
use crate::failure::Failure;
use crate::flow::credential::{Credential, CredentialOptions};
use crate::flow::output::Stdout;
use crate::signals;
use crate::units;
use crate::words::Words;

pub(crate) use ask::ask;
pub(crate) use columns::{Column, aligned};

/// Whom to ask, how often, and how to show what it says.
#[derive(Args, Debug)]
pub(crate) struct Listing {
    /// Where the hub listens; of several addresses with commas between them, the first that there is
    /// a connection to
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

    /// The hub's own objects, one in each line
    #[arg(long)]
    pub(crate) json: bool,

    /// Look again every T (1s), and show rates since the look before
    #[arg(long, value_name = "T", num_args = 0..=1, require_equals = true, default_missing_value = "1s",
          value_parser = units::duration)]
    watch: Option<Duration>,

    /// Give up when the hub says nothing for T
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    pub(crate) timeout: Duration,
}

/// What a hub has told at one moment, for people.
pub(crate) trait Table: Sized {
    /// A member that each of the hub's objects has.
    const MEMBER: &str;

    /// Of the hub's own objects; members that are not known are left out.
    fn new(objects: &[Value]) -> Self;

    /// As text; if it is watched, with rates since the look before.
    fn text(&self, is_watched: bool, before: Option<&Self>) -> String;
}

impl Listing {
    /// Asks, and shows the answer; with `--watch` for as long as it runs.
    pub(crate) fn run<T: Table>(&self, request: &Request, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        signals::end_between_writes()?;
        let credential = self.credential.all();
        let mut before = None;
        let text = self.look::<T>(request, &credential, &mut before)?;
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
            looked = self.look(request, &credential, &mut before);
        }
    }

    /// What is there now, and the rates since the look before.
    fn look<T: Table>(
        &self,
        request: &Request,
        credential: &Credential,
        before: &mut Option<T>,
    ) -> Result<String, Failure> {
        let is_answer = has_member(T::MEMBER);
        let lines = ask(request, credential, is_answer, &self.server, self.timeout)?;
        if self.json {
            return Ok(lines
                .iter()
                .flat_map(|line| [escape::json(line), "\n".into()])
                .collect());
        }
        let table = T::new(&objects(&lines, &self.server)?);
        let text = table.text(self.watch.is_some(), before.as_ref());
        *before = Some(table);
        Ok(text)
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

/// What a hub tells of many things, as objects that have this member.
pub(crate) fn ask_for_objects(
    request: &Request,
    credential: &Credential,
    member: &str,
    server: &Hubs,
    timeout: Duration,
) -> Result<Vec<Value>, Failure> {
    let lines = ask(request, credential, has_member(member), server, timeout)?;
    objects(&lines, server)
}

fn has_member(member: &str) -> impl Fn(&str) -> bool {
    move |line| serde_json::from_str(line).is_ok_and(|object: Value| object.get(member).is_some())
}

fn objects(lines: &[String], server: &Hubs) -> Result<Vec<Value>, Failure> {
    lines
        .iter()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| {
                Failure::Other(format!(
                    "{server} describes what it has as what is not JSON: {error}"
                ))
            })
        })
        .collect()
}
