//! The channel of a measurement at a hub of others: it is nobody else's, and nothing of it is left.

use std::time::Duration;

use serde_json::Value;
use tenfold::Hubs;
use tenfold::protocol::{Answer, ChannelName, Request};

use crate::failure::Failure;
use crate::flow::confirm::confirm;
use crate::flow::credential::Credential;
use crate::flow::deletion::delete;
use crate::flow::listing::ask;

/// How long the hub may take to an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A channel that was not there before the measurement.
#[derive(Debug)]
pub(super) struct OwnChannel<'a> {
    name: &'a ChannelName,
    server: &'a Hubs,
    credential: Credential,
}

impl<'a> OwnChannel<'a> {
    /// Looks at the hub, and asks a person unless it is known that they agree. `None`: the hub keeps its channels in
    /// memory, and forgets them anyway.
    pub(super) fn find(
        name: &'a ChannelName,
        server: &'a Hubs,
        credential: Credential,
        yes: bool,
    ) -> Result<Option<Self>, Failure> {
        // A hub that is starting does not say yet where it keeps them, but it refuses this.
        let is_there = is_there(name, server, &credential)?;
        if !is_on_disk(server, &credential)? {
            return Ok(None);
        }
        if is_there {
            return Err(Failure::Other(format!(
                "{server} has a channel {name} already, and the channel of a measurement is deleted at the end: \
                 choose another one with --channel, or delete it first (tenfold delete {name})",
            )));
        }
        let what = format!(
            "measure {server}, which keeps its channels on disk: fill channel {name}, and delete it at the end"
        );
        confirm(&what, yes)?;
        Ok(Some(Self {
            name,
            server,
            credential,
        }))
    }

    /// Deletes it.
    pub(super) fn delete(&self) -> Result<(), Failure> {
        let Self {
            name,
            server,
            credential,
        } = self;
        delete(name, credential, server, PATIENCE).map(drop).map_err(|failure| {
            failure.map(|words| {
                format!("channel {name} of {server} is left there, full of the messages of this measurement: {words}")
            })
        })
    }
}

/// Whether the hub has such a channel.
fn is_there(name: &ChannelName, server: &Hubs, token: &Credential) -> Result<bool, Failure> {
    let object = |line: &str| serde_json::from_str::<Value>(line).ok();
    let lines = ask(
        &Request::Channels,
        token,
        |line| object(line).is_some(),
        server,
        PATIENCE,
    )?;
    let mut channels = lines.iter().filter_map(|line| object(line));
    Ok(channels.any(|channel| channel["channel"] == name.as_str()))
}

/// Whether the hub has a log, or does not say so to everybody.
fn is_on_disk(server: &Hubs, token: &Credential) -> Result<bool, Failure> {
    let keys = |line: &str| match Answer::parse(line.as_bytes()) {
        Ok(Answer::Ok(keys)) => Some(keys),
        _ => None,
    };
    let lines = ask(
        &Request::Health,
        token,
        |line| keys(line).is_some(),
        server,
        PATIENCE,
    )?;
    let keys = lines.first().and_then(|line| keys(line));
    Ok(keys.is_some_and(|keys| keys.get("batches").is_some() || keys.get("version").is_none()))
}
