//! The options of whoever connects over TLS.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use tenfold::Address;
use tenfold::tls::{Client, ClientOptions, Version};

/// Whom to trust, and what to show, over TLS.
#[derive(Args, Clone, Debug, Default)]
#[expect(
    clippy::struct_field_names,
    reason = "the options begin with the same word"
)]
pub(crate) struct TlsFiles {
    /// Over TLS (tls://HOST:PORT), trust the CAs in FILE instead of those of the system; PEM, as all these files
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,

    /// Over TLS, show the certificate in FILE, which has those of its issuers after it
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The key of the certificate, which nobody else can read
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The oldest version of TLS to speak: 1.3, the default, or 1.2 for old peers
    #[arg(long, value_name = "VERSION")]
    pub(crate) tls_min: Option<Version>,
}

/// The same of a client of a hub, read and checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsClient {
    files: TlsFiles,
    client: Option<Client>,
}

impl TlsFiles {
    /// The first of the options that was given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let all = [
            (self.tls_ca.is_some(), "--tls-ca"),
            (self.tls_cert.is_some(), "--tls-cert"),
            (self.tls_key.is_some(), "--tls-key"),
            (self.tls_min.is_some(), "--tls-min"),
        ];
        let (_, name) = all.into_iter().find(|(is_given, _)| *is_given)?;
        Some(name)
    }

    /// The certificate and its key; what is missing if there is one of them.
    pub(crate) fn pair(&self) -> Result<Option<(PathBuf, PathBuf)>, String> {
        match (&self.tls_cert, &self.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
            (Some(_), None) => {
                Err("--tls-cert needs --tls-key FILE, the key of the certificate".to_owned())
            }
            (None, Some(_)) => {
                Err("--tls-key needs --tls-cert FILE, the certificate of the key".to_owned())
            }
        }
    }

    /// What connections over TLS are made with; `None` if nothing was said of that.
    pub(crate) fn client(&self) -> Result<Option<Client>, String> {
        if self.given().is_none() {
            return Ok(None);
        }
        let mut options = ClientOptions::new().min(self.tls_min.unwrap_or_default());
        if let Some(ca) = &self.tls_ca {
            options = options.ca(ca);
        }
        if let Some((certificate, key)) = self.pair()? {
            options = options.certificate(certificate, key);
        }
        match options.load() {
            Ok(client) => Ok(Some(client)),
            // A system without CAs is met, and told, by whoever connects: it may be somebody who only listens.
            Err(problem) if problem.file().is_none() => Ok(None),
            Err(problem) => Err(problem.to_string()),
        }
    }
}

pub(crate) fn means_nothing(option: &str, address: &Address) -> String {
    format!(
        "{option} is for addresses over TLS, and {address} is one without: write tls://{address}"
    )
}

/// Refuses options of TLS for a hub that is not one over TLS. A bridge may have other peers over TLS.
pub(crate) fn check(matches: &ArgMatches) -> Result<(), String> {
    let Some((command, matches)) = matches.subcommand() else {
        return match matches.try_get_one::<Address>("server") {
            Ok(Some(server)) if !server.is_tls() => {
                given_in(matches).map_or(Ok(()), |option| Err(means_nothing(option, server)))
            }
            _ => Ok(()),
        };
    };
    if command == "bridge" {
        return Ok(());
    }
    check(matches)
}

fn given_in(matches: &ArgMatches) -> Option<&'static str> {
    let all = [
        ("tls_ca", "--tls-ca"),
        ("tls_cert", "--tls-cert"),
        ("tls_key", "--tls-key"),
        ("tls_min", "--tls-min"),
    ];
    let is_given = |id: &str| matches.try_contains_id(id).is_ok_and(|is_given| is_given);
    let (_, name) = all.into_iter().find(|(id, _)| is_given(id))?;
    Some(name)
}

impl TlsClient {
    /// What connections to the hub are made with, if something was said of it.
    pub(crate) fn client(&self) -> Option<Client> {
        self.client.clone()
    }

    /// The options as they were given.
    pub(crate) fn files(&self) -> &TlsFiles {
        &self.files
    }
}

impl FromArgMatches for TlsClient {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let files = TlsFiles::from_arg_matches(matches)?;
        match files.client() {
            Ok(client) => Ok(Self { files, client }),
            Err(words) => Err(clap::Error::raw(
                ErrorKind::ValueValidation,
                format!("{words}\n"),
            )),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for TlsClient {
    fn augment_args(command: Command) -> Command {
        TlsFiles::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        TlsFiles::augment_args_for_update(command)
    }
}
