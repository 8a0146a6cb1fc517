//! TLS: the files that are given, and what peers make of them.

mod authority;
mod files;
mod handshake;
#[cfg(feature = "tokio")]
mod hub_clients;
mod streams;
