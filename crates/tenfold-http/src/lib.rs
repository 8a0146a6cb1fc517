//! The HTTP door of a hub: `docs/http.md`.
//!
//! What a request means is decided by pure functions, bytes in and a plan or a problem out:
//!
//! ```text
//!   bytes --> Head --> plan: is it for this door, who asks, for what --> Request
//!                                                   '--> Problem --> application/problem+json
//! ```
//!
//! - [`Head`]: the request line and the headers. What cannot be read for certain is refused, so that nobody on the way
//!   can take it for another request.
//! - [`Body`]: how long a body is, and its bytes without its chunks.
//! - [`plan`]: a [`Head`] and a [`Place`] become a [`Request`], which is a [`Plan`] and a token.
//! - [`Posted`]: the messages of a body that has many.
//! - [`Problem`]: what a client is told that cannot have what it has asked for.
//! - [`Answer`]: the head of an answer.
//! - [`Asset`]: a file of the page that browsers show.
//! - [`Upgrade`], [`Frames`]: how a request becomes a WebSocket, and what a client sends over it.
//!
//! [`Http`] drives them, for the guests of a hub: over HTTP/1.1, and over HTTP/2 where a client asks for that in TLS.

#![forbid(unsafe_code)]

mod accept;
mod answer;
mod body;
mod desk;
mod door;
mod failure;
mod form;
mod head;
mod http;
mod http2;
mod incoming;
mod lists;
mod metrics;
mod page;
mod plan;
mod posted;
mod problem;
mod publishing;
mod query;
mod reading;
mod reply;
mod session;
mod status;
mod tickets;
mod websocket;

pub use answer::{Answer, Length};
pub use body::{Body, Piece};
pub use door::Place;
pub use form::Form;
pub use head::{Head, MAX_HEAD, MAX_HEADERS, Method, Version};
pub use http::Http;
pub use metrics::Exposition;
pub use page::Asset;
pub use plan::{Bodies, Plan, Publication, Reading, Request, plan};
pub use posted::Posted;
pub use problem::Problem;
pub use status::Status;
pub use websocket::{Frame, Frames, Protocol, Upgrade, Wrong};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
