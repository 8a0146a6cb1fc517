//! One connection of HTTP/2, and its requests.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tenfold_hub::{GuestStream, Writing};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::answer;
use super::stream::SEND_BUFFER;
use crate::desk::Desk;
use crate::head::MAX_HEAD;
use crate::session::{HEAD_TIME, TAKES_NOTHING};

/// The most requests at once.
const STREAMS: u32 = 100;
/// What a client may send of one body before it is taken, and of all bodies, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How long the last words may take once nothing goes on, and how often that is looked at.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A connection, and what goes on there.
struct Serving {
    desk: Desk,
    connection: Connection<GuestStream, Bytes>,
    /// Requests that are being answered, and streams of messages.
    running: JoinSet<Option<Writing>>,
    /// Since when nothing has been running.
    idle_since: Instant,
    /// When to look whether it is to end.
    look_at: Instant,
    /// The client was told that no further request is answered.
    is_ending: bool,
}

/// Answers the requests of a connection until it ends.
pub(crate) async fn serve(desk: Desk) {
    let mut limits = Builder::new();
    limits
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    let begun = timeout(HEAD_TIME, limits.handshake(desk.guest.stream())).await;
    let Ok(Ok(connection)) = begun else {
        return;
    };
    let now = Instant::now();
    let serving = Serving {
        desk,
        connection,
        running: JoinSet::new(),
        idle_since: now,
        look_at: now + HEAD_TIME,
        is_ending: false,
    };
    serving.run().await;
}

impl Serving {
    async fn run(mut self) {
        let guest = self.desk.guest.clone();
        loop {
            let has_room = self.running.len() < STREAMS as usize;
            let is_idle = self.running.is_empty();
            tokio::select! {
                biased;
                Some(done) = self.running.join_next() => self.goes_on(done.ok().flatten()),
                next = next(&mut self.connection, has_room) => match next {
                    Some((request, respond)) => {
                        let answering = answer(self.desk.beside(), request, respond);
                        self.running.spawn(answering);
                    }
                    None => break,
                },
                () = guest.draining(), if !self.is_ending => self.end(),
                () = sleep_until(self.look_at), if is_idle => if self.is_over() {
                    self.connection.abrupt_shutdown(Reason::NO_ERROR);
                    // It has a moment for that.
                    let _ = timeout(LAST_WORDS, poll_fn(|cx| self.connection.poll_closed(cx))).await;
                    break;
                },
            }
        }
        // Their streams have ended with the connection, of which they tell the hub.
        self.running.detach_all();
    }

    /// A request has been answered, as far as its stream of messages.
    fn goes_on(&mut self, writing: Option<Writing>) {
        if let Some(writing) = writing {
            // It goes on for long, and what its request has had in memory is not needed for it.
            self.running.spawn(async move {
                writing.run().await;
                None
            });
        }
        self.idle_since = Instant::now();
        self.look_at = self.idle_since
            + if self.is_ending {
                LAST_WORDS
            } else {
                HEAD_TIME
            };
    }

    /// Takes no further requests.
    fn end(&mut self) {
        self.connection.graceful_shutdown();
        self.is_ending = true;
        self.look_at = Instant::now() + LAST_WORDS;
    }

    /// Whether an idle connection has had its time. As long as a client has to take the rest of an answer, it has more.
    fn is_over(&mut self) -> bool {
        let has_rest = self.connection.has_streams();
        if has_rest && self.idle_since.elapsed() < TAKES_NOTHING {
            self.look_at = Instant::now() + LAST_WORDS;
            return false;
        }
        if !self.is_ending {
            self.end();
            return false;
        }
        true
    }
}

/// The next request, if one more may be answered; nothing once the connection has ended. Meanwhile everything is sent and
/// received.
async fn next(
    connection: &mut Connection<GuestStream, Bytes>,
    has_room: bool,
) -> Option<(Request<RecvStream>, SendResponse<Bytes>)> {
    if has_room {
        return connection.accept().await?.ok();
    }
    // However it ends, there are no further requests.
    let _ = poll_fn(|cx| connection.poll_closed(cx)).await;
    None
}
