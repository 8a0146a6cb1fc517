//! A framing as plain data, straight from the grammar, with its own printer and reader.

use std::fmt::Write as _;

/// Both sides of a framing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Model {
    pub(crate) client: Vec<Step>,
    pub(crate) server: Vec<Step>,
}

/// The rule for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) shape: Shape,
    pub(crate) open: Vec<u8>,
    pub(crate) close: Vec<u8>,
    pub(crate) marks: bool,
    pub(crate) lax: bool,
    pub(crate) chars: bool,
}

/// Where the end of a frame comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Number { number: Number, add: i64, at: usize },
    Delim(Vec<u8>),
    Fixed(u64),
    ContentLength,
    Cobs,
    Slip,
    Hdlc,
}

/// How a number is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Bits { bits: usize, little: bool },
    Varint,
    Ber,
    Padded { width: usize },
    Zeroed { width: usize },
    Hex { width: usize },
    Ended { radix: u32, end: Vec<u8> },
}

impl Step {
    pub(crate) fn of(shape: Shape) -> Self {
        Self {
            shape,
            open: Vec::new(),
            close: Vec::new(),
            marks: false,
            lax: false,
            chars: false,
        }
    }

    pub(crate) fn is_stuffed(&self) -> bool {
        matches!(self.shape, Shape::Cobs | Shape::Slip | Shape::Hdlc)
    }

    /// Whether a frame tells the length of its message in bytes before the message.
    pub(crate) fn announces(&self) -> bool {
        let counts = matches!(
            self.shape,
            Shape::Number { .. } | Shape::Fixed(_) | Shape::ContentLength
        );
        counts && !self.chars
    }

    /// Bytes of the message that stand before the number or are the number.
    pub(crate) fn bytes_in_head(&self) -> usize {
        match &self.shape {
            Shape::Number { number, at, .. } => at + number.kept(),
            _ => 0,
        }
    }

    /// The one spelling of a step.
    pub(crate) fn print(&self) -> String {
        let mut line = self.print_shape();
        for option in self.print_options(&escape) {
            line += ",";
            line += &option;
        }
        line
    }

    pub(crate) fn print_shape(&self) -> String {
        match &self.shape {
            Shape::Number { number, add, at } => {
                let mut line = number.print();
                if *add != 0 {
                    write!(line, "{add:+}").unwrap();
                }
                if *at != 0 {
                    write!(line, "@{at}").unwrap();
                }
                line
            }
            Shape::Delim(bytes) => format!("delim:{}", escape(bytes)),
            Shape::Fixed(size) => format!("fixed:{size}"),
            Shape::ContentLength => "content-length".into(),
            Shape::Cobs => "cobs".into(),
            Shape::Slip => "slip".into(),
            Shape::Hdlc => "hdlc".into(),
        }
    }

    /// The options in canonical order, with constants escaped by `escape`.
    pub(crate) fn print_options(&self, escape: &dyn Fn(&[u8]) -> String) -> Vec<String> {
        let mut options = Vec::new();
        let end = match &self.shape {
            Shape::Number {
                number: Number::Ended { end, .. },
                ..
            } => &end[..],
            _ => &[],
        };
        for (name, bytes) in [
            ("open", &self.open[..]),
            ("end", end),
            ("close", &self.close),
        ] {
            if !bytes.is_empty() {
                options.push(format!("{name}={}", escape(bytes)));
            }
        }
        for (name, on) in [
            ("marks", self.marks),
            ("lax", self.lax),
            ("chars", self.chars),
        ] {
            if on {
                options.push(name.into());
            }
        }
        options
    }

    /// Reads the canonical spelling; nothing if this is not one.
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.split(',');
        let shape = parts.next()?;
        let mut end = Vec::new();
        let mut step = Self::of(Shape::Cobs);
        for option in parts {
            match option.split_once('=') {
                Some(("open", bytes)) => step.open = unescape(bytes)?,
                Some(("end", bytes)) => end = unescape(bytes)?,
                Some(("close", bytes)) => step.close = unescape(bytes)?,
                None if option == "marks" => step.marks = true,
                None if option == "lax" => step.lax = true,
                None if option == "chars" => step.chars = true,
                _ => return None,
            }
        }
        step.shape = read_shape(shape, end)?;
        Some(step)
    }
}

fn read_shape(text: &str, end: Vec<u8>) -> Option<Shape> {
    if let Some(bytes) = text.strip_prefix("delim:") {
        return Some(Shape::Delim(unescape(bytes)?));
    }
    if let Some(size) = text.strip_prefix("fixed:") {
        return Some(Shape::Fixed(size.parse().ok()?));
    }
    match text {
        "content-length" => return Some(Shape::ContentLength),
        "cobs" => return Some(Shape::Cobs),
        "slip" => return Some(Shape::Slip),
        "hdlc" => return Some(Shape::Hdlc),
        _ => {}
    }
    let (text, at) = match text.split_once('@') {
        Some((text, at)) => (text, at.parse().ok()?),
        None => (text, 0),
    };
    let (text, add) = match text.find(['+', '-']) {
        Some(sign) => (&text[..sign], text[sign..].parse().ok()?),
        None => (text, 0),
    };
    let number = match text.split_once(':') {
        None if text == "varint" => Number::Varint,
        None if text == "ber" => Number::Ber,
        None if text == "decimal" => Number::Ended { radix: 10, end },
        None if text == "hex" => Number::Ended { radix: 16, end },
        None if text == "u8" => Number::Bits {
            bits: 8,
            little: false,
        },
        None => {
            let text = text.strip_prefix('u')?;
            let (bits, order) = text.split_at(text.len().checked_sub(2)?);
            let little = match order {
                "be" => false,
                "le" => true,
                _ => return None,
            };
            let bits = bits.parse().ok()?;
            Number::Bits { bits, little }
        }
        Some(("hex", width)) => Number::Hex {
            width: width.parse().ok()?,
        },
        Some(("decimal", width)) => match width.strip_prefix('0') {
            Some(width) => Number::Zeroed {
                width: width.parse().ok()?,
            },
            None => Number::Padded {
                width: width.parse().ok()?,
            },
        },
        Some(_) => return None,
    };
    Some(Shape::Number { number, add, at })
}

impl Number {
    fn print(&self) -> String {
        match self {
            Self::Bits { bits: 8, .. } => "u8".into(),
            Self::Bits { bits, little } => {
                let little = *little && *bits > 8;
                format!("u{bits}{}", if little { "le" } else { "be" })
            }
            Self::Varint => "varint".into(),
            Self::Ber => "ber".into(),
            Self::Padded { width } => format!("decimal:{width}"),
            Self::Zeroed { width } => format!("decimal:0{width}"),
            Self::Hex { width } => format!("hex:{width}"),
            Self::Ended { radix: 10, .. } => "decimal".into(),
            Self::Ended { .. } => "hex".into(),
        }
    }

    /// Bytes of the number that stay in the message.
    pub(crate) fn kept(&self) -> usize {
        match self {
            Self::Bits { bits, .. } if bits % 8 != 0 => bits.div_ceil(8),
            _ => 0,
        }
    }

    /// Bytes of the number, where they are always as many.
    pub(crate) fn size(&self) -> Option<usize> {
        match self {
            Self::Bits { bits, .. } => Some(bits.div_ceil(8)),
            Self::Padded { width } | Self::Zeroed { width } | Self::Hex { width } => Some(*width),
            Self::Varint | Self::Ber | Self::Ended { .. } => None,
        }
    }
}

impl Model {
    /// Both sides alike.
    pub(crate) fn alike(steps: Vec<Step>) -> Self {
        Self {
            client: steps.clone(),
            server: steps,
        }
    }

    /// The canonical spelling.
    pub(crate) fn print(&self) -> String {
        let (client, server) = (print_side(&self.client), print_side(&self.server));
        if client == server {
            client
        } else {
            format!("{client} // {server}")
        }
    }

    /// Reads the canonical spelling; nothing if this is not one.
    pub(crate) fn read(line: &str) -> Option<Self> {
        let (client, server) = line.split_once(" // ").unwrap_or((line, line));
        let model = Self {
            client: client.split('/').map(Step::read).collect::<Option<_>>()?,
            server: server.split('/').map(Step::read).collect::<Option<_>>()?,
        };
        (model.print() == line).then_some(model)
    }
}

fn print_side(steps: &[Step]) -> String {
    let mut lines: Vec<String> = steps.iter().map(Step::print).collect();
    while lines.len() > 1 && lines[lines.len() - 1] == lines[lines.len() - 2] {
        lines.pop();
    }
    lines.join("/")
}

/// The shortest escapes.
pub(crate) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\n' => text += "\\n",
            b'\r' => text += "\\r",
            b'\t' => text += "\\t",
            0 => text += "\\0",
            b'\\' => text += "\\\\",
            b',' | b'/' | b' ' => write!(text, "\\x{byte:02x}").unwrap(),
            _ if byte.is_ascii_graphic() => text.push(byte.into()),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut text = text;
    while !text.is_empty() {
        let (byte, length) = match text.as_bytes() {
            [b'\\', b'n', ..] => (b'\n', 2),
            [b'\\', b'r', ..] => (b'\r', 2),
            [b'\\', b't', ..] => (b'\t', 2),
            [b'\\', b'0', ..] => (0, 2),
            [b'\\', b'\\', ..] => (b'\\', 2),
            [b'\\', b'x', ..] => (u8::from_str_radix(text.get(2..4)?, 16).ok()?, 4),
            [byte, ..] => (*byte, 1),
            [] => return None,
        };
        bytes.push(byte);
        text = text.get(length..)?;
    }
    (!bytes.is_empty()).then_some(bytes)
}
