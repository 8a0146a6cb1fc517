//! The properties that the fuzz targets call. They live beside the codec's tests, which call them
//! too; `corpus` is replayed there.

#[path = "../../crates/tenfold-codec/tests/naive/mod.rs"]
mod naive;
#[path = "../../crates/tenfold-codec/tests/properties/mod.rs"]
mod properties;

pub use properties::fuzzed::{
    content_length, delimited, differential, encode, framing, prefixed, stuffed,
};
