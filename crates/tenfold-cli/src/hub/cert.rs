//! `tenfold cert`: certificates to try TLS with.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd,
};

use crate::failure::Failure;
use crate::words::Words;

/// Make certificates to try TLS with
#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub(crate) struct Cert {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Dev(Dev),
}

/// Make a CA, and certificates that it has signed for a server and a client
#[derive(Args, Debug)]
#[command(after_help = "\
DIR gets ca.pem, server.pem, server.key, client.pem and client.key, which only you can read. The key
of the CA is not kept, so nobody can sign more with it: for other names, make others.

Examples:
  tenfold cert dev
  tenfold cert dev certificates --name hub.example --name 192.168.1.5")]
struct Dev {
    /// Where to put them
    #[arg(value_name = "DIR", default_value = "tenfold-certs")]
    dir: PathBuf,

    /// Another name or IP address of the server, beside localhost, 127.0.0.1 and `::1`
    #[arg(long = "name", value_name = "NAME", value_parser = host)]
    names: Vec<String>,

    /// The name of the client, for a policy: `certificate = "dns:NAME"`
    #[arg(long, value_name = "NAME", default_value = "client.example", value_parser = domain)]
    client: String,
}

/// For so many days they are good: long enough to try things out, and not to forget them.
const DAYS: i64 = 90;

/// A name or an IP address, by which a server can be connected to.
fn host(text: &str) -> Result<String, String> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Ok(ip.to_string()),
        Err(_) => domain(text.strip_prefix("*.").unwrap_or(text)).map(|_| text.to_owned()),
    }
}

/// A name as DNS has them.
fn domain(text: &str) -> Result<String, String> {
    let is_in_names = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_in_names);
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    Err("write a name as DNS has them: letters, digits and hyphens, with dots between".to_owned())
}

impl Cert {
    pub(crate) fn run(&self, words: &Words) -> Result<(), Failure> {
        let What::Dev(dev) = &self.what;
        dev.run(words)
    }
}

impl Dev {
    fn run(&self, words: &Words) -> Result<(), Failure> {
        let mut names = vec![
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
            "::1".to_owned(),
        ];
        names.extend(self.names.iter().cloned());
        let made = Made::new(names.clone(), self.client.clone());
        let made =
            made.map_err(|error| Failure::Usage(format!("cannot make a certificate: {error}")))?;
        made.write(&self.dir)?;
        let dir = self.dir.display();
        words.note(format_args!(
            "{dir} has certificates for {}, to try things out; they are good for {DAYS} days",
            names.join(", ")
        ));
        words.note(format_args!(
            "listen:  tenfold serve --listen tls://127.0.0.1:10010 --tls-cert {dir}/server.pem --tls-key {dir}/server.key"
        ));
        words.note(format_args!(
            "connect: tenfold sub ticks -s tls://127.0.0.1:10010 --tls-ca {dir}/ca.pem"
        ));
        words.note(format_args!(
            "to ask clients for a certificate, listen with --tls-client-ca {dir}/ca.pem, and connect with \
             --tls-cert {dir}/client.pem --tls-key {dir}/client.key"
        ));
        Ok(())
    }
}

/// The texts of the files.
struct Made(Vec<(&'static str, String)>);

impl Made {
    fn new(names: Vec<String>, client: String) -> Result<Self, rcgen::Error> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name = common_name("Tenfold, to try things out");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        limit(&mut authority);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut files = vec![("ca.pem", authority.pem())];
        for (names, purpose, certificate, key) in [
            (
                names,
                ExtendedKeyUsagePurpose::ServerAuth,
                "server.pem",
                "server.key",
            ),
            (
                vec![client],
                ExtendedKeyUsagePurpose::ClientAuth,
                "client.pem",
                "client.key",
            ),
        ] {
            let name = names[0].clone();
            let mut params = CertificateParams::new(names)?;
            params.extended_key_usages = vec![purpose];
            params.distinguished_name = common_name(&name);
            params.use_authority_key_identifier_extension = true;
            limit(&mut params);
            let pair = KeyPair::generate()?;
            files.push((certificate, params.signed_by(&pair, &authority)?.pem()));
            files.push((key, pair.serialize_pem()));
        }
        Ok(Self(files))
    }

    /// Writes all files, for their owner alone. What is there already is somebody's, and stays.
    fn write(&self, dir: &Path) -> Result<(), Failure> {
        let failed = |path: &Path, error: io::Error| {
            let path = path.display();
            Failure::Other(match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    format!("{path} is there already: choose another DIR, or remove it")
                }
                _ => format!("cannot make {path}: {error}"),
            })
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|error| failed(dir, error))?;
        for (name, _) in &self.0 {
            let path = dir.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(failed(&path, io::ErrorKind::AlreadyExists.into()));
            }
        }
        for (name, text) in &self.0 {
            let path = dir.join(name);
            let file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            file.and_then(|mut file| file.write_all(text.as_bytes()))
                .map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }
}

/// It means nothing to whoever checks a certificate, and a person who looks at one wants a name.
fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

/// From yesterday on, because clocks differ.
fn limit(params: &mut CertificateParams) {
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let on = |days: i64| {
        let date = today.saturating_add(days.days());
        let number = |n: i8| u8::try_from(n).unwrap_or(1);
        date_time_ymd(
            i32::from(date.year()),
            number(date.month()),
            number(date.day()),
        )
    };
    params.not_before = on(-1);
    params.not_after = on(DAYS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_no_program_would_find_in_a_certificate_is_refused() {
        for good in ["hub", "hub.example", "*.hub.example", "192.168.1.5", "::1"] {
            assert_eq!(host(good).unwrap(), good);
        }
        let long = "a".repeat(64);
        for bad in [
            "",
            "a b",
            "hub.",
            ".hub",
            "a..b",
            "*",
            "h\u{fc}b",
            "hub:10010",
            &long,
        ] {
            assert!(host(bad).is_err() && domain(bad).is_err(), "{bad:?}");
        }
        assert!(domain("*.hub.example").is_err());
    }
}
