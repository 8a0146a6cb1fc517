"""`send`, `recv` and `broadcast` say that messages have arrived only if that is known."""

import json
import socket
import ssl
import struct
import subprocess

import pytest

from support import accept, connect, frame, listener, read_to_end, wait_until


def reset(peer: socket.socket):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def summary(process) -> dict:
    return json.loads(next(line for line in process.err.splitlines() if line.startswith("{")))


@pytest.mark.parametrize("close", [reset, socket.socket.close], ids=["reset", "closed with unread bytes"])
def test_a_receiver_that_reads_nothing_and_goes_is_a_failure(tenfold, close):
    server, address = listener()
    sender = tenfold("send", address, "--report", "json", "one", "two")
    peer = accept(server)
    # It has come, and nobody has read it.
    peer.recv(1, socket.MSG_PEEK)
    close(peer)
    assert sender.wait() == 1, sender.err
    assert "went away before it had read everything" in summary(sender)["error"]


def test_a_receiver_that_reads_everything_and_closes_is_a_success(tenfold):
    server, address = listener()
    sender = tenfold("send", address, "--report", "json", stdin=b"line\n" * 100_000)
    with accept(server) as peer:
        assert read_to_end(peer) == frame(b"line") * 100_000
    assert sender.wait() == 0, sender.err
    assert summary(sender)["error"] is None


def test_send_waits_until_the_last_byte_is_acknowledged(tenfold):
    server, address = listener()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    message = b"x" * 300_000
    sender = tenfold("send", address, stdin=message)
    with accept(server) as peer:
        # Longer than the receiver is waited for when everything has arrived.
        with pytest.raises(subprocess.TimeoutExpired):
            sender.process.wait(2)
        assert read_to_end(peer) == frame(message)
    assert sender.wait() == 0, sender.err


def test_a_receiver_that_takes_nothing_of_the_rest_is_a_time_out(tenfold):
    server, address = listener()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sender = tenfold("send", address, "--timeout", "300ms", stdin=b"x" * 300_000)
    with accept(server):
        assert sender.wait() == 5, sender.err
    assert "may not have arrived" in sender.err


def test_a_tls_server_that_answers_with_an_alert_has_taken_nothing(tenfold, tmp_path):
    certificate, key = tmp_path / "certificate", tmp_path / "key"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate]
    subprocess.run(make, check=True, capture_output=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server, address = listener()
    sender = tenfold("send", address, "hello")
    with accept(server) as peer:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(peer, server_side=True)
    assert sender.wait() == 1, sender.err


def test_an_alert_is_named_also_if_the_server_reads_everything(tenfold):
    server, address = listener()
    sender = tenfold("send", address, "hello")
    with accept(server) as peer:
        assert read_to_end(peer) == frame(b"hello")
        peer.sendall(bytes.fromhex("15030300020246"))
    assert sender.wait() == 1, sender.err
    assert "speaks TLS" in sender.err


def probe(port: int):
    """What `nc -z` does."""
    connect(port).close()


@pytest.mark.parametrize("source", ["arguments", "stdin"])
def test_a_probe_is_not_a_receiver_and_the_next_is_waited_for(tenfold, source):
    given = {"stdin": b"one\ntwo\n"} if source == "stdin" else {}
    words = [] if source == "stdin" else ["one", "two"]
    sender = tenfold("send", *words, listen=True, **given)
    for _ in range(2):
        probe(sender.port)
        wait_until(lambda: "waiting for the next" in sender.err, what="the note")
    with connect(sender.port) as receiver:
        assert read_to_end(receiver) == frame(b"one") + frame(b"two")
    assert sender.wait() == 0, sender.err


def test_a_receiver_that_has_ended_its_own_side_is_one(tenfold):
    sender = tenfold("send", "one", listen=True)
    with connect(sender.port) as receiver:
        receiver.shutdown(socket.SHUT_WR)
        assert read_to_end(receiver) == frame(b"one")
    assert sender.wait() == 0, sender.err
    assert "waiting for the next" not in sender.err


def test_a_probe_is_not_a_sender_and_the_next_is_waited_for(tenfold):
    receiver = tenfold("recv", listen=True)
    for _ in range(2):
        probe(receiver.port)
    wait_until(lambda: receiver.err.count("waiting for the next") == 2, what="the notes")
    with connect(receiver.port) as sender:
        sender.sendall(frame(b"one"))
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b"one\n"


def test_a_broadcast_says_what_was_sent_and_not_that_it_was_delivered(tenfold):
    server = tenfold("broadcast", "--report", "json", "--wait-clients", "1", stdin=b"one\n", listen=True)
    with connect(server.port) as client:
        assert read_to_end(client) == frame(b"one")
    assert server.wait() == 0, server.err
    assert summary(server)["sent"] == 1 and "deliver" not in server.err
