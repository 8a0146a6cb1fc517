//! Tokens as a policy keeps them.

use std::hint::black_box;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tenfold::protocol::Token;

/// The id of a token, and the SHA-256 of all of it: `ID:SHA256`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredToken {
    pub(crate) id: String,
    pub(crate) digest: [u8; 32],
}

/// A digest of which nobody knows the token. So a token that is not known costs what another one does.
pub(crate) const NOBODY: [u8; 32] = [0; 32];

impl StoredToken {
    pub(crate) const RULE: &str =
        "ID:SHA256, the 8 characters of a token's id and the 64 hexadecimal digits of its SHA-256";

    pub(crate) fn new(token: &Token) -> Self {
        Self {
            id: token.id().to_owned(),
            digest: digest(token),
        }
    }
}

/// The SHA-256 of all of a token, which cannot be guessed from it: a token has 256 bits that are random.
pub(crate) fn digest(token: &Token) -> [u8; 32] {
    Sha256::digest(token.secret().as_bytes()).into()
}

/// Does what is done for a token that is not known.
pub(crate) fn nobody() {
    let digest = Sha256::digest(black_box([0; 55])).into();
    black_box(same(&digest, &NOBODY));
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub(crate) fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// A token that nobody has had before.
pub(crate) fn random() -> Result<Token, getrandom::Error> {
    let (mut id, mut secret) = ([0; 4], [0; 32]);
    getrandom::fill(&mut id)?;
    getrandom::fill(&mut secret)?;
    let id = u32::from_ne_bytes(id);
    let secret = BASE64_URL_SAFE_NO_PAD.encode(secret);
    let token = format!("tf_{id:08x}_{secret}").parse();
    Ok(token.expect("32 bytes are 43 characters of base64"))
}

impl FromStr for StoredToken {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, hex) = text.split_once(':').ok_or(())?;
        if id.len() != 8 || !is_hex(id) {
            return Err(());
        }
        Ok(Self {
            id: id.to_owned(),
            digest: from_hex(hex)?,
        })
    }
}

impl std::fmt::Display for StoredToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:", self.id)?;
        to_hex(&self.digest, f)
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The SHA-256 that is written so.
pub(crate) fn from_hex(hex: &str) -> Result<[u8; 32], ()> {
    if hex.len() != 64 || !is_hex(hex) {
        return Err(());
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = str::from_utf8(pair).map_err(drop)?;
        *byte = u8::from_str_radix(pair, 16).map_err(drop)?;
    }
    Ok(digest)
}

/// Writes a SHA-256 as it is written in a policy.
pub(crate) fn to_hex(digest: &[u8; 32], f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
