//! A CA that signs whatever a test needs, and the files of what it has signed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use tempfile::TempDir;
use tenfold::tls::{Client, ClientOptions, Server, ServerOptions};

/// A directory for files, and what writes them.
pub(crate) struct Files(TempDir);

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Files {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file that only its owner can read.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }

    pub(crate) fn pair(&self, name: &str, (certificate, key): (String, KeyPair)) -> Pair {
        Pair {
            certificate: self.write(&format!("{name}.pem"), certificate),
            key: self.write(&format!("{name}.key"), key.serialize_pem()),
        }
    }

    /// The certificate of the CA.
    pub(crate) fn ca(&self, name: &str, authority: &Authority) -> PathBuf {
        self.write(&format!("{name}.pem"), authority.0.pem())
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What a certificate of a server has that nothing is wrong with: it is for `localhost` and 127.0.0.1.
pub(crate) fn good() -> CertificateParams {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    CertificateParams::new(names).unwrap()
}

/// The same for a client.
pub(crate) fn good_client() -> CertificateParams {
    let mut params = CertificateParams::new(["meter7.example".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// A certificate that its own key has signed.
pub(crate) fn self_signed(params: &CertificateParams) -> (String, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate: Certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key)
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> (String, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key)
    }

    /// A list of revoked certificates, by their serial numbers.
    pub(crate) fn revoke(&self, serials: &[u64], next_update_year: i32) -> String {
        let revoked = serials.iter().map(|&serial| RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(next_update_year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.0).unwrap().pem().unwrap()
    }
}

/// A server and a client that trusts it; both need nothing more from the files.
pub(crate) fn trusting() -> (Server, Client) {
    let files = Files::new();
    let ca = Authority::new("ca");
    let pair = files.pair("server", ca.sign(&good()));
    let server = ServerOptions::new(pair.certificate, pair.key)
        .load()
        .unwrap();
    let client = ClientOptions::new().ca(files.ca("ca", &ca)).load().unwrap();
    (server, client)
}
