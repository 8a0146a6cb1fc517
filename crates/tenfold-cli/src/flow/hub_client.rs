//! What the clients of a hub say about their connection.

use std::time::Instant;

use tenfold::Hubs;
use tenfold::client::{Disconnected, Error};
use tenfold::protocol::{BadAnswer, Code, Refusal};

use crate::failure::Failure;
use crate::flow::connect::tls_hint;
use crate::flow::look_alike::{is_not_a_hub, silence_hint};
use crate::numbers;
use crate::words::Words;

/// Tells of outages: once when one begins, and once when it is over.
#[derive(Debug)]
pub(crate) struct Outages {
    /// The hub; of several it is not known which one it is.
    server: String,
    words: Words,
    since: Option<Instant>,
    was_connected: bool,
}

impl Outages {
    pub(crate) fn new(server: &Hubs, words: &Words) -> Self {
        let is_one = server.addresses().len() == 1;
        Self {
            server: if is_one {
                server.to_string()
            } else {
                format!("one of {server}")
            },
            words: words.clone(),
            since: None,
            was_connected: false,
        }
    }

    pub(crate) fn disconnected(&mut self, notice: &Disconnected) {
        let (words, server) = (&self.words, &self.server);
        if self.since.is_some() {
            words.detail(format_args!("still no connection to {server}: {notice}"));
            return;
        }
        self.since = Some(Instant::now());
        let reason = &notice.reason;
        if self.was_connected {
            words.warning(format_args!("lost {server}: {reason}; trying again"));
        } else {
            words.note(format_args!("{reason}; trying again"));
        }
    }

    /// `place` says where it goes on.
    pub(crate) fn connected(&mut self, place: &str) {
        let (words, server) = (&self.words, &self.server);
        match (self.since.take(), self.was_connected) {
            (Some(since), true) => {
                let time = numbers::time(since.elapsed());
                words.note(format_args!(
                    "connected to {server} again after {time}; {place}"
                ));
            }
            (Some(_), false) => words.note(format_args!("connected to {server}; {place}")),
            (None, _) => words.detail(format_args!("connected to {server}; {place}")),
        }
        self.was_connected = true;
    }
}

/// What a client's error means here.
pub(crate) fn failure(error: &Error, server: &Hubs) -> Failure {
    match error.root() {
        Error::Connect {
            address,
            error: cause,
        } => {
            let first = &server.addresses()[0];
            let address = address.as_ref().unwrap_or(first);
            let hint = match (tls_hint(address, cause), error) {
                (Some(hint), _) => hint,
                (None, Error::GaveUp { .. }) => "",
                _ => " (is `tenfold serve` running? --retry waits for it)",
            };
            Failure::Connect(format!("{error}{hint}"))
        }
        Error::NoAnswer { .. } => {
            let hint = silence_hint(server);
            Failure::TimedOut(format!("{server}: {error}{hint}"))
        }
        Error::Protocol(words) if *words == BadAnswer::default().to_string() => {
            is_not_a_hub(server)
        }
        Error::Frame(_) | Error::Encode(_) => Failure::Framing(error.to_string()),
        Error::TooLarge { .. } => Failure::Framing(format!("{error} (--max-message raises it)")),
        Error::Gap(gap) => Failure::Other(format!(
            "{gap}. To go on with message {}, say --on-gap continue",
            gap.available
        )),
        Error::InChannel { error: inner, .. } => match **inner {
            Error::Gap(_) => Failure::Other(format!(
                "{error}. To go on with what there is, say --on-gap continue"
            )),
            Error::TooLarge { .. } => {
                Failure::Framing(format!("{error} (--max-message raises it)"))
            }
            _ => Failure::Other(format!("{server}: {error}")),
        },
        Error::Refused(refusal) if is_of_the_gate(refusal) => {
            let hint = refusal.code.map_or("", hint);
            Failure::Denied(format!("{server}: {error}{hint}"))
        }
        Error::Refused(refusal) => Failure::Other(format!(
            "{server}: {error}{}",
            refusal.code.map_or("", hint)
        )),
        _ => Failure::Other(format!("{server}: {error}")),
    }
}

/// Whether a client is refused because of who it is.
pub(crate) fn is_of_the_gate(refusal: &Refusal) -> bool {
    matches!(refusal.code, Some(Code::Auth | Code::Denied))
}

/// What to do about a refusal.
pub(crate) fn hint(code: Code) -> &'static str {
    match code {
        Code::Auth => " (--token-file FILE says who you are)",
        Code::Future => " (--from next waits for what is to come)",
        Code::Fenced => " (give each publisher a --producer of its own)",
        Code::TooLarge => " (serve --max-message raises it)",
        _ => "",
    }
}
