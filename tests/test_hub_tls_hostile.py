"""What TLS meets from peers that mean it badly, or know it badly: names, versions, pieces, silence, and certificates of each wrong kind."""

import contextlib
import ssl

import pytest
from authority import Authority
from hub import TlsClient, ok, refused
from support import BOUND, frame, wait_until

#: What a client finds whom TLS does not let in. Of TLS 1.3 it learns what the hub thinks of its certificate after it has begun.
NOT_LET_IN = (ssl.SSLError, ConnectionError, AssertionError)


def health(hub, context, **options):
    with TlsClient(hub.plain[0], context, **options) as client:
        client.request("HEALTH")
        return ok(client.only())


@pytest.mark.parametrize("name", ["localhost", "unknown.example", "127.0.0.1", None], ids=str)
def test_whatever_name_a_client_asks_for_it_is_shown_the_certificate_that_there_is(tls_hub, authority, name):
    context = authority.client()
    context.check_hostname = name not in (None, "unknown.example")
    assert health(tls_hub(), context, name=name)["status"] == "ok"


def test_a_client_that_checks_the_name_does_not_take_the_certificate_for_another_one(tls_hub, authority):
    hub = tls_hub()
    with pytest.raises(ssl.SSLCertVerificationError):
        health(hub, authority.client(), name="unknown.example")
    assert health(hub, authority.client())["status"] == "ok"


def test_an_old_version_is_refused_unless_the_hub_is_told_to_take_it(tls_hub, authority):
    old = authority.client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    hub = tls_hub()
    with pytest.raises(ssl.SSLError, match="(?i)version"):
        health(hub, old)
    assert health(hub, authority.client())["status"] == "ok"
    assert health(tls_hub("--tls-min", "1.2"), old)["status"] == "ok"


def test_a_hello_may_come_byte_by_byte(tls_hub, authority):
    hub = tls_hub()
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = authority.client().wrap_bio(received, sent, server_hostname="localhost")
    with hub.connect(hub.plain[0]) as raw:
        raw.sock.settimeout(BOUND)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in sent.read():
                    raw.send(bytes([byte]))
                data = raw.sock.recv(1 << 16)
                assert data, "the hub has ended the handshake"
                received.write(data)
        client.write(frame(b"HEALTH"))
        for byte in sent.read():
            raw.send(bytes([byte]))
        answer = b""
        while b"status=ok" not in answer:
            try:
                answer += client.read(1 << 10)
            except ssl.SSLWantReadError:
                received.write(raw.sock.recv(1 << 16))


@pytest.mark.parametrize("begins", [b"", b"\x16", b"\x16\x03\x01\x40\x00"], ids=["silent", "one byte", "a record that does not come"])
def test_those_who_do_not_go_on_are_ended_and_keep_nobody_out(tls_hub, authority, begins):
    hub = tls_hub("--request-timeout", "1s")
    held = []
    for _ in range(700):
        held.append(hub.connect(hub.plain[0]))
        with contextlib.suppress(ConnectionError):
            held[-1].send(begins)
    assert health(hub, authority.client(), source="127.0.0.2")["status"] == "ok"
    for client in held:
        with contextlib.suppress(ConnectionError):
            # At most the alert by which TLS says its end.
            assert client.sock.recv(64) in (b"", bytes.fromhex("15030300020100"))
    wait_until(lambda: hub.health()["connections"] == "1", what="all of them to be gone")


DATES = {"expired": ("20200101000000Z", "20200201000000Z"), "not yet": ("20990101000000Z", "20990201000000Z")}


@pytest.mark.parametrize("wrong", ["none", "self-signed", "other CA", "expired", "not yet", "revoked", "wrong use", "CN only"])
def test_a_certificate_that_is_not_good_lets_nobody_in(tls_hub, authority, tmp_path, wrong):
    name = "DNS:meter7.example"
    policy = tmp_path / "hub.toml"
    policy.write_text('[[identity]]\nname = "meter7"\ncertificate = "dns:meter7.example"\npublish = ["meters.7"]\n')
    policy.chmod(0o600)
    good = authority.make("good", name, "clientAuth")
    shown = {
        "none": lambda: None,
        "self-signed": lambda: Authority(tmp_path, "meter7.example").certificate,
        "other CA": lambda: Authority(tmp_path, "other").make("other", name, "clientAuth"),
        "expired": lambda: authority.make("expired", name, "clientAuth", DATES[wrong]),
        "not yet": lambda: authority.make("early", name, "clientAuth", DATES[wrong]),
        "revoked": lambda: authority.make("revoked", name, "clientAuth"),
        "wrong use": lambda: authority.make("server", name, "serverAuth"),
        "CN only": lambda: authority.make("meter7.example", "", "clientAuth"),
    }[wrong]()
    revoked = authority.revoke(*[shown] if wrong == "revoked" else [])
    hub = tls_hub("--auth", policy, "--tls-client-ca", authority.certificate, "--tls-crl", revoked)

    def answer(certificate):
        with TlsClient(hub.plain[0], authority.client(certificate)) as client:
            client.request("PUBLISH meters.7")
            return client.answer()

    if wrong == "CN only":
        # It is of the CA, so TLS has nothing against it. But it is nobody's.
        refused(answer(shown), "AUTH")
    else:
        with pytest.raises(NOT_LET_IN):
            answer(shown)
        wait_until(lambda: "TLS handshake failed" in hub.process.err, what="the line of the log")
    assert ok(answer(good))["next"] == "0"
