"""What clients make of somebody who only says that he is a hub: nothing is believed, and nothing is unbounded."""

import socket
import threading

import pytest

from support import frame

STEERING = b"\x1b]0;owned\x07\x1b[2J"


@pytest.fixture
def hostile():
    """Listens, and answers the first bytes of each connection with bytes of the test's choice."""
    listeners = []

    def start(answer):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    try:
                        client.recv(4096)
                        for part in answer if isinstance(answer, list) else [answer]:
                            client.sendall(part)
                        client.shutdown(socket.SHUT_WR)
                        client.recv(10)
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        return "127.0.0.1:%d" % listener.getsockname()[1]

    yield start
    for listener in listeners:
        listener.close()


def channel(name):
    return frame(b'{"channel":"%s","epoch":"00","first":0,"next":1,"bytes":1,"subscribers":0,"publishers":0}' % name)


def test_a_name_of_any_length_makes_no_table_of_its_width(tenfold, hostile):
    names = [channel(b"short"), channel(b"x" * 60_000)] * 10
    listed = tenfold("channels", "--server", hostile(names))
    assert listed.wait() == 0, listed.err
    assert len(listed.out) < 20 * 400
    assert b"short" in listed.out and b"xxx..." in listed.out


def test_a_line_or_a_list_without_end_is_refused(tenfold, hostile):
    for answer in [channel(b"x" * 70_000), [channel(b"y" * 60_000) * 50] * 200]:
        listed = tenfold("channels", "--server", hostile(answer))
        assert listed.wait() in (1, 4), listed.err
        assert listed.out == b"" and len(listed.err) < 1000
        assert "panicked" not in listed.err


@pytest.mark.parametrize("command", [["sub", "t"], ["pub", "t", "x"], ["channels"], ["channels", "--health"], ["clients"], ["delete", "t"]])
@pytest.mark.parametrize("answer", [b"ERROR DENIED " + STEERING, b"OK status=" + STEERING, b"OK next=\xc2\x9b2J"])
def test_what_is_not_printable_ascii_is_not_an_answer_of_a_hub(tenfold, hostile, command, answer):
    asking = tenfold(*command, "--server", hostile(frame(answer)), "--timeout", "500ms")
    assert asking.wait() != 0, asking.out
    for text in (asking.out, asking.err.encode()):
        assert b"\x1b" not in text and b"\x07" not in text and b"\xc2\x9b" not in text
    assert "panicked" not in asking.err


def test_a_framing_of_any_length_is_refused_in_a_few_lines(tenfold):
    for line in ["x" * 70_000, "u8," + "a" * 70_000, "delim:" + "é" * 30_000 + ",bad", "\x1b" * 70_000]:
        refused = tenfold("recv", "-", "--framing", line)
        assert refused.wait() == 2
        assert "panicked" not in refused.err and "\x1b[2J" not in refused.err
        assert len(refused.err) < 2000, refused.err[:3000]


@pytest.mark.parametrize("status, code", [("ok", 0), ("slow", 0), ("degraded", 0), ("full", 1), ("read-only", 1), ("starting", 1)])
def test_the_exit_code_of_health_says_whether_the_hub_takes_messages(tenfold, hostile, status, code):
    server = hostile(frame(b"OK status=%s version=0.1.0" % status.encode()))
    for more in [], ["--json"]:
        asked = tenfold("channels", "--health", *more, "--server", server)
        assert asked.wait() == code, asked.err
        assert status.encode() in asked.out and (f"it is {status}" in asked.err) == (code == 1)
