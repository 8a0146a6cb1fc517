//! A channel's messages on their way to a guest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tenfold::protocol::Subscribed;

use crate::audit::AuditResult;
use crate::channel::Subscription;
use crate::clients::{Progressing, Sending};
use crate::connection::{Connection, Stay};
use crate::encoded_delivery::{EncodedDelivery, Manner};
use crate::encoding::Form;
use crate::registry::Visit;
use crate::reports;
use crate::sink::{Branch, Sink};
use crate::socket::Socket;
use crate::stats::{ClientReport, End};
use crate::subscriber::{Drain, Subscriber, Watched};
use crate::transport::Transport;

/// How often an idle client is sent something.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A place in a channel for a [`Guest`](crate::Guest), of which it is known that it can be had: what the answer needs to say, before
/// the messages are [written](Self::write).
///
/// ```no_run
/// use tenfold::protocol::Position;
/// use tenfold_hub::{Encoding, Form, Guest};
///
/// # async fn answer(guest: Guest) -> Result<(), Box<dyn std::error::Error>> {
/// let call = guest.call("sse", None);
/// let feed = call.subscribe(&"ticks".parse()?, Position::Seq(17), None).await?;
/// let head = format!(
///     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nTenfold-From: {}\r\n\r\n",
///     feed.answer().from,
/// );
/// let form = Form::of(Encoding::EventStream).chunked();
/// let report = feed.write(form, head).run().await;
/// println!("{} messages were sent", report.messages);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Feed {
    connection: Connection,
    visit: Visit,
    subscription: Subscription,
    until: u64,
}

/// A channel's messages as they are written to a [`Guest`](crate::Guest). To be [run](Self::run).
///
/// It is a subscriber as the hub's protocol has them: it gets what was committed, waits for more, and costs a place in the
/// channel. Blocks of messages are encoded once for all guests that have the same [`Form`]. A guest that takes nothing keeps
/// the rest of a few messages. When retention has passed it, it is told so and goes on with what there is, if its form has a
/// word for a [`Gap`](crate::Gap); otherwise its connection ends without the last bytes.
#[derive(Debug)]
pub struct Writing {
    connection: Connection,
    visit: Visit,
    subscription: Subscription,
    head: Bytes,
    manner: Manner,
    takes_input: bool,
    remote: Remote,
}

/// Says something to a guest between the messages that are written to it, from another task. Clones do the same.
#[derive(Clone)]
pub struct Remote(Arc<std::sync::OnceLock<Watched<EncodedDelivery>>>);

impl Feed {
    pub(crate) fn new(connection: Connection, visit: Visit, subscription: Subscription) -> Self {
        Self {
            connection,
            visit,
            subscription,
            until: u64::MAX,
        }
    }

    /// The channel's history, the seq of the first message to come, and those of the first one that is kept and of the next
    /// one.
    pub fn answer(&self) -> Subscribed {
        self.subscription.answer
    }

    /// Ends it before the message with this seq: what follows is not written, also when it is there.
    #[must_use]
    pub fn until(self, seq: u64) -> Self {
        let until = self.until.min(seq);
        Self { until, ..self }
    }

    /// Writes the messages to the guest's [stream](crate::Guest::stream): `head` first, then each in its form. Nobody else may
    /// write to the stream then.
    pub fn write(self, form: Form, head: impl Into<Bytes>) -> Writing {
        Writing {
            connection: self.connection,
            visit: self.visit,
            subscription: self.subscription,
            head: head.into(),
            manner: Manner {
                form,
                until: self.until,
                goes_on_after_gaps: true,
                last: form.end(),
                heartbeat: HEARTBEAT,
            },
            takes_input: true,
            remote: Remote(Arc::default()),
        }
    }
}

impl Writing {
    /// Ends it where retention has passed the guest, also if there is a word for that.
    #[must_use]
    pub fn stopping_at_gaps(mut self) -> Self {
        self.manner.goes_on_after_gaps = false;
        self
    }

    /// Ends it with these bytes, if it ends because there is no more, and not with those of the form.
    #[must_use]
    pub fn ending_with(mut self, last: impl Into<Bytes>) -> Self {
        self.manner.last = last.into();
        self
    }

    /// Writes to one of several streams on the guest's connection in the place of all of it. Its end is said only if nothing is
    /// missing; otherwise it is cut.
    #[must_use]
    pub fn into_sink(mut self, sink: Arc<dyn Sink>) -> Self {
        // Whoever takes nothing of one stream may take nothing of all of them.
        self.connection.socket.be_patient(true);
        let branch = Transport::Branch(Branch::new(sink));
        self.connection.socket = Arc::new(Socket::from(branch));
        self.without_input()
    }

    /// Leaves what the guest sends to whoever reads its stream. Otherwise it is thrown away.
    #[must_use]
    pub fn without_input(mut self) -> Self {
        self.takes_input = false;
        self
    }

    /// For another task, which says something between the messages.
    pub fn remote(&self) -> Remote {
        self.remote.clone()
    }

    /// Writes until the channel or the guest ends, and closes the connection: in an orderly way if the guest has got all
    /// there is, and otherwise so that it sees that something is missing.
    pub async fn run(self) -> ClientReport {
        let Sent {
            subscriber,
            visit,
            from,
            is_bounded,
            stay,
        } = self.begin();
        let report = subscriber.run().await;
        if is_bounded && report.end == End::Complete {
            reports::messages_read(&report, visit.channel(), from);
        } else {
            reports::subscriber_disconnected(&report, visit.channel(), from);
        }
        stay.asked.record_end(report.messages, report.bytes);
        drop(stay);
        report
    }

    fn begin(self) -> Sent {
        let Self {
            connection,
            visit,
            subscription,
            head,
            manner,
            takes_input,
            remote,
        } = self;
        let Subscription {
            answer,
            head: before,
            cursor,
        } = subscription;
        let shared = &connection.shared;
        let is_bounded = manner.until < u64::MAX;
        let delivery = EncodedDelivery::new(
            (Arc::clone(&connection.socket), connection.peer),
            (head.clone(), before),
            cursor,
            visit.channel().history().cloned(),
            (answer.epoch, manner),
            (
                Arc::clone(shared.registry.rests()),
                Arc::clone(&shared.counters),
            ),
        );
        // The rest of the time is for closing.
        let drain = Drain::Total(shared.options.now().drain.mul_f32(0.8));
        let mut subscriber = Subscriber::of(Arc::clone(&connection.socket), delivery, drain)
            .giving_way(Arc::clone(&shared.giving_way))
            .admitted(connection.stay.listed.admission());
        if !takes_input {
            subscriber = subscriber.without_input();
        }
        // It is begun once.
        let _ = remote.0.set(subscriber.watched());
        connection.stay.listed.sends(Sending {
            channel: Arc::clone(visit.channel()),
            from: answer.from,
            before: head.len() as u64,
            progress: Progressing::Encoded(subscriber.watched()),
        });
        if !is_bounded {
            reports::subscriber_connected(connection.peer, visit.channel().name(), answer.from);
        }
        connection.stay.asked.record(AuditResult::Ok);
        Sent {
            subscriber,
            visit,
            from: answer.from,
            is_bounded,
            stay: Arc::clone(&connection.stay),
        }
    }
}

/// Messages that are being written.
struct Sent {
    subscriber: Subscriber<EncodedDelivery>,
    visit: Visit,
    /// The seq of the first one.
    from: u64,
    /// There is a last one, so it is a question and an answer, of which a client may have many.
    is_bounded: bool,
    stay: Arc<Stay>,
}

impl Remote {
    /// Writes these bytes between two messages; where the stream is [chunked](Form::chunked), they have to be chunks. False:
    /// the guest does not take what was said before, or is not written to.
    pub fn say(&self, bytes: &[u8]) -> bool {
        let said = self
            .0
            .get()
            .and_then(|watched| watched.change(|delivery| delivery.say_aside(bytes)));
        said.unwrap_or(false)
    }

    /// Ends the stream after the message that was begun, as if there were no more.
    pub fn finish(&self) {
        if let Some(watched) = self.0.get() {
            watched.change(EncodedDelivery::finish);
        }
    }

    /// Ends the stream after the message that was begun, with these bytes and not with those of the form.
    pub fn finish_with(&self, last: impl Into<Bytes>) {
        if let Some(watched) = self.0.get() {
            let last = last.into();
            watched.change(|delivery| delivery.finish_with(last));
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}
