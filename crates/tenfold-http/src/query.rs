//! The parameters of a request.

use crate::problem::Problem;

/// The parameters that are in a query, each once, with their escapes decoded.
#[derive(Debug)]
pub(crate) struct Query(Vec<(String, String)>);

/// What somebody may take for the place of a token.
const SECRETS: &[&str] = &["token", "access_token", "authorization", "bearer"];

impl Query {
    /// Reads a query that has these parameters at most.
    pub(crate) fn read(query: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name)?;
            if SECRETS.contains(&&*name.to_ascii_lowercase()) {
                let words = "a token is not taken from a URL, because URLs are written down: use the header Authorization: Bearer TOKEN";
                return Err(Problem::value("token", words));
            }
            let Some(known) = known.iter().find(|known| **known == name) else {
                let words = match known {
                    [] => "there are no parameters here".to_owned(),
                    known => format!("the parameters here are {}", known.join(", ")),
                };
                return Err(Problem::bad(words));
            };
            if pairs.iter().any(|(name, _)| name == known) {
                return Err(Problem::value(known, "a parameter comes once"));
            }
            pairs.push((name, decoded(value)?));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a parameter, as what it means.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        let value = self.get(name).map(read).transpose();
        value.map_err(|words| Problem::value(name, words))
    }
}

/// A text whose `%41` stand for bytes. A `+` is a plus: no value has a space in it, and times have a plus.
fn decoded(text: &str) -> Result<String, Problem> {
    let bad = || {
        Problem::bad(
            "a % in a query begins an escape of two hexadecimal digits, and escapes are UTF-8",
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or_else(bad)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(bad);
        let value = digit(digits[0])? * 16 + digit(digits[1])?;
        bytes.push(u8::try_from(value).map_err(|_| bad())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_a_plus_is_a_plus() {
        let query = Query::read(
            "from=%401.5&until=%65nd&&epoch=a+b%2B",
            &["from", "until", "epoch"],
        )
        .unwrap();
        assert_eq!(query.get("from"), Some("@1.5"));
        assert_eq!(query.get("until"), Some("end"));
        assert_eq!(query.get("epoch"), Some("a+b+"));
        assert_eq!(query.get("count"), None);
    }

    #[test]
    fn what_is_not_known_comes_twice_or_is_cut_is_refused() {
        for wrong in [
            "to=1",
            "from",
            "from=1&from=2",
            "from=%4",
            "from=%zz",
            "from=%ff",
            "%00=1",
        ] {
            let known = if wrong == "from" {
                &[][..]
            } else {
                &["from"][..]
            };
            assert!(Query::read(wrong, known).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_in_a_url_is_refused_and_not_repeated() {
        for name in ["token", "access_token", "Bearer", "%74oken"] {
            let problem = Query::read(&format!("{name}=tf_secret"), &["from"]).unwrap_err();
            assert!(!problem.to_string().contains("secret"));
            assert!(problem.to_string().contains("Authorization"));
        }
    }
}
