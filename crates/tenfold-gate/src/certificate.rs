//! Certificates of clients, and how a policy names them.

use std::fmt;
use std::str::FromStr;

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use webpki::EndEntityCert;

use crate::token::{from_hex, to_hex};

/// What a client's certificate says of whose it is. It does not say that the certificate is good: whoever speaks TLS
/// with the client has verified that.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Vec<CertificateRule>);

/// A text that is not a certificate, or one of a kind that is not used with TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotACertificate;

/// One thing by which a policy knows a certificate. Each is exact: a part of a name is another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CertificateRule {
    /// A DNS name of its `subjectAltName`.
    Dns(String),
    /// A URI of its `subjectAltName`.
    Uri(String),
    /// The SHA-256 of its public key, as DER with the kind of the key.
    Key([u8; 32]),
}

impl Certificate {
    /// Reads a certificate in DER.
    pub fn read(der: &[u8]) -> Result<Self, NotACertificate> {
        let der = CertificateDer::from(der);
        let certificate = EndEntityCert::try_from(&der).map_err(|_| NotACertificate)?;
        let key: [u8; 32] = Sha256::digest(certificate.subject_public_key_info()).into();
        let dns = certificate.valid_dns_names();
        let dns = dns.map(|name| CertificateRule::Dns(name.to_ascii_lowercase()));
        let uris = certificate.valid_uri_names();
        let uris = uris.map(|uri| CertificateRule::Uri(uri.to_owned()));
        let mut all: Vec<_> = dns.chain(uris).collect();
        all.push(CertificateRule::Key(key));
        Ok(Self(all))
    }

    /// Everything by which a policy could know it.
    pub(crate) fn rules(&self) -> &[CertificateRule] {
        &self.0
    }
}

impl CertificateRule {
    pub(crate) const RULE: &str = "\"dns:NAME\", \"uri:URI\" or \"sha256:\" and the 64 hexadecimal digits of the \
         SHA-256 of the public key; all of it, without *";
}

impl FromStr for CertificateRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, value) = text.split_once(':').ok_or(())?;
        let is_exact = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
        match kind {
            "dns" if is_exact && !value.contains('*') => Ok(Self::Dns(value.to_ascii_lowercase())),
            "uri" if is_exact && value.contains(':') => Ok(Self::Uri(value.to_owned())),
            "sha256" => from_hex(value).map(Self::Key),
            _ => Err(()),
        }
    }
}

impl fmt::Display for CertificateRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "dns:{name}"),
            Self::Uri(uri) => write!(f, "uri:{uri}"),
            Self::Key(digest) => {
                f.write_str("sha256:")?;
                to_hex(digest, f)
            }
        }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(ToString::to_string))
            .finish()
    }
}

impl fmt::Display for NotACertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a certificate")
    }
}

impl std::error::Error for NotACertificate {}
