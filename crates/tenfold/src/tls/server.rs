//! The side that listens.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;

use super::problem::{Finding, Problem};
use super::provider::{Version, provider};
use super::{HTTP, TENFOLD, certificates, key, revocation, roots};

/// What a server shows, and whom it asks for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    clients: ClientCertificates,
    crl: Option<PathBuf>,
    min: Version,
}

/// Whether clients must have a certificate, where the server knows a CA of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// A client without one may connect, and is who its token says. One that shows a certificate must show a
    /// good one.
    Optional,
    /// A client without one is refused.
    #[default]
    Required,
}

/// What a server's connections share, made by [`ServerOptions::load`].
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    findings: Vec<Finding>,
}

impl ServerOptions {
    /// With a certificate and its key, in PEM. The file of the certificate has those of its issuers after it.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            client_ca: None,
            clients: ClientCertificates::default(),
            crl: None,
            min: Version::default(),
        }
    }

    /// Asks clients for a certificate of one of the CAs in this file.
    #[must_use]
    pub fn client_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.client_ca = Some(file.into());
        self
    }

    /// Whether they must have one. It means nothing without a [`client_ca`](Self::client_ca).
    #[must_use]
    pub fn clients(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// The certificates of clients that have been revoked: a list of each CA whose certificates a client may
    /// show. It needs a [`client_ca`](Self::client_ca).
    #[must_use]
    pub fn crl(mut self, file: impl Into<PathBuf>) -> Self {
        self.crl = Some(file.into());
        self
    }

    /// The oldest version that is spoken; 1.3 if it is not said.
    #[must_use]
    pub fn min(mut self, version: Version) -> Self {
        self.min = version;
        self
    }

    /// Reads and checks all files.
    pub fn load(&self) -> Result<Server, Problem> {
        let now = SystemTime::now();
        let provider = provider();
        let chain = certificates::read(&self.certificate, "the certificate")?;
        let certified = key::certified(&chain, &self.key, &provider)?;
        let mut findings = certificates::findings(&chain, now);
        let verifier = self.verifier(&provider, now, &mut findings)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.min.protocols())
            .map_err(|error| Problem::without_file(error.to_string()))?
            .with_client_cert_verifier(Arc::clone(&verifier))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = vec![TENFOLD.to_vec(), HTTP.to_vec()];
        config.ignore_client_order = true;
        // Each connection proves again who it is: a revoked certificate cannot come back with a ticket.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Server {
            config: Arc::new(config),
            verifier: self.client_ca.is_some().then_some(verifier),
            findings,
        })
    }

    fn verifier(
        &self,
        provider: &Arc<CryptoProvider>,
        now: SystemTime,
        findings: &mut Vec<Finding>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Problem> {
        let Some(ca) = &self.client_ca else {
            return match &self.crl {
                None => Ok(WebPkiClientVerifier::no_client_auth()),
                Some(crl) => Err(without_ca(crl)),
            };
        };
        let (roots, certificates) = roots::of_file(ca)?;
        findings.extend(certificates::findings(&certificates, now));
        let mut builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider));
        if let Some(crl) = &self.crl {
            let revocation = revocation::read(crl, now)?;
            findings.extend(revocation.findings);
            builder = builder.with_crls(revocation.lists);
        }
        if self.clients == ClientCertificates::Optional {
            builder = builder.allow_unauthenticated();
        }
        // What is wrong with the CA has been found above; only a list is left.
        let file: &Path = self.crl.as_ref().unwrap_or(ca);
        builder
            .build()
            .map_err(|error| Problem::new(file, format!("this cannot be used: {error}")))
    }
}

fn without_ca(crl: &Path) -> Problem {
    Problem::new(
        crl,
        "a list of revoked certificates of clients means nothing if clients are not asked for one: \
         give the CA of the clients as well",
    )
}

impl Server {
    /// What each connection is made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// What checks the certificates of clients, if they are asked for any.
    pub fn client_verifier(&self) -> Option<&Arc<dyn ClientCertVerifier>> {
        self.verifier.as_ref()
    }

    /// What is good, but will not stay so.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}
