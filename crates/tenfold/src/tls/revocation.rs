//! Lists of certificates that their CA has revoked.

use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::SectionKind;

use super::problem::{Finding, Place, Problem};
use super::{files, pem, validity};

/// The lists of a file, and what a person should know about them.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    pub(super) findings: Vec<Finding>,
}

/// The lists of a file, which has at least one.
pub(super) fn read(path: &Path, now: SystemTime) -> Result<Revocation, Problem> {
    let bytes = files::read(path, "the revocation lists")?;
    let mut revocation = Revocation::default();
    for section in pem::sections(path, &bytes)? {
        if section.kind != Some(SectionKind::Crl) {
            continue;
        }
        let number = revocation.lists.len() + 1;
        if let Some(next) = is_old(&section.der, now) {
            revocation.findings.push(Finding::new(
                Place::item(path, "list", number, section.line),
                format!(
                    "a newer list was to come by {next}: certificates revoked since are accepted"
                ),
            ));
        }
        revocation.lists.push(section.der.into());
    }
    if revocation.lists.is_empty() {
        return Err(Problem::new(
            path,
            "there is no revocation list in this file: one begins with \"-----BEGIN X509 CRL-----\"",
        ));
    }
    Ok(revocation)
}

fn is_old(der: &[u8], now: SystemTime) -> Option<Timestamp> {
    let now = Timestamp::try_from(now).ok()?;
    validity::next_update(der).filter(|next| *next < now)
}
