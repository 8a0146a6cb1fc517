"""Who gets through at a plain port: each kind of port, each direction, each identity, with a token, a certificate or nothing."""

import contextlib
import itertools

from hub import Client, TlsClient, ok
from identities import WHO, address
from support import frame

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


@contextlib.contextmanager
def unless_closed():
    """Whatever the system or TLS says of a connection that the other side has closed; a wait that is too long is something else."""
    try:
        yield
    except TimeoutError:
        raise
    except OSError:
        pass


def test_each_identity_gets_through_at_each_kind_of_plain_port_as_it_may(hub, everybody):
    ports = {(scheme, channel, direction, asks): None for (scheme, asks, _) in DOORS.values() for channel, direction in MAY}
    arguments = [f"--plain={scheme}127.0.0.1:0={channel}:{direction}{asks}" for scheme, channel, direction, asks in ports]
    started = everybody.start(hub, "--replay", "1", *arguments)
    ports = dict(zip(ports, started.plain, strict=True))
    for who, channel in [("a", "a.x"), ("admin", "public.x")]:
        ok(started.publish(channel, [b"kept"], f" token={everybody.tokens[who]}"))

    def connect(door, channel, direction, who):
        scheme, asks, shows = DOORS[door]
        port, source = ports[scheme, channel, direction, asks], address(who, len(seen))
        if not scheme:
            return Client(port, source=source)
        certificate = everybody.certificates.get(who) if shows in ("certificate", "both") else None
        return TlsClient(port, everybody.authority.client(certificate), source=source)

    def gets_through(door, channel, direction, who) -> bool:
        """Whether it is sent what it may read, and what it sends is stored."""
        mark = b"%d" % len(seen)
        scheme, asks, _ = DOORS[door]
        # Whoever is not let in may find the connection closed already, and sends to nobody.
        with unless_closed(), connect(door, channel, direction, who) as client:
            if asks:
                client.send(frame(everybody.tokens.get(who, "hello").encode()))
            if direction == "out":
                return client.frame() is not None
            client.send(frame(mark))
            if direction == "both":
                return mark in iter(client.frame, None)
            if scheme:
                client.sock.unwrap()
            else:
                client.half_close()
                client.rest()
        return direction != "out" and last(channel) == mark

    def last(channel):
        with contextlib.closing(started.connect()) as client:
            client.request(f"SUBSCRIBE {channel} from=-1 token={everybody.tokens['admin']}")
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
