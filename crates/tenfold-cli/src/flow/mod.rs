//! What messages flow through, whatever the command: where they come from, what they look like, and
//! where they go.

pub(crate) mod budget;
pub(crate) mod confirm;
pub(crate) mod connect;
pub(crate) mod console;
pub(crate) mod credential;
pub(crate) mod deletion;
pub(crate) mod exec;
pub(crate) mod follow;
pub(crate) mod format;
pub(crate) mod goal;
pub(crate) mod http;
pub(crate) mod hub_client;
pub(crate) mod input;
pub(crate) mod layout;
pub(crate) mod listening;
pub(crate) mod listing;
pub(crate) mod look_alike;
pub(crate) mod on_bad;
pub(crate) mod options;
pub(crate) mod origin;
pub(crate) mod output;
pub(crate) mod paint;
pub(crate) mod payload;
pub(crate) mod place;
pub(crate) mod port_file;
pub(crate) mod printing;
pub(crate) mod pump;
pub(crate) mod receiver;
pub(crate) mod rotation;
pub(crate) mod source;
pub(crate) mod template;
pub(crate) mod time_text;
pub(crate) mod tls_server;
pub(crate) mod unacknowledged;
pub(crate) mod whole_file;
