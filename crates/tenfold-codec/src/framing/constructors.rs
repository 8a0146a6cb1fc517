//! Framings without a line of text, for programs that know which one they want.
//!
//! A constructor of what can be impossible prints its line and has it parsed. So each rule stands
//! in one place, `parse.rs`, its errors show the line, and what was constructed equals what the
//! line stands for.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use super::parse::{self, FramingError};
use super::text::Escaped;
use super::{Framing, Shape, Side, Step, Stuffing};
use crate::number::{ByteOrder, Number};

impl Framing {
    /// A framing of two sides, each a [`Side`], a [`Step`] or a [`Number`].
    ///
    /// ```
    /// use tenfold_codec::{Framing, Number, Side, Step};
    ///
    /// let first = Step::number(Number::U32_BE).with_add(-4)?;
    /// let later = first.clone().with_at(1)?;
    /// let postgres = Framing::new(Side::new([first, later.clone()])?, later);
    /// assert_eq!(postgres, "postgres".parse()?);
    /// # Ok::<(), tenfold_codec::FramingError>(())
    /// ```
    pub fn new(client: impl Into<Side>, server: impl Into<Side>) -> Self {
        Self {
            client: client.into(),
            server: server.into(),
        }
    }

    /// `decimal:WIDTH`: the length in decimal digits, left-aligned in a field of 1 to 64
    /// characters.
    pub fn decimal(width: u8) -> Result<Self, FramingError> {
        Ok(Self::number(Number::decimal(width)?))
    }

    /// `delim:BYTES`: a message ends at these bytes, of which there is at least one.
    pub fn delimited(end: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        Ok(Step::delimited(end)?.into())
    }

    /// `delim:\n`: a message is a line.
    pub fn lines() -> Self {
        Step::bare(Shape::Delim((*b"\n").into())).into()
    }

    /// `fixed:N`: every message has this many bytes, at least one.
    pub fn fixed(size: u64) -> Result<Self, FramingError> {
        Ok(Step::fixed(size)?.into())
    }

    /// A number, and then as many bytes.
    pub fn number(number: Number) -> Self {
        Step::number(number).into()
    }
}

impl<S: Into<Side>> From<S> for Framing {
    /// Both sides alike.
    fn from(side: S) -> Self {
        let side = side.into();
        Self::new(side.clone(), side)
    }
}

impl Side {
    /// A side of 1 to 16 steps: the first message is framed by the first step, the second by the
    /// second, and every later one by the last.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Result<Self, FramingError> {
        let mut line = String::new();
        for step in steps {
            if !line.is_empty() {
                line.push('/');
            }
            line += &step.to_string();
        }
        if line.is_empty() {
            return Err(FramingError::new(line, 0, "a side has at least one step"));
        }
        parse::side(&line)
    }
}

impl From<Step> for Side {
    fn from(step: Step) -> Self {
        Self::merged(vec![step])
    }
}

impl From<Number> for Side {
    fn from(number: Number) -> Self {
        Step::number(number).into()
    }
}

impl Step {
    /// A number, and then as many bytes.
    pub fn number(number: Number) -> Self {
        Self::bare(Shape::Number {
            number,
            add: 0,
            at: 0,
        })
    }

    /// `delim:BYTES`: the message ends at these bytes, of which there is at least one.
    pub fn delimited(end: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        parse::step(&format!("delim:{}", Escaped(end.as_ref())))
    }

    /// `fixed:N`: the message has this many bytes, at least one.
    pub fn fixed(size: u64) -> Result<Self, FramingError> {
        parse::step(&format!("fixed:{size}"))
    }

    /// `content-length`: a header block, a blank line, the message.
    pub fn content_length() -> Self {
        Self::bare(Shape::ContentLength)
    }

    /// `cobs`, `slip` or `hdlc`.
    pub fn stuffed(stuffing: Stuffing) -> Self {
        Self::bare(Shape::Stuffed(stuffing))
    }

    /// `+A` or `-A`: what is added to the number to have the bytes of the message that follow it.
    /// Negative where the number counts itself. Only numbers have it, and it is below 2^32.
    pub fn with_add(self, add: i64) -> Result<Self, FramingError> {
        self.with_number(|_, sum, _| *sum = add)
    }

    /// `@O`: how many bytes of the message stand before the number, at most 4096. Only numbers have
    /// it.
    pub fn with_at(self, at: usize) -> Result<Self, FramingError> {
        self.with_number(|_, _, place| *place = at)
    }

    /// `open=`: constant bytes before every frame. For numbers, `delim` and `fixed`.
    pub fn with_open(self, bytes: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        self.with_option(&format!("open={}", Escaped(bytes.as_ref())))
    }

    /// `close=`: constant bytes after every frame. For numbers, `delim` and `fixed`.
    pub fn with_close(self, bytes: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        self.with_option(&format!("close={}", Escaped(bytes.as_ref())))
    }

    /// `marks`: numbers too small to be a length are an event of their own. For whole binary
    /// numbers or digits that stand first in the frame and count themselves (`-A`).
    pub fn with_marks(self) -> Result<Self, FramingError> {
        self.with_option("marks")
    }

    /// `lax`: spaces on either side and leading zeros are read. For decimal digits in a field.
    pub fn with_lax(self) -> Result<Self, FramingError> {
        self.with_option("lax")
    }

    /// `chars`: the number counts Unicode scalar values of a message in UTF-8. For decimal digits
    /// with nothing added and nothing before them.
    pub fn with_chars(self) -> Result<Self, FramingError> {
        self.with_option("chars")
    }

    fn with_number(
        mut self,
        change: impl FnOnce(&mut Number, &mut i64, &mut usize),
    ) -> Result<Self, FramingError> {
        let Shape::Number { number, add, at } = &mut self.shape else {
            let what = "+A, -A and @O go only with numbers";
            return Err(FramingError::new(self.to_string(), 0, what));
        };
        change(number, add, at);
        parse::step(&self.to_string())
    }

    fn with_option(self, option: &str) -> Result<Self, FramingError> {
        parse::step(&format!("{self},{option}"))
    }
}

impl Number {
    /// `u24le`, `u31be` ...: the low 1 to 64 bits of a whole number of bytes.
    pub fn bits(bits: u8, order: ByteOrder) -> Result<Self, FramingError> {
        let order = match order {
            ByteOrder::Big => "be",
            ByteOrder::Little => "le",
        };
        number(&format!("u{bits}{order}"))
    }

    /// `decimal:WIDTH`: decimal digits, left-aligned in a field of 1 to 64 characters.
    pub fn decimal(width: u8) -> Result<Self, FramingError> {
        number(&format!("decimal:{width}"))
    }

    /// `decimal:0WIDTH`: decimal digits, zero-padded to 1 to 64 characters.
    pub fn zero_padded_decimal(width: u8) -> Result<Self, FramingError> {
        number(&format!("decimal:0{width}"))
    }

    /// `hex:WIDTH`: hexadecimal digits, zero-padded to 1 to 64 characters.
    pub fn hex(width: u8) -> Result<Self, FramingError> {
        number(&format!("hex:{width}"))
    }

    /// `decimal,end=BYTES`: as many decimal digits as it takes, and then these bytes.
    pub fn decimal_ended_by(end: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        number(&format!("decimal,end={}", Escaped(end.as_ref())))
    }

    /// `hex,end=BYTES`: as many hexadecimal digits as it takes, and then these bytes.
    pub fn hex_ended_by(end: impl AsRef<[u8]>) -> Result<Self, FramingError> {
        number(&format!("hex,end={}", Escaped(end.as_ref())))
    }
}

/// The number of a line that is a number alone.
fn number(line: &str) -> Result<Number, FramingError> {
    match parse::step(line)?.shape {
        Shape::Number { number, .. } => Ok(number),
        _ => Err(FramingError::new(line.to_string(), 0, "is not a number")),
    }
}
