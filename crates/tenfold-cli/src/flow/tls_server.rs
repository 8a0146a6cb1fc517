//! The options of a command that listens, at several addresses, of which some are over TLS.

use clap::Args;
use tenfold::Address;
use tenfold::tls::Server;

use crate::failure::Failure;
use crate::flow::tls_client::nothing_is_over_tls;
use crate::flow::tls_clients::TlsClientsOptions;
use crate::flow::tls_own::TlsOwnOptions;

/// With what TLS is spoken at addresses that begin with tls://.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS, at addresses tls://HOST:PORT")]
pub(crate) struct TlsServerOptions {
    #[command(flatten)]
    own: TlsOwnOptions,

    #[command(flatten)]
    clients: TlsClientsOptions,
}

impl TlsServerOptions {
    /// What the connections of these addresses share, if one of them is over TLS.
    pub(crate) fn load<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Option<Server>, Failure> {
        let given = self.own.given().or(self.clients.given()?);
        let first = addresses.into_iter().find(|address| address.is_tls());
        match (first, given) {
            (Some(first), _) => self.clients.server(first, &self.own).map(Some),
            (None, Some(option)) => Err(Failure::Usage(nothing_is_over_tls(option))),
            (None, None) => Ok(None),
        }
    }

    /// Whether all who connect must have shown a certificate.
    pub(crate) fn asks(&self) -> bool {
        self.clients.asks()
    }
}
