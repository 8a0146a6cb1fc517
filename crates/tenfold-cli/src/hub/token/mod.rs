//! `tenfold token`: the identities of a policy and their tokens.

mod file;

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tenfold::protocol::{BadPattern, Pattern};
use tenfold_gate::{BadChange, Identity, NewIdentity, Policy};

use crate::failure::Failure;
use crate::flow::credential::CredentialOptions;
use crate::flow::listing::{Column, aligned};
use crate::flow::output::Stdout;
use crate::units;
use crate::words::Words;
use file::File;

/// Make, list and revoke the tokens of a hub's policy
#[derive(Args, Debug)]
#[command(after_help = "\
A policy is the file of `tenfold serve --auth`: it says who may publish and subscribe to what.
A token is shown once, when it is made; the policy has only its SHA-256. A hub that runs reads
its policy again at SIGHUP.

Examples:
  tenfold token new meter7 --publish 'meters.7.*' --auth hub.toml > meter7.token
  tenfold token new operator --subscribe '*' --admin --expires 90d --auth hub.toml
  tenfold token list --auth hub.toml
  tenfold token revoke 8c1f2d9a --auth hub.toml && kill -HUP $(pidof tenfold)")]
pub(crate) struct Token {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    New(New),
    List(List),
    Revoke(Revoke),
    Check(Check),
}

/// The policy of which it is asked.
#[derive(Args, Debug)]
struct PolicyOptions {
    /// The policy, as in `tenfold serve --auth`
    #[arg(long, value_name = "FILE", env = "TENFOLD_AUTH")]
    auth: PathBuf,
}

/// Make a token, and the identity if there is none of the name
#[derive(Args, Debug)]
#[command(after_help = "\
The token is printed on stdout. For an identity that there is already no rights can be given: it
gets a further token, and both are valid until one is revoked. That is how a token is replaced.

Examples:
  tenfold token new meter7 --publish 'meters.7.*' --auth hub.toml
  tenfold token new dashboard --subscribe 'meters.*' --expires 2027-01-01T00:00:00Z --auth hub.toml
  (umask 077; tenfold token new meter7 --auth hub.toml > meter7.token)")]
struct New {
    /// The identity: 1 to 64 of a-z 0-9 . _ -
    #[arg(value_name = "NAME")]
    name: String,

    /// A channel that it may publish to, or the start of names and `*`; may be given several times
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    publish: Vec<Pattern>,

    /// A channel that it may read, or the start of names and `*`; may be given several times
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    subscribe: Vec<Pattern>,

    /// It is shown everything, and may delete channels
    #[arg(long)]
    admin: bool,

    /// From when on it is nobody any more: in so long (90d), or at a time (RFC 3339)
    #[arg(long, value_name = "T", value_parser = expiry)]
    expires: Option<Timestamp>,

    #[command(flatten)]
    policy: PolicyOptions,

    /// Print one JSON object: name, id, token
    #[arg(long)]
    json: bool,
}

/// List the identities, the ids of their tokens, and what they may do
#[derive(Args, Debug)]
struct List {
    #[command(flatten)]
    policy: PolicyOptions,

    /// One JSON object for each identity
    #[arg(long)]
    json: bool,
}

/// Take tokens away
#[derive(Args, Debug)]
struct Revoke {
    /// The id of a token, or the name of an identity, which loses all of them
    #[arg(value_name = "ID|NAME")]
    what: String,

    #[command(flatten)]
    policy: PolicyOptions,
}

/// Say whose token one is, and what it may do; exit code 6 if it is not valid
#[derive(Args, Debug)]
struct Check {
    #[command(flatten)]
    policy: PolicyOptions,

    #[command(flatten)]
    credential: CredentialOptions,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        match &self.what {
            What::New(new) => new.run(words),
            What::List(list) => list.run(),
            What::Revoke(revoke) => revoke.run(words),
            What::Check(check) => check.run(),
        }
    }
}

impl New {
    fn run(&self, words: &Words) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        let mut file = File::read_or_new(&self.policy.auth)?;
        let mut rights = NewIdentity::default();
        rights.publish.clone_from(&self.publish);
        rights.subscribe.clone_from(&self.subscribe);
        rights.admin = self.admin;
        rights.expires = self.expires;
        let made = file.policy.new_token(&self.name, &rights);
        let token = made.map_err(|bad| self.explain(&bad))?;
        file.write()?;
        let text = if self.json {
            let (name, id, token) = (&self.name, token.id(), token.secret());
            format!("{}\n", json!({"name": name, "id": id, "token": token}))
        } else {
            format!("{}\n", token.secret())
        };
        stdout.write(text.as_bytes())?;
        words.note(format_args!(
            "{} has a token with the id {}; it is not shown again. A hub that runs reads its policy again at SIGHUP",
            self.name,
            token.id()
        ));
        Ok(())
    }

    fn explain(&self, bad: &BadChange) -> Failure {
        let name = &self.name;
        match bad {
            BadChange::NoRights => Failure::Usage(format!(
                "{name} is new, and a new identity needs rights: --publish PATTERN, --subscribe PATTERN or --admin"
            )),
            BadChange::Exists => Failure::Usage(format!(
                "there is an identity {name}, which gets a further token without --publish, --subscribe, --admin \
                 and --expires; its rights are changed in {}",
                self.policy.auth.display()
            )),
            bad => Failure::Usage(format!("{name}: {bad}")),
        }
    }
}

impl List {
    fn run(&self) -> Result<(), Failure> {
        const COLUMNS: [Column; 6] = [
            ("NAME", false),
            ("TOKENS", false),
            ("PUBLISH", false),
            ("SUBSCRIBE", false),
            ("ADMIN", false),
            ("EXPIRES", false),
        ];
        let stdout = Stdout::open()?;
        let policy = self.policy.read()?;
        if self.json {
            let lines = policy
                .identities()
                .map(|(identity, tokens)| format!("{}\n", object(identity, &tokens)));
            return stdout.write(lines.collect::<String>().as_bytes());
        }
        let rows = policy.identities().map(|(identity, tokens)| {
            vec![
                identity.name().unwrap_or("-").to_owned(),
                joined(&tokens),
                joined(identity.publish()),
                joined(identity.subscribe()),
                if identity.is_admin() { "yes" } else { "-" }.to_owned(),
                expires(identity).unwrap_or_else(|| "-".to_owned()),
            ]
        });
        stdout.write(aligned(&COLUMNS, rows.collect()).as_bytes())
    }
}

impl Revoke {
    fn run(&self, words: &Words) -> Result<(), Failure> {
        let mut file = File::read(&self.policy.auth)?;
        let count = file.policy.revoke(&self.what).map_err(|bad| {
            let path = self.policy.auth.display();
            Failure::Other(format!("{}: {bad} in {path}", self.what))
        })?;
        file.write()?;
        let tokens = if count == 1 { "token is" } else { "tokens are" };
        words.note(format_args!(
            "{count} {tokens} revoked. A hub that runs reads its policy again at SIGHUP"
        ));
        Ok(())
    }
}

impl Check {
    fn run(&self) -> Result<(), Failure> {
        let stdout = Stdout::open()?;
        let policy = self.policy.read()?;
        let token = self.credential.token().ok_or_else(|| {
            Failure::Usage("give a token: --token-file FILE, or TENFOLD_TOKEN".to_owned())
        })?;
        let visitor = policy
            .visitor(Some(&token), SystemTime::now())
            .map_err(|_| {
                let id = token.id();
                Failure::Denied(format!(
                    "the token with the id {id} is not valid: it is not in the policy, or it has expired"
                ))
            })?;
        let identity = visitor.identity();
        let text = if self.json {
            format!("{}\n", object(identity, &[token.id()]))
        } else {
            format!(
                "{} may publish to {}, and subscribe to {}{}{}\n",
                identity.name().unwrap_or_default(),
                joined(identity.publish()),
                joined(identity.subscribe()),
                if identity.is_admin() {
                    "; it is an admin"
                } else {
                    ""
                },
                expires(identity).map_or_else(String::new, |time| format!("; until {time}")),
            )
        };
        stdout.write(text.as_bytes())
    }
}

impl PolicyOptions {
    fn read(&self) -> Result<Policy, Failure> {
        let file = File::read(&self.auth)?;
        let policy = Policy::parse(&file.policy.to_string());
        policy.map_err(|bad| Failure::Usage(format!("{}, {bad}", self.auth.display())))
    }
}

fn object(identity: &Identity, tokens: &[&str]) -> serde_json::Value {
    let texts = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    json!({
        "name": identity.name(),
        "tokens": tokens,
        "publish": texts(identity.publish()),
        "subscribe": texts(identity.subscribe()),
        "admin": identity.is_admin(),
        "expires": expires(identity),
    })
}

fn expires(identity: &Identity) -> Option<String> {
    let time = Timestamp::try_from(identity.expires()?).ok()?;
    Some(format!("{time:.0}"))
}

/// With spaces between them; nothing is `-`.
fn joined<T: ToString>(texts: &[T]) -> String {
    let texts: Vec<_> = texts.iter().map(ToString::to_string).collect();
    if texts.is_empty() {
        return "-".to_owned();
    }
    texts.join(" ")
}

fn pattern(text: &str) -> Result<Pattern, String> {
    text.parse().map_err(|bad: BadPattern| bad.to_string())
}

/// A time from now on, or a moment.
fn expiry(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let days = text
        .strip_suffix('d')
        .and_then(|days| days.parse::<u32>().ok());
    let time = match days {
        Some(days) => SignedDuration::from_hours(i64::from(days) * 24),
        None => units::duration(text)
            .ok()
            .and_then(|time| SignedDuration::try_from(time).ok())
            .ok_or(
                "a time from now on such as 90d or 12h, or a moment such as 2027-01-01T00:00:00Z",
            )?,
    };
    let moment = Timestamp::now().checked_add(time);
    moment.map_err(|_| "this is too far in the future".to_owned())
}
