//! The options that say which certificates clients must have, where a program listens over TLS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tenfold::Address;
use tenfold::tls::{ClientCertificates, Server, ServerOptions};

use crate::failure::Failure;
use crate::flow::tls_own::TlsOwnOptions;

/// Which certificates clients must have.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the options begin with the same word"
)]
pub(crate) struct TlsClientsOptions {
    /// Where this listens over TLS, ask clients for a certificate of one of the CAs in FILE
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,

    /// Whether clients must show such a certificate [default: required]
    #[arg(long, value_name = "WHETHER", value_enum)]
    tls_client: Option<Whether>,

    /// The lists of those certificates that were revoked, one of each CA
    #[arg(long, value_name = "FILE")]
    tls_crl: Option<PathBuf>,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whether {
    /// They may
    Optional,
    /// They must
    Required,
}

impl TlsClientsOptions {
    /// The first of the options that was given. The others mean nothing without the CA.
    pub(crate) fn given(&self) -> Result<Option<&'static str>, Failure> {
        let all = [
            (self.tls_client_ca.is_some(), "--tls-client-ca"),
            (self.tls_client.is_some(), "--tls-client"),
            (self.tls_crl.is_some(), "--tls-crl"),
        ];
        let first = all.into_iter().find(|(is_given, _)| *is_given);
        let name = first.map(|(_, name)| name);
        match name {
            Some(option) if self.tls_client_ca.is_none() => Err(Failure::Usage(format!(
                "{option} is about certificates of clients, and needs --tls-client-ca FILE"
            ))),
            _ => Ok(name),
        }
    }

    /// Whether all who connect must have shown a certificate.
    pub(crate) fn asks(&self) -> bool {
        self.tls_client_ca.is_some() && self.tls_client != Some(Whether::Optional)
    }

    /// What is shown to those who connect to this address, and asked of them.
    pub(crate) fn server(&self, address: &Address, own: &TlsOwnOptions) -> Result<Server, Failure> {
        self.given()?;
        let Some((certificate, key)) = own.pair().map_err(Failure::Usage)? else {
            return Err(Failure::Usage(format!(
                "whoever listens at {address} needs a certificate and its key: --tls-cert FILE --tls-key FILE \
                 (tenfold cert dev makes some to try things out)"
            )));
        };
        let mut options = ServerOptions::new(certificate, key).min(own.min());
        if let Some(ca) = &self.tls_client_ca {
            options = options.client_ca(ca);
        }
        if let Some(crl) = &self.tls_crl {
            options = options.crl(crl);
        }
        if self.tls_client == Some(Whether::Optional) {
            options = options.clients(ClientCertificates::Optional);
        }
        let server = options.load();
        server.map_err(|problem| Failure::Usage(problem.to_string()))
    }
}
