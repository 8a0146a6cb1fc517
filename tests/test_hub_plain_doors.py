"""Who gets through at a plain port: each kind of port, each direction, each identity, with a token, a certificate or nothing."""

import contextlib
import hashlib
import itertools
import secrets

import pytest
from hub import Client, TlsClient, ok
from support import frame

WHO = ("anonymous", "a", "b", "admin", "expired", "revoked")
RIGHTS = {
    "a": 'publish = ["a.*"]\nsubscribe = ["a.*"]',
    "b": 'publish = ["b.*"]\nsubscribe = ["b.*"]',
    "admin": 'publish = ["public.*"]\nsubscribe = ["*"]\nadmin = true',
    "expired": 'publish = ["*"]\nsubscribe = ["*"]\nexpires = 2020-01-01T00:00:00Z',
    # Its token is in no policy any more, and its certificate is on the list of the revoked.
    "revoked": 'publish = ["a.*"]\nsubscribe = ["a.*"]',
}
#: Of each channel and direction, who may.
MAY = {
    ("a.x", "out"): {"a", "admin"},
    ("a.x", "in"): {"a"},
    ("a.x", "both"): {"a"},
    ("public.x", "out"): {"anonymous", "admin"},
    ("public.x", "in"): {"admin"},
    ("public.x", "both"): {"admin"},
}
#: How the port is reached and asked for, and what a client shows there.
DOORS = {
    "plain": ("", "", None),
    "plain, token": ("", ",token", "token"),
    "tls": ("tls://", "", None),
    "tls, token": ("tls://", ",token", "token"),
    "mTLS": ("tls://", "", "certificate"),
    "mTLS, token": ("tls://", ",token", "both"),
}


def expected(door: str, channel: str, direction: str, who: str) -> bool:
    may = MAY[channel, direction]
    _, asks, shows = DOORS[door]
    if shows is None:
        return "anonymous" in may
    # What is asked for and not shown, not valid any more, or refused by TLS, is nobody's: not even anonymous gets in.
    if who in ("expired", "revoked") or (who == "anonymous" and asks):
        return False
    return who in may


@pytest.fixture(scope="module")
def certificates(authority):
    return {who: authority.make(who, f"DNS:{who}.example", "clientAuth") for who in WHO if who != "anonymous"}


@pytest.fixture
def tokens():
    return {who: (secrets.token_hex(4), secrets.token_urlsafe(32)) for who in RIGHTS}


@pytest.fixture
def policy(tmp_path, tokens):
    path, text = tmp_path / "hub.toml", '[anonymous]\nsubscribe = ["public.*"]\n'
    for who, rights in RIGHTS.items():
        hashed = hashlib.sha256(written(tokens[who]).encode()).hexdigest()
        token = [] if who == "revoked" else [f"{tokens[who][0]}:{hashed}"]
        text += f'[[identity]]\nname = "{who}"\ncertificate = "dns:{who}.example"\ntoken = {token}\n{rights}\n'.replace("'", '"')
    path.write_text(text)
    path.chmod(0o600)
    return path


def written(token: tuple[str, str]) -> str:
    return "tf_%s_%s" % token


@contextlib.contextmanager
def unless_closed():
    """Whatever the system or TLS says of a connection that the other side has closed; a wait that is too long is something else."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        pass


def test_each_identity_gets_through_at_each_kind_of_plain_port_as_it_may(hub, authority, certificates, tokens, policy):
    own = authority.make("hub", "DNS:localhost")
    # `revoked` has lost its token, and its certificate.
    list_of_revoked = authority.revoke(certificates["revoked"])
    ports = {(address, channel, direction, asks): None for (address, asks, _) in DOORS.values() for channel, direction in MAY}
    arguments = [f"--plain={address}127.0.0.1:0={channel}:{direction}{asks}" for address, channel, direction, asks in ports]
    started = hub("--auth", policy, "--replay", "1", "--tls-cert", own, "--tls-key", own.with_suffix(".key"), "--tls-client-ca", authority.certificate,
                  "--tls-client", "optional", "--tls-crl", list_of_revoked, *arguments)
    ports = dict(zip(ports, started.plain, strict=True))
    for who, channel in [("a", "a.x"), ("admin", "public.x")]:
        ok(started.publish(channel, [b"kept"], f" token={written(tokens[who])}"))

    def connect(door, channel, direction, who):
        address, asks, shows = DOORS[door]
        # From an address of its own: one that shows a bad token after the other is answered late.
        port, source = ports[address, channel, direction, asks], f"127.0.{WHO.index(who) + 1}.{len(seen) % 250 + 1}"
        if not address:
            return Client(port, source=source)
        certificate = certificates.get(who) if shows in ("certificate", "both") else None
        return TlsClient(port, authority.client(certificate), source=source)

    def gets_through(door, channel, direction, who) -> bool:
        """Whether it is sent what it may read, and what it sends is stored."""
        mark = b"%d" % len(seen)
        address, asks, _ = DOORS[door]
        # Whoever is not let in may find the connection closed already, and sends to nobody.
        with unless_closed(), connect(door, channel, direction, who) as client:
            if asks:
                client.send(frame(written(tokens[who]).encode() if who in tokens else b"hello"))
            if direction == "out":
                return client.frame() is not None
            client.send(frame(mark))
            if direction == "both":
                return mark in iter(client.frame, None)
            if address:
                client.sock.unwrap()
            else:
                client.half_close()
                client.rest()
        return direction != "out" and last(channel) == mark

    def last(channel):
        with contextlib.closing(started.connect()) as client:
            client.request(f"SUBSCRIBE {channel} from=-1 token={written(tokens['admin'])}")
            ok(client.answer())
            return client.frame()

    seen, wrong = {}, []
    for cell in itertools.product(DOORS, MAY, WHO):
        door, (channel, direction), who = cell
        seen[cell] = gets_through(door, channel, direction, who)
        if seen[cell] != expected(door, channel, direction, who):
            wrong.append((*cell, seen[cell]))
    assert not wrong, wrong
    assert len(seen) == 6 * 6 * 6 and 20 < sum(seen.values()) < 100
