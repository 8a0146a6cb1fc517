//! The secret that names a client.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// What a client proves with who it is: `tf_`, the 8 characters of its id, `_` and 43 characters that nobody can guess.
///
/// It has no `Display`, and its `Debug` shows the id alone. So it cannot get into a log by mistake: what is
/// to have all of it calls [`secret`](Self::secret).
///
/// ```
/// use tenfold::protocol::Token;
///
/// let text = format!("tf_8c1f2d9a_{}", "x".repeat(43));
/// let token: Token = text.parse()?;
/// assert_eq!(token.id(), "8c1f2d9a");
/// assert_eq!(format!("{token:?}"), "Token(8c1f2d9a)");
/// assert_eq!(token.secret(), text);
/// # Ok::<(), tenfold::protocol::BadToken>(())
/// ```
#[derive(Clone)]
pub struct Token(Arc<str>);

/// A text that is not a token. Displays what one is, and nothing of the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadToken;

const START: &str = "tf_";
const ID: usize = 8;
const SECRET: usize = 43;

impl Token {
    /// What a token is, in words.
    pub(super) const RULE: &str =
        "a token: tf_, 8 of 0-9 a-f, _ and 43 of A-Z a-z 0-9 - _ (55 characters)";

    /// The id, which is not secret: it names the token in lists and in the audit.
    pub fn id(&self) -> &str {
        &self.0[START.len()..START.len() + ID]
    }

    /// All of it.
    pub fn secret(&self) -> &str {
        &self.0
    }
}

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let parts = text
            .strip_prefix(START)
            .and_then(|rest| rest.split_once('_'));
        let is_token = parts.is_some_and(|(id, secret)| {
            let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (id.len(), secret.len()) == (ID, SECRET)
                && id.bytes().all(hex)
                && secret.bytes().all(base64)
        });
        is_token.then(|| Self(text.into())).ok_or(BadToken)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.id())
    }
}

impl fmt::Display for BadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Token::RULE)
    }
}

impl std::error::Error for BadToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_length_and_its_characters() {
        let secret = "0123456789_-abcdefghijklmnopqrstuvwxyzABCDE";
        let good = format!("tf_0123abcd_{secret}");
        assert_eq!(good.parse::<Token>().unwrap().secret(), good);
        for bad in [
            String::new(),
            "tf_".to_owned(),
            good.to_uppercase(),
            good[..54].to_owned(),
            format!("{good}x"),
            format!(" {good}"),
            format!("tf_0123abcg_{secret}"),
            format!("tf_0123abc_{secret}0"),
            good.replace('B', "+"),
            good.replace('B', "\u{e9}"),
        ] {
            assert!(matches!(bad.parse::<Token>(), Err(BadToken)), "{bad}");
        }
    }
}
