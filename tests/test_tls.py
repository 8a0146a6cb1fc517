"""TLS outside the hub: `send`, `recv`, `talk`, `bridge`, `inspect --between` and the hub's clients, with `openssl`, Python and curl as peers."""

import os
import shutil
import socket
import ssl
import stat
import subprocess
import threading

import pytest
from authority import Authority
from support import BOUND, accept, connect, frame, frames, listener, read_to_end, unframe, wait_until


@pytest.fixture
def tls(tenfold, tmp_path, own):
    """Starts a command that listens over TLS, on a free port."""
    count = 0

    def start(command, *arguments, **options):
        nonlocal count
        count += 1
        options["port_file"] = tmp_path / f"tls-{count}"
        return tenfold(command, "--port-file", options["port_file"], *shown(own), *arguments, **options)

    return start


def shown(certificate):
    return "--tls-cert", certificate, "--tls-key", certificate.with_suffix(".key")


def served(own, *more):
    """A context of a Python server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, own.with_suffix(".key"))
    return context


def connected(running, context):
    sock = socket.create_connection(("127.0.0.1", running.port), timeout=BOUND)
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


LISTEN = ("--listen", "tls://127.0.0.1:0")


def test_send_and_recv_over_tls(tenfold, tls, authority):
    receiver = tls("recv", *LISTEN)
    assert receiver.address.startswith("tls://127.0.0.1:")
    sender = tenfold("send", receiver.address, "--tls-ca", authority.certificate, "hello", "world")
    assert sender.wait() == 0, sender.err
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"hello\nworld\n"


def test_a_sender_that_listens_over_tls(tenfold, tls, authority):
    sender = tls("send", *LISTEN, "one", "two")
    receiver = tenfold("recv", sender.address.replace("127.0.0.1", "localhost"), "--tls-ca", authority.certificate)
    assert receiver.wait() == 0, receiver.err
    assert sender.wait() == 0, sender.err
    assert receiver.out == b"one\ntwo\n"


def test_two_people_talk_over_tls(tenfold, tls, authority):
    one = tls("talk", *LISTEN, stdin=b"from one\n")
    other = tenfold("talk", one.address, "--tls-ca", authority.certificate, stdin=b"from the other\n")
    assert (one.wait(), other.wait()) == (0, 0), (one.err, other.err)
    assert (one.out, other.out) == (b"from the other\n", b"from one\n")


def test_a_large_stream_goes_through_in_order(tenfold, tls, authority, tmp_path):
    lines = b"".join(b"%d\n" % n for n in range(200_000))
    receiver = tls("recv", *LISTEN)
    sender = tenfold("send", receiver.address, "--tls-ca", authority.certificate, stdin=lines)
    assert sender.wait() == 0, sender.err
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == lines


def test_pythons_tls_is_a_peer_on_both_sides(tenfold, tls, authority, own):
    receiver = tls("recv", *LISTEN)
    client = connected(receiver, authority.client())
    client.sendall(frames([b"hello", b"x" * 100_000]))
    client.unwrap().close()
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"hello\n" + b"x" * 100_000 + b"\n"

    server, address = listener()
    sender = tenfold("send", f"tls://{address}", "--tls-ca", authority.certificate, "to python")
    sock = served(own).wrap_socket(accept(server), server_side=True, suppress_ragged_eofs=False)
    assert unframe(read_to_end(sock)) == [b"to python"]  # the end was said, or this is an error
    sock.close()
    assert sender.wait() == 0, sender.err


def test_openssl_is_a_peer_on_both_sides(run, tenfold, tls, authority, own):
    receiver = tls("recv", *LISTEN)
    openssl = run("openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", authority.certificate,
                  "-servername", "localhost", "-connect", f"127.0.0.1:{receiver.port}", stdin=frame(b"from openssl"))
    assert receiver.wait() == 0, (receiver.err, openssl.err)
    assert receiver.out == b"from openssl\n"

    # A port that is free now; nobody else on this machine is asked for it.
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = run("openssl", "s_server", "-quiet", "-cert", own, "-key", own.with_suffix(".key"), "-accept", f"127.0.0.1:{port}", "-naccept", "1", stdin="open")
    sender = tenfold("send", f"tls://127.0.0.1:{port}", "--retry=30s", "--tls-ca", authority.certificate, "to openssl")
    wait_until(lambda: b"to openssl" in server.out, what="the message at openssl")
    server.stdin.close()
    sender.wait()
    assert unframe(server.out) == [b"to openssl"]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not here")
def test_curl_connects_and_its_request_is_a_strangers(run, tls, authority):
    receiver = tls("recv", *LISTEN, "--framing", "line")
    curl = run("curl", "-sS", "--cacert", authority.certificate, f"https://localhost:{receiver.port}/")
    assert receiver.wait() != 0
    assert "HTTP" in receiver.err
    assert curl.wait() != 0
    assert receiver.out == b""


def test_a_stream_that_is_cut_is_not_one_that_has_ended(tls, authority):
    receiver = tls("recv", *LISTEN)
    client = connected(receiver, authority.client())
    client.sendall(frame(b"whole"))
    client.close()  # without close_notify
    assert receiver.wait() == 1
    assert receiver.out == b"whole\n"
    assert "the connection was cut" in receiver.err


def test_a_receiver_that_keeps_goes_on_after_a_cut_and_after_strangers(tls, authority):
    receiver = tls("recv", *LISTEN, "--keep")
    stranger = socket.create_connection(("127.0.0.1", receiver.port), timeout=BOUND)
    stranger.sendall(frame(b"plain"))
    wait_until(lambda: "is not TLS" in receiver.err, what="the words about the stranger")
    cut = connected(receiver, authority.client())
    cut.sendall(frame(b"first"))
    wait_until(lambda: receiver.out == b"first\n", what="the first message")
    cut.close()
    wait_until(lambda: "cut" in receiver.err, what="the words about the cut")
    good = connected(receiver, authority.client())
    good.sendall(frame(b"second"))
    wait_until(lambda: receiver.out == b"first\nsecond\n", what="the second message")
    good.unwrap()
    receiver.end()
    stranger.close()


def test_a_silent_client_does_not_keep_others_from_a_receiver(tls, authority):
    receiver = tls("recv", *LISTEN, "--keep")
    silent = [socket.create_connection(("127.0.0.1", receiver.port), timeout=BOUND) for _ in range(3)]
    client = connected(receiver, authority.client())
    client.sendall(frame(b"heard"))
    wait_until(lambda: receiver.out == b"heard\n", what="the message")
    for sock in silent:
        sock.close()
    receiver.end()


def test_who_listens_for_one_peer_waits_for_the_next_after_a_bad_handshake(tls, authority):
    receiver = tls("recv", *LISTEN)
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=BOUND) as stranger:
        stranger.sendall(b"hello, is anybody there?")
        wait_until(lambda: "waiting for the next" in receiver.err, what="the words about the stranger")
    assert "is not TLS" in receiver.err
    client = connected(receiver, authority.client())
    client.sendall(frame(b"hello"))
    client.unwrap()
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"hello\n"


def test_certificates_of_clients_are_asked_for_and_checked(tenfold, tls, authority, tmp_path):
    good = authority.make("good", "DNS:meter7.example", "clientAuth")
    lost = authority.make("lost", "DNS:meter8.example", "clientAuth")
    for_servers = authority.make("for-servers", "DNS:meter9.example", "serverAuth")
    other = Authority(tmp_path, "other").make("other", "DNS:meter7.example", "clientAuth")
    asking = ("--tls-client-ca", authority.certificate, "--tls-crl", authority.revoke(lost))
    receiver = tls("recv", *LISTEN, "--keep", *asking)

    def send(*arguments):
        return tenfold("send", receiver.address, "--tls-ca", authority.certificate, *arguments, "hello")

    for arguments, words, told in [
        ((), "it has shown no certificate", "it asks for a certificate"),
        (shown(other), "is not from a CA that is trusted here", "does not trust the CA"),
        (shown(lost), "has been revoked", "has been revoked"),
        (shown(for_servers), "for another use", "does not accept the certificate"),
    ]:
        before = len(receiver.err)
        sender = send(*arguments)
        assert sender.wait() != 0
        assert told in sender.err, sender.err
        wait_until(lambda: words in receiver.err[before:], what=f"{words} in {receiver.err[before:]}")
    assert send(*shown(good)).wait() == 0
    wait_until(lambda: receiver.out == b"hello\n", what="the message")
    receiver.end()
    optional = tls("recv", *LISTEN, *asking, "--tls-client", "optional")
    assert tenfold("send", optional.address, "--tls-ca", authority.certificate, "anybody").wait() == 0
    assert optional.wait() == 0, optional.err


def test_a_server_that_is_not_trusted_is_refused_with_what_to_do(tenfold, tls, authority, tmp_path):
    other = Authority(tmp_path, "other")
    wrong_name = authority.make("wrong-name", "DNS:hub.example")
    for certificate, trusted, words in [
        (None, other, "is not from a CA that is trusted here: give the file of the CA"),
        (wrong_name, authority, "is not for 127.0.0.1, but for hub.example"),
    ]:
        arguments = shown(certificate) if certificate else ()
        receiver = tls("recv", *LISTEN, "--keep") if not certificate else None
        if certificate:
            server, address = listener()
            thread = threading.Thread(target=lambda: handshake(server, certificate), daemon=True)
            thread.start()
        else:
            address = receiver.address.removeprefix("tls://")
        sender = tenfold("send", f"tls://{address}", "--tls-ca", trusted.certificate, "secret")
        assert sender.wait() == 3
        assert words in sender.err and "--tls-ca FILE is whom to trust" in sender.err, (arguments, sender.err)


def handshake(server, certificate):
    try:
        served(certificate).wrap_socket(accept(server), server_side=True)
    except ssl.SSLError:
        pass


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["send", "127.0.0.1:1", "--tls-ca", "CA", "x"], "--tls-ca is for addresses over TLS, and 127.0.0.1:1 is one without"),
        (["sub", "ticks", "-s", "127.0.0.1:1", "--tls-ca", "CA"], "write tls://127.0.0.1:1"),
        (["channels", "-s", "tls://127.0.0.1:1", "--tls-ca", "/nowhere"], "/nowhere: cannot read the certificates of the CA"),
        (["channels", "-s", "tls://127.0.0.1:1", "--tls-ca", "KEY"], "there is no certificate in this file"),
        (["pub", "ticks", "x", "-s", "tls://127.0.0.1:1", "--tls-cert", "OWN"], "--tls-cert needs --tls-key"),
        (["recv", "--listen", "tls://127.0.0.1:0"], "tenfold cert dev makes some"),
        (["recv", "--listen", "tls://127.0.0.1:0", "--tls-cert", "OWN", "--tls-key", "OTHER"], "does not belong to the certificate"),
        (["recv", "--listen", ":0", "--tls-cert", "OWN", "--tls-key", "KEY"], "write tls://127.0.0.1:0"),
        (["send", "ssl://127.0.0.1:1", "x"], "write tls://127.0.0.1:1"),
        (["send", "tls://127.0.0.1:1", "--tls-min", "1.1", "x"], "1.2"),
        (["bridge", "listen::0", "exec:cat", "--tls-cert", "OWN", "--tls-key", "KEY"], "is for addresses over TLS"),
        (["recv", "-", "--tls-ca", "CA"], "--tls-ca is for addresses over TLS, and there is none"),
        (["inspect", "-", "--tls-min", "1.2"], "--tls-min is for addresses over TLS, and there is none"),
        (["bench", "hub", "--tls-ca", "CA"], "--tls-ca is for addresses over TLS, and there is none"),
        (["serve", "--check", "--tls-min", "1.2"], "--tls-min is for addresses over TLS, and there is none"),
        (["serve", "--check", "--tls-client", "optional"], "needs --tls-client-ca FILE"),
        (["recv", "--listen", "tls://127.0.0.1:0", "--tls-cert", "OWN", "--tls-key", "KEY", "--tls-crl", "CA"], "needs --tls-client-ca FILE"),
    ],
)
def test_what_does_not_fit_is_wrong_usage(tenfold, authority, own, arguments, words):
    other = authority.make("another", "DNS:a.example")
    names = {"CA": authority.certificate, "OWN": own, "KEY": own.with_suffix(".key"), "OTHER": other.with_suffix(".key")}
    command = tenfold(*[names.get(argument, argument) for argument in arguments])
    assert command.wait() == 2, command.err
    assert words in command.err


@pytest.mark.parametrize("command", [["recv"], ["channels", "-s"], ["sub", "ticks", "-s"]], ids=" ".join)
def test_a_peer_that_says_nothing_to_a_hello_of_tls_may_be_one_without(tenfold, command):
    server, address = listener()
    with server:
        client = tenfold(*command, f"tls://{address}", *(["--timeout", "1s"] if command != ["sub", "ticks", "-s"] else []))
        assert client.wait() == 3, client.err
    assert "write the address without tls://" in client.err


def test_whoever_waits_for_a_peer_gives_up_in_time_also_after_a_handshake_that_failed(tls):
    receiver = tls("recv", *LISTEN, "--timeout", "5s")
    with connect(receiver.port) as stranger:
        stranger.sendall(b"hello")
        wait_until(lambda: "waiting for the next" in receiver.err, what="the end of the handshake")
        assert receiver.wait() == 5, receiver.err
    assert "nobody connected for 5s (--timeout)" in receiver.err


def test_a_key_that_others_can_read_is_refused(tenfold, authority):
    mine = authority.make("mine", "DNS:localhost")
    mine.with_suffix(".key").chmod(0o644)
    command = tenfold("recv", *LISTEN, *shown(mine))
    assert command.wait() == 2
    assert "others can read the key (mode 644): chmod 600" in command.err


def test_a_bridge_is_over_tls_on_either_side(tenfold, tls, run, authority):
    echo = tls("bridge", "listen:tls://127.0.0.1:0", "exec:cat", "--framing", "line")
    for _ in range(2):
        context = authority.client()
        client = connected(echo, context)
        client.sendall(b"hello\n" * 1000)
        received = b""
        while len(received) < 6000:
            received += client.recv(65536)
        assert received == b"hello\n" * 1000
        client.close()
    there = tenfold("bridge", "-", echo.address, "--framing", "line", "--tls-ca", authority.certificate, stdin=b"through\n")
    assert there.wait() == 0, there.err
    assert there.out == b"through\n"
    echo.end()


def test_a_broadcast_is_over_tls(tenfold, tls, authority):
    server = tls("broadcast", *LISTEN, "--wait-clients", "2", stdin=b"one\ntwo\n")
    receivers = [tenfold("recv", server.address, "--tls-ca", authority.certificate) for _ in range(2)]
    for receiver in receivers:
        assert receiver.wait() == 0, receiver.err
        assert receiver.out == b"one\ntwo\n"
    assert server.wait() == 0, server.err


def test_inspect_between_passes_on_over_tls_and_shows(tenfold, tls, authority):
    behind = tls("recv", *LISTEN)
    between = tls("inspect", "--between", "tls://127.0.0.1:0", behind.address, "--tls-ca", authority.certificate)
    sender = tenfold("send", between.address, "--tls-ca", authority.certificate, "seen", "and passed on")
    assert sender.wait() == 0, (sender.err, between.err)
    assert behind.wait() == 0, behind.err
    assert behind.out == b"seen\nand passed on\n"
    wait_until(lambda: b"and passed on" in between.out, what="the row")
    between.end()


def test_inspect_between_passes_a_cut_on_as_a_cut(tls, authority):
    behind = tls("recv", *LISTEN)
    between = tls("inspect", "--between", "tls://127.0.0.1:0", behind.address, "--tls-ca", authority.certificate)
    client = connected(between, authority.client())
    client.sendall(frame(b"whole"))
    wait_until(lambda: b"whole" in between.out, what="the row")
    client.close()
    assert behind.wait() == 1
    assert (behind.out, "was cut" in behind.err) == (b"whole\n", True)
    between.end()


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["recv", "--listen", "0.0.0.0:0"], "Everybody there can send messages"),
        (["recv", "--listen", "0.0.0.0:0", "--exec", "true"], "the command of --exec runs for them"),
        (["recv", "--listen", "tls://0.0.0.0:0", "OWN"], "Everybody there can send messages"),
        (["bridge", "listen:0.0.0.0:0", "exec:cat"], "use what is at the other end"),
        (["inspect", "--listen", "0.0.0.0:0"], "send what is shown here"),
        (["inspect", "--between", "0.0.0.0:0", "127.0.0.1:1"], "use what is behind it"),
    ],
)
def test_a_network_is_not_listened_to_unless_that_is_said(tenfold, own, arguments, words, tmp_path):
    arguments = [part for one in arguments for part in (shown(own) if one == "OWN" else [one])]
    command = tenfold(*arguments)
    assert command.wait() == 2, command.err
    assert words in command.err and "--insecure-listen" in command.err
    assert ("nothing is encrypted" in command.err) == ("tls://" not in " ".join(map(str, arguments)))
    port_file = tmp_path / "port"
    allowed = tenfold(*arguments, "--insecure-listen", "--port-file", port_file, port_file=port_file)
    assert allowed.addresses
    wait_until(lambda: words in allowed.err, what=f"{words} in {allowed.err}")
    allowed.end()


def test_tls_with_certificates_of_clients_may_listen_to_a_network(tls, authority):
    receiver = tls("recv", "--listen", "tls://0.0.0.0:0", "--tls-client-ca", authority.certificate)
    assert receiver.addresses
    assert "warning" not in receiver.err
    receiver.end()


def test_a_hub_over_tls_is_used_by_every_client(tenfold, tmp_path, own, authority):
    port_file = tmp_path / "hub"
    hub = tenfold("serve", *LISTEN, "--port-file", port_file, *shown(own), port_file=port_file)
    at = ("-s", hub.address, "--tls-ca", authority.certificate)
    published = tenfold("pub", "ticks", *at, stdin=b"one\ntwo\n")
    assert published.wait() == 0, published.err
    subscribed = tenfold("sub", "ticks", *at, "--from", "first", "--until-end", "--format", "%c %T %m")
    assert subscribed.wait() == 0, subscribed.err
    assert [line.split()[-1] for line in subscribed.out.splitlines()] == [b"one", b"two"]
    followed = tenfold("sub", "t*", *at, "--from", "first", "--until-end")
    assert followed.wait() == 0, followed.err
    assert followed.out == b"ticks\tone\nticks\ttwo\n"
    for arguments, words in [(["channels"], b"ticks"), (["channels", "--health"], b"status=ok"), (["clients", "--json"], b"peer"), (["top", "--once", "--every", "10ms"], b"ticks")]:
        listed = tenfold(*arguments, *at)
        assert listed.wait() == 0, listed.err
        assert words in listed.out, arguments
    assert tenfold("bridge", "-", "hub:ticks:in", *at, stdin=frame(b"three")).wait() == 0
    measured = tenfold("bench", "hub", *at, "--count", "1000", "--yes")
    assert measured.wait() == 0, measured.err
    deleted = tenfold("delete", "ticks", *at, "--yes")
    assert deleted.wait() == 0, deleted.err
    untrusted = tenfold("channels", "-s", hub.address)
    assert untrusted.wait() == 3
    assert "not from a CA that is trusted here" in untrusted.err
    hub.end()


def test_certificates_to_try_things_out(tenfold, tmp_path):
    directory = tmp_path / "certificates"
    made = tenfold("cert", "dev", directory, "--name", "hub.example", "--client", "meter7.example")
    assert made.wait() == 0, made.err
    assert made.out == b""
    assert f"--tls-ca {directory}/ca.pem" in made.err
    files = {"ca.pem", "server.pem", "server.key", "client.pem", "client.key"}
    assert set(os.listdir(directory)) == files
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE((directory / name).stat().st_mode) for name in files} == {0o600}
    checked = subprocess.run(
        ["openssl", "verify", "-CAfile", directory / "ca.pem", "-purpose", "sslserver", "-verify_hostname", "hub.example", directory / "server.pem"],
        capture_output=True, text=True, timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
    again = tenfold("cert", "dev", directory)
    assert again.wait() == 1
    assert "choose another DIR" in again.err
    port_file = tmp_path / "port"
    receiver = tenfold("recv", *LISTEN, "--port-file", port_file, *shown(directory / "server.pem"),
                       "--tls-client-ca", directory / "ca.pem", port_file=port_file)
    sender = tenfold("send", receiver.address, "--tls-ca", directory / "ca.pem", *shown(directory / "client.pem"), "it works")
    assert (sender.wait(), receiver.wait()) == (0, 0), (sender.err, receiver.err)
    assert receiver.out == b"it works\n"
