//! When messages were committed, asked of the hub beside the messages themselves.

use std::io;
use std::time::Duration;

use tenfold::asynchronous::{Connect, Reader, Transport};
use tenfold::protocol::{ChannelName, Code, Committed, Epoch, Refusal, Request, Token};
use tenfold::{Address, Decoder, Encoder, Framing};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::flow::options::HubPeer;
use crate::words::Words;

/// The times of the messages of one channel, in the order in which they come: over a connection that goes on as
/// they do.
pub(super) struct Times {
    hub: Address,
    token: Option<Token>,
    channel: ChannelName,
    words: Words,
    /// The history that the messages are of.
    epoch: Option<Epoch>,
    lines: Option<Reader<Box<dyn Transport>>>,
    /// What was told last.
    known: Option<Committed>,
    /// They cannot be had, and that was said. It is not tried again before there is another connection.
    is_lost: bool,
}

/// How long the hub may take to tell a time. It tells one as soon as it gives the message.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of the longest line that is accepted.
const LONGEST: u64 = 4096;

impl Times {
    pub(super) fn new(hub: &HubPeer, channel: ChannelName, words: &Words) -> Self {
        Self {
            hub: hub.server.clone(),
            token: hub.credential.token(),
            channel,
            words: words.clone(),
            epoch: None,
            lines: None,
            known: None,
            is_lost: false,
        }
    }

    /// Messages come over another connection from here on, and are of this history.
    pub(super) fn connected(&mut self, epoch: Option<Epoch>) {
        (self.epoch, self.lines, self.known, self.is_lost) = (epoch, None, None, false);
    }

    /// When the message with this seq was committed, in unix milliseconds; nothing if that cannot be known.
    pub(super) async fn of(&mut self, seq: u64) -> Option<u64> {
        if let Some(known) = self.covers(seq) {
            return Some(known.time);
        }
        if self.is_lost {
            return None;
        }
        // A connection may have broken since the last message.
        for is_last in [self.lines.is_none(), true] {
            let found = timeout(PATIENCE, self.find(seq)).await;
            let problem = match found {
                Ok(Ok(time)) => return Some(time),
                Ok(Err(problem)) => problem,
                Err(_) => format!("{} said nothing for {PATIENCE:?}", self.hub),
            };
            self.lines = None;
            if is_last {
                self.is_lost = true;
                self.words.warning(format_args!(
                    "from message {seq} of {} on it is not known when messages were committed: {problem}",
                    self.channel
                ));
                break;
            }
        }
        None
    }

    fn covers(&self, seq: u64) -> Option<Committed> {
        self.known
            .filter(|known| (known.from..known.end()).contains(&seq))
    }

    /// Reads on to a message.
    async fn find(&mut self, seq: u64) -> Result<u64, String> {
        let is_behind = self.known.is_some_and(|known| known.from > seq);
        if is_behind || self.lines.is_none() {
            self.known = None;
            self.lines = Some(self.ask(seq).await?);
        }
        let Some(lines) = &mut self.lines else {
            return Err("there is no connection".to_owned());
        };
        loop {
            let line = lines.message().await.map_err(|error| error.to_string())?;
            let line = line.ok_or("the connection has ended")?;
            let told = str::from_utf8(line).ok().and_then(|line| line.parse().ok());
            let told: Committed = told.ok_or("the hub has told no time")?;
            self.known = Some(told);
            if (told.from..told.end()).contains(&seq) {
                return Ok(told.time);
            }
        }
    }

    async fn ask(&mut self, seq: u64) -> Result<Reader<Box<dyn Transport>>, String> {
        let failed = |error: io::Error| error.to_string();
        let mut stream = self.hub.connect().await.map_err(failed)?;
        let request = Request::times(self.channel.clone(), seq, None, self.epoch)
            .with_token(self.token.as_ref());
        let mut frame = Vec::new();
        let mut encoder = Encoder::connecting(&Framing::default());
        let framed = encoder.encode(request.as_bytes(), &mut frame);
        framed.map_err(|error| error.to_string())?;
        stream.write_all(&frame).await.map_err(failed)?;
        let decoder = Decoder::connecting(&Framing::default()).with_limit(LONGEST);
        let mut lines = Reader::with_decoder(stream, decoder);
        let answer = lines.message().await.map_err(|error| error.to_string())?;
        let answer = answer.ok_or("the connection has ended without an answer")?;
        let answer = String::from_utf8_lossy(answer);
        match Refusal::parse(&answer) {
            Some(refusal) if refusal.code == Some(Code::Proto) => {
                Err("the hub is an older one, which does not tell".to_owned())
            }
            Some(_) => Err(format!("the hub says: {answer}")),
            None => Ok(lines),
        }
    }
}
