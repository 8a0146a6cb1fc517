//! The properties that the fuzz targets call. They live beside the tests of each crate, which call them
//! too; `corpus` is replayed there.

#[path = "../../crates/tenfold-codec/tests/naive/mod.rs"]
mod naive;
#[path = "../../crates/tenfold-codec/tests/properties/mod.rs"]
mod properties;

#[path = "../../crates/tenfold-doctor/tests/fuzzed.rs"]
mod doctor;
#[path = "../../crates/tenfold-http/tests/fuzzed.rs"]
mod http_requests;
#[path = "../../crates/tenfold-log/tests/durability/fuzzed.rs"]
mod log;
#[path = "../../crates/tenfold-payload/tests/fuzzed.rs"]
mod payloads;
#[path = "../../crates/tenfold/tests/fuzzed.rs"]
mod requests;

macro_rules! properties {
    ($($($module:ident)::+: $name:ident: $what:literal)*) => {$(
        #[doc = $what]
        pub fn $name(data: &[u8]) {
            $($module)::+::$name(data);
        }
    )*};
}

properties! {
    properties::fuzzed: prefixed: "Framings that begin with a number."
    properties::fuzzed: delimited: "Framings that end at a delimiter."
    properties::fuzzed: content_length: "Header blocks."
    properties::fuzzed: stuffed: "Byte stuffing."
    properties::fuzzed: framing: "The parser of framings."
    properties::fuzzed: differential: "Any framing, any stream, cut anyhow."
    properties::fuzzed: encode: "Any framing, any messages."
    doctor: diagnosis: "Any framing, and any stream that breaks."
    log: recovery: "A start with files that say anything."
    payloads: payload: "A message of any format."
    http_requests: http: "Requests of HTTP clients, and their bodies."
    requests: request: "Requests and answers of the hub's protocol."
}
