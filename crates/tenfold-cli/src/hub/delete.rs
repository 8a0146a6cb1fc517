//! `tenfold delete`: ends channels of a hub.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tenfold::Hubs;
use tenfold::protocol::{ChannelName, Deleted};

use crate::failure::Failure;
use crate::flow::confirm::confirm;
use crate::flow::credential::CredentialOptions;
use crate::flow::deletion::delete;
use crate::flow::output::Stdout;
use crate::numbers::{grouped, size};
use crate::signals;
use crate::units;
use crate::words::Words;

/// Delete channels of a hub, with all their messages
#[derive(Args, Debug)]
#[command(after_help = "\
What is deleted cannot be had back. Publishers and subscribers of the channel are told, and
end; subscribers get what is committed before. A channel that gets the name later is
another one, with another epoch: it begins with message 0. `tenfold log delete` deletes a
channel while no hub runs.

Examples:
  tenfold delete ticks
  tenfold delete test-1 test-2 --yes --json")]
pub(crate) struct Delete {
    /// The channels
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<ChannelName>,

    /// Where the hub listens; of several addresses with commas between them, the first that there is
    /// a connection to
    #[arg(
        long,
        short = 's',
        value_name = "ADDR[,ADDR]...",
        env = "TENFOLD_SERVER",
        default_value = "127.0.0.1:10010"
    )]
    server: Hubs,

    #[command(flatten)]
    credential: CredentialOptions,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Print what was deleted: one JSON object in each line
    #[arg(long)]
    json: bool,

    /// Give up when the hub says nothing for T; what has begun goes on
    #[arg(long, value_name = "T", default_value = "30s", value_parser = units::duration)]
    timeout: Duration,
}

impl Delete {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        signals::end_between_writes()?;
        confirm(&self.question(), self.yes)?;
        let credential = self.credential.all();
        let mut failed = None;
        for channel in &self.channels {
            match delete(channel, &credential, &self.server, self.timeout) {
                Ok(deleted) => self.tell(channel, &deleted, &stdout, words)?,
                // The others can be deleted all the same.
                Err(Failure::Other(text)) => {
                    if let Some(before) = failed.replace(text) {
                        words.error(&before);
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        failed.map_or(Ok(()), |text| Err(Failure::Other(text)))
    }

    fn question(&self) -> String {
        let server = &self.server;
        match &self.channels[..] {
            [one] => format!("delete channel {one} of {server} and all its messages"),
            several => {
                let names: Vec<&str> = several.iter().map(ChannelName::as_str).collect();
                let names = names.join(", ");
                format!("delete channels {names} of {server} and all their messages")
            }
        }
    }

    fn tell(
        &self,
        channel: &ChannelName,
        deleted: &Deleted,
        stdout: &Stdout,
        words: &Words,
    ) -> Result<(), Failure> {
        if self.json {
            let line = json!({
                "channel": channel.as_str(),
                "epoch": deleted.epoch.to_string(),
                "first": deleted.first,
                "next": deleted.next,
                "bytes": deleted.bytes,
            });
            return stdout.write(format!("{line}\n").as_bytes());
        }
        let messages = deleted.next - deleted.first;
        words.note(format_args!(
            "channel {channel} is deleted ({} message{}, {})",
            grouped(messages),
            if messages == 1 { "" } else { "s" },
            size(deleted.bytes),
        ));
        Ok(())
    }
}
