//! The properties that the fuzz targets call. They live beside the tests of each crate, which call them
//! too; `corpus` is replayed there.

#[path = "../../crates/tenfold-codec/tests/naive/mod.rs"]
mod naive;
#[path = "../../crates/tenfold-codec/tests/properties/mod.rs"]
mod properties;

#[path = "../../crates/tenfold-doctor/tests/fuzzed.rs"]
mod doctor;
#[path = "../../crates/tenfold-log/tests/durability/fuzzed.rs"]
mod log;
#[path = "../../crates/tenfold-payload/tests/fuzzed.rs"]
mod payloads;
#[path = "../../crates/tenfold/tests/fuzzed.rs"]
mod requests;

pub use doctor::diagnosis;
pub use payloads::payload;
pub use requests::request;

/// What a start makes of files that say anything.
pub fn recovery(data: &[u8]) {
    log::recovery(data);
}

macro_rules! properties {
    ($($name:ident: $what:literal)*) => {$(
        #[doc = $what]
        pub fn $name(data: &[u8]) {
            properties::fuzzed::$name(data);
        }
    )*};
}

properties! {
    prefixed: "Framings that begin with a number."
    delimited: "Framings that end at a delimiter."
    content_length: "Header blocks."
    stuffed: "Byte stuffing."
    framing: "The parser of framings."
    differential: "Any framing, any stream, cut anyhow."
    encode: "Any framing, any messages."
}
