//! The ports for HTTP.

use clap::Args;
use tenfold::Address;
use tenfold_http::Http;

use super::Settings;
use crate::failure::Failure;

/// Where HTTP is spoken, and which pages may use it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP (docs/http.md)")]
pub(super) struct HttpOptions {
    /// Listen for browsers, curl and other HTTP clients, at 127.0.0.1:10080 if no ADDR is given; may be given several
    /// times. A browser that opens the address gets a page that shows the channels as they are
    #[arg(
        long,
        value_name = "ADDR",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:10080",
        value_delimiter = ','
    )]
    http: Vec<Address>,

    /// The same over TLS, with --tls-cert and --tls-key; may be given several times
    #[arg(long, value_name = "ADDR", value_parser = over_tls, value_delimiter = ',')]
    https: Vec<Address>,

    /// Listen for Prometheus at an address that has nothing but /metrics and /health (--http has them, too); may be given
    /// several times
    #[arg(long, value_name = "ADDR", value_delimiter = ',')]
    metrics: Vec<Address>,

    /// A name by which HTTP clients know the hub, beside localhost and its addresses; may be given several times
    #[arg(long, value_name = "NAME", value_parser = host, value_delimiter = ',')]
    http_host: Vec<String>,

    /// Let web pages of this origin use the hub, such as `https://app.example`; may be given several times
    #[arg(long, value_name = "ORIGIN", value_parser = origin, value_delimiter = ',')]
    http_origin: Vec<String>,
}

impl HttpOptions {
    /// Where HTTP is spoken: first where everything is, and then where there are only numbers.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.doors().chain(&self.metrics)
    }

    /// Where everything is that HTTP clients can ask for.
    pub(super) fn doors(&self) -> impl Iterator<Item = &Address> {
        self.http.iter().chain(&self.https)
    }

    /// Where there are only numbers.
    pub(super) fn metrics(&self) -> &[Address] {
        &self.metrics
    }

    /// The options for HTTP need a port for it.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), Failure> {
        if self.addresses().next().is_some() {
            return Ok(());
        }
        // An empty list says nothing.
        let given = match (self.http_host.is_empty(), self.http_origin.is_empty()) {
            (false, _) => settings.given("http-host"),
            (true, false) => settings.given("http-origin"),
            (true, true) => None,
        };
        match given {
            None => Ok(()),
            Some(setting) => Err(Failure::Usage(format!(
                "{} is for HTTP, which is not spoken: add --http, --https ADDR or --metrics ADDR, or leave it out",
                setting.place()
            ))),
        }
    }

    /// The server of the ports where everything is.
    pub(super) fn server(&self) -> Http {
        let names = self.http_host.iter().cloned();
        let origins = self.http_origin.iter().cloned();
        Http::default().names(names).origins(origins)
    }
}

/// What a browser needs, to look at this address; a unix socket has none of it.
pub(super) fn url(address: &Address) -> Option<String> {
    let text = address.to_string();
    match address {
        Address::Tcp { .. } => Some(format!("http://{text}/")),
        Address::Tls { .. } => Some(format!("https://{}/", text.trim_start_matches("tls://"))),
        _ => None,
    }
}

fn over_tls(text: &str) -> Result<Address, String> {
    let address: Address = text
        .parse()
        .map_err(|error: tenfold::AddressError| error.to_string())?;
    let address = if address.is_tls() {
        address
    } else {
        address.over_tls()
    };
    if address.is_tls() {
        return Ok(address);
    }
    Err("there is no TLS at a unix socket: use --http unix:/path".to_owned())
}

fn host(text: &str) -> Result<String, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_name) {
        return Ok(text.to_owned());
    }
    Err("expected a name such as hub.example, without a port".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    let authority = ["https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let is_part =
        |byte: u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || b".-_:[]".contains(&byte);
    match authority {
        Some(authority) if !authority.is_empty() && authority.bytes().all(is_part) => {
            Ok(text.to_owned())
        }
        _ => Err("expected an origin as browsers write it, such as https://app.example or http://localhost:3000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_for_https_is_one_over_tls() {
        for text in ["127.0.0.1:1", "tls://127.0.0.1:1"] {
            assert_eq!(over_tls(text).unwrap().to_string(), "tls://127.0.0.1:1");
            assert_eq!(
                url(&over_tls(text).unwrap()).unwrap(),
                "https://127.0.0.1:1/"
            );
        }
        assert!(over_tls("unix:/x").is_err());
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host_and_nothing_after_it() {
        for right in [
            "https://app.example",
            "http://localhost:3000",
            "http://[::1]:1",
        ] {
            assert_eq!(origin(right).unwrap(), right);
        }
        for wrong in [
            "",
            "null",
            "*",
            "app.example",
            "https://",
            "https://app.example/",
            "https://App.example",
            "ftp://a",
        ] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "hub.example:1", "http://hub.example", "[::1]"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }
}
