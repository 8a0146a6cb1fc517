//! Why a stream of messages breaks, and which framing it has. Bytes in, findings out: no files, no
//! sockets, no clock.
//!
//! ```
//! use tenfold_codec::Framing;
//! use tenfold_doctor::{Found, Scene, Walker, diagnose};
//!
//! let framing: Framing = "u32be".parse()?;
//! let mut walker = Walker::new(framing.client(), 16 << 20);
//! let mut lengths = Vec::new();
//! let mut each = |_: &_, found: Found<'_>| {
//!     if let Found::Message(frame, _) = found {
//!         lengths.push(frame.length);
//!     }
//! };
//! // The second sender writes its length the other way round.
//! let stream = b"\0\0\0\x05hello\x03\0\0\0abc\x02\0\0\0de\x02\0\0\0fg";
//! let broken = walker.take(stream, &mut each).unwrap_err();
//! assert_eq!((lengths, broken.offset()), (vec![5], 9));
//!
//! let findings = diagnose(Scene::of(&walker, &broken));
//! assert!(!findings[0].says.is_empty());
//! # Ok::<(), tenfold_codec::FramingError>(())
//! ```
//!
//! From the bytes to the findings:
//!
//! 1. A [`Walker`] decodes one direction of a stream, and tells what it [found](Found) and where each
//!    [`Frame`] stands. [`Lengths`] counts the messages. An [`Excerpt`] holds the bytes around: the
//!    beginning of the stream, and its newest part.
//! 2. When the walker breaks, there is a [`Scene`]: the side, the error, the excerpt, the last frame.
//!    [`diagnose`] makes [findings](Finding) of it, the likeliest first. One can name a framing that
//!    would have [worked](Works).
//!    A stream that does not break can be in [doubt], too.
//! 3. [`rank`] tries every preset on the beginning of a stream, and every framing with a number near the
//!    beginning of its messages. Each [`Ranked`] framing has a
//!    [`Trial`], which weighs in bits of surprise how well the framing explains the bytes.

#![forbid(unsafe_code)]

// The stream, and where its frames stand.
mod excerpt;
mod known;
mod lengths;
mod walker;

// Which framing it has.
mod protocols;
mod rank;
mod search;
mod seen;
mod sides;
mod signatures;
mod surprise;
mod trial;

// Why it breaks.
mod diagnosis;
mod doubt;

mod numbers;
mod paste;

pub use diagnosis::{Finding, Scene, Works, diagnose};
pub use doubt::doubt;
pub use excerpt::{BEGINNING, Excerpt};
pub use known::known;
pub use lengths::Lengths;
pub use numbers::{counted, grouped};
pub use paste::{Pasted, pasted};
pub use rank::{Ranked, WORTH_NAMING, leads_past, rank};
pub use trial::{Trial, TrialEnd};
pub use walker::{Found, Frame, SHOWN, WHOLE, Walker};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
