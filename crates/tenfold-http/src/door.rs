//! Whether a request is for this door, and whether the page that it comes from may use it.
//!
//! A hub on a developer's machine can be reached by every web page that is open in the browser there. What the browser
//! says of a request is what keeps them out: `docs/http.md`, section 3.

use std::net::{IpAddr, Ipv6Addr};

use crate::head::{Head, Method};
use crate::problem::Problem;
use crate::status::Status;

/// The door that a request has come through.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// It is over TLS.
    pub is_over_tls: bool,
    /// The address at which the connection has arrived, if it has one.
    pub arrived_at: Option<IpAddr>,
    /// Names by which it is known (`--http-host`), in lower case and without a port.
    pub names: Vec<String>,
    /// Origins whose pages may use it (`--http-origin`), as browsers write them.
    pub origins: Vec<String>,
    /// There is nothing but `/metrics` and `/health`.
    pub has_only_numbers: bool,
}

impl Place {
    /// Lets a request in that is for this door. Returns the origin of another place whose pages may read the answer.
    pub(crate) fn admit<'a>(&self, head: &'a Head) -> Result<Option<&'a str>, Problem> {
        let host = head.one("host")?;
        let host = host.ok_or_else(|| Problem::bad("a request has the header Host"))?;
        if !self.is_known_as(host) {
            let words = "this is not the host that the request is for; --http-host gives the hub another name";
            return Err(Problem::new(Status::MISDIRECTED, words));
        }
        let origin = head.one("origin")?;
        let origin = match origin {
            None => None,
            Some(origin) if self.is_own(origin, host) => return Ok(None),
            Some(origin) if self.origins.iter().any(|allowed| allowed == origin) => Some(origin),
            Some(_) => {
                let words = "pages of this origin may not use this hub; --http-origin allows one";
                return Err(Problem::new(Status::FORBIDDEN, words));
            }
        };
        let site = head.one("sec-fetch-site")?;
        let tells_nothing = head.path() == "/" && head.method() == Method::Get;
        if matches!(site, Some("cross-site" | "same-site")) && origin.is_none() && !tells_nothing {
            let words = "pages of other origins may not use this hub; --http-origin allows one";
            return Err(Problem::new(Status::FORBIDDEN, words));
        }
        Ok(origin)
    }

    /// Whether this door has the name in a `Host`.
    fn is_known_as(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        let name = name.to_ascii_lowercase();
        if name == "localhost" || self.names.contains(&name) {
            return true;
        }
        let ip = match name.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .and_then(|ip| ip.parse::<Ipv6Addr>().ok())
                .map(IpAddr::V6),
            None => name.parse().ok(),
        };
        let arrived_at = self.arrived_at.map(|ip| ip.to_canonical());
        ip.map(|ip: IpAddr| ip.to_canonical())
            .is_some_and(|ip| ip.is_loopback() || arrived_at == Some(ip))
    }

    /// Whether an origin is that of the pages which come from this door.
    fn is_own(&self, origin: &str, host: &str) -> bool {
        let scheme = if self.is_over_tls {
            "https://"
        } else {
            "http://"
        };
        let authority = origin.strip_prefix(scheme);
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    }
}

/// A host without the port after it; `None` if it is not a host.
fn without_port(host: &str) -> Option<&str> {
    let end = host.find(']').map_or(0, |at| at + 1);
    let (name, port) = match host[end..].find(':') {
        Some(colon) => (&host[..end + colon], &host[end + colon + 1..]),
        None => (host, ""),
    };
    let is_port = port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let in_brackets = name.starts_with('[') == name.ends_with(']');
    (is_port && in_brackets && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            is_over_tls: false,
            arrived_at: Some("192.0.2.7".parse().unwrap()),
            names: vec!["hub.example".to_owned()],
            origins: vec!["https://app.example".to_owned()],
            has_only_numbers: false,
        }
    }

    fn admit(place: &Place, request: &str) -> Result<Option<String>, u16> {
        let head = format!("{}\r\n\r\n", request.replace('\n', "\r\n"));
        let (head, _) = Head::read(head.as_bytes()).unwrap().unwrap();
        let admitted = place.admit(&head).map(|origin| origin.map(str::to_owned));
        admitted.map_err(|problem| problem.status().code())
    }

    #[test]
    fn a_host_is_one_of_this_door() {
        for (host, status) in [
            ("localhost", None),
            ("LOCALHOST:10080", None),
            ("127.0.0.1:1", None),
            ("127.9.9.9", None),
            ("[::1]", None),
            ("[::1]:10080", None),
            ("[::ffff:127.0.0.1]:1", None),
            ("192.0.2.7", None),
            ("hub.example:443", None),
            ("Hub.Example", None),
            ("192.0.2.8", Some(421)),
            ("evil.example", Some(421)),
            ("localhost.evil.example", Some(421)),
            ("evil.localhost", Some(421)),
            ("localhost:1:2", Some(421)),
            ("localhost:abc", Some(421)),
            ("localhost:123456", Some(421)),
            ("user@localhost", Some(421)),
            ("::1", Some(421)),
            ("[::1", Some(421)),
            ("[localhost]", Some(421)),
            ("0.0.0.0", Some(421)),
            ("127.1", Some(421)),
            ("", Some(421)),
        ] {
            let admitted = admit(&place(), &format!("GET /channels HTTP/1.1\nHost: {host}"));
            assert_eq!(admitted.err(), status, "{host}");
        }
        assert_eq!(admit(&place(), "GET / HTTP/1.1"), Err(400));
        assert_eq!(
            admit(&place(), "GET / HTTP/1.1\nHost: localhost\nHost: localhost"),
            Err(400)
        );
    }

    #[test]
    fn an_origin_is_the_doors_own_or_one_that_was_allowed() {
        for (origin, admitted) in [
            ("http://localhost:10080", Ok(None)),
            (
                "https://app.example",
                Ok(Some("https://app.example".to_owned())),
            ),
            ("https://localhost:10080", Err(403)),
            ("http://localhost", Err(403)),
            ("http://localhost:3000", Err(403)),
            ("http://app.example", Err(403)),
            ("https://app.example.evil.example", Err(403)),
            ("https://evil.example", Err(403)),
            ("null", Err(403)),
            ("", Err(403)),
        ] {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                let request = format!(
                    "{method} /channels/a HTTP/1.1\nHost: localhost:10080\nOrigin: {origin}"
                );
                assert_eq!(admit(&place(), &request), admitted, "{method} {origin}");
            }
        }
        let over_tls = Place {
            is_over_tls: true,
            ..place()
        };
        let request = "GET /channels HTTP/1.1\nHost: hub.example\nOrigin: https://hub.example";
        assert_eq!(admit(&over_tls, request), Ok(None));
    }

    #[test]
    fn what_another_page_has_the_browser_fetch_is_refused() {
        let with =
            |path: &str, rest: &str| format!("GET {path} HTTP/1.1\nHost: localhost:1\n{rest}");
        for (site, status) in [
            ("none", None),
            ("same-origin", None),
            ("same-site", Some(403)),
            ("cross-site", Some(403)),
        ] {
            let request = with("/channels/a", &format!("Sec-Fetch-Site: {site}"));
            assert_eq!(admit(&place(), &request).err(), status, "{site}");
            let request = with("/", &format!("Sec-Fetch-Site: {site}"));
            assert_eq!(admit(&place(), &request).err(), None, "{site}");
        }
        let allowed = with(
            "/channels/a",
            "Sec-Fetch-Site: cross-site\nOrigin: https://app.example",
        );
        assert!(admit(&place(), &allowed).is_ok());
        let other = with(
            "/",
            "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example",
        );
        assert_eq!(admit(&place(), &other), Err(403));
    }
}
