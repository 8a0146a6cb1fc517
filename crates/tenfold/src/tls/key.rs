//! A certificate with its chain, and the key that belongs to it.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::SectionKind;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::certificates::Certificate;
use super::problem::{Place, Problem};
use super::{files, pem};

/// A certificate and its key, which fit.
pub(super) fn certified(
    certificates: &[Certificate],
    key_file: &Path,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, Problem> {
    let (key, line) = read(key_file)?;
    let key_place = || Place::line(key_file, line);
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| {
            let words = format!(
                "this key cannot be used ({error}): ECDSA (P-256, P-384), Ed25519 and RSA from 2048 bits can"
            );
            Problem::new(key_place(), words)
        })?;
    let chain: Vec<CertificateDer<'static>> =
        certificates.iter().map(|one| one.der.clone()).collect();
    let certified = CertifiedKey::new(chain, key);
    let of_certificate = || certificates[0].place.clone();
    match certified.keys_match() {
        Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(certified)),
        Err(Error::InconsistentKeys(_)) => Err(Problem::new(
            key_place(),
            format!(
                "the key does not belong to the certificate that it was given with ({}): give the key from \
                 which that was made, or put its certificate before those of the issuers",
                of_certificate().to_string().trim_end_matches([':', ' '])
            ),
        )),
        Err(error) => Err(Problem::new(
            of_certificate(),
            format!("this certificate cannot be used: {error}"),
        )),
    }
}

/// The key of a file, and its line.
fn read(path: &Path) -> Result<(PrivateKeyDer<'static>, usize), Problem> {
    let bytes = files::read_private(path, "the key")?;
    let sections = pem::sections(path, &bytes)?;
    let mut keys = Vec::new();
    for section in sections {
        let line = section.line;
        keys.push(match section.kind {
            Some(SectionKind::PrivateKey) => (PrivateKeyDer::Pkcs8(section.der.into()), line),
            Some(SectionKind::RsaPrivateKey) => (PrivateKeyDer::Pkcs1(section.der.into()), line),
            Some(SectionKind::EcPrivateKey) => (PrivateKeyDer::Sec1(section.der.into()), line),
            _ if section.label == "ENCRYPTED PRIVATE KEY" => {
                return Err(Problem::new(
                    Place::line(path, line),
                    "the key is encrypted, and nobody is there to ask for its password: \
                     openssl pkey -in FILE -out NEW writes one that is not (chmod 600 NEW)",
                ));
            }
            _ => continue,
        });
    }
    match keys.len() {
        0 => Err(Problem::new(
            path,
            "there is no private key in this file: one begins with \"-----BEGIN PRIVATE KEY-----\"",
        )),
        1 => Ok(keys.remove(0)),
        _ => Err(Problem::new(
            Place::line(path, keys[1].1),
            "this is a second key, and a certificate has one: remove one of the two",
        )),
    }
}
