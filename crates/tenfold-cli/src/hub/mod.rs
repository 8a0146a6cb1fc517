//! Commands for the hub: to run one, to speak with one, and to look after its log.

pub(crate) mod bench;
pub(crate) mod cert;
pub(crate) mod channels;
pub(crate) mod chat;
pub(crate) mod clients;
pub(crate) mod delete;
pub(crate) mod log;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod sub;
pub(crate) mod token;
pub(crate) mod top;
