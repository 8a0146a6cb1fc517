//! The properties that the fuzz targets call. They live beside the codec's tests, which call them
//! too; `corpus` is replayed there.

#[path = "../../crates/tenfold-codec/tests/naive/mod.rs"]
mod naive;
#[path = "../../crates/tenfold-codec/tests/properties/mod.rs"]
mod properties;

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
