//! The options that say what a program shows over TLS, whether it connects or listens.

use std::path::PathBuf;

use clap::Args;
use tenfold::tls::Version;

/// A certificate, its key, and the oldest version.
#[derive(Args, Clone, Debug, Default)]
#[expect(
    clippy::struct_field_names,
    reason = "the options begin with the same word"
)]
pub(crate) struct TlsOwnOptions {
    /// Over TLS, show the certificate in FILE, which has those of its issuers after it
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,

    /// The key of the certificate, which nobody else can read
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// The oldest version of TLS to speak: 1.3, the default, or 1.2 for old peers
    #[arg(long, value_name = "VERSION")]
    tls_min: Option<Version>,
}

impl TlsOwnOptions {
    /// The first of the options that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
            (self.tls_min.is_some(), "--tls-min"),
        ];
        let (_, name) = all.into_iter().find(|(is_given, _)| *is_given)?;
        Some(name)
    }

    /// The certificate and its key; what is missing if there is one of them.
    pub(crate) fn pair(&self) -> Result<Option<(PathBuf, PathBuf)>, String> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (Some(_), None) => {
                Err("--tls-cert needs --tls-key FILE, the key of the certificate".to_owned())
            }
            (None, Some(_)) => {
                Err("--tls-key needs --tls-cert FILE, the certificate of the key".to_owned())
            }
        }
    }

    /// The oldest version that is spoken.
    pub(crate) fn min(&self) -> Version {
        self.tls_min.unwrap_or_default()
    }
}
