//! The connections of a hub, for whoever asks who is there.
//!
//! What is told of a connection is read from what its tasks have anyway: nothing is counted or locked for
//! it as messages pass, but for relaxed counters that only the connection's own tasks write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tenfold::protocol::ProducerId;
use tenfold_gate::Visitor;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::channel::Channel;
use crate::claim::Claim;
use crate::delivery::Delivery;
use crate::encoded_delivery::EncodedDelivery;
use crate::follow::{Follow, Standing};
use crate::mistakes::Mistakes;
use crate::news::News;
use crate::peer::Peer;
use crate::subscriber::Watched;

/// How many connections are looked at for one part of a list.
const LISTED_AT_ONCE: usize = 64;

/// All connections, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<Connected>);

#[derive(Debug, Default)]
struct Connected {
    /// How many there ever were.
    count: u64,
    by_id: BTreeMap<u64, Arc<Client>>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    id: u64,
    peer: Peer,
    via: Via,
    since: Instant,
    /// What it is sent and what is received from it, once it is known that it is.
    sending: OnceLock<Sending>,
    receiving: OnceLock<Receiving>,
    following: OnceLock<(Arc<News>, Watched<Follow>)>,
    /// The channel whose times it is told.
    timing: OnceLock<Arc<Channel>>,
    /// What it may do, at a hub that asks.
    admission: OnceLock<Arc<Admission>>,
}

/// How a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// It says what it wants in the hub's protocol.
    Protocol,
    /// It is at a plain port.
    Plain,
    /// It speaks another protocol, and its server says what it is.
    Guest(&'static str),
}

/// A connection that is in the list until this is dropped.
#[derive(Debug)]
pub(crate) struct Listed {
    client: Arc<Client>,
    clients: Arc<Clients>,
}

/// Messages on their way from a channel to a connection.
#[derive(Debug)]
pub(crate) struct Sending {
    pub(crate) channel: Arc<Channel>,
    /// The seq of the first message.
    pub(crate) from: u64,
    /// How many bytes come before it.
    pub(crate) before: u64,
    pub(crate) progress: Progressing,
}

/// How far that is, as it changes.
#[derive(Debug)]
pub(crate) enum Progressing {
    Frames(Watched),
    Encoded(Watched<EncodedDelivery>),
}

/// Messages on their way from a connection to a channel.
#[derive(Debug)]
pub(crate) struct Receiving {
    pub(crate) channel: Arc<Channel>,
    pub(crate) producer: Option<ProducerId>,
    pub(crate) claim: Arc<Claim>,
    /// How many messages the producer had before this connection.
    pub(crate) base: u64,
    /// Bytes that were received.
    pub(crate) bytes: Arc<AtomicU64>,
}

/// The numbers of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Progress {
    seq: u64,
    lag: u64,
    lag_bytes: u64,
    messages: u64,
    bytes: u64,
}

impl Clients {
    /// Enters a connection that has just been accepted.
    pub(crate) fn enter(self: &Arc<Self>, peer: Peer, via: Via) -> Listed {
        let mut connected = self.lock();
        let id = connected.count;
        connected.count += 1;
        let client = Arc::new(Client {
            id,
            peer,
            via,
            since: Instant::now(),
            sending: OnceLock::new(),
            receiving: OnceLock::new(),
            following: OnceLock::new(),
            timing: OnceLock::new(),
            admission: OnceLock::new(),
        });
        connected.by_id.insert(id, Arc::clone(&client));
        Listed {
            client,
            clients: Arc::clone(self),
        }
    }

    /// What all connections may do that were asked who they are.
    pub(crate) fn admissions(&self) -> Vec<Arc<Admission>> {
        let connected = self.lock();
        let all = connected.by_id.values();
        all.filter_map(|client| client.admission.get().cloned())
            .collect()
    }

    /// What `CLIENTS` says to a visitor, in parts: so much at once as a peer that takes it slowly may cost.
    pub(crate) fn listing(
        &self,
        visitor: &Visitor,
        mistakes: &Mistakes,
    ) -> impl Iterator<Item = Vec<String>> {
        self.parts().map(|some| {
            some.iter()
                .filter(|client| client.is_shown_to(visitor))
                .map(|client| client.describe(mistakes))
                .collect()
        })
    }

    /// All connections, in parts. One that comes or goes meanwhile may be in it or not.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Vec<Arc<Client>>> {
        let mut last = None;
        std::iter::from_fn(move || {
            let after = last.map_or(Unbounded, Excluded);
            let connected = self.lock();
            let some = connected.by_id.range((after, Unbounded));
            let some: Vec<_> = some
                .take(LISTED_AT_ONCE)
                .map(|(_, client)| Arc::clone(client))
                .collect();
            drop(connected);
            last = Some(some.last()?.id);
            Some(some)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listed {
    /// The client.
    pub(crate) fn peer(&self) -> Peer {
        self.client.peer
    }

    /// Notes what the connection may do.
    pub(crate) fn admit(&self, admission: Arc<Admission>) {
        // It is asked once for a connection.
        let _ = self.client.admission.set(admission);
    }

    /// What it may do; none at a hub that does not ask.
    pub(crate) fn admission(&self) -> Option<&Arc<Admission>> {
        self.client.admission.get()
    }

    /// Notes what the connection is sent.
    pub(crate) fn sends(&self, sending: Sending) {
        // There is one outlet for a connection.
        let _ = self.client.sending.set(sending);
    }

    /// Notes that the connection is sent the messages of many channels.
    pub(crate) fn follows(&self, news: Arc<News>, progress: Watched<Follow>) {
        // It is asked once for a connection.
        let _ = self.client.following.set((news, progress));
    }

    /// Notes that the connection is told the times of a channel.
    pub(crate) fn is_told_times(&self, channel: &Arc<Channel>) {
        // It is asked once for a connection.
        let _ = self.client.timing.set(Arc::clone(channel));
    }

    /// Notes what is received from the connection.
    pub(crate) fn receives(&self, receiving: Receiving) {
        // There is one inlet for a connection.
        let _ = self.client.receiving.set(receiving);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.clients.lock().by_id.remove(&self.client.id);
    }
}

impl Client {
    fn is_shown_to(&self, visitor: &Visitor) -> bool {
        let identity = visitor.identity();
        let own = || {
            let admission = self.admission.get()?;
            Some(admission.visitor().identity().name() == identity.name())
        };
        identity.is_admin() || own() == Some(true)
    }

    /// What `CLIENTS` says of it. Only the words of a mistake can need escapes.
    fn describe(&self, mistakes: &Mistakes) -> String {
        let (id, peer, kind) = (self.id, self.peer, self.kind());
        let mut line = format!(r#"{{"id":{id},"peer":"{peer}","kind":"{kind}""#);
        let visitor = self.admission.get().map(|admission| admission.visitor());
        if let Some(name) = visitor
            .as_ref()
            .and_then(|visitor| visitor.identity().name())
        {
            let _ = write!(line, r#","identity":"{name}""#);
        }
        let (sending, receiving) = (self.sending.get(), self.receiving.get());
        let channel = sending.map(|sending| &sending.channel);
        let channel = channel.or_else(|| receiving.map(|receiving| &receiving.channel));
        if let Some(channel) = channel.or_else(|| self.timing.get()) {
            let _ = write!(line, r#","channel":"{}""#, channel.name());
        }
        if let Some(producer) = receiving.and_then(|receiving| receiving.producer.as_ref()) {
            let _ = write!(line, r#","producer":"{producer}""#);
        }
        let age = self.since.elapsed().as_secs_f64();
        if let Some((news, progress)) = self.following.get() {
            describe_follower(&mut line, news, progress, age);
        }
        if let Some(progress) = self.progress() {
            let Progress {
                seq,
                lag,
                lag_bytes,
                messages,
                bytes,
            } = progress;
            let rate = per_second(messages, age);
            let rate_bytes = per_second(bytes, age);
            let _ = write!(
                line,
                r#","seq":{seq},"lag":{lag},"lag_bytes":{lag_bytes},"messages":{messages},"bytes":{bytes},"rate":{rate:.1},"rate_bytes":{rate_bytes:.1}"#
            );
        }
        let _ = write!(line, r#","age":{age:.3}"#);
        if let Some(mistake) = mistakes.last_of(self.peer) {
            let words = mistake.words.strip_prefix("ERROR ");
            let words = escaped(words.unwrap_or(&mistake.words));
            let age = mistake.at.elapsed().as_secs_f64();
            let _ = write!(line, r#","mistake":"{words}","mistake_age":{age:.3}"#);
        }
        line.push('}');
        line
    }

    /// How many committed messages it has not got yet, for each channel that it is sent.
    pub(crate) fn lags(&self, mut each: impl FnMut(&Arc<Channel>, u64)) {
        if let Some(sending) = self.sending.get() {
            each(&sending.channel, sending.progress().lag);
        }
        if let Some((_, progress)) = self.following.get() {
            progress.look(|follow| follow.lags(each));
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.following.get().is_some() {
            return "follower";
        }
        if self.timing.get().is_some() {
            return "times";
        }
        let directions = (self.sending.get().is_some(), self.receiving.get().is_some());
        match (self.via, directions) {
            (Via::Guest(kind), _) => kind,
            (Via::Protocol, (true, _)) => "subscriber",
            (Via::Protocol, (false, true)) => "publisher",
            (Via::Protocol, (false, false)) => "request",
            (Via::Plain, (true, false)) => "plain-out",
            (Via::Plain, (false, true)) => "plain-in",
            (Via::Plain, (true, true)) => "plain-both",
            (Via::Plain, (false, false)) => "plain",
        }
    }

    /// Of a connection with both directions: its place and lag are those of what it is sent, and the rest
    /// counts both.
    fn progress(&self) -> Option<Progress> {
        let sent = self.sending.get().map(Sending::progress);
        let received = self.receiving.get().map(Receiving::progress);
        match (sent, received) {
            (Some(sent), Some(received)) => Some(Progress {
                messages: sent.messages + received.messages,
                bytes: sent.bytes + received.bytes,
                ..sent
            }),
            (sent, received) => sent.or(received),
        }
    }
}

impl Sending {
    fn progress(&self) -> Progress {
        let sent = match &self.progress {
            Progressing::Frames(watched) => watched.look(Delivery::sent),
            Progressing::Encoded(watched) => watched.look(EncodedDelivery::sent),
        };
        let Some(sent) = sent else {
            // It has just ended.
            return Progress::default();
        };
        let seq = self.from + sent.messages + sent.skipped;
        Progress {
            seq,
            lag: self.channel.tail().next_seq().saturating_sub(seq),
            lag_bytes: sent.rest + self.channel.bytes_from(sent.next),
            messages: sent.messages,
            bytes: sent.bytes.saturating_sub(self.before),
        }
    }
}

impl Receiving {
    fn progress(&self) -> Progress {
        let progress = self.claim.progress();
        let committed_bytes = self.claim.committed_bytes();
        let bytes = self.bytes.load(Relaxed);
        Progress {
            seq: progress.committed,
            lag: progress.accepted - progress.committed,
            lag_bytes: bytes.saturating_sub(committed_bytes),
            messages: progress.committed.saturating_sub(self.base),
            bytes,
        }
    }
}

fn describe_follower(line: &mut String, news: &News, progress: &Watched<Follow>, age: f64) {
    let patterns = news.patterns().iter().map(ToString::to_string);
    let patterns = patterns.collect::<Vec<_>>().join(" ");
    let Standing {
        channels,
        messages,
        bytes,
        lag,
        lag_bytes,
    } = progress.look(Follow::standing).unwrap_or_default();
    let (rate, rate_bytes) = (per_second(messages, age), per_second(bytes, age));
    let _ = write!(
        line,
        r#","patterns":"{patterns}","channels":{channels},"lag":{lag},"lag_bytes":{lag_bytes},"messages":{messages},"bytes":{bytes},"rate":{rate:.1},"rate_bytes":{rate_bytes:.1}"#
    );
}

/// Printable ASCII as it is in a JSON string.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#)
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn per_second(number: u64, seconds: f64) -> f64 {
    // The first messages of a connection come in a burst, which is not what it goes on with.
    number as f64 / seconds.max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_counts_the_first_second_as_a_whole_one() {
        let rates = [
            per_second(100, 0.0),
            per_second(100, 0.5),
            per_second(100, 4.0),
        ];
        assert!(rates.map(|rate| format!("{rate:.1}")) == ["100.0", "100.0", "25.0"]);
    }

    #[test]
    fn a_list_is_made_in_parts_in_the_order_of_arrival_and_without_who_has_gone() {
        let clients = Arc::new(Clients::default());
        let mut listed: Vec<_> = (0..200)
            .map(|_| Some(clients.enter(Peer::Unix(None), Via::Protocol)))
            .collect();
        let (anybody, mistakes) = (Visitor::anybody(), Mistakes::default());
        let mut listing = clients.listing(&anybody, &mistakes);
        let first = listing.next().unwrap();
        assert_eq!(first.len(), LISTED_AT_ONCE);
        assert!(first[0].starts_with(r#"{"id":0,"peer":"unix","kind":"request","age":0."#));
        // Those that go before they are looked at are not told, nor is the place in the list lost.
        for gone in &mut listed[60..70] {
            *gone = None;
        }
        let rest: Vec<_> = listing.flatten().collect();
        assert_eq!(rest.len(), 200 - 70);
        assert!(rest[0].starts_with(r#"{"id":70,"#));
        drop(listed);
        assert_eq!(clients.listing(&anybody, &mistakes).count(), 0);
    }

    #[test]
    fn the_words_of_a_mistake_cannot_break_the_json() {
        assert_eq!(escaped(r#"a "quoted" \n"#), r#"a \"quoted\" \\n"#);
    }
}
