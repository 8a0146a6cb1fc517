//! What the demo sends, and how it is shown.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tenfold::native;

use super::receiver::Arrival;
use crate::failure::Failure;
use crate::flow::output::Stdout;
use crate::words::Color;

/// Messages that are sent in one write, and what there is to see.
pub(super) struct Round {
    pub(super) texts: &'static [&'static str],
    remark: &'static str,
}

/// The demo's messages.
pub(super) const ROUNDS: &[Round] = &[
    Round {
        texts: &["The time is {time}"],
        remark: "Ten characters say how long the message is: digits, then spaces. Then it comes.",
    },
    Round {
        texts: &["one", "two", "three"],
        remark: "Three messages in one write. TCP forgets where they end; their headers know.",
    },
    Round {
        texts: &[""],
        remark: "An empty message is a message, too: a header, and nothing after it.",
    },
    Round {
        texts: &["caf\u{e9} \u{20ac}"],
        remark: "6 characters are 9 bytes here. A length counts bytes.",
    },
    Round {
        texts: &["two\nlines"],
        remark: "Any byte can be in a message. Nothing is escaped, and nothing searched for.",
    },
    Round {
        texts: &["The time is {time}"],
        remark: "Every receiver gets the same bytes, and each reads them in its own pieces.",
    },
];

/// Bytes that are shown of a frame.
const SHOWN: usize = 20;

/// The stage: a terminal, or a pipe with the same words and no colour.
pub(super) struct Stage {
    stdout: Stdout,
    color: bool,
}

impl Stage {
    pub(super) fn new(stdout: Stdout, color: Color) -> Self {
        let color = color.applies_to(&std::io::stdout());
        Self { stdout, color }
    }

    pub(super) fn opening(&self, address: SocketAddr) -> Result<(), Failure> {
        self.say(&format!(
            "{}\n\n\
             A broadcast listens on {address}; two receivers connect to it over TCP.\n\
             Receiver A reads what is there. Receiver B reads 16 bytes at a time, so that\n\
             messages come to it in pieces. Both must see the same messages.",
            self.bold("Tenfold: TCP delivers bytes; programs want messages.")
        ))
    }

    pub(super) fn remark(&self, round: &Round) -> Result<(), Failure> {
        self.say(&format!("\n{}", self.bold(round.remark)))
    }

    /// The frame of a message, as text and as bytes.
    pub(super) fn sent(&self, message: &str, frame: &[u8]) -> Result<(), Failure> {
        let (header, payload) = frame.split_at(native::HEADER);
        let header_text = String::from_utf8_lossy(header);
        let shown = &payload[..payload.len().min(SHOWN - native::HEADER)];
        let more = if shown.len() < payload.len() {
            " ..."
        } else {
            ""
        };
        self.say(&format!(
            "  broadcast  > {}|{}\n     bytes    {}{}{more}",
            self.header(&header_text),
            message.escape_debug(),
            self.header(&pairs(header)),
            pairs(shown),
        ))
    }

    pub(super) fn received(&self, arrival: &Arrival) -> Result<(), Failure> {
        let Arrival {
            receiver,
            message,
            reads,
        } = arrival;
        let how = match reads {
            0 => "with the one before".to_owned(),
            1 => "in 1 read".to_owned(),
            reads => format!("in {reads} reads"),
        };
        let text = format!("\"{}\"", String::from_utf8_lossy(message).escape_debug());
        self.say(&format!(
            "  receiver {receiver} < {text:42} {}",
            self.dim(&how)
        ))
    }

    pub(super) fn ending(&self) -> Result<(), Failure> {
        self.say(&format!(
            "\n{}\n\n\
             Now with two terminals, or with the ten-line clients of the README:\n\n\
             \x20 tenfold broadcast --every 3s --message 'The time is {{time}}'\n\
             \x20 tenfold recv :10010",
            self.bold(
                "The broadcast ends between two messages, and both receivers see a clean end."
            )
        ))
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        self.stdout.write(format!("{text}\n").as_bytes())
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.paint("2", text)
    }

    fn header(&self, text: &str) -> String {
        self.paint("36", text)
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.color {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Bytes as pairs of hexadecimal digits, a space before each.
fn pairs(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, " {byte:02x}");
    }
    text
}
