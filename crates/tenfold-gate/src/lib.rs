//! Who may do what at a hub: `docs/security.md` as values.
//!
//! A [`Policy`] is read from the text of a file. It makes a [`Visitor`] of a credential, and a visitor has one
//! [`Identity`], which says what it may do. [`PolicyFile`] is the same text as a document that can be changed: new
//! tokens and revoked ones, with the comments of its owner kept.
//!
//! Nothing here knows a socket, a file or a clock.
//!
//! ```
//! use std::time::SystemTime;
//!
//! use tenfold_gate::{NewIdentity, Policy, PolicyFile};
//!
//! let mut file = PolicyFile::new();
//! let mut meter = NewIdentity::default();
//! meter.publish = vec!["meters.7.*".parse()?];
//! let token = file.new_token("meter7", &meter)?;
//!
//! let policy = Policy::parse(&file.to_string())?;
//! let visitor = policy.visitor(Some(&token), SystemTime::now())?;
//! assert_eq!(visitor.identity().name(), Some("meter7"));
//! assert!(visitor.identity().may_publish(&"meters.7.power".parse()?));
//! assert!(!visitor.identity().may_publish(&"meters.8.power".parse()?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod certificate;
mod file;
mod identity;
mod policy;
mod token;

pub use certificate::{Certificate, NotACertificate};
pub use file::{BadChange, NewIdentity, PolicyFile};
pub use identity::{Identity, Limits};
pub use policy::{BadPolicy, Credentials, NotValid, Policy, Visitor};

/// The example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
