//! `tenfold send`: messages to one receiver.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tenfold::Address;

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::exposure::Exposure;
use crate::flow::format::Format;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::options::{FramingOptions, InOptions, PeerOptions, ReportOptions, SideName};
use crate::flow::payload::Written;
use crate::flow::pump::{Sink, pump};
use crate::flow::receiver::Receiver;
use crate::flow::source::{In, Limits, Source, Ticker, given, payloads};
use crate::signals;
use crate::units;
use crate::words::Words;

/// Send messages to ADDR: the arguments, or else what comes from stdin
#[derive(Args, Debug)]
#[command(
    override_usage = "tenfold send [OPTIONS] ADDR [MESSAGE]...\n       tenfold send [OPTIONS] --listen ADDR [MESSAGE]...",
    after_help = "\
Without MESSAGE, or with the one MESSAGE `-`, messages are read from stdin, whether it is a
terminal or not. Ends when the receiver's system has acknowledged everything, and the
receiver has closed, or has not within a second. A receiver that goes away before it has read
everything, as far as that is seen, is a failure. With --listen, who goes away before it was sent
anything is not a receiver, and the next is waited for.

Examples:
  tenfold send 127.0.0.1:10010 'hello, world' 'second message'
  seq 10 | tenfold send 127.0.0.1:10010
  tenfold send 127.0.0.1:10010 --every 3s --count 10 'The time is {time}'
  tenfold recv :10010 --out frames | tenfold send :10011 --in frames"
)]
pub(crate) struct Send {
    /// Where to connect to (not with --listen), and then the messages
    #[arg(value_name = "ADDR|MESSAGE", required_unless_present = "listen")]
    words: Vec<OsString>,

    #[command(flatten)]
    peer: PeerOptions,

    #[command(flatten)]
    framing: FramingOptions,

    #[command(flatten)]
    input: InOptions,

    /// Each line of stdin, or each MESSAGE, is a value in JSON; send it as this. With --in json it is
    /// the `value` of each object
    #[arg(long, value_name = "KIND", value_enum, conflicts_with = "every")]
    payload: Option<Written>,

    /// Send the messages in turn, one at once and one every T; `{time}` in them is the local time
    #[arg(long, value_name = "T", value_parser = units::duration, conflicts_with_all = ["format", "json"])]
    every: Option<Duration>,

    /// Stop after N messages; it is a failure if there are fewer
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    #[command(flatten)]
    report: ReportOptions,
}

impl Send {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let (address, messages) = self.address()?;
        let side = match address {
            Some(_) => SideName::Client,
            None => SideName::Server,
        };
        let mut source = self.source(messages, side, words)?;
        signals::end_between_writes()?;
        let receiver = self.receiver(address, words)?;
        let mut sink = Sink::new(
            Format::frames(side.of(&self.framing.framing)),
            receiver,
            words,
        );
        let goal = Goal::new(self.count);
        let sent = pump(&mut *source, &mut sink, &goal, words);
        let (messages, bytes) = (sink.messages(), sink.bytes());
        // Also after a failure, so that the messages before it arrive.
        let closed = sink.into_output().close();
        let result = sent.and(closed).and_then(|()| goal.check("the stream"));
        if self.report.is_json() {
            words.object(&json!({
                "messages": messages,
                "bytes": bytes,
                "error": result.as_ref().err().map(ToString::to_string),
            }));
        }
        words.detail(format_args!("{messages} messages sent"));
        result
    }

    /// Where to connect to, and the messages that follow.
    fn address(&self) -> Result<(Option<Address>, &[OsString]), Failure> {
        if self.peer.listen.is_some() {
            return Ok((None, &self.words));
        }
        let Some((first, messages)) = self.words.split_first() else {
            return Err(Failure::Usage("say where to send to".to_owned()));
        };
        let text = first.to_string_lossy();
        let address = Address::parse(&text).map_err(|error| Failure::Usage(error.to_string()))?;
        Ok((Some(address), messages))
    }

    fn source(
        &self,
        messages: &[OsString],
        side: SideName,
        words: &Words,
    ) -> Result<Box<dyn Source>, Failure> {
        let from_stdin = messages.is_empty() || *messages == ["-"];
        if !from_stdin && self.input.given().is_some() {
            return Err(Failure::Usage(
                "--in and --json are for stdin, and the messages are given (the report at the end is --report json)"
                    .to_owned(),
            ));
        }
        if let Some(every) = self.every {
            return Ok(Box::new(Ticker::of(messages, every)?));
        }
        if !from_stdin {
            return Ok(Box::new(given(messages, self.payload)?));
        }
        let written = side.of(&self.framing.framing);
        let read = self.framing.side.unwrap_or(side).of(&self.framing.framing);
        let format = self.input.format();
        let limits = Limits {
            pieces: match format {
                // The length of a file is known as well.
                In::Whole => written.announces_length(),
                In::Frames => read.announces_length() && written.announces_length(),
                // How long a line is turns out at its end.
                In::Lines | In::Crlf | In::Nul | In::Hex | In::Json => false,
            },
            ..self.framing.limits()
        };
        let input = Input::messages(format, words)?;
        match self.payload {
            Some(written) => Ok(payloads(self.input.given(), input, written, limits)?),
            None => Ok(format.open(input, read, limits)),
        }
    }

    fn receiver(&self, address: Option<Address>, words: &Words) -> Result<Receiver, Failure> {
        let timeout = self.peer.timeout;
        match (address, &self.peer.listen) {
            (Some(address), _) => {
                let stream = connect::connect(&address, &self.peer, words)?;
                Receiver::at(address, stream, timeout)
            }
            (None, Some(listen)) => {
                let exposure = Exposure {
                    address: listen,
                    asks_clients: self.peer.tls.asks_clients(),
                    can: "have what is sent",
                };
                exposure.tell(words)?;
                let listener = connect::listen(listen, &self.peer, "recv ADDR", words)?;
                Receiver::accept(listener, timeout, words)
            }
            (None, None) => Err(Failure::Usage("say where to send to".to_owned())),
        }
    }
}
