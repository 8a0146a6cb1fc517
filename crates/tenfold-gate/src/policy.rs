//! A policy, as it is read from its file.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use bytesize::ByteSize;
use serde::Deserialize;
use tenfold::protocol::Token;
use toml::Spanned;
use toml::value::Datetime;

use crate::certificate::{Certificate, CertificateRule};
use crate::identity::{Identity, Limits, ProducerRule};
use crate::token::{self, NOBODY, StoredToken, same};

/// Who there is, and what each may do.
#[derive(Debug)]
pub struct Policy {
    identities: Vec<Arc<Identity>>,
    /// The digest of a token and whose it is, by its id.
    tokens: HashMap<String, ([u8; 32], usize)>,
    /// Whose a certificate is, by what it has.
    certificates: HashMap<CertificateRule, usize>,
    anonymous: Option<Arc<Identity>>,
}

/// A client whose credential was valid when it was looked at.
#[derive(Clone, Debug)]
pub struct Visitor {
    identity: Arc<Identity>,
    certificate: Option<Arc<Certificate>>,
    token: Option<StoredToken>,
}

/// What a client shows of who it is.
#[derive(Clone, Debug, Default)]
pub struct Credentials<'a> {
    certificate: Option<Arc<Certificate>>,
    token: Option<&'a Token>,
}

/// A credential that is not valid, whatever the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotValid;

/// Why a text is not a policy, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPolicy {
    line: usize,
    words: String,
}

impl Policy {
    /// Reads the text of a policy.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        let file: File = toml::from_str(text).map_err(|error| {
            BadPolicy::at(text, &error.span().unwrap_or_default(), error.message())
        })?;
        let mut policy = Self {
            identities: Vec::with_capacity(file.identity.len()),
            tokens: HashMap::new(),
            certificates: HashMap::new(),
            anonymous: None,
        };
        let mut names = HashSet::new();
        for (index, entry) in file.identity.into_iter().enumerate() {
            let name = entry.name.span();
            let (identity, tokens, certificates) = entry.read(text)?;
            if !names.insert(identity.name.clone()) {
                return Err(BadPolicy::at(
                    text,
                    &name,
                    "an identity of this name is above",
                ));
            }
            for (token, span) in tokens {
                let before = policy.tokens.insert(token.id, (token.digest, index));
                if before.is_some() {
                    return Err(BadPolicy::at(text, &span, "a token of this id is above"));
                }
            }
            for (rule, span) in certificates {
                if policy.certificates.insert(rule, index).is_some() {
                    return Err(BadPolicy::at(text, &span, "this certificate is above"));
                }
            }
            policy.identities.push(Arc::new(identity));
        }
        if let Some(anonymous) = file.anonymous {
            policy.anonymous = Some(Arc::new(anonymous.read(text)?));
        }
        Ok(policy)
    }

    /// The client that has these credentials. It is whoever the policy says of its certificate; of one that the policy
    /// does not know, whoever its token belongs to; and without a token it is anonymous, if the policy has that.
    ///
    /// What is wrong with a token does not change how long it takes.
    pub fn visitor<'a>(
        &self,
        shown: impl Into<Credentials<'a>>,
        now: SystemTime,
    ) -> Result<Visitor, NotValid> {
        let Credentials { certificate, token } = shown.into();
        if token.is_none() {
            // It takes as long as with a token that is not known.
            token::nobody();
        }
        let token = token.map(StoredToken::new);
        let identity = self.find(certificate.as_deref(), token.as_ref(), now)?;
        Ok(Visitor {
            identity,
            certificate,
            token,
        })
    }

    /// The same client, as this policy sees it: after the policy has changed, or some time has passed.
    pub fn again(&self, visitor: &Visitor, now: SystemTime) -> Result<Visitor, NotValid> {
        let Visitor {
            certificate, token, ..
        } = visitor;
        Ok(Visitor {
            identity: self.find(certificate.as_deref(), token.as_ref(), now)?,
            certificate: certificate.clone(),
            token: token.clone(),
        })
    }

    /// When the next of its identities expires after a time.
    pub fn next_expiry(&self, after: SystemTime) -> Option<SystemTime> {
        let all = self
            .identities
            .iter()
            .filter_map(|identity| identity.expires);
        all.filter(|time| *time > after).min()
    }

    /// The identities, and the ids of the tokens of each, as they are in the file.
    pub fn identities(&self) -> impl Iterator<Item = (&Identity, Vec<&str>)> {
        self.identities.iter().enumerate().map(|(index, identity)| {
            let own = self
                .tokens
                .iter()
                .filter(move |(_, (_, owner))| *owner == index);
            let mut ids: Vec<_> = own.map(|(id, _)| id.as_str()).collect();
            ids.sort_unstable();
            (&**identity, ids)
        })
    }

    fn find(
        &self,
        certificate: Option<&Certificate>,
        token: Option<&StoredToken>,
        now: SystemTime,
    ) -> Result<Arc<Identity>, NotValid> {
        let known = certificate.and_then(|certificate| self.owner_of(certificate));
        let identity = match (known, token) {
            (Some(known), _) => Some(known).filter(|it| it.is_valid(now)).cloned(),
            (None, Some(token)) => self.owner(token, now),
            (None, None) => self.anonymous.clone(),
        };
        identity.ok_or(NotValid)
    }

    /// Whose a certificate is. If several know it, that is the first of the file.
    fn owner_of(&self, certificate: &Certificate) -> Option<&Arc<Identity>> {
        let rules = certificate.rules().iter();
        let owner = rules.filter_map(|rule| self.certificates.get(rule)).min()?;
        self.identities.get(*owner)
    }

    fn owner(&self, token: &StoredToken, now: SystemTime) -> Option<Arc<Identity>> {
        let (digest, owner) = match self.tokens.get(&token.id) {
            Some((digest, owner)) => (digest, self.identities.get(*owner)),
            None => (&NOBODY, None),
        };
        let is_same = same(&token.digest, digest);
        let owner = owner.filter(|owner| owner.is_valid(now));
        owner.filter(|_| is_same).map(Arc::clone)
    }
}

impl Visitor {
    /// Whoever connects to a hub without a policy.
    pub fn anybody() -> Self {
        Self {
            identity: Arc::new(Identity::anybody()),
            certificate: None,
            token: None,
        }
    }

    /// Who it is, and what it may do.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The id of its token.
    pub fn token_id(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.id.as_str())
    }
}

impl<'a> Credentials<'a> {
    /// A certificate that was verified, and a token.
    pub fn new(certificate: Option<Certificate>, token: Option<&'a Token>) -> Self {
        Self {
            certificate: certificate.map(Arc::new),
            token,
        }
    }
}

impl<'a> From<Option<&'a Token>> for Credentials<'a> {
    fn from(token: Option<&'a Token>) -> Self {
        Self::new(None, token)
    }
}

impl fmt::Display for NotValid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no valid credential: a token that the hub knows is needed")
    }
}

impl std::error::Error for NotValid {}

impl BadPolicy {
    pub(crate) fn at(text: &str, span: &Range<usize>, words: impl Into<String>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        Self {
            line: before.matches('\n').count() + 1,
            words: words.into(),
        }
    }

    /// The number of the line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for BadPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A parser's message may have a second line.
        let words = self.words.trim_end().replace('\n', "; ");
        write!(f, "line {}: {words}", self.line)
    }
}

impl std::error::Error for BadPolicy {}

/// The file, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    identity: Vec<Entry>,
    anonymous: Option<Rules>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Spanned<String>,
    #[serde(default)]
    token: Vec<Spanned<String>>,
    certificate: Option<Spanned<Certificates>>,
    #[serde(default)]
    publish: Vec<Spanned<String>>,
    #[serde(default)]
    subscribe: Vec<Spanned<String>>,
    producers: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    hold: bool,
    #[serde(default)]
    admin: bool,
    expires: Option<Spanned<Datetime>>,
    limits: Option<Shares>,
}

/// One certificate, or several while one is being replaced.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, or an array of texts")]
enum Certificates {
    One(String),
    Several(Vec<String>),
}

/// What `[anonymous]` has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    #[serde(default)]
    publish: Vec<Spanned<String>>,
    #[serde(default)]
    subscribe: Vec<Spanned<String>>,
    #[serde(default)]
    producers: Vec<Spanned<String>>,
    #[serde(default)]
    hold: bool,
    limits: Option<Shares>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Shares {
    connections: Option<usize>,
    channels: Option<usize>,
    new_channels_per_second: Option<Spanned<u64>>,
    bytes_per_second: Option<Spanned<Size>>,
}

/// Bytes: a number, or a text such as `1MiB`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

pub(crate) const NAME: &str =
    "a name of 1 to 64 of a-z 0-9 . _ - that begins with a letter or a digit";

/// The credentials of an identity, and where each stands.
type Tokens = Vec<(StoredToken, Range<usize>)>;
type CertificateRules = Vec<(CertificateRule, Range<usize>)>;

impl Entry {
    fn read(self, text: &str) -> Result<(Identity, Tokens, CertificateRules), BadPolicy> {
        if !is_name(self.name.get_ref()) {
            return Err(expected(text, &self.name.span(), NAME));
        }
        let token = |written: &Spanned<String>| {
            let token = value(text, written, StoredToken::RULE)?;
            Ok((token, written.span()))
        };
        let tokens = self.token.iter().map(token).collect::<Result<_, _>>()?;
        let certificates = Certificates::read(self.certificate, text)?;
        let producers = self.producers.as_ref();
        let identity = Identity {
            name: Some(self.name.into_inner()),
            publish: values(text, &self.publish, PATTERN)?,
            subscribe: values(text, &self.subscribe, PATTERN)?,
            producers: producers
                .map(|rules| values(text, rules, ProducerRule::RULE))
                .transpose()?,
            hold: self.hold,
            admin: self.admin,
            expires: self.expires.map(|time| expiry(text, &time)).transpose()?,
            limits: Shares::read(self.limits, text)?,
        };
        Ok((identity, tokens, certificates))
    }
}

impl Certificates {
    fn read(written: Option<Spanned<Self>>, text: &str) -> Result<CertificateRules, BadPolicy> {
        let Some(written) = written else {
            return Ok(Vec::new());
        };
        let span = written.span();
        let all = match written.into_inner() {
            Self::One(one) => vec![one],
            Self::Several(several) => several,
        };
        let rule = |written: String| {
            let rule = written.parse();
            let rule = rule.map_err(|()| expected(text, &span, CertificateRule::RULE))?;
            Ok((rule, span.clone()))
        };
        all.into_iter().map(rule).collect()
    }
}

impl Rules {
    fn read(self, text: &str) -> Result<Identity, BadPolicy> {
        Ok(Identity {
            name: None,
            publish: values(text, &self.publish, PATTERN)?,
            subscribe: values(text, &self.subscribe, PATTERN)?,
            producers: Some(values(text, &self.producers, ProducerRule::RULE)?),
            hold: self.hold,
            admin: false,
            expires: None,
            limits: Shares::read(self.limits, text)?,
        })
    }
}

impl Shares {
    fn read(written: Option<Self>, text: &str) -> Result<Limits, BadPolicy> {
        let Some(shares) = written else {
            return Ok(Limits::default());
        };
        let size = |written: Spanned<Size>| {
            let bytes = match written.get_ref() {
                Size::Number(bytes) => Some(*bytes),
                Size::Text(size) => size.parse().ok().map(|size: ByteSize| size.as_u64()),
            };
            let bytes = bytes.filter(|bytes| *bytes > 0);
            bytes.ok_or_else(|| expected(text, &written.span(), "a size such as \"1MiB\", not 0"))
        };
        let number = |written: Spanned<u64>| match *written.get_ref() {
            0 => Err(expected(text, &written.span(), "a number, not 0")),
            number => Ok(number),
        };
        let new_channels = shares.new_channels_per_second.map(number);
        Ok(Limits {
            connections: shares.connections,
            channels: shares.channels,
            new_channels_per_second: new_channels.transpose()?,
            bytes_per_second: shares.bytes_per_second.map(size).transpose()?,
        })
    }
}

const PATTERN: &str = "a channel name, or the start of one and *";

fn expected(text: &str, span: &Range<usize>, rule: &str) -> BadPolicy {
    BadPolicy::at(text, span, format!("expected {rule}"))
}

fn value<T: FromStr>(text: &str, written: &Spanned<String>, rule: &str) -> Result<T, BadPolicy> {
    let value = written.get_ref().parse();
    value.map_err(|_| expected(text, &written.span(), rule))
}

fn values<T: FromStr>(
    text: &str,
    written: &[Spanned<String>],
    rule: &str,
) -> Result<Vec<T>, BadPolicy> {
    written.iter().map(|one| value(text, one, rule)).collect()
}

fn expiry(text: &str, written: &Spanned<Datetime>) -> Result<SystemTime, BadPolicy> {
    let time = written.get_ref().to_string().parse::<jiff::Timestamp>();
    let rule = "a time with an offset, such as 2027-01-01T00:00:00Z";
    let time = time.ok().and_then(|time| SystemTime::try_from(time).ok());
    time.ok_or_else(|| expected(text, &written.span(), rule))
}

pub(crate) fn is_name(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 64
        && text.bytes().next().is_some_and(alphanumeric)
        && text
            .bytes()
            .all(|byte| alphanumeric(byte) || b"._-".contains(&byte))
}
