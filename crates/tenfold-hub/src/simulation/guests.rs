//! Subscribers that get events instead of frames: their server, and a client that reads what it writes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenfold::protocol::{ChannelName, Code, Epoch, Position, Refusal};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::world::Step;
use crate::encoding::{Encoding, Form, Gap, GapReason};
use crate::feed::Feed;
use crate::guest::{Guest, Serve};

/// Writes a channel as chunked events from the place on that a client says in its first line.
#[derive(Debug)]
pub(super) struct Events;

/// How long a client may take to its first line.
const PATIENCE: Duration = Duration::from_secs(5);

impl Serve for Events {
    fn serve(self: Arc<Self>, guest: Guest) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut line = String::new();
            let mut input = BufReader::new(guest.stream());
            let read = tokio::time::timeout(PATIENCE, input.read_line(&mut line)).await;
            let Some((channel, place)) = line.trim_end().split_once(' ') else {
                return;
            };
            if !matches!(read, Ok(Ok(_))) || !line.ends_with('\n') {
                return;
            }
            // The client of the simulation says nothing else.
            let channel = channel.parse().unwrap();
            if let Ok((feed, gap)) = find(&guest, &channel, place).await {
                let form = Form::of(Encoding::EventStream).chunked();
                let answer = feed.answer();
                let began = format!(": began {} {}\n\n", answer.epoch, answer.from);
                let head = [form.wrapped(began.as_bytes()), gap.unwrap_or_default()].concat();
                feed.write(form, head).run().await;
            }
        })
    }
}

/// The place that a client wants, or the first one and what is said before it.
async fn find(
    guest: &Guest,
    channel: &ChannelName,
    place: &str,
) -> Result<(Feed, Option<bytes::Bytes>), Refusal> {
    let (from, epoch) = match place.split_once('.') {
        Some((epoch, seq)) => (Position::Seq(seq.parse().unwrap()), epoch.parse().ok()),
        None => (place.parse().unwrap(), None),
    };
    let refusal = match guest
        .call("events", None)
        .subscribe(channel, from, epoch)
        .await
    {
        Ok(feed) => return Ok((feed, None)),
        Err(refusal) => refusal,
    };
    let reason = match refusal.code {
        Some(Code::Trimmed) => GapReason::Trimmed,
        Some(Code::Epoch) => GapReason::Epoch,
        Some(Code::Future) => GapReason::Future,
        _ => return Err(refusal),
    };
    let call = guest.call("events", None);
    let feed = call.subscribe(channel, Position::First, None).await?;
    let answer = feed.answer();
    let expected = match from {
        Position::Seq(seq) => seq,
        _ => 0,
    };
    let gap = Gap::new(reason, expected, answer.from, answer.epoch);
    Ok((feed, Form::of(Encoding::EventStream).chunked().gap(&gap)))
}

/// Reads chunked events as they come.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    chunked: Vec<u8>,
    events: Vec<u8>,
    place: Option<(Epoch, u64)>,
    /// The stream has ended as it should.
    pub(super) is_complete: bool,
}

impl EventReader {
    /// Where it goes on.
    pub(super) fn place(&self) -> Option<(Epoch, u64)> {
        self.place
    }

    /// A new connection begins.
    pub(super) fn reconnects(&mut self) {
        self.chunked.clear();
        self.events.clear();
        self.is_complete = false;
    }

    /// Takes some bytes of the stream, and gives what has happened.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Step> {
        self.chunked.extend_from_slice(bytes);
        self.unchunk();
        let mut steps = Vec::new();
        while let Some(end) = self.events.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = self.events.drain(..end + 2).collect();
            steps.extend(self.event(str::from_utf8(&event[..end]).unwrap()));
        }
        steps
    }

    fn unchunk(&mut self) {
        loop {
            let line = self.chunked.windows(2).position(|pair| pair == b"\r\n");
            let Some(line) = line else {
                return;
            };
            assert!(!self.is_complete, "there is something after the last chunk");
            let size = str::from_utf8(&self.chunked[..line]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            let end = line + 2 + size;
            let Some(after) = self.chunked.get(end..end + 2) else {
                return;
            };
            assert_eq!(after, b"\r\n", "a chunk ends where its size says");
            self.events.extend_from_slice(&self.chunked[line + 2..end]);
            self.chunked.drain(..end + 2);
            self.is_complete = size == 0;
        }
    }

    fn event(&mut self, event: &str) -> Vec<Step> {
        if let Some(began) = event.strip_prefix(": began ") {
            let (epoch, from) = began.split_once(' ').unwrap();
            let (epoch, from) = (epoch.parse().unwrap(), from.parse().unwrap());
            if self.place.is_none() {
                self.place = Some((epoch, from));
                return vec![Step::Began { epoch, from }];
            }
            return Vec::new();
        }
        let (mut id, mut kind, mut data) = (None, "", Vec::new());
        for line in event.split('\n').filter(|line| !line.starts_with(':')) {
            match line.split_once(": ") {
                Some(("id", value)) => id = value.split_once('.'),
                Some(("event", value)) => kind = value,
                Some(("data", value)) => data.push(value),
                _ => panic!("{line:?} is not a line of an event"),
            }
        }
        let id = id.map(|(epoch, seq)| (epoch.parse().unwrap(), seq.parse::<u64>().unwrap()));
        let data = data.join("\n");
        if kind == "gap" {
            let word = |key: &str| data.split(key).nth(1).unwrap().to_owned();
            let first = word("\"first\":");
            let first = first.split(',').next().unwrap().parse().unwrap();
            let epoch = word("\"epoch\":\"");
            let epoch = epoch.split('"').next().unwrap().parse().unwrap();
            self.place = Some((epoch, first));
            return vec![Step::Gap, Step::Began { epoch, from: first }];
        }
        let Some((epoch, seq)) = id else {
            return Vec::new();
        };
        let bytes = match kind {
            "base64" => STANDARD.decode(data).unwrap(),
            _ => data.into_bytes(),
        };
        self.place = Some((epoch, seq + 1));
        vec![Step::Message { epoch, seq, bytes }]
    }
}
