//! The certificates of a file.

use std::path::Path;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::SectionKind;

use super::problem::{Finding, Place, Problem};
use super::validity::Validity;
use super::{files, pem};

/// A certificate, and where it was read.
#[derive(Debug)]
pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    pub(super) place: Place,
}

/// The certificates of a file, which has at least one.
pub(super) fn read(path: &Path, what: &str) -> Result<Vec<Certificate>, Problem> {
    let bytes = files::read(path, what)?;
    let sections = pem::sections(path, &bytes)?;
    let has = sections.first().map(|section| section.label.clone());
    let certificates: Vec<Certificate> = sections
        .into_iter()
        .filter(|section| section.kind == Some(SectionKind::Certificate))
        .enumerate()
        .map(|(n, section)| Certificate {
            der: section.der.into(),
            place: Place::item(path, "certificate", n + 1, section.line),
        })
        .collect();
    if certificates.is_empty() {
        return Err(Problem::new(path, without_any(&bytes, has.as_deref())));
    }
    Ok(certificates)
}

/// What to say of a file in which there is no certificate.
fn without_any(bytes: &[u8], has: Option<&str>) -> String {
    match has {
        Some(label) => format!("there is no certificate in this file, which has \"{label}\""),
        None if bytes.first() == Some(&0x30) => {
            "this looks like DER, and PEM is needed: openssl x509 -inform DER -in FILE".into()
        }
        None => "there is no certificate in this file: one begins with \"-----BEGIN \
                 CERTIFICATE-----\""
            .into(),
    }
}

/// What a person should know about when they are valid.
pub(super) fn findings(certificates: &[Certificate], now: SystemTime) -> Vec<Finding> {
    let about = |certificate: &Certificate| {
        let words = Validity::of_certificate(&certificate.der)?.words(now)?;
        Some(Finding::new(
            certificate.place.clone(),
            format!("the certificate {words}, and is refused by whoever checks it"),
        ))
    };
    certificates.iter().filter_map(about).collect()
}
