//! Whose certificates are trusted.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;

use super::certificates::{self, Certificate};
use super::problem::Problem;

/// The CAs of a file.
pub(super) fn of_file(path: &Path) -> Result<(Arc<RootCertStore>, Vec<Certificate>), Problem> {
    let certificates = certificates::read(path, "the certificates of the CA")?;
    let mut roots = RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.der.clone()).map_err(|error| {
            let words = format!("this certificate cannot be that of a CA: {error}");
            Problem::new(certificate.place.clone(), words)
        })?;
    }
    Ok((Arc::new(roots), certificates))
}

/// The CAs that the system trusts, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`. One of them that cannot be
/// read hides none of the others.
pub(super) fn of_system() -> Result<Arc<RootCertStore>, Problem> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why: String = found
            .errors
            .first()
            .map(|error| format!(" ({error})"))
            .unwrap_or_default();
        return Err(Problem::without_file(format!(
            "this system has no certificates of CAs{why}: install ca-certificates, or give the file of the CA \
             that is to be trusted"
        )));
    }
    Ok(Arc::new(roots))
}
