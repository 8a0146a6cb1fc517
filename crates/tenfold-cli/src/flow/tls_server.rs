//! The options of whoever listens over TLS.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tenfold::Address;
use tenfold::tls::{ClientCertificates, Server, ServerOptions, Version};

use crate::failure::Failure;

/// With what TLS is spoken at addresses that begin with tls://.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS, at addresses tls://HOST:PORT")]
#[expect(
    clippy::struct_field_names,
    reason = "they are the names of the options"
)]
pub(crate) struct TlsServerOptions {
    /// The certificate, in PEM, with those of its issuers after it
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate, in PEM, which nobody else may read
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// Ask clients for a certificate of one of the CAs in this file
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,

    /// Whether clients must show a certificate, or may
    #[arg(long, value_name = "WHETHER", value_enum, default_value_t)]
    tls_client: Whether,

    /// The lists of clients' certificates that are revoked, one of each CA
    #[arg(long, value_name = "FILE")]
    tls_crl: Option<PathBuf>,

    /// The oldest version of TLS that is spoken: 1.2 is for old devices
    #[arg(long, value_name = "1.2|1.3", default_value = "1.3")]
    tls_min: Version,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Whether {
    /// They may
    Optional,
    /// They must
    #[default]
    Required,
}

impl TlsServerOptions {
    /// What the connections of these addresses share, if one of them is over TLS.
    pub(crate) fn load<'a>(
        &self,
        addresses: impl IntoIterator<Item = &'a Address>,
    ) -> Result<Option<Server>, Failure> {
        let first = addresses.into_iter().find(|address| address.is_tls());
        let Some(first) = first else {
            return match self.given() {
                Some(option) => Err(Failure::Usage(format!(
                    "{option} is for addresses over TLS, and there is none: write tls://HOST:PORT"
                ))),
                None => Ok(None),
            };
        };
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            let missing = match &self.tls_cert {
                None => "--tls-cert FILE",
                Some(_) => "--tls-key FILE",
            };
            return Err(Failure::Usage(format!(
                "{first} needs a certificate and its key, and {missing} is missing"
            )));
        };
        let mut options = ServerOptions::new(certificate, key).min(self.tls_min);
        match (&self.tls_client_ca, self.tls_client) {
            (Some(ca), Whether::Optional) => {
                options = options.client_ca(ca).clients(ClientCertificates::Optional);
            }
            (Some(ca), Whether::Required) => options = options.client_ca(ca),
            (None, Whether::Optional) => {
                return Err(Failure::Usage(
                    "--tls-client is about certificates of clients, and needs --tls-client-ca FILE"
                        .to_owned(),
                ));
            }
            (None, Whether::Required) => {}
        }
        if let Some(crl) = &self.tls_crl {
            options = options.crl(crl);
        }
        let server = options.load();
        server
            .map(Some)
            .map_err(|problem| Failure::Usage(problem.to_string()))
    }

    /// Whether all who connect must have shown a certificate.
    pub(crate) fn asks(&self) -> bool {
        self.tls_client_ca.is_some() && self.tls_client == Whether::Required
    }

    /// The first of the options that was given.
    fn given(&self) -> Option<&'static str> {
        let all = [
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
            (self.tls_client_ca.is_some(), "--tls-client-ca"),
            (self.tls_crl.is_some(), "--tls-crl"),
        ];
        let (_, name) = all.into_iter().find(|(is_given, _)| *is_given)?;
        Some(name)
    }
}
