//! The options that say which certificates those must have who connect over TLS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tenfold::Address;
use tenfold::tls::{ClientCertificates, Server, ServerOptions};

use crate::failure::Failure;
use crate::flow::tls_client::TlsFiles;
use crate::words::Words;

/// Which certificates those must have who connect.
#[derive(Args, Clone, Debug)]
#[expect(
    clippy::struct_field_names,
    reason = "the options begin with the same word"
)]
pub(crate) struct TlsClientsOptions {
    /// Where this listens over TLS, ask for a certificate of one of the CAs in FILE
    #[arg(long, value_name = "FILE")]
    pub(super) tls_client_ca: Option<PathBuf>,

    /// Whether who connects must have such a certificate
    #[arg(long, value_name = "WHETHER", value_enum, requires = "tls_client_ca")]
    tls_client: Option<Whether>,

    /// The lists of those certificates that were revoked, one of each CA
    #[arg(long, value_name = "FILE", requires = "tls_client_ca")]
    tls_crl: Option<PathBuf>,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Whether {
    /// They may
    Optional,
    /// They must, as if nothing is said
    Required,
}

impl TlsClientsOptions {
    /// Whether all who connect must have shown a certificate.
    pub(crate) fn asks(&self) -> bool {
        self.tls_client_ca.is_some() && self.tls_client != Some(Whether::Optional)
    }

    /// What who listens at this address shows, and asks for, if the address is one over TLS.
    pub(crate) fn server(
        &self,
        address: &Address,
        files: &TlsFiles,
        words: &Words,
    ) -> Result<Option<Server>, Failure> {
        if !address.is_tls() {
            return Ok(None);
        }
        let Some((certificate, key)) = files.pair().map_err(Failure::Usage)? else {
            return Err(Failure::Usage(format!(
                "who listens at {address} needs a certificate and its key: --tls-cert FILE --tls-key FILE \
                 (tenfold cert dev makes some to try things out)"
            )));
        };
        let mut options =
            ServerOptions::new(certificate, key).min(files.tls_min.unwrap_or_default());
        if let Some(ca) = &self.tls_client_ca {
            options = options.client_ca(ca);
        }
        if let Some(crl) = &self.tls_crl {
            options = options.crl(crl);
        }
        if self.tls_client == Some(Whether::Optional) {
            options = options.clients(ClientCertificates::Optional);
        }
        let server = options
            .load()
            .map_err(|problem| Failure::Usage(problem.to_string()))?;
        for finding in server.findings() {
            words.warning(finding);
        }
        Ok(Some(server))
    }
}
