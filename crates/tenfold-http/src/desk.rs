//! What is done for a request, however it has come.

use std::sync::Arc;

use tenfold::protocol::{Code, Token};
use tenfold_hub::Guest;
use tokio::time::Instant;

use crate::answer::Answer;
use crate::door::Place;
use crate::failure::{Failure, refused};
use crate::head::Head;
use crate::http::Http;
use crate::incoming::Incoming;
use crate::plan::{Plan, Request, plan};
use crate::problem::Problem;
use crate::reply::Reply;
use crate::status::Status;
use crate::tickets::{GOOD_FOR, NoTicket};

/// Does for a client what it asks for.
pub(crate) struct Desk {
    pub(crate) guest: Guest,
    http: Arc<Http>,
    place: Arc<Place>,
}

impl Desk {
    pub(crate) fn new(http: Arc<Http>, guest: Guest) -> Self {
        Self {
            place: Arc::new(Place {
                is_over_tls: guest.is_over_tls(),
                arrived_at: guest.arrived_at().map(|address| address.ip()),
                names: http.names.clone(),
                origins: http.origins.clone(),
                has_only_numbers: http.has_only_numbers,
            }),
            guest,
            http,
        }
    }

    /// The same for one of several requests that are done beside each other.
    pub(crate) fn beside(&self) -> Self {
        Self {
            guest: self.guest.beside(),
            http: Arc::clone(&self.http),
            place: Arc::clone(&self.place),
        }
    }

    /// What a request asks for, with the token that its ticket stands for.
    pub(crate) fn read(&self, head: &Head) -> Result<Request, Failure> {
        let mut request = plan(head, &self.place)?;
        if let Some(ticket) = request.ticket.take() {
            let token = self.http.tickets.redeem(&ticket, Instant::now().into_std());
            request.token =
                Some(token.ok_or_else(|| {
                    refused(Code::Auth, "the ticket is not good, or not any more")
                })?);
        }
        Ok(request)
    }

    /// Does what a request asks for that is answered over HTTP.
    pub(crate) async fn reply(
        &self,
        head: &Head,
        request: &Request,
        body: &mut impl Incoming,
    ) -> Result<Reply, Failure> {
        let call = || self.guest.call("http", request.token.clone());
        let reply = match &request.plan {
            Plan::Read(channel, reading) => self.messages(request, channel, reading).await?,
            Plan::Publish(channel, publication) => {
                let said = self
                    .publish(head, request, channel, publication, body)
                    .await?;
                Reply::json(Status::OK, said)
            }
            Plan::Ticket => {
                let token = request.token.as_ref().ok_or_else(no_token)?;
                // The gate is asked whether it is a good one.
                call().health().await?;
                Reply::json(Status::OK, self.ticket(token)?)
            }
            Plan::Preflight => Reply::empty(Answer::preflight()),
            Plan::Routes => {
                let answer =
                    Answer::new(Status::OK).with("Content-Type", "text/plain; charset=utf-8");
                Reply::text(answer, ROUTES)
            }
            Plan::Page(asset) => Reply::text(asset.answer(), asset.text()),
            Plan::Health => {
                let health = call().health().await?;
                Reply::json(crate::lists::status(&health), crate::lists::health(&health))
            }
            Plan::Channels => {
                let all = call().channels().await?;
                Reply::json(Status::OK, crate::lists::array(&all))
            }
            Plan::Clients => {
                let all = call().clients().await?;
                Reply::json(Status::OK, crate::lists::array(&all))
            }
            Plan::Metrics(exposition) => {
                let metrics = call().metrics().await?;
                let answer =
                    Answer::new(Status::OK).with("Content-Type", exposition.content_type());
                Reply::text(answer, crate::metrics::text(&metrics, *exposition))
            }
            Plan::Messages(..) | Plan::Tunnel(_) => {
                return Err(Problem::bad("a WebSocket has a connection to itself").into());
            }
        };
        Ok(reply.to(head, request.origin.as_deref()))
    }

    /// The answer to a request that was not done; none if nobody is there to read it.
    pub(crate) fn told(&self, head: Option<&Head>, failure: Failure) -> Option<Reply> {
        let Failure::Problem(problem) = failure else {
            return None;
        };
        let reply = Reply::text(Answer::from(&problem), format!("{problem}\n"));
        let Some(head) = head else {
            return Some(reply);
        };
        let origin = self.place.admit(head).ok().flatten();
        Some(reply.to(head, origin))
    }

    /// A ticket for a token.
    fn ticket(&self, token: &Token) -> Result<String, Failure> {
        match self.http.tickets.give(token, Instant::now().into_std()) {
            Ok(ticket) => {
                let seconds = GOOD_FOR.as_secs();
                Ok(format!(
                    "{{\"ticket\":\"{ticket}\",\"expires\":{seconds}}}\n"
                ))
            }
            Err(NoTicket::TooMany) => Err(refused(Code::Busy, "too many tickets are not used yet")),
            Err(NoTicket::NoRandom) => {
                Err(refused(Code::Busy, "the system has no random bytes now"))
            }
        }
    }
}

fn no_token() -> Failure {
    refused(
        Code::Auth,
        "a ticket is for a token, and there is none (Authorization: Bearer)",
    )
}

/// What `/` says.
const ROUTES: &str = "\
This is a Tenfold hub.

GET  /channels                           the channels
GET  /channels/NAME?from=first           the messages of a channel, and what comes
       &until=end &count=N               to the end of now, or so many
       &as=ndjson|sse|frames|text        how they are written
POST /tickets                            a ticket for an EventSource: &ticket=T
POST /channels/NAME                      publishes the body (header Tenfold: 1, or a token)
GET  /clients                            who is connected
GET  /health                             how the hub is
GET  /metrics                            its numbers, for Prometheus
POST /tickets                            a ticket for an EventSource, for ?ticket=
GET  /channels, /channels/NAME           over WebSocket, too (tenfold, tenfold.messages)

A browser that opens this address gets a page.
";
