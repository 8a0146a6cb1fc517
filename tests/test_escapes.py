"""What others chose does nothing to the terminal of who reads it: every command shows it the same way."""

import json
import socket
import threading

import pytest

from support import accept, frame, listener, wait_until

# The cursor, the title, a C1 control, DEL, text that is turned around, a line that ends early, a tag.
HOSTILE = "\x04\x1b[2J\x1b]0;title\x07\x9b\x7f\u202e\u2028\U000e0041"
SHOWN = r"\x04\x1b[2J\x1b]0;title\x07\u{9b}\x7f\u{202e}\u{2028}\u{e0041}"
IN_JSON = r"\u0004\u001b[2J\u001b]0;title\u0007\u009b\u007f\u202e\u2028\udb40\udc41"


def is_harmless(raw: bytes) -> bool:
    text = raw.decode()
    return "\x1b]0" not in text and not any(char in text for char in "\x04\x07\x9b\x7f\u202e\u2028\U000e0041")


@pytest.fixture
def stream(tmp_path):
    path = tmp_path / "stream"
    path.write_bytes(frame(HOSTILE.encode()))
    return path


@pytest.mark.parametrize(
    "command, shown",
    [
        (["recv"], SHOWN),
        (["recv", "--json"], IN_JSON),
        (["inspect"], SHOWN),
        (["inspect", "--json"], IN_JSON),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_message_from_a_file(terminal, stream, command, shown):
    seen = terminal(*command, stream, columns=250)
    seen.shows(shown)
    assert seen.wait() == 0
    assert is_harmless(seen.raw)


@pytest.mark.parametrize("options, shown", [([], SHOWN), (["--json"], IN_JSON)], ids=["lines", "json"])
def test_a_message_of_a_channel(terminal, hub, options, shown):
    place = hub()
    place.publish("ticks", [HOSTILE.encode()])
    seen = terminal("sub", "ticks", "--from", "first", "--until-end", *options, "--server", f"127.0.0.1:{place.port}", columns=250)
    seen.shows(shown)
    assert seen.wait() == 0
    assert is_harmless(seen.raw)


def test_a_value_of_a_payload(terminal, tmp_path):
    path = tmp_path / "values"
    path.write_bytes(frame(json.dumps({"text": HOSTILE}, ensure_ascii=False).encode()))
    seen = terminal("recv", "--payload", "json", path, columns=250)
    seen.shows(IN_JSON)
    assert is_harmless(seen.raw)


def lying_hub(lines):
    """A server that answers every request with these lines."""
    server, address = listener()

    def answer():
        try:
            while True:
                with accept(server) as peer:
                    peer.recv(1000)
                    peer.sendall(b"".join(frame(line) for line in lines))
                    peer.shutdown(socket.SHUT_WR)
                    peer.recv(1000)
        except OSError:
            pass

    threading.Thread(target=answer, daemon=True).start()
    return server, address


@pytest.mark.parametrize(
    "options, shown",
    [(["channels"], SHOWN), (["channels", "--json"], None), (["clients"], SHOWN), (["clients", "--json"], None), (["top", "--once"], SHOWN)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_a_hub_says_of_its_channels_and_clients(terminal, options, shown):
    # Of anything but ASCII a client believes that it does not come from a hub; but escapes in JSON are ASCII.
    line = json.dumps({"channel": HOSTILE, "peer": HOSTILE, "kind": HOSTILE}).encode()
    server, address = lying_hub([line])
    with server:
        seen = terminal(*options, "-s", address, columns=250)
        if shown:
            seen.shows(r"\x04\x1b[2J")
        else:
            seen.shows(r"\u009b\u007f\u202e\u2028\udb40\udc41")
        assert seen.wait() == 0
    assert is_harmless(seen.raw)


def test_an_error_that_quotes_a_name(terminal, tmp_path):
    seen = terminal("recv", tmp_path / HOSTILE, columns=250)
    assert seen.wait() == 1
    wait_until(lambda: SHOWN in " ".join(seen.screen), what=f"the name in {seen.screen}")
    assert is_harmless(seen.raw)


def test_a_message_that_comes_while_a_person_types(terminal):
    server, address = listener()
    with server:
        seen = terminal("talk", address, columns=250)
        with accept(server) as peer:
            seen.shows("Ctrl-D ends")
            peer.sendall(frame(HOSTILE.encode()))
            seen.shows(SHOWN)
            assert is_harmless(seen.raw)


def test_a_pipe_gets_the_bytes_as_they_are(tenfold, stream):
    piped = tenfold("recv", stream)
    assert piped.wait() == 0
    assert piped.out == HOSTILE.encode() + b"\n"
    object = tenfold("recv", "--json", stream)
    assert object.wait() == 0
    assert json.loads(object.out)["text"] == HOSTILE
