//! The requests of one connection, one after the other.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use tenfold::protocol::Code;
use tenfold_hub::{Guest, GuestStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::Length;
use crate::body::{Body, Piece};
use crate::desk::Desk;
use crate::failure::{Failure, refused};
use crate::head::{Head, Version};
use crate::http::Http;
use crate::incoming::Incoming;
use crate::plan::{Plan, Request};
use crate::problem::Problem;
use crate::reply::{Content, Reply};
use crate::status::Status;

/// How long a head may take, from the connection's begin or from the last answer on.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// In so much time some byte of a body comes.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
pub(crate) const TAKES_NOTHING: Duration = Duration::from_secs(120);
/// What is received at once: of a head, and of a body.
const HEAD_READ: usize = 2 * 1024;
const BODY_READ: usize = 64 * 1024;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// One connection, until it is a stream of messages or ends.
pub(crate) struct Session {
    pub(crate) guest: Guest,
    desk: Arc<Desk>,
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

impl Session {
    pub(crate) fn new(http: Arc<Http>, guest: Guest) -> Self {
        Self {
            stream: guest.stream(),
            received: BytesMut::new(),
            guest: guest.clone(),
            desk: Arc::new(Desk::new(http, guest)),
        }
    }

    /// Answers until the connection ends, or is a stream of messages.
    pub(crate) async fn run(mut self) {
        loop {
            let then = match self.head().await {
                Ok(Some(head)) => self.answer(&head).await,
                Ok(None) => Ok(Then::Close),
                Err(failure) => self.fail(None, failure, Then::Close).await,
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
        let has_body = Body::of(head).is_ok_and(|body| !body.is_ended());
        let done = match self.desk.read(head) {
            Ok(request) => self.do_it(head, &request).await,
            Err(failure) => Err(failure),
        };
        match done {
            // What cannot be read for certain is not followed by anything.
            Err(Failure::Problem(problem)) if problem.status() == Status::BAD_REQUEST => {
                self.fail(Some(head), problem.into(), Then::Close).await
            }
            // Nor is a body that was not taken.
            Err(failure) if has_body => self.fail(Some(head), failure, Then::Close).await,
            Err(failure) => self.fail(Some(head), failure, then(head)).await,
            done => done,
        }
    }

    async fn do_it(&mut self, head: &Head, request: &Request) -> Result<Then, Failure> {
        match &request.plan {
            Plan::Messages(channel, reading, upgrade) => {
                return self
                    .read_by_websocket(request, channel, reading, upgrade)
                    .await;
            }
            Plan::Tunnel(upgrade) => return self.tunnel(upgrade).await,
            _ => {}
        }
        let body = Body::of(head)?;
        let desk = Arc::clone(&self.desk);
        let mut arriving = Arriving {
            session: self,
            body,
        };
        let reply = desk.reply(head, request, &mut arriving).await?;
        self.say(reply, head).await
    }

    /// Writes an answer. A stream of messages has the connection then.
    async fn say(&mut self, reply: Reply, head: &Head) -> Result<Then, Failure> {
        let Content::Messages(messages) = reply.content else {
            return self.say_all(&reply, then(head)).await;
        };
        let messages = *messages;
        let (messages, length) = if head.version() == Version::Http11 {
            (messages.chunked(), Length::Chunked)
        } else {
            (messages, Length::ToTheEnd)
        };
        let bytes = reply.answer.head(length, false, SystemTime::now());
        // It goes on for long, and what this task has in memory is not needed for it.
        tokio::spawn(messages.write(bytes.into_bytes()).run());
        Ok(Then::HandedOver)
    }

    /// Says all of a short answer.
    async fn say_all(&mut self, reply: &Reply, then: Then) -> Result<Then, Failure> {
        let (length, text) = match &reply.content {
            Content::Text(text) => (Length::Exactly(text.len() as u64), &**text),
            _ => (Length::None, ""),
        };
        let mut bytes = reply
            .answer
            .head(length, then == Then::GoOn, SystemTime::now());
        if !reply.head_only {
            bytes += text;
        }
        self.write(bytes.as_bytes()).await?;
        Ok(then)
    }

    async fn fail(
        &mut self,
        head: Option<&Head>,
        failure: Failure,
        then: Then,
    ) -> Result<Then, Failure> {
        let reply = self.desk.told(head, failure).ok_or(Failure::Gone)?;
        self.say_all(&reply, then).await
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
    async fn piece(&mut self, body: &mut Body) -> Result<Option<Bytes>, Failure> {
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
}

/// The body of a request of HTTP/1.1, as it arrives.
struct Arriving<'a> {
    session: &'a mut Session,
    body: Body,
}

impl Incoming for Arriving<'_> {
    async fn invite(&mut self) -> Result<(), Failure> {
        if self.session.received.is_empty() {
            self.session.write(CONTINUE).await?;
        }
        Ok(())
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        self.session.piece(&mut self.body).await
    }
}

/// What comes after an answer that the client got as it wanted.
fn then(head: &Head) -> Then {
    if head.keeps_alive() {
        Then::GoOn
    } else {
        Then::Close
    }
}
