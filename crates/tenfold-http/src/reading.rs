//! A channel's messages as an answer.

use tenfold::protocol::{ChannelName, Code, Position, Refusal, Subscribed};
use tenfold_hub::{Encoding, Feed, Gap, GapReason};

use crate::answer::Answer;
use crate::desk::Desk;
use crate::failure::Failure;
use crate::form::Form;
use crate::plan::{Reading, Request};
use crate::reply::{Content, Messages, Reply};
use crate::status::Status;

/// A place in a channel, and what is missing before it.
struct Found {
    feed: Feed,
    gap: Option<Gap>,
}

impl Desk {
    /// The messages of a channel, from the place that is asked for.
    pub(crate) async fn messages(
        &self,
        request: &Request,
        channel: &ChannelName,
        reading: &Reading,
    ) -> Result<Reply, Failure> {
        let Some(Found { feed, gap }) = self.find(request, channel, reading).await? else {
            return Ok(Reply::empty(Answer::new(Status::NO_CONTENT)));
        };
        let place = feed.answer();
        let answer = answer(place, reading.form);
        if request.head_only {
            return Ok(Reply::empty(answer));
        }
        let messages = Messages {
            feed: until(feed, place, reading),
            form: tenfold_hub::Form::of(encoding(reading.form)),
            gap,
            stops_on_gap: reading.stops_on_gap,
        };
        Ok(Reply::new(answer, Content::Messages(messages.into())))
    }

    /// The place that is asked for. Events begin with another one, if it cannot be had; nothing if they are not to.
    async fn find(
        &self,
        request: &Request,
        channel: &ChannelName,
        reading: &Reading,
    ) -> Result<Option<Found>, Failure> {
        let call = || self.guest.call("http-reader", request.token.clone());
        let refusal = match call().subscribe(channel, reading.from, reading.epoch).await {
            Ok(feed) => return Ok(Some(Found { feed, gap: None })),
            Err(refusal) => refusal,
        };
        let Some((reason, from)) = gap(&refusal).filter(|_| reading.form == Form::Sse) else {
            return Err(refusal.into());
        };
        if reading.stops_on_gap {
            return Ok(None);
        }
        let feed = call().subscribe(channel, from, None).await?;
        let Subscribed { from, epoch, .. } = feed.answer();
        let expected = match reading.from {
            Position::Seq(seq) => seq,
            _ => from,
        };
        let gap = Some(Gap::new(reason, expected, from, epoch));
        Ok(Some(Found { feed, gap }))
    }
}

/// Why a place cannot be had that may have been there once, and the one to go on with.
fn gap(refusal: &Refusal) -> Option<(GapReason, Position)> {
    match refusal.code? {
        Code::Trimmed => Some((GapReason::Trimmed, Position::First)),
        Code::Epoch => Some((GapReason::Epoch, Position::First)),
        Code::Deleted => Some((GapReason::Deleted, Position::First)),
        Code::Future => Some((GapReason::Future, Position::Next)),
        Code::Corrupt => {
            let next = refusal.keys.number("next")?;
            Some((GapReason::Corrupt, Position::Seq(next)))
        }
        _ => None,
    }
}

fn answer(place: Subscribed, form: Form) -> Answer {
    Answer::new(Status::OK)
        .with("Content-Type", form.content_type())
        .with("Tenfold-Epoch", place.epoch.to_string())
        .with("Tenfold-From", place.from.to_string())
        .with("Tenfold-First", place.first.to_string())
        .with("Tenfold-Next", place.next.to_string())
        .with("X-Accel-Buffering", "no")
}

fn encoding(form: Form) -> Encoding {
    match form {
        Form::Ndjson => Encoding::JsonLines,
        Form::Sse => Encoding::EventStream,
        Form::Frames => Encoding::Frames,
        Form::Text => Encoding::Lines,
    }
}

/// Ends the messages where the client wants.
pub(crate) fn until(mut feed: Feed, place: Subscribed, reading: &Reading) -> Feed {
    if let Some(count) = reading.count {
        feed = feed.until(place.from.saturating_add(count));
    }
    if reading.until_end {
        feed = feed.until(place.next);
    }
    feed
}
