"""A hub over TLS: `serve` with certificates, clients with and without, at the wire with other programs' TLS."""

import json
import re
import shutil
import signal
import ssl
import subprocess

import pytest
from authority import Authority
from hub import TlsClient, ok, refused
from support import BOUND, FULL, frame, wait_until


def ask(hub, context, line):
    client = TlsClient(hub.plain[0], context)
    client.request(line)
    return client, client.answer()


def test_python_publishes_and_subscribes_over_tls(tls_hub, authority):
    hub = tls_hub()
    assert hub.process.addresses[1].startswith("tls://127.0.0.1:")
    subscriber, answer = ask(hub, authority.client(), "SUBSCRIBE ticks")
    ok(answer)
    publisher, answer = ask(hub, authority.client(), "PUBLISH ticks")
    ok(answer)
    messages = [b"first", b"", b"x" * 300_000]
    publisher.send(b"".join(map(frame, messages)))
    assert [subscriber.frame() for _ in messages] == messages
    assert hub.messages("ticks", 3) == messages


def test_openssl_is_a_client_in_ten_lines(tls_hub, authority, tmp_path):
    hub = tls_hub()
    stdin = frame(b"PUBLISH ticks") + frame(b"hello") + frame(b"again")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{hub.plain[0]}", "-CAfile", authority.certificate,
               "-verify_return_error", "-verify_hostname", "localhost", "-alpn", "tenfold/1", "-quiet", "-no_ign_eof"]
    subprocess.run(command, input=stdin, capture_output=True, timeout=BOUND)
    assert hub.messages("ticks", 2) == [b"hello", b"again"]
    if shutil.which("curl"):
        # It speaks HTTP, which a hub's port does not.
        done = subprocess.run(["curl", "-sS", "--cacert", authority.certificate, f"https://localhost:{hub.plain[0]}/"], capture_output=True, timeout=BOUND)
        assert done.returncode != 0


def test_another_protocol_name_is_refused_and_none_is_fine(tls_hub, authority):
    hub = tls_hub()
    for names in [["tenfold/1"], ["h2", "http/1.1"], ["h2", "tenfold/1"]]:
        context = authority.client()
        context.set_alpn_protocols(names)
        client, answer = ask(hub, context, "HEALTH")
        assert ok(answer)["status"] == "ok"
        client.close()
    context = authority.client()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError):
        TlsClient(hub.plain[0], context)
    wait_until(lambda: "a client's mistake" in hub.process.err, what="the line of the log")


def test_the_end_of_a_hub_is_said_and_an_end_that_is_not_said_is_told_in_the_log(tls_hub, authority):
    hub = tls_hub()
    subscriber, _ = ask(hub, authority.client(), "SUBSCRIBE ticks")
    publisher, _ = ask(hub, authority.client(), "PUBLISH ticks")
    publisher.send(frame(b"kept"))
    assert (subscriber.frame(), publisher.frame()) == (b"kept", b"ACK 1")
    # Python says the end only when it is told to: this is an end of TCP.
    publisher.sock.close()
    other, _ = ask(hub, authority.client(), "SUBSCRIBE ticks")
    other.sock.close()
    for who in ("publisher", "subscriber"):
        wait_until(lambda who=who: re.search(f"{who} disconnected .* reason=cut", hub.process.err), what=f"the line about a {who}")
    hub.process.signal(signal.SIGTERM)
    # Without `close_notify` this would be an error.
    assert subscriber.rest() == []


def test_a_subscriber_that_has_what_it_wanted_is_not_cut(tls_hub, tenfold, authority):
    hub = tls_hub()
    hub.publish("ticks", [b"one", b"two"])
    for wanted in ["--until-end", "--count=1"]:
        done = tenfold("sub", "ticks", "-s", f"tls://localhost:{hub.plain[0]}", "--tls-ca", authority.certificate, "--from", "first", wanted)
        assert done.wait() == 0, done.err
    # The hub learns from the next message that they receive nothing more either.
    hub.publish("ticks", [b"three"])
    ended = "subscriber disconnected"
    wait_until(lambda: hub.process.err.count(ended) == 2, what="the lines of the log")
    assert "reason=cut" not in hub.process.err


@pytest.fixture
def policy(tmp_path):
    """A policy for certificates."""
    path = tmp_path / "hub.toml"
    path.write_text(
        '[[identity]]\nname = "meter7"\ncertificate = "dns:meter7.example"\npublish = ["meters.7"]\n'
        '[[identity]]\nname = "reader"\ncertificate = "uri:spiffe://example/reader"\nsubscribe = ["*"]\nadmin = true\n'
    )
    path.chmod(0o600)
    return path


def test_a_certificate_says_who_a_client_is(tls_hub, authority, policy, tmp_path):
    meter = authority.make("meter7.example", "DNS:meter7.example", "clientAuth")
    reader = authority.make("reader", "URI:spiffe://example/reader", "clientAuth")
    stranger = authority.make("meter7", "DNS:other.meter7.example", "clientAuth")
    audit = tmp_path / "audit"
    hub = tls_hub("--auth", policy, "--audit", audit, "--tls-client-ca", authority.certificate, "--tls-client", "optional")
    publisher, answer = ask(hub, authority.client(meter), "PUBLISH meters.7")
    ok(answer)
    refused(ask(hub, authority.client(meter), "PUBLISH meters.8")[1], "DENIED")
    refused(ask(hub, authority.client(stranger), "PUBLISH meters.7")[1], "AUTH")
    refused(ask(hub, authority.client(), "PUBLISH meters.7")[1], "AUTH")
    client, answer = ask(hub, authority.client(reader), "CLIENTS")
    assert b'"identity":"meter7"' in answer + b"".join(client.rest())
    publisher.close()
    lines = wait_until(lambda: [json.loads(line) for line in audit.read_text().splitlines()] if audit.exists() else None, what="the audit")
    assert lines[0]["identity"] == "meter7" and "token" not in lines[0]


def test_a_hub_that_asks_for_certificates_takes_only_good_ones(tls_hub, authority, tmp_path):
    other = Authority(tmp_path, "other")
    good = authority.make("good", "DNS:good.example", "clientAuth")
    of_server = authority.make("server", "DNS:server.example", "serverAuth")
    hub = tls_hub("--tls-client-ca", authority.certificate)
    ok(ask(hub, authority.client(good), "HEALTH")[1])
    for wrong in [None, of_server, other.make("good", "DNS:good.example", "clientAuth")]:
        # Of TLS 1.3 the client learns what the hub thinks of its certificate after it has begun.
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            ask(hub, authority.client(wrong), "HEALTH")
    wait_until(lambda: "TLS handshake failed" in hub.process.err, what="the line of the log")


def test_a_certificate_that_is_revoked_by_a_reload_ends_its_connections_and_no_others(tls_hub, authority):
    lost = authority.make("lost", "DNS:lost.example", "clientAuth")
    kept = authority.make("kept", "DNS:kept.example", "clientAuth")
    revoked = authority.revoke()
    hub = tls_hub("--tls-client-ca", authority.certificate, "--tls-crl", revoked)
    clients = {own: ask(hub, authority.client(own), "SUBSCRIBE ticks")[0] for own in (lost, kept)}
    publisher, _ = ask(hub, authority.client(lost), "PUBLISH ticks")
    publisher.send(frame(b"before"))
    assert [clients[own].frame() for own in (lost, kept)] == [b"before"] * 2
    assert publisher.frame() == b"ACK 1"
    # A list that cannot be read changes nothing.
    text = revoked.read_text()
    revoked.write_text("nothing")
    hub.process.signal(signal.SIGHUP)
    wait_until(lambda: "no setting is changed" in hub.process.err, what="the line about the list")
    publisher.send(frame(b"still"))
    assert [clients[own].frame() for own in (lost, kept)] == [b"still"] * 2
    assert publisher.frame() == b"ACK 2"
    revoked.write_text(text)
    authority.revoke(lost)
    hub.process.signal(signal.SIGHUP)
    assert clients[lost].rest() == []
    refused(publisher.only(), "AUTH")
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        ask(hub, authority.client(lost), "HEALTH")
    hub_publisher, _ = ask(hub, authority.client(kept), "PUBLISH ticks")
    hub_publisher.send(frame(b"after"))
    assert clients[kept].frame() == b"after"


def test_a_network_needs_tls_and_a_policy_or_a_word(tenfold, own, policy):
    tls = ("--tls-cert", own, "--tls-key", own.with_suffix(".key"))
    for arguments, words in [
        (("--listen", "0.0.0.0:0"), "without --auth a hub does not ask"),
        (("--listen", "0.0.0.0:0", "--auth", policy), "nothing is encrypted"),
        (("--listen", "tls://0.0.0.0:0", *tls), "without --auth a hub does not ask"),
        (("--plain", "0.0.0.0:0=ticks", "--auth", policy), "nothing is encrypted"),
        (("--listen", "tls://127.0.0.1:0"), "needs a certificate and its key: --tls-cert FILE"),
        (tls, "--tls-cert is for addresses over TLS"),
    ]:
        checked = tenfold("serve", "--check", *arguments)
        assert checked.wait() == 2 and words in checked.err, checked.err
    good = tenfold("serve", "--check", "--listen", "tls://0.0.0.0:0", "--auth", policy, *tls)
    assert good.wait() == 0, good.err


def test_the_start_says_what_an_insecure_network_means(tenfold, tmp_path):
    hub = tenfold("serve", "--listen", "0.0.0.0:0", "--insecure-listen", "--port-file", tmp_path / "ports")
    wait_until(lambda: "listening" in hub.err, what="the start")
    assert "nothing is encrypted" in hub.err and "without --auth everybody there can read and write" in hub.err


def test_subscribers_that_take_nothing_cost_a_record_each(tls_hub, authority, tmp_path):
    """What was encrypted for a client that does not read is one record, and not the batch that was to be written."""
    count, size = (1000, 1 << 30) if FULL else (200, 64 << 20)
    hub = tls_hub("--data", tmp_path / "data", "--memory", "16MiB", "--retain", "max-bytes=2GiB")
    message = b"x" * 1000
    hub.publish("large", [message] * (size // 1010))
    context = authority.client()
    with TlsClient(hub.plain[0], context) as first:
        first.request("SUBSCRIBE large from=first")
        ok(first.answer())
        assert first.frame() == message
    before = hub.resident()
    clients = []
    for _ in range(count):
        client = TlsClient(hub.plain[0], context)
        client.request("SUBSCRIBE large from=first")
        clients.append(client)
    wait_until(lambda: hub.health()["connections"] == str(count + 1), what="all of them")
    for client in clients:
        ok(client.answer())
    # All of them are stalled. What was read for them from the files is let go, or counted in `--memory`, whichever clients
    # it is for. A batch for each would be 512 KiB.
    most = before + (16 << 20) + count * 40 * 1024
    wait_until(lambda: hub.resident() < most, what=f"a hub of less than {most} bytes, which has {hub.resident()}")
    print(f"{count} stalled subscribers: {before} before, {hub.resident()} bytes now")
    assert clients[-1].frame() == message
    for client in clients:
        client.close()
