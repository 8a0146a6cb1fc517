//! The messages of a request, on their way into a channel.

use tenfold::protocol::{ChannelName, Code, Refusal};
use tenfold_hub::Publish;

use crate::body::Body;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::head::{Head, Version};
use crate::incoming::Incoming;
use crate::plan::{Bodies, Publication, Request};
use crate::posted::Posted;
use crate::problem::Problem;
use crate::status::Status;

impl Desk {
    /// Publishes the body. Returns what the client is told once everything is committed.
    pub(crate) async fn publish(
        &self,
        head: &Head,
        request: &Request,
        channel: &ChannelName,
        what: &Publication,
        incoming: &mut impl Incoming,
    ) -> Result<String, Failure> {
        let body = Body::of(head)?;
        let waits = waits_for_leave(head, &body)?;
        if let Some(length) = body.left().filter(|_| what.bodies == Bodies::Message) {
            fits(length, self.guest.max_message())?;
        }
        let how = Publish {
            producer: what.producer.as_ref().map(|(producer, _)| producer.clone()),
            acks: what.acks,
        };
        let call = self.guest.call("http-publisher", request.token.clone());
        let mut publication = call.publish(channel, how).await?;
        let answer = publication.answer();
        if let Some((_, first)) = &what.producer {
            let there = answer.next.checked_sub(*first);
            publication.skip(there.ok_or_else(|| Problem::gap(answer.next))?);
        }
        if waits {
            incoming.invite().await?;
        }
        let taken = self.take(incoming, what.bodies, &mut publication).await;
        let committed = match &taken {
            Ok(()) => Ok(publication.finish().await?),
            Err(_) => publication.settle().await,
        };
        match (taken, committed) {
            (Ok(()), Ok(next)) => {
                let (epoch, acks) = (answer.epoch, answer.acks);
                Ok(format!(
                    "{{\"epoch\":\"{epoch}\",\"next\":{next},\"acks\":\"{acks}\"}}\n"
                ))
            }
            (Err(Failure::Problem(problem)), Ok(next)) => Err(problem.with("next", next).into()),
            (Err(failure), _) => Err(failure),
            (Ok(()), Err(refusal)) => Err(refusal.into()),
        }
    }

    async fn take(
        &self,
        incoming: &mut impl Incoming,
        bodies: Bodies,
        publication: &mut tenfold_hub::Publication,
    ) -> Result<(), Failure> {
        let mut posted = Posted::new(self.guest.max_message());
        loop {
            let piece = tokio::select! {
                biased;
                piece = incoming.piece() => piece?,
                refusal = publication.stopped() => return Err(refusal.into()),
            };
            let Some(piece) = piece else { break };
            match bodies {
                Bodies::Message => publication.piece(&piece).await?,
                Bodies::Frames => publication.frames(&piece).await?,
                Bodies::Ndjson => {
                    posted.receive(&piece);
                    while let Some(message) = posted.next(false)? {
                        publication.message(&message).await?;
                    }
                }
            }
        }
        match bodies {
            Bodies::Message => publication.end_message().await?,
            Bodies::Frames => {}
            Bodies::Ndjson => {
                while let Some(message) = posted.next(true)? {
                    publication.message(&message).await?;
                }
            }
        }
        Ok(())
    }
}

/// Whether the client sends its body only once it is told to.
fn waits_for_leave(head: &Head, body: &Body) -> Result<bool, Problem> {
    match head.one("expect")? {
        None => Ok(false),
        Some(expect) if expect.eq_ignore_ascii_case("100-continue") => {
            Ok(head.version() != Version::Http10 && !body.is_ended())
        }
        Some(_) => Err(Problem::new(
            Status::EXPECTATION,
            "the only Expect here is 100-continue",
        )),
    }
}

fn fits(length: u64, limit: u64) -> Result<(), Problem> {
    if length <= limit {
        return Ok(());
    }
    let refusal = Refusal::new(Code::TooLarge, "the message is larger than the limit");
    Err(Problem::from(
        &refusal.with("length", length).with("limit", limit),
    ))
}
