//! Hubs that have what other hubs have: `docs/mirrors.md`.
//!
//! ```text
//!   source.rs: channels, times, counts, epochs --> MIRROR --> link.rs --> taking.rs: the log, and the channels
//!                                     PUBLISH <-- relay.rs <-- publishers of the mirror
//! ```

mod link;
mod relay;
mod source;
mod taking;

pub(crate) use link::run;
