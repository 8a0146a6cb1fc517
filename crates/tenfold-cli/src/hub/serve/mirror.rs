//! `--mirror`: a hub that has what another one has.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use tenfold::asynchronous::Connect;
use tenfold::protocol::Token;
use tenfold::tls::{Client, ClientOptions};
use tenfold::{Address, Hubs};
use tenfold_hub::{MirrorOptions as OfHub, Pattern};

use super::settings::{Setting, Settings};
use crate::failure::Failure;
use crate::flow::credential::token_of_file;

/// Which hub to be a mirror of, and how.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Mirrors (docs/mirrors.md)")]
pub(super) struct MirrorOptions {
    /// Have what the hub at this address has: the same messages with the same seqs, times and epochs, kept in --data. Of
    /// several hubs that have the same, with commas between them, each failure leads to the next
    #[arg(long, value_name = "HUB[,HUB]...")]
    mirror: Option<Hubs>,

    /// Mirror the channels that fit PATTERN (a name, or the start of one and `*`); may be given several times
    #[arg(
        long,
        value_name = "PATTERN",
        default_value = "*",
        value_delimiter = ','
    )]
    mirror_channels: Vec<Pattern>,

    /// Pass publishers on to the source; without, they are refused
    #[arg(long, value_name = "true|false", action = ArgAction::Set, default_value = "true", hide_possible_values = true,
          value_parser = BoolishValueParser::new())]
    mirror_publish: bool,

    /// Say who the mirror is to a hub that asks (serve --auth): with the token in FILE, which nobody else can read
    #[arg(long, value_name = "FILE", hide_env_values = true, value_parser = token_of_file)]
    mirror_token_file: Option<Token>,

    /// Where the source is at tls://HOST:PORT, trust the CAs in FILE instead of those of the system; PEM, as all these
    /// files
    #[arg(long, value_name = "FILE")]
    mirror_tls_ca: Option<PathBuf>,

    /// Show this certificate to the source, with --mirror-tls-key
    #[arg(long, value_name = "FILE")]
    mirror_tls_cert: Option<PathBuf>,

    /// The key of --mirror-tls-cert
    #[arg(long, value_name = "FILE")]
    mirror_tls_key: Option<PathBuf>,
}

/// The options that mean something with `--mirror` only.
const OTHERS: [&str; 6] = [
    "mirror-channels",
    "mirror-publish",
    "mirror-token-file",
    "mirror-tls-ca",
    "mirror-tls-cert",
    "mirror-tls-key",
];

impl MirrorOptions {
    /// Whether the hub is a mirror.
    pub(super) fn is_given(&self) -> bool {
        self.mirror.is_some()
    }

    /// What clap cannot know; `has_data`: channels are kept on disk, and `takes`: a plain port takes messages.
    pub(super) fn check(
        &self,
        settings: &Settings,
        has_data: bool,
        takes: bool,
    ) -> Result<(), Failure> {
        let wrong = |words: String| Err(Failure::Usage(words));
        if !self.is_given() {
            // What is given as it is by default says nothing: --print-config prints it.
            let says_nothing = |key: &str| match key {
                "mirror-channels" => self
                    .mirror_channels
                    .iter()
                    .all(|one| one.to_string() == "*"),
                "mirror-publish" => self.mirror_publish,
                _ => false,
            };
            let mut others = OTHERS.iter().filter(|key| !says_nothing(key));
            return match others.find_map(|key| settings.given(key)) {
                None => Ok(()),
                Some(setting) => {
                    let place = Setting::place(setting);
                    wrong(format!("{place} is for mirrors, and there is no --mirror"))
                }
            };
        }
        if !has_data {
            return wrong(
                "--mirror needs --data DIR, which is where a mirror keeps what it has".to_owned(),
            );
        }
        if takes {
            return wrong(
                "a mirror has no plain ports that take messages: leave out :in and :both"
                    .to_owned(),
            );
        }
        self.tls().map(drop)
    }

    /// What the hub is told.
    pub(super) fn of_hub(&self) -> Result<Option<OfHub>, Failure> {
        let Some(hubs) = &self.mirror else {
            return Ok(None);
        };
        let mut options = OfHub::new(hubs, self.mirror_channels.clone());
        options.token.clone_from(&self.mirror_token_file);
        options.publish = self.mirror_publish;
        let tls = self.tls()?;
        Ok(Some(options.connecting(move |hubs| match &tls {
            Some(client) => hubs.connect_with(client),
            None => hubs.connect(),
        })))
    }

    fn tls(&self) -> Result<Option<Client>, Failure> {
        let wrong = |words: &str| Err(Failure::Usage(words.to_owned()));
        let pair = match (&self.mirror_tls_cert, &self.mirror_tls_key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return wrong("--mirror-tls-cert and --mirror-tls-key go together"),
        };
        if self.mirror_tls_ca.is_none() && pair.is_none() {
            return Ok(None);
        }
        let hubs = self.mirror.iter().flat_map(Hubs::addresses);
        if !hubs.into_iter().any(Address::is_tls) {
            return wrong("the options of TLS are for a --mirror over TLS: write tls://HOST:PORT");
        }
        let mut options = ClientOptions::new();
        if let Some(ca) = &self.mirror_tls_ca {
            options = options.ca(ca);
        }
        if let Some((certificate, key)) = pair {
            options = options.certificate(certificate, key);
        }
        let client = options.load();
        client
            .map(Some)
            .map_err(|problem| Failure::Usage(problem.to_string()))
    }
}
