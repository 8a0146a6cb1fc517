//! What a client is answered, before it is written.

use std::borrow::Cow;

use tenfold_hub::{Feed, Form, Gap, Writing};

use crate::answer::Answer;
use crate::head::{Head, Method};
use crate::status::Status;

/// An answer and its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) answer: Answer,
    pub(crate) content: Content,
    /// The client wants no body.
    pub(crate) head_only: bool,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Content {
    /// There is none, and nothing says how long it would be.
    None,
    Text(Cow<'static, str>),
    Messages(Box<Messages>),
}

/// Messages of a channel, which the hub writes.
#[derive(Debug)]
pub(crate) struct Messages {
    pub(crate) feed: Feed,
    pub(crate) form: Form,
    /// What is missing before them.
    pub(crate) gap: Option<Gap>,
    pub(crate) stops_on_gap: bool,
}

impl Reply {
    pub(crate) fn new(answer: Answer, content: Content) -> Self {
        Self {
            answer,
            content,
            head_only: false,
        }
    }

    pub(crate) fn empty(answer: Answer) -> Self {
        Self::new(answer, Content::None)
    }

    pub(crate) fn text(answer: Answer, text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(answer, Content::Text(text.into()))
    }

    pub(crate) fn json(status: Status, text: String) -> Self {
        let answer = Answer::new(status).with("Content-Type", "application/json");
        Self::text(answer, text)
    }

    /// The answer to a request with this head, which pages of this origin may read.
    pub(crate) fn to(self, head: &Head, origin: Option<&str>) -> Self {
        Self {
            answer: self.answer.to_origin(origin),
            head_only: head.method() == Method::Head,
            ..self
        }
    }
}

impl Messages {
    /// The messages on their way to the client, after a head.
    pub(crate) fn write(self, mut head: Vec<u8>) -> Writing {
        let gap = self.gap.and_then(|gap| self.form.gap(&gap));
        head.extend(gap.unwrap_or_default());
        let writing = self.feed.write(self.form, head);
        if self.stops_on_gap {
            writing.stopping_at_gaps()
        } else {
            writing
        }
    }

    /// The same in the chunks of HTTP/1.1.
    pub(crate) fn chunked(self) -> Self {
        Self {
            form: self.form.chunked(),
            ..self
        }
    }
}
