"""The identities of the tables that say who may do what, at each kind of port: what they may, and what they show."""

import hashlib
import secrets
from pathlib import Path

from authority import Authority

WHO = ("anonymous", "a", "b", "admin", "expired", "revoked")
RIGHTS = {
    "a": 'publish = ["a.*"]\nsubscribe = ["a.*"]',
    "b": 'publish = ["b.*"]\nsubscribe = ["b.*"]',
    "admin": 'publish = ["public.*"]\nsubscribe = ["*"]\nadmin = true',
    "expired": 'publish = ["*"]\nsubscribe = ["*"]\nexpires = 2020-01-01T00:00:00Z',
    # Its token is in no policy any more, and its certificate is on the list of the revoked.
    "revoked": 'publish = ["a.*"]\nsubscribe = ["a.*"]',
}


class Everybody:
    """A policy with all of them; the token and the certificate of each but `anonymous`; the list of what is revoked."""

    def __init__(self, directory: Path, authority: Authority):
        self.authority = authority
        self.tokens = {who: f"tf_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}" for who in RIGHTS}
        self.certificates = {who: authority.make(who, f"DNS:{who}.example", "clientAuth") for who in RIGHTS}
        self.list_of_revoked = authority.revoke(self.certificates["revoked"])
        self.policy = directory / "hub.toml"
        text = '[anonymous]\nsubscribe = ["public.*"]\n'
        for who, rights in RIGHTS.items():
            token = self.tokens[who]
            known = "" if who == "revoked" else f'"{token.split("_")[1]}:{hashlib.sha256(token.encode()).hexdigest()}"'
            text += f'[[identity]]\nname = "{who}"\ncertificate = "dns:{who}.example"\ntoken = [{known}]\n{rights}\n'
        self.policy.write_text(text)
        self.policy.chmod(0o600)

    def start(self, hub, *arguments):
        """A hub with this policy, where clients may show certificates."""
        own = self.authority.make("hub", "DNS:localhost,IP:127.0.0.1")
        return hub("--auth", self.policy, "--tls-cert", own, "--tls-key", own.with_suffix(".key"), "--tls-client-ca", self.authority.certificate,
                   "--tls-client", "optional", "--tls-crl", self.list_of_revoked, *arguments)


def address(who: str, number: int) -> str:
    """An address of somebody's for its connection of this number: an address that shows one bad token after the other is answered late."""
    return f"127.0.{WHO.index(who) + 1}.{number % 250 + 1}"
