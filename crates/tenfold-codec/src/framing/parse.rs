//! One line of text into a [`Framing`]: the grammar, and everything impossible refused with a
//! finger on the character.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use super::presets;
use super::text::unescape;
use super::{Framing, Shape, Side, Step, Stuffing};
use crate::number::{Base, ByteOrder, MAX_WIDTH, Number, Pad};

/// The most steps one side can have.
const MAX_STEPS: usize = 16;
/// The most bytes of a message that can stand before its number: enough for every header that
/// carries its length in the middle, small enough to be held without a thought.
const MAX_AT: usize = 4096;
/// |A| must be below this.
const MAX_ADD: i64 = 1 << 32;

/// Why a line is not a framing.
///
/// ```
/// use tenfold_codec::Framing;
///
/// let error = "decimal:99".parse::<Framing>().unwrap_err();
/// assert_eq!(error.at(), 8);
/// assert_eq!(error.problem(), "a width is at most 64");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FramingError {
    line: String,
    at: usize,
    problem: Cow<'static, str>,
}

impl FramingError {
    pub(crate) fn new(line: String, at: usize, problem: impl Into<Cow<'static, str>>) -> Self {
        let problem = problem.into();
        Self { line, at, problem }
    }

    /// The byte of the line at which the problem stands, from 0.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What is wrong there, in words.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = Quoted(&self.line);
        write!(f, "bad framing {line} at character {}", self.at + 1)?;
        let found = self.line.get(self.at..).unwrap_or_default();
        let found = &found[..found.find([',', '/']).unwrap_or(found.len())];
        if !found.is_empty() && found.len() < self.line.len() {
            write!(f, ", {}", Quoted(found))?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl core::error::Error for FramingError {}

/// A text in quotes, of which a person sees the beginning if it is long.
struct Quoted<'a>(&'a str);

/// How many characters of a text are shown.
const SHOWN: usize = 200;

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, dots) = match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => (self.0.get(..end).unwrap_or_default(), "..."),
            None => (self.0, ""),
        };
        write!(f, "\"{}\"{dots}", text.escape_debug())
    }
}

impl FromStr for Framing {
    type Err = FramingError;

    fn from_str(line: &str) -> Result<Self, FramingError> {
        let fail = |(at, problem)| FramingError::new(line.to_string(), at, problem);
        if let Some(preset) = presets::find(line) {
            return parse(preset.line).map_err(fail);
        }
        if let Some(reason) = presets::refused(line) {
            return Err(fail((0, Cow::Borrowed(reason))));
        }
        parse(line).map_err(fail)
    }
}

/// The side of a line that has no `//` and is not a preset.
pub(crate) fn side(line: &str) -> Result<Side, FramingError> {
    parse_side(line).map_err(|(at, problem)| FramingError::new(line.to_string(), at, problem))
}

/// The step of a line that has no `/`.
pub(crate) fn step(line: &str) -> Result<Step, FramingError> {
    parse_step(line).map_err(|(at, problem)| FramingError::new(line.to_string(), at, problem))
}

/// Where a problem is, counted from the start of the text at hand, and what it is.
type Problem = (usize, Cow<'static, str>);
type Parsed<T> = Result<T, Problem>;

fn problem<T>(at: usize, what: impl Into<Cow<'static, str>>) -> Parsed<T> {
    Err((at, what.into()))
}

/// Moves a problem that was counted from `start`.
fn from(start: usize) -> impl Fn(Problem) -> Problem {
    move |(at, what)| (start + at, what)
}

fn parse(line: &str) -> Parsed<Framing> {
    let Some(middle) = line.find("//") else {
        return Ok(parse_side(line)?.into());
    };
    let client = line[..middle].trim_end_matches(' ');
    let server = line[middle + 2..].trim_start_matches(' ');
    Ok(Framing::new(
        parse_side(client)?,
        parse_side(server).map_err(from(line.len() - server.len()))?,
    ))
}

fn parse_side(side: &str) -> Parsed<Side> {
    let mut steps = Vec::new();
    let mut at = 0;
    for step in side.split('/') {
        if steps.len() == MAX_STEPS {
            return problem(at, format!("a side has at most {MAX_STEPS} steps"));
        }
        steps.push(parse_step(step).map_err(from(at))?);
        at += step.len() + 1;
    }
    Ok(Side::merged(steps))
}

/// The options of a step, each with the place where it is.
#[derive(Default)]
struct Options {
    open: Option<(usize, Box<[u8]>)>,
    end: Option<(usize, Box<[u8]>)>,
    close: Option<(usize, Box<[u8]>)>,
    marks: Option<usize>,
    lax: Option<usize>,
    chars: Option<usize>,
}

fn parse_step(step: &str) -> Parsed<Step> {
    let shape_len = step.find(',').unwrap_or(step.len());
    let options = parse_options(step, shape_len)?;
    let mut shape = parse_shape(&step[..shape_len], &options)?;
    check_options(&mut shape, &options)?;
    let bytes = |option: Option<(usize, Box<[u8]>)>| option.map(|(_, b)| b).unwrap_or_default();
    Ok(Step {
        shape,
        open: bytes(options.open),
        close: bytes(options.close),
        marks: options.marks.is_some(),
        chars: options.chars.is_some(),
    })
}

fn parse_options(step: &str, shape_len: usize) -> Parsed<Options> {
    let mut options = Options::default();
    let mut at = shape_len;
    while at < step.len() {
        let start = at + 1;
        let length = step[start..].find(',').unwrap_or(step.len() - start);
        let option = &step[start..start + length];
        at = start + length;
        let repeated = if let Some((name, value)) = option.split_once('=') {
            let slot = match name {
                "open" => &mut options.open,
                "end" => &mut options.end,
                "close" => &mut options.close,
                _ => return problem(start, UNKNOWN_OPTION),
            };
            let at_value = start + name.len() + 1;
            let bytes = unescape(value).map_err(|(n, what)| (at_value + n, what.into()))?;
            slot.replace((start, bytes.into())).is_some()
        } else {
            let slot = match option {
                "marks" => &mut options.marks,
                "lax" => &mut options.lax,
                "chars" => &mut options.chars,
                "open" | "end" | "close" => {
                    return problem(start, format!("{option} needs bytes: {option}=BYTES"));
                }
                _ => return problem(start, UNKNOWN_OPTION),
            };
            slot.replace(start).is_some()
        };
        if repeated {
            return problem(start, "this option is given twice");
        }
    }
    Ok(options)
}

const UNKNOWN_OPTION: &str =
    "there is no such option; there are open=, end=, close=, marks, lax, chars";

fn parse_shape(shape: &str, options: &Options) -> Parsed<Shape> {
    if let Some(bytes) = shape.strip_prefix("delim:") {
        let bytes = unescape(bytes).map_err(|(at, what)| (6 + at, what.into()))?;
        return Ok(Shape::Delim(bytes.into()));
    }
    if let Some(size) = shape.strip_prefix("fixed:") {
        return match parse_integer(size).map_err(from(6))? {
            0 => problem(6, "a message of fixed size needs at least one byte"),
            size => Ok(Shape::Fixed(size)),
        };
    }
    match shape {
        "content-length" => Ok(Shape::ContentLength),
        "cobs" => Ok(Shape::Stuffed(Stuffing::Cobs)),
        "slip" => Ok(Shape::Stuffed(Stuffing::Slip)),
        "hdlc" => Ok(Shape::Stuffed(Stuffing::Hdlc)),
        _ => parse_prefixed(shape, options),
    }
}

/// `X±A@O`.
fn parse_prefixed(shape: &str, options: &Options) -> Parsed<Shape> {
    let name_len = shape.find(['+', '-', '@']).unwrap_or(shape.len());
    let number = parse_number(&shape[..name_len], options)?;
    let sum_len = shape[name_len..]
        .find('@')
        .unwrap_or(shape.len() - name_len);
    let (sum, place) = shape[name_len..].split_at(sum_len);
    let add = match sum.chars().next() {
        None => 0,
        Some(sign) => {
            let size = parse_integer(&sum[1..]).map_err(from(name_len + 1))?;
            match i64::try_from(size) {
                Ok(size) if size < MAX_ADD => size * if sign == '-' { -1 } else { 1 },
                _ => return problem(name_len + 1, "must be below 4294967296"),
            }
        }
    };
    let at = if place.is_empty() {
        0
    } else {
        let start = name_len + sum_len + 1;
        let at = parse_integer(&place[1..]).map_err(from(start))?;
        match usize::try_from(at) {
            Ok(at) if at <= MAX_AT => at,
            _ => return problem(start, format!("must be at most {MAX_AT}")),
        }
    };
    Ok(Shape::Number { number, add, at })
}

fn parse_number(name: &str, options: &Options) -> Parsed<Number> {
    if let Some(bits) = name.strip_prefix('u') {
        return parse_bits(bits).map_err(from(1));
    }
    let (base, width) = match name.split_once(':') {
        Some((base, width)) => (base, Some(width)),
        None => (name, None),
    };
    let base = match base {
        "decimal" => Base::Decimal,
        "hex" => Base::Hex,
        "varint" | "ber" if width.is_some() => return problem(base.len(), "takes no width"),
        "varint" => return Ok(Number::Varint),
        "ber" => return Ok(Number::Ber),
        _ => return problem(0, unknown_shape(name)),
    };
    match (width, &options.end) {
        (Some(width), None) => parse_field(base, width, options).map_err(from(base_len(base) + 1)),
        (None, Some((start, end))) => {
            let is_digit = match base {
                Base::Decimal => end[0].is_ascii_digit(),
                Base::Hex => end[0].is_ascii_hexdigit(),
            };
            if is_digit {
                return problem(
                    start + 4,
                    "what ends a number cannot begin with a digit of it",
                );
            }
            let end = end.clone();
            Ok(Number::Ended { base, end })
        }
        (None, None) => problem(
            name.len(),
            format!("{name} needs a width ({name}:10) or what ends it ({name},end=:)"),
        ),
        (Some(_), Some((start, _))) => problem(*start, "a number of fixed width has no end="),
    }
}

fn base_len(base: Base) -> usize {
    match base {
        Base::Decimal => "decimal".len(),
        Base::Hex => "hex".len(),
    }
}

fn parse_bits(text: &str) -> Parsed<Number> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (bits, order) = text.split_at(digits);
    let order = match order {
        "be" => ByteOrder::Big,
        "le" => ByteOrder::Little,
        "" if bits == "8" => ByteOrder::Big,
        "" => return problem(digits, "say which byte comes first: be or le"),
        _ => return problem(digits, "the order of bytes is be or le"),
    };
    match parse_integer(bits)? {
        // Up to one byte there is only one order.
        bits @ 1..=8 => Ok(Number::Bits {
            bits: u8::try_from(bits).unwrap_or(8),
            order: ByteOrder::Big,
        }),
        bits @ 9..=64 => Ok(Number::Bits {
            bits: u8::try_from(bits).unwrap_or(64),
            order,
        }),
        _ => problem(0, "a binary number has 1 to 64 bits"),
    }
}

fn parse_field(base: Base, text: &str, options: &Options) -> Parsed<Number> {
    let zero = base == Base::Hex || text.starts_with('0');
    let skip = usize::from(base == Base::Decimal && zero);
    let width = match parse_integer(&text[skip..]).map_err(from(skip))? {
        0 => return problem(skip, "a width is at least 1"),
        width if width > MAX_WIDTH as u64 => {
            return problem(skip, format!("a width is at most {MAX_WIDTH}"));
        }
        width => u8::try_from(width).unwrap_or(u8::MAX),
    };
    let pad = match (zero, options.lax.is_some() && base == Base::Decimal) {
        (false, false) => Pad::Space,
        (true, false) => Pad::Zero,
        (false, true) => Pad::LaxSpace,
        (true, true) => Pad::LaxZero,
    };
    Ok(Number::Field { base, width, pad })
}

/// A whole decimal number without a sign or a leading zero.
fn parse_integer(text: &str) -> Parsed<u64> {
    if text.is_empty() {
        return problem(0, "a number is missing");
    }
    if let Some(at) = text.find(|c: char| !c.is_ascii_digit()) {
        return problem(at, "is not a digit");
    }
    if text.len() > 1 && text.starts_with('0') {
        return problem(0, "a number has no leading zero");
    }
    match text.parse() {
        Ok(value) => Ok(value),
        Err(_) => problem(0, "the number is too large"),
    }
}

/// Refuses the options that this shape cannot have.
fn check_options(shape: &mut Shape, options: &Options) -> Parsed<()> {
    let refuse = |at: Option<usize>, what: &'static str| match at {
        Some(at) => problem(at, what),
        None => Ok(()),
    };
    let at = |option: &Option<(usize, Box<[u8]>)>| option.as_ref().map(|(at, _)| *at);
    if matches!(shape, Shape::ContentLength | Shape::Stuffed(_)) {
        let what = "open= and close= go only with numbers, delim and fixed";
        refuse(at(&options.open), what)?;
        refuse(at(&options.close), what)?;
    }
    let Shape::Number {
        number,
        add,
        at: place,
    } = shape
    else {
        refuse(at(&options.end), "end= goes only with decimal and hex")?;
        refuse(options.marks, "marks goes only with numbers")?;
        refuse(options.lax, "lax goes only with decimal:WIDTH")?;
        return refuse(options.chars, "chars goes only with decimal");
    };
    if !matches!(number, Number::Ended { .. }) {
        refuse(at(&options.end), "end= goes only with decimal and hex")?;
    }
    if !number.is_lax() {
        refuse(options.lax, "lax goes only with decimal:WIDTH")?;
    }
    if options.open.is_some() || options.close.is_some() {
        refuse(options.marks, "marks cannot go with open= or close=")?;
    }
    if *add >= 0 || *place != 0 || number.kept() != 0 {
        refuse(
            options.marks,
            "marks needs a number that counts itself (-A), first in the frame, in whole bytes",
        )?;
    }
    let decimal = matches!(
        number,
        Number::Field {
            base: Base::Decimal,
            ..
        } | Number::Ended {
            base: Base::Decimal,
            ..
        }
    );
    if !decimal || *add != 0 || *place != 0 {
        refuse(
            options.chars,
            "chars goes only with decimal, without +A, -A and @O",
        )?;
    }
    Ok(())
}

/// Names that people use for what has another name here.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("ndjson", "line"),
    ("jsonl", "line"),
    ("lines", "line"),
    ("lf", "line"),
    ("crlf", "delim:\\r\\n"),
    ("hl7", "mllp"),
    ("gelf", "delim:\\0"),
    ("nul", "delim:\\0"),
    ("protobuf", "varint"),
    ("jsonrpc", "lsp"),
];

/// What to say of an unknown shape, with the nearest name if one is near.
fn unknown_shape(name: &str) -> String {
    if let Some((_, known)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return format!("there is no such framing; here it is {known}");
    }
    let near = presets::names()
        .chain([
            "varint",
            "decimal:10",
            "content-length",
            "cobs",
            "slip",
            "hdlc",
        ])
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len().min(name.len()));
    match near {
        Some((_, known)) => format!("there is no such framing; did you mean {known}?"),
        None => {
            "there is no such framing; a line begins with a preset, u8..u64be/le, varint, ber, \
                 decimal:, hex:, delim:, fixed:, content-length, cobs, slip or hdlc"
                .to_string()
        }
    }
}

/// How many letters must be changed, added or left out to make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().take(32).enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
