//! `tenfold recv`: print each message.

mod keep;

use std::ffi::{OsStr, OsString};

use clap::Args;
use tenfold::{Address, Listener, Side};

use crate::failure::Failure;
use crate::flow::budget::Budget;
use crate::flow::connect;
use crate::flow::exposure::{Exposure, NetworkOptions};
use crate::flow::format::Format;
use crate::flow::goal::Goal;
use crate::flow::input::Input;
use crate::flow::look_alike::Unasked;
use crate::flow::options::{FramingOptions, PeerOptions, SideName};
use crate::flow::origin::{address_in, open_file};
use crate::flow::output::Output;
use crate::flow::printing::{PrintOptions, Printer};
use crate::flow::pump::{Sink, pump};
use crate::flow::source::{Decoded, Limits};
use crate::flow::template::Template;
use crate::signals;
use crate::words::Words;
use keep::Senders;

/// Print each message that comes from ADDR, a file, or stdin
#[derive(Args, Debug)]
#[command(after_help = "\
Marks of framings that have them (git, ...) are not printed, but for --out json and --out frames.
A message over 16 MiB, where --max-message allows it, is printed piece by piece as it comes
(not with --out json, --format, --payload, --exec or --keep, nor with --out frames where the
framing announces no length).

--out json has the index of each message, from 0, and when it came (of a file only the index). CMD
of --exec finds the same in TENFOLD_INDEX and TENFOLD_TIME.

--exec runs CMD with the shell; its stdout and stderr are those of this command. Exit code 0 says
that the message is done with. After any other, and after a signal, nothing more is taken, and the
error says at which message it was (exit code 1); with --keep that ends only the sender whose
message it was. A CMD that does not read all of its input is not a failure by itself.

--payload shows what JSON cannot say as {\"$base64\": ...} and the like; nothing in a pickle is
executed, and what would be is shown as {\"$call\": ...}.

Examples:
  tenfold recv 127.0.0.1:10010
  tenfold recv --listen :5140 --framing syslog --keep
  tenfold recv capture.bin --framing u32be --out hex
  tenfold recv 127.0.0.1:10010 --format '%T %m'
  tenfold recv --listen :9020 --framing u32be --payload pickle --keep
  tenfold recv 127.0.0.1:10010 --exec 'notify-send \"$(cat)\"'")]
pub(crate) struct Recv {
    /// An address as `host:port`, `:port` or `unix:/path`; `-` for stdin; anything else is a file
    #[arg(
        value_name = "ADDR|FILE|-",
        required_unless_present = "listen",
        conflicts_with = "listen"
    )]
    from: Option<OsString>,

    #[command(flatten)]
    peer: PeerOptions,

    #[command(flatten)]
    network: NetworkOptions,

    /// Go on after the first sender, and take any number of them at once. Each can hold one message
    /// of --max-message in memory, all together 256 MiB or two of the largest; --timeout ends that
    /// sender only
    #[arg(long)]
    keep: bool,

    #[command(flatten)]
    framing: FramingOptions,

    #[command(flatten)]
    printing: PrintOptions,

    /// Stop after N messages; it is a failure if there are fewer
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// Leave out messages that are too large or broken, where the next one can be found, and say so
    #[arg(long)]
    skip_bad: bool,
}

/// The frames' origin, opened.
enum Origin {
    /// From the address that was connected to, if there is one.
    One(Input, Option<Address>),
    Many(Listener),
}

impl Recv {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        if self.keep && self.peer.listen.is_none() {
            return Err(Failure::Usage("--keep needs --listen".to_owned()));
        }
        if self.printing.template().is_some_and(Template::has_channel) {
            return Err(Failure::Usage(
                "%c is the channel of a message, which a hub has: tenfold sub".to_owned(),
            ));
        }
        let printer = self.printing.printer(words)?;
        signals::end_between_writes()?;
        let (origin, side) = self.open(words)?;
        let format = self.printing.format(side, &printer);
        let limits = self.limits(&format, side, &printer);
        let goal = Goal::new(self.count);
        let (input, from) = match origin {
            Origin::One(input, from) => (input, from),
            Origin::Many(listener) => {
                let senders = Senders {
                    side: side.clone(),
                    limits: Limits {
                        pieces: false,
                        ..limits
                    },
                    budget: Budget::new(limits.max_message),
                    printing: self.printing.clone(),
                    printer,
                    timeout: self.peer.timeout,
                    goal,
                    words: words.clone(),
                };
                return senders.serve(listener);
            }
        };
        // What is in a file came before anybody looked.
        let is_live = input.length().is_none();
        let told = self.printing.told(&format, is_live);
        if !is_live && self.printing.template().is_some_and(Template::has_time) {
            return Err(Failure::Usage(
                "%T is when a message came, which a file does not say".to_owned(),
            ));
        }
        let mut source = Decoded::frames(input, side, limits);
        if self.peer.listen.is_some() {
            source = source.guarded();
        }
        let mut source = Unasked::new(source, from);
        let mut sink = Sink::new(format, printer, words)
            .telling(told)
            .on_bad(self.printing.on_bad());
        pump(&mut source, &mut sink, &goal, words)?;
        words.detail(format_args!("{} messages", sink.messages()));
        goal.check("the stream")
    }

    fn open(&self, words: &Words) -> Result<(Origin, &Side), Failure> {
        let timeout = self.peer.timeout;
        if let Some(address) = &self.peer.listen {
            let side = self.framing.side_of_connection(SideName::Client)?;
            let exposure = Exposure {
                address,
                asks_clients: self.peer.tls.asks_clients(),
                can: if self.printing.runs_command() {
                    "send messages, and the command of --exec runs for them"
                } else {
                    "send messages"
                },
            };
            exposure.check(self.network, words)?;
            let listener = connect::listen(address, &self.peer, "send ADDR", words)?;
            if self.keep {
                return Ok((Origin::Many(listener), side));
            }
            let (stream, name) = connect::accept_sender(&listener, timeout, words)?;
            let input = Input::stream(stream, name)
                .only_read()
                .with_timeout(timeout);
            return Ok((Origin::One(input, None), side));
        }
        let from = self.from.as_deref().unwrap_or_else(|| OsStr::new("-"));
        let address = address_in(from)?;
        let (input, side) = if let Some(address) = &address {
            let side = self.framing.side_of_connection(SideName::Server)?;
            let stream = connect::connect(address, &self.peer, words)?;
            (Input::stream(stream, address.to_string()).only_read(), side)
        } else {
            self.peer.tls.check(&[])?;
            let side = self.framing.side_of_file()?;
            (open_file(from)?, side)
        };
        Ok((Origin::One(input.with_timeout(timeout), address), side))
    }

    fn limits(&self, format: &Format, side: &Side, printer: &Printer) -> Limits {
        let same_frames = matches!(format, Format::Frames(_)) && side.announces_length();
        Limits {
            pieces: !printer.takes_one() && (format.takes_pieces() || same_frames),
            skip_bad: self.skip_bad,
            ..self.framing.limits()
        }
    }
}
