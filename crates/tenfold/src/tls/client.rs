//! The side that connects.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::sign::SingleCertAndKey;

use super::problem::{Finding, Problem};
use super::provider::{Version, provider};
use super::{TENFOLD, certificates, key, roots};

/// Whom a client trusts, and what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    ca: Option<PathBuf>,
    certificate: Option<(PathBuf, PathBuf)>,
    min: Version,
}

/// What a client's connections share, made by [`ClientOptions::load`].
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<ClientConfig>,
    /// The same for a hub, with the name of its protocol.
    hub_config: Arc<ClientConfig>,
    findings: Vec<Finding>,
}

impl ClientOptions {
    /// Trusts the CAs that the system trusts, and shows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the CAs of this file, in PEM, and nobody else.
    #[must_use]
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    /// Shows a certificate if it is asked for one. Both are in PEM; the file of the certificate has those of
    /// its issuers after it.
    #[must_use]
    pub fn certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some((certificate.into(), key.into()));
        self
    }

    /// The oldest version that is spoken; 1.3 if it is not said.
    #[must_use]
    pub fn min(mut self, version: Version) -> Self {
        self.min = version;
        self
    }

    /// Reads and checks all files.
    pub fn load(&self) -> Result<Client, Problem> {
        let now = SystemTime::now();
        let provider = provider();
        let mut findings = Vec::new();
        let roots = match &self.ca {
            Some(file) => {
                let (roots, certificates) = roots::of_file(file)?;
                findings.extend(certificates::findings(&certificates, now));
                roots
            }
            None => roots::of_system()?,
        };
        let certified = match &self.certificate {
            Some((certificate, key)) => {
                let chain = certificates::read(certificate, "the certificate")?;
                findings.extend(certificates::findings(&chain, now));
                Some(key::certified(&chain, key, &provider)?)
            }
            None => None,
        };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min.protocols())
            .map_err(|error| Problem::without_file(error.to_string()))?
            .with_root_certificates(roots);
        let mut config = match certified {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::disabled();
        let mut hub_config = config.clone();
        hub_config.alpn_protocols = vec![TENFOLD.to_vec()];
        Ok(Client {
            config: Arc::new(config),
            hub_config: Arc::new(hub_config),
            findings,
        })
    }
}

impl Client {
    /// The one that trusts the CAs of the system and shows nothing. They are read once.
    pub(crate) fn of_system() -> Result<Self, Problem> {
        static CLIENT: OnceLock<Client> = OnceLock::new();

        if let Some(client) = CLIENT.get() {
            return Ok(client.clone());
        }
        let client = ClientOptions::new().load()?;
        Ok(CLIENT.get_or_init(|| client).clone())
    }

    /// What a connection is made with to a server that need not be a hub: it offers no protocol.
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// What a connection to a hub is made with: it offers [`TENFOLD`].
    pub fn hub_config(&self) -> &Arc<ClientConfig> {
        &self.hub_config
    }

    /// What is good, but will not stay so.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
