//! `tenfold check`: whether a program handles whole messages, and what is wrong if it does not.
//!
//! Which side connects and which side sends are two questions. So the other side is a [`Peer`], which gives connections
//! whether it is a client or a server; and it is checked as a [`Receiver`], which is sent each [case],
//! or as a [`Sender`], whose stream goes through the doctor. What is found is a [lesson](teacher).

mod case;
mod cause;
mod outcome;
mod payload;
mod peer;
mod program;
mod receiver;
mod report;
mod seen;
mod sender;
mod teacher;
mod two;
mod watch;

use std::ffi::OsString;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use tenfold::{Address, Base, Number, Shape};

use crate::failure::Failure;
use crate::flow::connect;
use crate::flow::options::{FramingOptions, ListenOptions, SideName};
use crate::flow::paint::Paint;
use crate::signals;
use crate::units;
use crate::words::{Color, Words};
use payload::Payload;
use peer::{Peer, Role};
use receiver::Receiver;
use report::Report;
use seen::As;
use sender::Sender;
use watch::Watch;

/// Find the mistakes in a client or a server of your own
#[derive(Args, Debug)]
pub(crate) struct Check {
    #[command(subcommand)]
    whom: Whom,
}

#[derive(Debug, Subcommand)]
enum Whom {
    Client(Box<Client>),
    Server(Box<Server>),
}

/// Check a program that connects: does it receive whole messages, or (--sends) send them?
#[derive(Args, Debug)]
#[command(after_help = "\
Your client is sent known messages: whole, byte by byte, in two writes that are cut inside the
header and after it, three in one write, one and a half, an empty one, UTF-8, a large one, and half
of one. What it prints is compared: each message on a line of its own, other lines may come
between them. It is started again for each case, with {host}, {port} and {address} in COMMAND filled in
(and TENFOLD_HOST, TENFOLD_PORT and TENFOLD_ADDRESS in its environment).

Without COMMAND you start it yourself, once. Then what it prints cannot be seen, so it has to send
each message back, in the same framing: all cases go over that connection. A case that goes wrong
ends it, and the next one waits until the client is started again.

Many programs find their server with socket.gethostname(), which is not 127.0.0.1 everywhere: for
those, listen on 0.0.0.0.

With --sends the client's stream is read, as `tenfold check server` does; it gets this command's
stdin.

Exit code 1 if the client makes a mistake; 4 if what it sends (--sends) is not in the framing.

Examples:
  tenfold check client --listen :0 -- python3 client.py {host} {port}
  tenfold check client --listen 0.0.0.0:1234 --framing decimal:64 -- python3 client.py
  tenfold check client --listen :1234 --payload pickle -- python3 client.py
  tenfold check client --listen :1234 --sends -- python3 sender.py")]
struct Client {
    /// Where the client connects to
    #[arg(long, value_name = "ADDR")]
    listen: Address,

    #[command(flatten)]
    listening: ListenOptions,

    /// The client is one that sends: read its stream, and say what is wrong with it
    #[arg(long, conflicts_with_all = ["echoes", "form", "payload"])]
    sends: bool,

    #[command(flatten)]
    options: Options,
}

/// Check a program that listens: does it send whole messages, or (--receives) receive them?
#[derive(Args, Debug)]
#[command(after_help = "\
Reads the server's stream until it ends, until there are enough messages (--count), or until
nothing comes (--timeout), and says what is wrong with it, and in which line of a program that
mistake is usually made.

While the first client is connected, a second one comes: does the server serve both at once, and
does each get whole messages?

With --receives your server is sent what `tenfold check client` sends, each case over a connection
of its own. With COMMAND it is started first, and what it prints is compared; without, it has to
send each message back.

Exit code 4 if what it sends is not in the framing; 1 if it makes another mistake.

Examples:
  tenfold check server :1234
  tenfold check server 127.0.0.1:5000 --count 1 -- python3 server.py
  tenfold check server :7000 --receives")]
struct Server {
    /// Where the server listens
    #[arg(value_name = "ADDR")]
    address: Address,

    /// The server is one that receives: send it the cases of `check client`
    #[arg(long)]
    receives: bool,

    #[command(flatten)]
    options: Options,
}

/// What both have.
#[derive(Args, Debug)]
struct Options {
    #[command(flatten)]
    framing: FramingOptions,

    /// Compare what the program sends back over the connection, and not what it prints
    #[arg(long = "echo")]
    echoes: bool,

    /// How the program prints messages
    #[arg(long = "as", value_name = "FORM", value_enum, default_value_t)]
    form: As,

    /// What each message is: the program prints the text in it
    #[arg(long, value_name = "KIND", value_enum, default_value_t)]
    payload: Payload,

    /// How many messages of a program that sends are enough
    #[arg(long, short = 'n', value_name = "N", default_value = "10", value_parser = units::count::<u64>)]
    count: u64,

    /// Bytes of the large message
    #[arg(long, value_name = "SIZE", default_value = "1MB", value_parser = units::size)]
    large: u64,

    /// How long nothing may come from the program before it is taken to be done, or to wait for more
    #[arg(long, value_name = "T", default_value = "5s", value_parser = units::duration)]
    timeout: Duration,

    /// One object in each line: for each case, each finding, and a summary
    #[arg(long)]
    json: bool,

    /// The program, and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Check {
    pub(crate) fn run(&self, words: &Words, color: Color) -> Result<(), Failure> {
        signals::end_between_writes()?;
        match &self.whom {
            Whom::Client(client) => {
                let listener = connect::listen_as(
                    None,
                    &client.listen,
                    &client.listening,
                    "talk ADDR",
                    words,
                )?;
                let failed = |error| connect::cannot_listen(&client.listen, &error);
                let address = listener.local_address().map_err(failed)?;
                let peer = client.options.peer(Role::Client(listener), address, words);
                client.options.run(peer, client.sends, color)
            }
            Whom::Server(server) => {
                let peer = server
                    .options
                    .peer(Role::Server, server.address.clone(), words);
                server.options.run(peer, !server.receives, color)
            }
        }
    }
}

impl Options {
    fn peer(&self, role: Role, address: Address, words: &Words) -> Peer {
        Peer {
            role,
            address,
            command: self.command.clone(),
            program: None,
            passes_stdin: false,
            watch: Arc::new(Watch::default()),
            words: words.clone(),
        }
    }

    fn run(&self, mut peer: Peer, sends: bool, color: Color) -> Result<(), Failure> {
        let framing = &self.framing.framing;
        let paint = Paint(color.applies_to(&io::stdout()));
        let report = Report::new(self.json, paint, self.is_the_lessons(), sends)?;
        self.framing.side_of_connection(SideName::Client)?;
        if sends {
            peer.passes_stdin = true;
            let sender = Sender {
                peer,
                framing,
                max_message: self.framing.max_message,
                enough: self.count,
                patience: self.timeout,
            };
            return sender.run(&report);
        }
        let receiver = Receiver {
            echoes: self.echoes || self.command.is_empty(),
            peer,
            framing,
            max_message: self.framing.max_message,
            payload: self.payload,
            form: self.form,
            patience: self.timeout,
            large: self.large,
        };
        receiver.run(&report)
    }

    /// Whether the lesson's lines are about this framing: a decimal number of some width.
    fn is_the_lessons(&self) -> bool {
        let steps = self.framing.framing.client().steps();
        let is_decimal = |shape: &Shape| {
            matches!(
                shape,
                Shape::Number {
                    number: Number::Field {
                        base: Base::Decimal,
                        ..
                    },
                    ..
                }
            )
        };
        steps.iter().all(|step| is_decimal(step.shape()))
    }
}
