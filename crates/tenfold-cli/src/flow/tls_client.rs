//! The options of whoever connects over TLS.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use tenfold::tls::{Client, ClientOptions};
use tenfold::{Address, Hubs};

use crate::flow::tls_own::TlsOwnOptions;

/// Whom to trust, and what to show, over TLS.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TlsFiles {
    /// Over TLS (tls://HOST:PORT), trust the CAs in FILE instead of those of the system; PEM, as all these files
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) own: TlsOwnOptions,
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
        let ca = self.tls_ca.as_ref().map(|_| "--tls-ca");
        ca.or_else(|| self.own.given())
    }

    /// What connections over TLS are made with; `None` if nothing was said of that.
    pub(crate) fn client(&self) -> Result<Option<Client>, String> {
        if self.given().is_none() {
            return Ok(None);
        }
        let mut options = ClientOptions::new().min(self.own.min());
        if let Some(ca) = &self.tls_ca {
            options = options.ca(ca);
        }
        if let Some((certificate, key)) = self.own.pair()? {
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

pub(crate) fn nothing_is_over_tls(option: &str) -> String {
    format!("{option} is for addresses over TLS, and there is none: write tls://HOST:PORT")
}

/// Refuses options of TLS for a hub that is not one over TLS. A bridge may have other peers over TLS.
pub(crate) fn check(matches: &ArgMatches) -> Result<(), String> {
    let Some((command, matches)) = matches.subcommand() else {
        let Ok(Some(server)) = matches.try_get_one::<Hubs>("server") else {
            return Ok(());
        };
        let hubs = server.addresses();
        return match given_in(matches) {
            Some(option) if !hubs.iter().any(Address::is_tls) => {
                Err(means_nothing(option, &hubs[0]))
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
