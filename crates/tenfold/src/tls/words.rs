//! What a person reads when TLS fails between two peers.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// Why a connection failed, in words: what is wrong with the peer or with its certificate, and what to do.
/// They fit after the peer's name.
pub fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::AlertReceived(alert) => alert_words(*alert),
        Error::NoCertificatesPresented => {
            "it has shown no certificate, and must have one of a CA that is trusted here".into()
        }
        Error::InvalidMessage(_) => {
            "what it sends is not TLS: it may speak without (tcp://)".into()
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => "it speaks another version of TLS: 1.3 is needed, and 1.2 has to be allowed".into(),
        Error::PeerIncompatible(why) => {
            format!("it has nothing in common with what is spoken here: {why:?}")
        }
        Error::NoApplicationProtocol => {
            "it offers protocols (ALPN), and tenfold/1 is not one of them".into()
        }
        Error::DecryptError => "a record of TLS has been changed on its way".into(),
        error => error.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::Expired => "its certificate has expired".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate has expired on {}", time(*not_after))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".into(),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "its certificate is not valid before {} (or the clock here is wrong)",
            time(*not_before)
        ),
        CertificateError::Revoked => "its certificate has been revoked".into(),
        CertificateError::UnknownIssuer => {
            "its certificate is not from a CA that is trusted here: give the file of the CA that has signed it"
                .into()
        }
        CertificateError::UnknownRevocationStatus => {
            "nothing says whether its certificate has been revoked: the lists lack that of its CA".into()
        }
        CertificateError::BadSignature => {
            "its certificate has a signature that its CA has not made".into()
        }
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } if presented.is_empty() => format!(
            "its certificate has no names in subjectAltName, and was to have {} (a common name does not count)",
            expected.to_str()
        ),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => format!(
            "its certificate is not for {}, but for {}",
            expected.to_str(),
            presented
                .iter()
                .map(|name| readable(name))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is for another use (extendedKeyUsage): servers need serverAuth, clients clientAuth"
                .into()
        }
        error if error.to_string().contains("CaUsedAsEndEntity") => {
            "its certificate is that of a CA: have the CA sign another one for it".into()
        }
        error => format!("its certificate is not good: {error}"),
    }
}

/// A name as rustls gives it: `DnsName("a.example")`, or an address.
fn readable(name: &str) -> String {
    let inside = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"').to_owned()
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "it asks for a certificate: give one of a CA that it trusts, and the key".into()
        }
        AlertDescription::UnknownCA => {
            "it does not trust the CA of the certificate that it was shown".into()
        }
        AlertDescription::CertificateExpired => {
            "the certificate that it was shown has expired, or is not valid yet".into()
        }
        AlertDescription::CertificateRevoked => {
            "the certificate that it was shown has been revoked".into()
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::AccessDenied => {
            "it does not accept the certificate that it was shown".into()
        }
        AlertDescription::NoApplicationProtocol => {
            "it does not speak the protocol that it was offered (ALPN)".into()
        }
        AlertDescription::ProtocolVersion => {
            "it speaks another version of TLS: 1.3 is needed, and 1.2 has to be allowed".into()
        }
        AlertDescription::UnrecognisedName => "it knows no server of this name".into(),
        alert => format!("it ended TLS: {alert:?}"),
    }
}

fn time(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map_or_else(|_| "a day that has no name".into(), |time| time.to_string())
}
