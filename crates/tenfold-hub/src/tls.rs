//! How a server speaks TLS at those of its ports that do.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

/// How a server speaks TLS: with which certificate, in which versions, and what it asks of clients.
///
/// Connections that exist keep what they began with.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
}

impl Tls {
    /// With this configuration. If it asks for certificates of clients, `clients` is what verifies them: with that a
    /// hub that is given another [`Tls`] finds the connections whose certificates are no longer good.
    pub fn new(config: Arc<ServerConfig>, clients: Option<Arc<dyn ClientCertVerifier>>) -> Self {
        Self { config, clients }
    }

    /// Whether the certificates that a client showed are still good.
    pub(crate) fn still_accepts(
        &self,
        certificates: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> bool {
        let (Some(clients), Some((own, issuers))) = (&self.clients, certificates.split_first())
        else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        clients.verify_client_cert(own, issuers, now).is_ok()
    }
}
