//! How a request becomes a WebSocket.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use tenfold::protocol::Token;

use crate::answer::Answer;
use crate::head::{Head, Method, Version};
use crate::problem::Problem;
use crate::status::Status;

/// A request that asks for a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// What is spoken.
    pub protocol: Protocol,
    /// The proof that the request was understood.
    pub(crate) accept: String,
}

/// What is spoken over a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// The hub's own protocol, as bytes.
    Tenfold,
    /// The messages of a channel.
    Messages,
}

const VERSION: &str = "13";
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// What a token has before it among the protocols.
const BEARER: &str = "bearer.";

impl Protocol {
    const ALL: [Self; 2] = [Self::Tenfold, Self::Messages];

    fn name(self) -> &'static str {
        match self {
            Self::Tenfold => "tenfold",
            Self::Messages => "tenfold.messages",
        }
    }
}

impl Upgrade {
    /// The answer that begins the WebSocket.
    pub(crate) fn answer(&self) -> Answer {
        Answer::new(Status::SWITCHING)
            .with("Upgrade", "websocket")
            .with("Connection", "Upgrade")
            .with("Sec-WebSocket-Accept", self.accept.as_str())
            .with("Sec-WebSocket-Protocol", self.protocol.name())
    }
}

/// Whether a request asks for a WebSocket.
pub(crate) fn is_upgrade(head: &Head) -> bool {
    head.method() == Method::Get
        && head.lists("connection", "upgrade")
        && head.all("upgrade").next().is_some()
}

/// What a request for a WebSocket asks for, where these protocols are spoken, and the token that it shows.
pub(crate) fn upgrade(
    head: &Head,
    spoken: &[Protocol],
) -> Result<(Upgrade, Option<Token>), Problem> {
    if !head.lists("upgrade", "websocket") || head.one("sec-websocket-version")? != Some(VERSION) {
        let words = "the only upgrade here is WebSocket, version 13";
        let problem = Problem::new(Status::UPGRADE, words);
        return Err(problem
            .with_header("Upgrade", "websocket")
            .with_header("Connection", "Upgrade")
            .with_header("Sec-WebSocket-Version", VERSION));
    }
    if head.version() != Version::Http11 {
        return Err(Problem::bad("upgrades are only in HTTP/1.1"));
    }
    let key = head.one("sec-websocket-key")?.unwrap_or_default();
    if STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != 16 {
        return Err(Problem::bad("Sec-WebSocket-Key is 16 bytes in base64"));
    }
    let offered = || {
        head.all("sec-websocket-protocol")
            .flat_map(|value| value.split(','))
            .map(str::trim)
    };
    let known = offered().find_map(|name| {
        Protocol::ALL
            .into_iter()
            .find(|known| known.name() == name && spoken.contains(known))
    });
    let Some(protocol) = known else {
        let names = spoken
            .iter()
            .map(|known| known.name())
            .collect::<Vec<_>>()
            .join(" or ");
        return Err(Problem::bad(format!("the subprotocol here is {names}")));
    };
    let mut tokens = offered().filter_map(|name| name.strip_prefix(BEARER));
    let token = match (tokens.next(), tokens.next()) {
        (None, _) => None,
        // Nothing of it is repeated.
        (Some(token), None) => Some(
            token
                .parse()
                .map_err(|_| Problem::bad("the subprotocol bearer. is followed by a token"))?,
        ),
        (Some(_), Some(_)) => return Err(Problem::bad("there is one token")),
    };
    let accept = STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize());
    Ok((Upgrade { protocol, accept }, token))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Protocol] = &Protocol::ALL;

    fn ask(headers: &str) -> Result<(Upgrade, Option<Token>), u16> {
        let head = format!(
            "GET /channels/a HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n{}\r\n",
            headers.replace('\n', "\r\n")
        );
        let (head, _) = Head::read(head.as_bytes()).unwrap().unwrap();
        assert!(is_upgrade(&head));
        upgrade(&head, ALL).map_err(|problem| problem.status().code())
    }

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n";

    #[test]
    fn the_proof_is_that_of_the_standard() {
        let (upgrade, token) = ask(&format!("Upgrade: WebSocket\nSec-WebSocket-Version: 13\n{KEY}Sec-WebSocket-Protocol: chat, tenfold\n")).unwrap();
        assert_eq!(upgrade.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(upgrade.protocol, Protocol::Tenfold);
        assert!(token.is_none());
    }

    #[test]
    fn a_token_comes_beside_the_protocol() {
        let secret = format!("tf_8c1f2d9a_{}", "x".repeat(43));
        let begin = format!(
            "Upgrade: websocket\nSec-WebSocket-Version: 13\n{KEY}Sec-WebSocket-Protocol: tenfold.messages"
        );
        let (upgrade, token) = ask(&format!("{begin}, bearer.{secret}\n")).unwrap();
        assert_eq!(
            (upgrade.protocol, token.unwrap().id()),
            (Protocol::Messages, "8c1f2d9a")
        );
        assert_eq!(
            ask(&format!("{begin}, bearer.{secret}, bearer.{secret}\n")).unwrap_err(),
            400
        );
        assert_eq!(ask(&format!("{begin}, bearer.x\n")).unwrap_err(), 400);
    }

    #[test]
    fn what_is_not_a_websocket_of_ours_is_refused() {
        let protocol = "Sec-WebSocket-Protocol: tenfold\n";
        for (headers, status) in [
            (
                format!("Upgrade: h2c\nSec-WebSocket-Version: 13\n{KEY}{protocol}"),
                426,
            ),
            (
                format!("Upgrade: websocket\nSec-WebSocket-Version: 8\n{KEY}{protocol}"),
                426,
            ),
            (format!("Upgrade: websocket\n{KEY}{protocol}"), 426),
            (
                format!("Upgrade: websocket\nSec-WebSocket-Version: 13\n{protocol}"),
                400,
            ),
            (
                format!(
                    "Upgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: abc\n{protocol}"
                ),
                400,
            ),
            (
                format!("Upgrade: websocket\nSec-WebSocket-Version: 13\n{KEY}"),
                400,
            ),
            (
                format!(
                    "Upgrade: websocket\nSec-WebSocket-Version: 13\n{KEY}Sec-WebSocket-Protocol: chat\n"
                ),
                400,
            ),
            (
                format!("Upgrade: websocket\nSec-WebSocket-Version: 13\n{KEY}{KEY}{protocol}"),
                400,
            ),
        ] {
            assert_eq!(ask(&headers).unwrap_err(), status, "{headers}");
        }
    }
}
