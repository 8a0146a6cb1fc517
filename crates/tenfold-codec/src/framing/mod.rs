//! What a framing is: the validated value that drives both directions.

mod constructors;
mod parse;
mod presets;
mod side;
mod step;
mod text;

use core::fmt;

use crate::number::Number;

pub use parse::FramingError;
pub use presets::{PRESETS, Preset};
pub use side::Side;
pub use step::{Shape, Step, Stuffing};

/// The rule by which a byte stream is cut into frames, for both directions of a connection.
///
/// Made from one line of text and printed as one ([`FromStr`](core::str::FromStr) and
/// [`Display`](fmt::Display) are inverses on the canonical spelling); `docs/wire-format.md` is
/// its grammar. A program that knows its framing makes it with a constructor. The default is the
/// native framing, `decimal:10`.
///
/// The bytes of the client, which connected, and of the server, which listened, can be framed
/// differently. A program says which of the two it is with [`Decoder::connecting`] or
/// [`Decoder::listening`], and likewise for an encoder. For the bytes of one side in a file, it takes
/// that [`Side`].
///
/// [`Decoder::connecting`]: crate::Decoder::connecting
/// [`Decoder::listening`]: crate::Decoder::listening
///
/// ```
/// use tenfold_codec::{Framing, Number};
///
/// let framing: Framing = "netstring".parse()?;
/// assert_eq!(framing.to_string(), r"decimal,end=:,close=\x2c");
///
/// assert_eq!(Framing::decimal(10)?, Framing::default());
/// assert_eq!(Framing::delimited(b"\n")?, "line".parse()?);
/// assert_eq!(Framing::number(Number::U32_BE), "u32be".parse()?);
/// # Ok::<(), tenfold_codec::FramingError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Framing {
    client: Side,
    server: Side,
}

impl Framing {
    /// How the bytes of the client (the side that connected) are framed.
    pub fn client(&self) -> &Side {
        &self.client
    }

    /// How the bytes of the server (the side that listened) are framed.
    pub fn server(&self) -> &Side {
        &self.server
    }

    /// Whether both sides are framed alike. Then it does not matter whose bytes a file holds.
    pub fn is_symmetric(&self) -> bool {
        self.client == self.server
    }
}

impl Default for Framing {
    fn default() -> Self {
        Self::number(Number::NATIVE)
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.fmt(f)?;
        if !self.is_symmetric() {
            write!(f, " // {}", self.server)?;
        }
        Ok(())
    }
}
