//! The ways in which messages are written into the body of an answer.

use crate::accept::Accept;

/// How messages are written into the body of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// A line of JSON for each message.
    #[default]
    Ndjson,
    /// Server-sent events.
    Sse,
    /// Frames, as they are on the hub's own port.
    Frames,
    /// Each message and LF.
    Text,
}

impl Form {
    /// All of them; of those that a client likes equally well it gets the first.
    pub const ALL: [Self; 4] = [Self::Ndjson, Self::Sse, Self::Frames, Self::Text];

    /// Its name in `as=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Sse => "sse",
            Self::Frames => "frames",
            Self::Text => "text",
        }
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.name() == name)
    }

    /// The type without its parameters.
    fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Sse => "text/event-stream",
            Self::Frames => "application/vnd.tenfold",
            Self::Text => "text/plain",
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            other => other.media_type(),
        }
    }

    /// The form that a client likes most which accepts this. `None` if it accepts none.
    pub(crate) fn accepted<'a>(accept: impl Iterator<Item = &'a str>) -> Option<Self> {
        let accept = Accept::read(accept);
        if accept.is_empty() {
            return Some(Self::default());
        }
        let mut best = None;
        for form in Self::ALL {
            let quality = accept.quality(form.media_type());
            if quality > best.map_or(0, |(most, _)| most) {
                best = Some((quality, form));
            }
        }
        best.map(|(_, form)| form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_the_one_that_the_client_likes_most() {
        for (accept, form) in [
            ("", Some(Form::Ndjson)),
            ("*/*", Some(Form::Ndjson)),
            ("text/event-stream", Some(Form::Sse)),
            ("Text/Event-Stream; charset=utf-8", Some(Form::Sse)),
            ("text/*", Some(Form::Sse)),
            ("text/plain", Some(Form::Text)),
            ("application/vnd.tenfold", Some(Form::Frames)),
            (
                "text/html,application/xhtml+xml,*/*;q=0.8",
                Some(Form::Ndjson),
            ),
            ("*/*;q=0.1, text/plain;q=0.2", Some(Form::Text)),
            ("application/x-ndjson;q=0, */*", Some(Form::Sse)),
            ("text/html", None),
            ("application/x-ndjson;q=0", None),
            ("*/*;q=0.000", None),
            ("*/*;q=2", None),
        ] {
            assert_eq!(Form::accepted([accept].into_iter()), form, "{accept}");
        }
    }

    #[test]
    fn a_form_is_found_by_its_name() {
        for form in Form::ALL {
            assert_eq!(Form::named(form.name()), Some(form));
        }
        assert_eq!(Form::named("json"), None);
    }
}
