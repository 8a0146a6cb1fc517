//! Asks a hub to delete a channel.

use std::time::Duration;

use tenfold::Hubs;
use tenfold::protocol::{Answer, ChannelName, Deleted, Request};

use super::listing::ask;
use crate::failure::Failure;
use crate::flow::credential::Credential;

/// What was deleted. A hub that has begun to delete the channel goes on with it, also if this gives up.
pub(crate) fn delete(
    channel: &ChannelName,
    credential: &Credential,
    server: &Hubs,
    timeout: Duration,
) -> Result<Deleted, Failure> {
    let request = Request::delete(channel.clone());
    let read = |line: &str| match Answer::parse(line.as_bytes()) {
        Ok(Answer::Ok(keys)) => Deleted::try_from(&keys).ok(),
        _ => None,
    };
    let lines = ask(
        &request,
        credential,
        |line| read(line).is_some(),
        server,
        timeout,
    )?;
    let deleted = lines.first().and_then(|line| read(line));
    deleted.ok_or_else(|| Failure::Other(format!("{server} closed without an answer")))
}
