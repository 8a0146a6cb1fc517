//! The requests of one connection, one after the other.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::BytesMut;
use tenfold::protocol::{Code, Refusal, Token};
use tenfold_hub::{Guest, GuestStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{Answer, Length};
use crate::body::{Body, Piece};
use crate::door::Place;
use crate::head::Head;
use crate::http::Http;
use crate::plan::{Plan, Request, plan};
use crate::problem::Problem;
use crate::status::Status;
use crate::tickets::{GOOD_FOR, NoTicket};

/// How long a head may take, from the connection's begin or from the last answer on.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// In so much time some byte of a body comes.
const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
pub(crate) const TAKES_NOTHING: Duration = Duration::from_secs(120);
/// What is received at once: of a head, and of a body.
const HEAD_READ: usize = 2 * 1024;
const BODY_READ: usize = 64 * 1024;

/// One connection, until it is a stream of messages or ends.
pub(crate) struct Session {
    pub(crate) guest: Guest,
    http: Arc<Http>,
    place: Place,
    stream: GuestStream,
    received: BytesMut,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request.
    GoOn,
    /// The end of the connection.
    Close,
    /// Something else has the connection now.
    HandedOver,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client is told.
    Problem(Problem),
    /// The client has gone.
    Gone,
}

impl Session {
    pub(crate) fn new(http: Arc<Http>, guest: Guest) -> Self {
        Self {
            place: Place {
                is_over_tls: guest.is_over_tls(),
                arrived_at: guest.arrived_at().map(|address| address.ip()),
                names: http.names.clone(),
                origins: http.origins.clone(),
            },
            stream: guest.stream(),
            guest,
            http,
            received: BytesMut::new(),
        }
    }

    /// Answers until the connection ends, or is a stream of messages.
    pub(crate) async fn run(mut self) {
        loop {
            let then = match self.head().await {
                Ok(Some(head)) => self.answer(&head).await,
                Ok(None) => Ok(Then::Close),
                Err(failure) => self.fail(failure, None, Then::Close).await,
            };
            match then {
                Ok(Then::GoOn) => {}
                Ok(Then::Close) => break,
                Ok(Then::HandedOver) | Err(_) => return,
            }
        }
        // However it ends, the connection is closed now.
        let _ = self.stream.shutdown().await;
    }

    /// The head of the next request; nothing if there is none.
    async fn head(&mut self) -> Result<Option<Head>, Failure> {
        let deadline = Instant::now() + HEAD_TIME;
        loop {
            if let Some((head, length)) = Head::read(&self.received)? {
                let _ = self.received.split_to(length);
                return Ok(Some(head));
            }
            let is_idle = self.received.is_empty();
            let guest = self.guest.clone();
            tokio::select! {
                biased;
                read = timeout_at(deadline, self.receive(HEAD_READ)) => match read {
                    Ok(read) => if read? == 0 {
                        return Ok(None);
                    },
                    Err(_) if is_idle => return Ok(None),
                    Err(_) => return Err(Problem::new(Status::TIMEOUT, "the head did not come in time").into()),
                },
                () = guest.draining(), if is_idle => return Ok(None),
            }
        }
    }

    async fn receive(&mut self, most: usize) -> Result<usize, Failure> {
        self.received.reserve(most);
        Ok(self.stream.read_buf(&mut self.received).await?)
    }

    async fn answer(&mut self, head: &Head) -> Result<Then, Failure> {
        let request = plan(head, &self.place);
        let has_body = Body::of(head).is_ok_and(|body| !body.is_ended());
        let then = if head.keeps_alive() && !has_body {
            Then::GoOn
        } else {
            Then::Close
        };
        let origin = self.place.admit(head).ok().flatten();
        let done = match request {
            Ok(request) => match self.redeem(request) {
                Ok(request) => self.do_it(head, request).await,
                Err(failure) => Err(failure),
            },
            Err(problem) => Err(problem.into()),
        };
        match done {
            // What cannot be read for certain is not followed by anything.
            Err(Failure::Problem(problem)) if problem.status() == Status::BAD_REQUEST => {
                self.fail(problem.into(), origin, Then::Close).await
            }
            Err(failure) => self.fail(failure, origin, then).await,
            done => done,
        }
    }

    async fn do_it(&mut self, head: &Head, request: Request) -> Result<Then, Failure> {
        let call = || self.guest.call("http", request.token.clone());
        let (answer, body) = match &request.plan {
            Plan::Read(channel, reading) => {
                return self.read(head, &request, channel, reading).await;
            }
            Plan::Messages(channel, reading, upgrade) => {
                return self
                    .read_by_websocket(&request, channel, reading, upgrade)
                    .await;
            }
            Plan::Tunnel(upgrade) => return self.tunnel(upgrade).await,
            Plan::Publish(channel, publication) => {
                let body = self.publish(head, &request, channel, publication).await?;
                (json(Status::OK), body)
            }
            Plan::Ticket => {
                let token = request.token.as_ref().ok_or_else(no_token)?;
                // The gate is asked whether it is a good one.
                call().health().await?;
                (json(Status::OK), self.ticket(token)?)
            }
            Plan::Preflight => {
                let answer = Answer::preflight().to_origin(request.origin.as_deref());
                let then = then(head);
                let bytes = answer.head(Length::None, then == Then::GoOn, SystemTime::now());
                self.write(bytes.as_bytes()).await?;
                return Ok(then);
            }
            Plan::Routes => {
                let answer =
                    Answer::new(Status::OK).with("Content-Type", "text/plain; charset=utf-8");
                (answer, ROUTES.to_owned())
            }
            Plan::Page(asset) => (asset.answer(), asset.text().to_owned()),
            Plan::Health => {
                let health = call().health().await?;
                (
                    json(crate::lists::status(&health)),
                    crate::lists::health(&health),
                )
            }
            Plan::Channels => (
                json(Status::OK),
                crate::lists::array(&call().channels().await?),
            ),
            Plan::Clients => (
                json(Status::OK),
                crate::lists::array(&call().clients().await?),
            ),
        };
        let answer = answer.to_origin(request.origin.as_deref());
        self.say(answer, &body, request.head_only, then(head)).await
    }

    /// The request with the token that its ticket stands for.
    fn redeem(&self, mut request: Request) -> Result<Request, Failure> {
        if let Some(ticket) = request.ticket.take() {
            let token = self.http.tickets.redeem(&ticket, Instant::now().into_std());
            request.token =
                Some(token.ok_or_else(|| {
                    refused(Code::Auth, "the ticket is not good, or not any more")
                })?);
        }
        Ok(request)
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

    /// Says all of a short answer.
    async fn say(
        &mut self,
        answer: Answer,
        body: &str,
        head_only: bool,
        then: Then,
    ) -> Result<Then, Failure> {
        let length = Length::Exactly(body.len() as u64);
        let mut bytes = answer.head(length, then == Then::GoOn, SystemTime::now());
        if !head_only {
            bytes += body;
        }
        self.write(bytes.as_bytes()).await?;
        Ok(then)
    }

    async fn fail(
        &mut self,
        failure: Failure,
        origin: Option<&str>,
        then: Then,
    ) -> Result<Then, Failure> {
        match failure {
            Failure::Gone => Err(Failure::Gone),
            Failure::Problem(problem) => {
                let answer = Answer::from(&problem).to_origin(origin);
                self.say(answer, &format!("{problem}\n"), false, then).await
            }
        }
    }

    /// Writes all of something, unless the client takes nothing for a while.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let written = timeout(TAKES_NOTHING, self.stream.write(bytes)).await;
            let written = written.map_err(|_| Failure::Gone)??;
            bytes = &bytes[written..];
        }
        Ok(self.stream.flush().await?)
    }

    /// The next bytes of a body; nothing once it has ended.
    pub(crate) async fn piece(&mut self, body: &mut Body) -> Result<Option<bytes::Bytes>, Failure> {
        loop {
            match body.take(&mut self.received)? {
                Piece::Bytes(bytes) => return Ok(Some(bytes)),
                Piece::End => return Ok(None),
                Piece::Incomplete => {}
            }
            let guest = self.guest.clone();
            tokio::select! {
                biased;
                read = timeout(BODY_TIME, self.receive(BODY_READ)) => match read {
                    Ok(read) => if read? == 0 {
                        return Err(Failure::Gone);
                    },
                    Err(_) => return Err(refused(Code::Timeout, "nothing more of the body came in 30 s")),
                },
                () = guest.draining() => return Err(refused(Code::Shutdown, "the hub ends")),
            }
        }
    }

    /// The connection, for whoever goes on with it, and what has come after the request.
    pub(crate) fn hand_over(&mut self) -> (GuestStream, BytesMut) {
        (self.guest.stream(), std::mem::take(&mut self.received))
    }

    /// Whether nothing of the body has come yet.
    pub(crate) fn has_nothing(&self) -> bool {
        self.received.is_empty()
    }
}

/// What comes after an answer that the client got as it wanted.
pub(crate) fn then(head: &Head) -> Then {
    if head.keeps_alive() {
        Then::GoOn
    } else {
        Then::Close
    }
}

fn json(status: Status) -> Answer {
    Answer::new(status).with("Content-Type", "application/json")
}

fn no_token() -> Failure {
    refused(
        Code::Auth,
        "a ticket is for a token, and there is none (Authorization: Bearer)",
    )
}

fn refused(code: Code, words: &str) -> Failure {
    Refusal::new(code, words).into()
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Problem(Problem::from(&refusal))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
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
POST /tickets                            a ticket for an EventSource, for ?ticket=
GET  /channels, /channels/NAME           over WebSocket, too (tenfold, tenfold.messages)

A browser that opens this address gets a page.
";
