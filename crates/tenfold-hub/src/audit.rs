//! What was asked of a hub and what came of it, for a program that keeps a record.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tenfold::protocol::{Code, Refusal, Request};
use tenfold_gate::Visitor;

use crate::peer::Peer;

/// A function that is given a record of each request that was answered, and of the end of each connection that
/// had published or subscribed. It must not wait.
#[derive(Clone)]
pub struct Audit(Arc<dyn Fn(AuditRecord) + Send + Sync>);

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When.
    pub time: SystemTime,
    /// Who, by address.
    pub peer: Peer,
    /// Who, by name, if a valid credential was shown.
    pub identity: Option<String>,
    /// The id of that credential, if it is a token.
    pub token: Option<String>,
    /// What was asked: the first word of a request, or `plain-in`, `plain-out` or `plain-both` at a plain port.
    pub request: &'static str,
    /// The channel that it was about, or the patterns of channels.
    pub channel: Option<String>,
    /// The producer.
    pub producer: Option<String>,
    /// What came of it.
    pub result: AuditResult,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditResult {
    /// It was done, or has begun.
    Ok,
    /// It was refused.
    Refused(Code),
    /// What had begun has ended.
    #[non_exhaustive]
    End {
        /// Messages that were sent, or committed.
        messages: u64,
        /// Bytes that were sent, or received.
        bytes: u64,
    },
}

/// What a connection has asked.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) request: &'static str,
    pub(crate) channel: Option<String>,
    pub(crate) producer: Option<String>,
}

/// The question of a connection, at a hub of which a record is kept.
#[derive(Debug, Default)]
pub(crate) struct Asked(OnceLock<Box<Entry>>);

#[derive(Debug)]
struct Entry {
    audit: Audit,
    peer: Peer,
    clock: fn() -> SystemTime,
    question: Question,
    /// The client that asks, once it is known.
    visitor: OnceLock<Visitor>,
}

impl Audit {
    /// Gives the function each record.
    pub fn new(take: impl Fn(AuditRecord) + Send + Sync + 'static) -> Self {
        Self(Arc::new(take))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Audit")
    }
}

impl Question {
    pub(crate) fn of(request: &Request) -> Self {
        let (verb, channel, producer) = match request {
            Request::Subscribe { channel, .. } => ("SUBSCRIBE", channel.to_string(), None),
            Request::Times { channel, .. } => ("TIMES", channel.to_string(), None),
            Request::Publish {
                channel, producer, ..
            } => ("PUBLISH", channel.to_string(), producer.as_ref()),
            Request::Delete { channel, .. } => ("DELETE", channel.to_string(), None),
            Request::Follow { patterns, .. } => {
                let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                ("FOLLOW", patterns.join(" "), None)
            }
            Request::Mirror { patterns, .. } => {
                let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
                ("MIRROR", patterns.join(" "), None)
            }
            Request::Channels => return Self::about_all("CHANNELS"),
            Request::Clients => return Self::about_all("CLIENTS"),
            Request::Health => return Self::about_all("HEALTH"),
            _ => return Self::about_all("?"),
        };
        Self {
            request: verb,
            channel: Some(channel),
            producer: producer.map(ToString::to_string),
        }
    }

    pub(crate) fn about_all(request: &'static str) -> Self {
        Self {
            request,
            channel: None,
            producer: None,
        }
    }
}

impl Asked {
    /// Notes what is asked, if a record is kept.
    pub(crate) fn ask(
        &self,
        audit: Option<&Audit>,
        (peer, clock): (Peer, fn() -> SystemTime),
        question: impl FnOnce() -> Question,
    ) {
        if let Some(audit) = audit {
            let entry = Box::new(Entry {
                audit: audit.clone(),
                peer,
                clock,
                question: question(),
                visitor: OnceLock::new(),
            });
            // A connection asks once.
            let _ = self.0.set(entry);
        }
    }

    /// Notes who asks.
    pub(crate) fn by(&self, visitor: &Visitor) {
        if let Some(entry) = self.0.get() {
            // It is found out once.
            let _ = entry.visitor.set(visitor.clone());
        }
    }

    /// Records what came of it.
    pub(crate) fn record(&self, result: AuditResult) {
        let Some(entry) = self.0.get() else {
            return;
        };
        let visitor = entry.visitor.get();
        let name = visitor.and_then(|visitor| visitor.identity().name());
        let question = &entry.question;
        entry.audit.0(AuditRecord {
            time: (entry.clock)(),
            peer: entry.peer,
            identity: name.map(str::to_owned),
            token: visitor.and_then(Visitor::token_id).map(str::to_owned),
            request: question.request,
            channel: question.channel.clone(),
            producer: question.producer.clone(),
            result,
        });
    }

    /// Records that it is refused.
    pub(crate) fn record_refusal(&self, refusal: &Refusal) {
        if let Some(code) = refusal.code {
            self.record(AuditResult::Refused(code));
        }
    }

    /// Records the end of what had begun.
    pub(crate) fn record_end(&self, messages: u64, bytes: u64) {
        self.record(AuditResult::End { messages, bytes });
    }
}
