//! One request of HTTP/2, and its answer.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tenfold::protocol::Code;
use tenfold_hub::{Guest, Writing};
use tokio::time::timeout;

use super::head::head;
use super::stream::{Stream, send_all};
use crate::answer::Answer;
use crate::desk::Desk;
use crate::failure::{Failure, refused};
use crate::head::Head;
use crate::incoming::Incoming;
use crate::reply::{Content, Reply};
use crate::session::BODY_TIME;

/// Answers one request. What is returned writes messages to the client, and is to be run.
pub(super) async fn answer(
    desk: Desk,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Option<Writing> {
    let reply = match head(&request) {
        Ok(head) => {
            let mut body = Arriving {
                guest: &desk.guest,
                stream: request.into_body(),
                respond: &mut respond,
            };
            match done(&desk, &head, &mut body).await {
                Ok(reply) => reply,
                Err(failure) => desk.told(Some(&head), failure)?,
            }
        }
        Err(problem) => desk.told(None, problem.into())?,
    };
    say(reply, respond).await.ok()?
}

async fn done(desk: &Desk, head: &Head, body: &mut impl Incoming) -> Result<Reply, Failure> {
    let request = desk.read(head)?;
    desk.reply(head, &request, body).await
}

/// Sends an answer; messages are sent by what is returned.
async fn say(reply: Reply, mut respond: SendResponse<Bytes>) -> Result<Option<Writing>, Failure> {
    let text = match reply.content {
        Content::Messages(messages) => {
            let response = response(&reply.answer, None)?;
            let stream = respond.send_response(response, false);
            let stream = Stream::new(stream.map_err(|_| Failure::Gone)?);
            return Ok(Some(messages.write(Vec::new()).into_sink(Arc::new(stream))));
        }
        Content::Text(text) => Some(text),
        Content::None => None,
    };
    let response = response(&reply.answer, text.as_ref().map(|text| text.len()))?;
    let body = match text.filter(|_| !reply.head_only) {
        Some(Cow::Borrowed(text)) => Bytes::from_static(text.as_bytes()),
        Some(Cow::Owned(text)) => Bytes::from(text),
        None => Bytes::new(),
    };
    let stream = respond.send_response(response, body.is_empty());
    send_all(stream.map_err(|_| Failure::Gone)?, body).await?;
    Ok(None)
}

/// The head of an answer.
fn response(answer: &Answer, length: Option<usize>) -> Result<Response<()>, Failure> {
    let mut response = Response::new(());
    *response.status_mut() = status(answer.status().code())?;
    let headers = response.headers_mut();
    let length = length.map(|length| ("Content-Length", Cow::from(length.to_string())));
    for (name, value) in answer.fields(SystemTime::now()).into_iter().chain(length) {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_str(&value);
        headers.append(
            name.map_err(|_| Failure::Gone)?,
            value.map_err(|_| Failure::Gone)?,
        );
    }
    Ok(response)
}

fn status(code: u16) -> Result<StatusCode, Failure> {
    StatusCode::from_u16(code).map_err(|_| Failure::Gone)
}

/// The body of a request of HTTP/2, as it arrives.
struct Arriving<'a> {
    guest: &'a Guest,
    stream: RecvStream,
    respond: &'a mut SendResponse<Bytes>,
}

impl Incoming for Arriving<'_> {
    async fn invite(&mut self) -> Result<(), Failure> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::CONTINUE;
        let sent = self.respond.send_informational(response);
        sent.map_err(|_| Failure::Gone)
    }

    async fn piece(&mut self) -> Result<Option<Bytes>, Failure> {
        let Self { guest, stream, .. } = self;
        let data = poll_fn(|cx| stream.poll_data(cx));
        let bytes = tokio::select! {
            biased;
            data = timeout(BODY_TIME, data) => match data {
                Ok(None) => return Ok(None),
                Ok(Some(data)) => data.map_err(|_| Failure::Gone)?,
                Err(_) => return Err(refused(Code::Timeout, "nothing more of the body came in 30 s")),
            },
            () = guest.draining() => return Err(refused(Code::Shutdown, "the hub ends")),
        };
        // The client may send as much again.
        let released = stream.flow_control().release_capacity(bytes.len());
        released.map_err(|_| Failure::Gone)?;
        Ok(Some(bytes))
    }
}
