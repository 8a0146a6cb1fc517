//! TLS (features `tls` and `tls-ring`): who listens shows a certificate, who connects checks it.
//! `docs/security.md`, section 9, says how Tenfold uses TLS.
//!
//! [`ServerOptions`] and [`ClientOptions`] say which files there are; they load into a [`Server`] and a
//! [`Client`], which any number of connections share. What is wrong with a file is a [`Problem`], whose
//! words say where it is and what to do. What is good, but will not stay so, is a [`Finding`].
//!
//! ```no_run
//! use tenfold::tls::{ClientOptions, ServerOptions};
//!
//! let server = ServerOptions::new("hub.pem", "hub.key").load()?;
//! for finding in server.findings() {
//!     eprintln!("{finding}");
//! }
//! let client = ClientOptions::new().ca("ca.pem").load()?;
//! # Ok::<(), tenfold::tls::Problem>(())
//! ```
//!
//! Nothing turns the check of a certificate off.

mod certificates;
mod client;
mod files;
mod key;
mod pem;
mod problem;
mod provider;
mod revocation;
mod roots;
mod server;
mod session;
mod stream;
mod validity;
mod words;

pub use client::{Client, ClientOptions};
pub use problem::{Finding, Problem};
pub use provider::Version;
pub use server::{ClientCertificates, Server, ServerOptions};
pub use stream::TlsStream;
pub use words::explain;

#[cfg(feature = "tokio")]
pub(crate) use session::Session;
#[cfg(feature = "tokio")]
pub(crate) use stream::{HANDSHAKE_TIME, late_handshake};

pub use rustls;

/// What a client of a hub offers as its protocol (ALPN).
pub const TENFOLD: &[u8] = b"tenfold/1";

/// What a browser or `curl` offers, and a server accepts as well.
pub const HTTP: &[u8] = b"http/1.1";
