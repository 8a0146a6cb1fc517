//! A policy's file as a document that can be changed.

use std::fmt;

use tenfold::protocol::{Pattern, Token};
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::policy::{BadPolicy, Policy, is_name};
use crate::token::{self, StoredToken};

/// The text of a policy, of which everything that is not changed stays as its owner has written it. Displays it.
#[derive(Clone, Debug)]
pub struct PolicyFile(DocumentMut);

/// What a new identity may do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NewIdentity {
    /// Patterns of the channels that it may publish to.
    pub publish: Vec<Pattern>,
    /// Patterns of the channels that it may read.
    pub subscribe: Vec<Pattern>,
    /// Whether it is shown everything, and may delete.
    pub admin: bool,
    /// From when on it is nobody any more: RFC 3339.
    pub expires: Option<jiff::Timestamp>,
}

/// Why a policy cannot be changed so.
#[derive(Debug)]
#[non_exhaustive]
pub enum BadChange {
    /// What cannot be the name of an identity.
    Name,
    /// Rights were given for an identity that there is already.
    Exists,
    /// An identity that may do nothing.
    NoRights,
    /// There is no token of this id, and no identity of this name.
    Unknown,
    /// The system has no random bytes.
    Random(getrandom::Error),
}

impl PolicyFile {
    /// One that allows nobody anything.
    pub fn new() -> Self {
        Self(DocumentMut::new())
    }

    /// Reads one, which has to be a policy.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        Policy::parse(text)?;
        let document = text.parse::<DocumentMut>().map_err(|error| {
            BadPolicy::at(text, &error.span().unwrap_or_default(), error.message())
        })?;
        Ok(Self(document))
    }

    /// Makes a token for an identity, and the identity if there is none of the name. Of one that there is, the
    /// rights stay as they are: `rights` are to be none then.
    pub fn new_token(&mut self, name: &str, rights: &NewIdentity) -> Result<Token, BadChange> {
        if !is_name(name) {
            return Err(BadChange::Name);
        }
        let is_empty = rights.is_empty();
        let exists = self.identity(name).is_some();
        match (exists, is_empty) {
            (true, false) => return Err(BadChange::Exists),
            (false, true) => return Err(BadChange::NoRights),
            _ => {}
        }
        let token = token::random().map_err(BadChange::Random)?;
        let stored = StoredToken::new(&token).to_string();
        if !exists {
            self.identities().push(rights.table(name));
        }
        let identity = self.identity(name).ok_or(BadChange::Unknown)?;
        let tokens = identity.entry("token").or_insert(value(Array::new()));
        let tokens = tokens.as_array_mut().ok_or(BadChange::Unknown)?;
        tokens.push(stored);
        Ok(token)
    }

    /// Takes away the token of this id, or all tokens of the identity of this name. How many they were.
    pub fn revoke(&mut self, id_or_name: &str) -> Result<usize, BadChange> {
        let mut count = 0;
        for identity in self.identities().iter_mut() {
            let is_name = identity.get("name").and_then(Item::as_str) == Some(id_or_name);
            let Some(tokens) = identity.get_mut("token").and_then(Item::as_array_mut) else {
                continue;
            };
            let before = tokens.len();
            tokens.retain(|token| {
                let id = token.as_str().and_then(|token| token.split(':').next());
                !is_name && id != Some(id_or_name)
            });
            count += before - tokens.len();
        }
        if count == 0 {
            return Err(BadChange::Unknown);
        }
        Ok(count)
    }

    fn identities(&mut self) -> &mut ArrayOfTables {
        let item = self.0.entry("identity");
        let item = item.or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        if !item.is_array_of_tables() {
            // `identity = [{...}]` is the same in another notation.
            let tables = std::mem::take(item).into_array_of_tables();
            *item = Item::ArrayOfTables(tables.unwrap_or_default());
        }
        item.as_array_of_tables_mut()
            .expect("it has just been made one")
    }

    fn identity(&mut self, name: &str) -> Option<&mut Table> {
        let mut all = self.identities().iter_mut();
        all.find(|table| table.get("name").and_then(Item::as_str) == Some(name))
    }
}

impl Default for PolicyFile {
    fn default() -> Self {
        Self::new()
    }
}

impl NewIdentity {
    fn is_empty(&self) -> bool {
        self.publish.is_empty()
            && self.subscribe.is_empty()
            && !self.admin
            && self.expires.is_none()
    }

    fn table(&self, name: &str) -> Table {
        let mut table = Table::new();
        table["name"] = value(name);
        table["token"] = value(Array::new());
        for (key, patterns) in [("publish", &self.publish), ("subscribe", &self.subscribe)] {
            if !patterns.is_empty() {
                table[key] = value(patterns.iter().map(ToString::to_string).collect::<Array>());
            }
        }
        if self.admin {
            table["admin"] = value(true);
        }
        if let Some(time) = self.expires {
            let time = format!("{time:.0}").parse::<toml_edit::Datetime>();
            table["expires"] = value(time.expect("both are RFC 3339"));
        }
        table
    }
}

impl fmt::Display for PolicyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for BadChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(f, "expected {}", crate::policy::NAME),
            Self::Exists => f.write_str(
                "there is an identity of this name: its rights are changed in the file, and a further token for it is made without rights",
            ),
            Self::NoRights => f.write_str(
                "there is no identity of this name, and a new one needs rights",
            ),
            Self::Unknown => f.write_str("there is no such token, and no identity of this name"),
            Self::Random(error) => write!(f, "no random bytes: {error}"),
        }
    }
}

impl std::error::Error for BadChange {}
