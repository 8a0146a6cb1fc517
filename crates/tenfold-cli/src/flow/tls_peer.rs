//! The options of a command whose peer may connect or listen, over TLS.

use clap::Args;
use tenfold::Address;
use tenfold::tls::{Client, Server};

use crate::failure::Failure;
use crate::flow::tls_client::{TlsFiles, means_nothing, nothing_is_over_tls};
use crate::flow::tls_clients::TlsClientsOptions;
use crate::words::Words;

/// Whom to trust, and what to show, whoever connects.
#[derive(Args, Clone, Debug)]
pub(crate) struct TlsPeerOptions {
    #[command(flatten)]
    files: TlsFiles,

    #[command(flatten)]
    clients: TlsClientsOptions,
}

impl TlsPeerOptions {
    /// Refuses options that would mean nothing, because none of the addresses is over TLS: whoever gives them expects
    /// it.
    pub(crate) fn check(&self, addresses: &[&Address]) -> Result<(), Failure> {
        check(&self.files, &self.clients, addresses)
    }

    /// What a connection to this address is made with, if something was said of TLS.
    pub(crate) fn client(&self, address: &Address) -> Result<Option<Client>, Failure> {
        client(&self.files, address)
    }

    /// What a listener at this address shows, and asks for, if the address is one over TLS.
    pub(crate) fn server(
        &self,
        address: &Address,
        words: &Words,
    ) -> Result<Option<Server>, Failure> {
        server(&self.files, &self.clients, address, words)
    }

    /// Whether all who connect must have shown a certificate.
    pub(crate) fn asks_clients(&self) -> bool {
        self.clients.asks()
    }
}

/// Refuses options that would mean nothing, because none of the addresses is over TLS.
pub(crate) fn check(
    files: &TlsFiles,
    clients: &TlsClientsOptions,
    addresses: &[&Address],
) -> Result<(), Failure> {
    match (files.given().or(clients.given()?), addresses) {
        (Some(option), [address, ..]) if !addresses.iter().any(|one| one.is_tls()) => {
            Err(Failure::Usage(means_nothing(option, address)))
        }
        (Some(option), []) => Err(Failure::Usage(nothing_is_over_tls(option))),
        _ => Ok(()),
    }
}

/// What a connection to this address is made with, if something was said of TLS.
pub(crate) fn client(files: &TlsFiles, address: &Address) -> Result<Option<Client>, Failure> {
    if address.is_tls() {
        files.client().map_err(Failure::Usage)
    } else {
        Ok(None)
    }
}

/// What a listener at this address shows, and asks for, if the address is one over TLS.
pub(crate) fn server(
    files: &TlsFiles,
    clients: &TlsClientsOptions,
    address: &Address,
    words: &Words,
) -> Result<Option<Server>, Failure> {
    if !address.is_tls() {
        return Ok(None);
    }
    let server = clients.server(address, &files.own)?;
    for finding in server.findings() {
        words.warning(finding);
    }
    Ok(Some(server))
}
