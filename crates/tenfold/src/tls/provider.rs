//! The cryptography, and what of it is used.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

#[cfg(feature = "tls")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(all(feature = "tls-ring", not(feature = "tls")))]
use rustls::crypto::ring as chosen;

#[cfg(not(any(feature = "tls", feature = "tls-ring")))]
compile_error!("the feature _tls of crate tenfold has no cryptography: use tls or tls-ring");

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Version {
    /// TLS 1.2, for old devices, and TLS 1.3.
    Tls12,
    /// TLS 1.3 and nothing older.
    #[default]
    Tls13,
}

impl Version {
    pub(super) fn protocols(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => &BOTH[..1],
        }
    }
}

impl FromStr for Version {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1.2" => Ok(Self::Tls12),
            "1.3" => Ok(Self::Tls13),
            _ => Err("the oldest version of TLS that can be allowed is 1.2; 1.3 is the other one"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

/// AES-128-GCM comes first, because it is the fastest on nearly every processor; `ChaCha20` stays, for devices
/// without instructions for AES.
pub(super) fn provider() -> Arc<CryptoProvider> {
    let mut provider = chosen::default_provider();
    provider.cipher_suites.sort_by_key(rank);
    Arc::new(provider)
}

fn rank(suite: &SupportedCipherSuite) -> usize {
    match suite.suite() {
        CipherSuite::TLS13_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_comes_first_and_chacha20_is_there() {
        let suites = provider().cipher_suites.clone();
        assert_eq!(suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        let has = |wanted| suites.iter().any(|suite| suite.suite() == wanted);
        assert!(has(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256));
        assert!(has(
            CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        ));
    }

    #[test]
    fn a_version_is_one_of_two() {
        for text in ["1.2", "1.3"] {
            assert_eq!(text.parse::<Version>().unwrap().to_string(), text);
        }
        assert!("1.1".parse::<Version>().is_err());
    }
}
