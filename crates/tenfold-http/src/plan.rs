//! What a request asks for.

use std::str::FromStr;

use tenfold::protocol::{Acks, ChannelName, Code, Epoch, Position, ProducerId, Refusal, Token};

use crate::body::Body;
use crate::door::Place;
use crate::form::Form;
use crate::head::{Head, Method};
use crate::metrics::Exposition;
use crate::page::{self, Asset};
use crate::problem::Problem;
use crate::query::Query;
use crate::status::Status;
use crate::websocket::{Protocol, Upgrade, is_upgrade, upgrade};

/// A request that is for this door: what it asks for, and with which token.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it asks for.
    pub plan: Plan,
    /// What the client shows of itself.
    pub token: Option<Token>,
    /// What it shows in the place of a token.
    pub ticket: Option<String>,
    /// The origin of another place whose pages may read the answer.
    pub origin: Option<String>,
    /// The answer has no body.
    pub head_only: bool,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Plan {
    /// What there is.
    Routes,
    /// A file of the page.
    Page(Asset),
    /// How the hub is.
    Health,
    /// The channels.
    Channels,
    /// The connections.
    Clients,
    /// The hub's numbers, and how they are written.
    Metrics(Exposition),
    /// Messages of a channel.
    Read(ChannelName, Reading),
    /// To publish to a channel.
    Publish(ChannelName, Publication),
    /// Messages of a channel, over a WebSocket.
    Messages(ChannelName, Reading, Upgrade),
    /// The hub's own protocol, over a WebSocket.
    Tunnel(Upgrade),
    /// A ticket for a token.
    Ticket,
    /// What pages of an allowed origin may do.
    Preflight,
}

/// Which messages of a channel, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Where it begins.
    pub from: Position,
    /// The history that the client knows.
    pub epoch: Option<Epoch>,
    /// Ends after so many messages.
    pub count: Option<u64>,
    /// Ends after what is committed now.
    pub until_end: bool,
    /// How messages are written.
    pub form: Form,
    /// Events: a gap is the end.
    pub stops_on_gap: bool,
}

/// What is published, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// What the body is.
    pub bodies: Bodies,
    /// What the answer means.
    pub acks: Option<Acks>,
    /// Whose messages these are, and the number of the first of them.
    pub producer: Option<(ProducerId, u64)>,
}

/// What the body of a request to publish is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bodies {
    /// One message.
    Message,
    /// Frames, as they are on the hub's own port.
    Frames,
    /// A line of JSON for each message.
    Ndjson,
}

/// What a request asks for, if it is for this door and the page that it comes from may use it. Whether the client may do
/// it is the hub's to decide.
pub fn plan(head: &Head, place: &Place) -> Result<Request, Problem> {
    let origin = place.admit(head)?;
    if head.method() == Method::Options {
        return preflight(head, origin);
    }
    let body = Body::of(head)?;
    if head.method() != Method::Post && !body.is_ended() {
        return Err(Problem::bad("only a POST has a body here"));
    }
    if is_upgrade(head) {
        return websocket(head, place, origin);
    }
    let route = place.route(head.path());
    let plan = route.ok_or_else(|| place.nothing_here())?.plan(head)?;
    let token = token(head)?;
    if head.method() == Method::Post && token.is_none() && head.one("tenfold")? != Some("1") {
        let words =
            "a POST without a token needs the header Tenfold: 1, which other web pages cannot send";
        return Err(Problem::new(Status::FORBIDDEN, words));
    }
    Ok(Request {
        plan,
        ticket: ticket(head, token.as_ref())?,
        token,
        origin: origin.map(str::to_owned),
        head_only: head.method() == Method::Head,
    })
}

/// A request for a WebSocket. A browser cannot add a header to it, so its token may come with the names of protocols.
fn websocket(head: &Head, place: &Place, origin: Option<&str>) -> Result<Request, Problem> {
    let channel = match place.route(head.path()) {
        Some(Route::Channels) => None,
        Some(Route::Channel(name)) => Some(channel(name)?),
        _ if place.has_only_numbers => return Err(place.nothing_here()),
        _ => {
            return Err(Problem::new(
                Status::NOT_FOUND,
                "WebSockets are at /channels and /channels/NAME",
            ));
        }
    };
    let spoken: &[Protocol] = match channel {
        Some(_) => &[Protocol::Tenfold, Protocol::Messages],
        None => &[Protocol::Tenfold],
    };
    let (upgrade, shown) = upgrade(head, spoken)?;
    let plan = if let (Protocol::Messages, Some(channel)) = (upgrade.protocol, channel) {
        Plan::Messages(channel, Reading::of(head)?, upgrade)
    } else {
        Query::read(head.query(), &[])?;
        Plan::Tunnel(upgrade)
    };
    let token = match (token(head)?, shown) {
        (Some(_), Some(_)) => return Err(Problem::bad("there is one token")),
        (token, shown) => token.or(shown),
    };
    Ok(Request {
        plan,
        ticket: ticket(head, token.as_ref())?,
        token,
        origin: origin.map(str::to_owned),
        head_only: false,
    })
}

fn channel(name: &str) -> Result<ChannelName, Problem> {
    name.parse()
        .map_err(|error: tenfold::protocol::BadName| Problem::value("channel", error.to_string()))
}

/// What is at a path.
enum Route<'a> {
    Routes,
    Page(Asset),
    Health,
    Channels,
    Clients,
    Metrics,
    Tickets,
    Channel(&'a str),
}

impl Place {
    /// What is at a path of this door.
    fn route<'a>(&self, path: &'a str) -> Option<Route<'a>> {
        let found = route(path)?;
        let is_there = !self.has_only_numbers || matches!(found, Route::Metrics | Route::Health);
        is_there.then_some(found)
    }

    /// What a client is told that asks for something else.
    fn nothing_here(&self) -> Problem {
        let what = if self.has_only_numbers {
            "there is nothing here but /metrics and /health"
        } else {
            "there is nothing here; GET / names what there is"
        };
        Problem::new(Status::NOT_FOUND, what)
    }
}

fn route(path: &str) -> Option<Route<'_>> {
    Some(match path {
        "/" => Route::Routes,
        "/health" => Route::Health,
        "/channels" => Route::Channels,
        "/clients" => Route::Clients,
        "/metrics" => Route::Metrics,
        "/tickets" => Route::Tickets,
        path if path.starts_with("/page/") => Route::Page(Asset::named(&path["/page/".len()..])?),
        path => {
            let name = path.strip_prefix("/channels/")?;
            return (!name.contains('/')).then_some(Route::Channel(name));
        }
    })
}

impl Route<'_> {
    fn plan(&self, head: &Head) -> Result<Plan, Problem> {
        let is_read = matches!(head.method(), Method::Get | Method::Head);
        match self {
            Self::Channel(name) => {
                let channel = channel(name)?;
                match head.method() {
                    Method::Post => {
                        Publication::of(head).map(|publication| Plan::Publish(channel, publication))
                    }
                    _ if is_read => Reading::of(head).map(|reading| Plan::Read(channel, reading)),
                    _ => Err(not_allowed("GET, HEAD, POST")),
                }
            }
            Self::Tickets if head.method() == Method::Post => {
                Query::read(head.query(), &[])?;
                if !Body::of(head)?.is_ended() {
                    return Err(Problem::bad("there is no body here"));
                }
                Ok(Plan::Ticket)
            }
            Self::Tickets => Err(not_allowed("POST")),
            _ if !is_read => Err(not_allowed("GET, HEAD")),
            other => {
                Query::read(head.query(), &[])?;
                Ok(match other {
                    Self::Health => Plan::Health,
                    Self::Channels => Plan::Channels,
                    Self::Clients => Plan::Clients,
                    Self::Metrics => Plan::Metrics(Exposition::accepted(head.all("accept"))),
                    Self::Page(asset) => Plan::Page(*asset),
                    _ if page::is_wanted(head) => Plan::Page(Asset::index()),
                    _ => Plan::Routes,
                })
            }
        }
    }
}

fn not_allowed(methods: &str) -> Problem {
    let words = format!("the methods here are {methods}");
    Problem::new(Status::METHOD_NOT_ALLOWED, words).with_header("Allow", methods)
}

fn preflight(head: &Head, origin: Option<&str>) -> Result<Request, Problem> {
    if origin.is_none() || head.one("access-control-request-method")?.is_none() {
        let words = "pages of this origin may not use this hub; --http-origin allows one";
        return Err(Problem::new(Status::FORBIDDEN, words));
    }
    if !Body::of(head)?.is_ended() {
        return Err(Problem::bad("only a POST has a body here"));
    }
    Ok(Request {
        plan: Plan::Preflight,
        token: None,
        ticket: None,
        origin: origin.map(str::to_owned),
        head_only: false,
    })
}

/// The token of `Authorization: Bearer TOKEN`.
fn token(head: &Head) -> Result<Option<Token>, Problem> {
    let Some(value) = head.one("authorization")? else {
        return Ok(None);
    };
    // Nothing of it is repeated.
    let bad = || {
        let words =
            "Authorization is Bearer and a token: tf_, 8 of 0-9 a-f, _ and 43 of A-Z a-z 0-9 - _";
        Problem::from(&Refusal::new(Code::Auth, words))
    };
    let (scheme, token) = value.split_once(' ').ok_or_else(bad)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(bad());
    }
    token.trim_start().parse().map(Some).map_err(|_| bad())
}

/// The parameters of a reading.
const PARAMETERS: &[&str] = &["from", "epoch", "count", "until", "as", "on-gap", "ticket"];

/// What a client that can show nothing but a URL shows in the place of a token, to read a channel.
fn ticket(head: &Head, token: Option<&Token>) -> Result<Option<String>, Problem> {
    let is_channel = matches!(route(head.path()), Some(Route::Channel(_)));
    if !is_channel || head.method() == Method::Post {
        return Ok(None);
    }
    let query = Query::read(head.query(), PARAMETERS)?;
    match (query.get("ticket"), token) {
        (None, _) => Ok(None),
        (Some(ticket), None) => Ok(Some(ticket.to_owned())),
        (Some(_), Some(_)) => Err(Problem::bad(
            "a ticket is in the place of a token, and both are there",
        )),
    }
}

impl Reading {
    fn of(head: &Head) -> Result<Self, Problem> {
        let query = Query::read(head.query(), PARAMETERS)?;
        let form = match query.parsed("as", |name| {
            Form::named(name).ok_or_else(|| "expected ndjson, sse, frames or text".to_owned())
        })? {
            Some(form) => form,
            None => Form::accepted(head.all("accept")).ok_or_else(|| {
                let forms = Form::ALL.map(Form::content_type).join(", ");
                Problem::new(
                    Status::NOT_ACCEPTABLE,
                    format!("the forms here are {forms}"),
                )
            })?,
        };
        let mut reading = Self {
            from: query.parsed("from", read)?.unwrap_or_default(),
            epoch: query.parsed("epoch", read)?,
            count: query.parsed("count", |count| match count.parse() {
                Ok(count) if count > 0 => Ok(count),
                _ => Err("expected a number of messages, from 1 on".to_owned()),
            })?,
            until_end: query.parsed("until", |until| only(until, "end"))?.is_some(),
            form,
            stops_on_gap: query
                .parsed("on-gap", |action| only(action, "stop"))?
                .is_some(),
        };
        if form == Form::Sse
            && let Some(id) = head.one("last-event-id")?.filter(|id| !id.is_empty())
        {
            let (epoch, seq) = last_event(id)
                .ok_or_else(|| Problem::value("last-event-id", "expected EPOCH.SEQ"))?;
            reading.from = Position::Seq(seq);
            reading.epoch = Some(epoch);
        }
        Ok(reading)
    }
}

fn read<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

fn only(text: &str, word: &str) -> Result<(), String> {
    if text == word {
        return Ok(());
    }
    Err(format!("expected {word}"))
}

/// The history of the last event that a client has got, and the seq of the message after it.
fn last_event(id: &str) -> Option<(Epoch, u64)> {
    let (epoch, seq) = id.split_once('.')?;
    let Ok(Position::Seq(seq)) = seq.parse() else {
        return None;
    };
    Some((epoch.parse().ok()?, seq.checked_add(1)?))
}

impl Publication {
    fn of(head: &Head) -> Result<Self, Problem> {
        let query = Query::read(head.query(), &["acks"])?;
        let acks = query.parsed("acks", |acks| match acks {
            "durable" => Ok(Acks::Durable),
            "memory" => Ok(Acks::Memory),
            _ => Err("expected durable or memory".to_owned()),
        })?;
        let producer = head.one("tenfold-producer")?;
        let first = head.one("tenfold-first")?;
        let producer = match (producer, first) {
            (None, None) => None,
            (Some(producer), Some(first)) => {
                let producer =
                    read(producer).map_err(|words| Problem::value("tenfold-producer", words))?;
                let Ok(Position::Seq(first)) = first.parse() else {
                    return Err(Problem::value(
                        "tenfold-first",
                        "expected the number of the first message, from 0",
                    ));
                };
                Some((producer, first))
            }
            _ => {
                return Err(Problem::bad(
                    "Tenfold-Producer and Tenfold-First belong together",
                ));
            }
        };
        let content_type = head.one("content-type")?.unwrap_or_default();
        let (media_type, _) = content_type.split_once(';').unwrap_or((content_type, ""));
        let bodies = match &*media_type.trim().to_ascii_lowercase() {
            "application/vnd.tenfold" => Bodies::Frames,
            "application/x-ndjson" => Bodies::Ndjson,
            _ => Bodies::Message,
        };
        Ok(Self {
            bodies,
            acks,
            producer,
        })
    }
}

#[cfg(test)]
mod tests;
