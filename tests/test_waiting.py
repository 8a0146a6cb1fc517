"""What a person at a terminal is told who would otherwise wait for nothing, and what scripts are spared."""

import signal
import socket

import pytest

from support import accept, connect, frame, listener, read_message, wait_until
from terminal import CTRL_D, ENTER


def address(place) -> str:
    return f"127.0.0.1:{place.port}"


def test_sub_says_that_a_name_has_no_messages_and_which_one_was_meant(terminal, hub):
    place = hub()
    place.publish("ticks", [b"one"])
    typo = terminal("sub", "tick", "-s", address(place))
    typo.shows("no messages in tick yet; did you mean ticks?")
    place.publish("tick", [b"after all"])
    typo.shows_line("after all")
    many = terminal("sub", "quotes.*", "ticks", "-s", address(place))
    many.shows("no channel fits quotes.* yet")
    place.publish("ticks", [b"two"])
    many.shows("two")
    assert not any("ticks yet" in line for line in many.screen)


def test_sub_says_nothing_of_it_in_a_script(tenfold, hub):
    place = hub()
    waiting = tenfold("sub", "tick", "--count", "1", "-s", address(place))
    place.publish("ticks", [b"one"])
    wait_until(lambda: b'"subscribers":1' in b"".join(channels(place)), what="the subscriber")
    place.publish("tick", [b"one"])
    assert waiting.wait() == 0
    assert waiting.err == ""


def channels(place) -> list[bytes]:
    with place.connect() as client:
        client.request("CHANNELS")
        return client.rest()


def test_pub_says_how_to_type_and_what_it_did(terminal, hub):
    place = hub()
    pub = terminal("pub", "ticks", "-s", address(place))
    pub.shows_line("type messages, one a line; Ctrl-D ends")
    pub.type("hello" + ENTER)
    assert place.subscribe("ticks", " from=first")[0].frame() == b"hello"
    pub.type(CTRL_D)
    assert pub.wait() == 0
    pub.shows_line("1 message sent, 1 acknowledged")


def test_send_says_how_to_type(terminal):
    server, where = listener()
    with server:
        send = terminal("send", where)
        with accept(server) as peer:
            send.shows_line("type messages, one a line; Ctrl-D ends")
            send.type("hello" + ENTER)
            assert read_message(peer) == b"hello"


def test_a_script_that_publishes_hears_nothing(tenfold, hub):
    pub = tenfold("pub", "ticks", "-s", address(hub()), "one", "two")
    assert pub.wait() == 0
    assert (pub.out, pub.err) == (b"", "")


@pytest.mark.parametrize("options, kept", [([], "messages are kept in memory"), (["--data", "DATA"], "messages are kept in /")], ids=["memory", "disk"])
def test_serve_says_how_to_use_it_and_whether_messages_are_kept(terminal, tmp_path, options, kept):
    options = [tmp_path / "data" if option == "DATA" else option for option in options]
    serve = terminal("serve", "--listen", "127.0.0.1:0", *options, columns=200)
    serve.shows(kept)
    serve.shows("publish with `tenfold pub CHANNEL MESSAGE -s 127.0.0.1:")
    serve.signal(signal.SIGTERM)
    assert serve.wait() == 0


def test_who_listens_says_who_can_connect(tenfold, tmp_path):
    for place, said in [
        ("127.0.0.1:0", "(this machine only; 0.0.0.0:PORT for others)"),
        ("0.0.0.0:0", f"(from another machine: tenfold send {socket.gethostname()}:PORT)"),
    ]:
        ports = tmp_path / place.replace(":", "-")
        recv = tenfold("recv", "--listen", place, "--insecure-listen", "--port-file", ports, port_file=ports)
        line = f"listening {recv.address} {said.replace('PORT', str(recv.port))}\n"
        wait_until(lambda: line in recv.err, what=f"{line!r} in {recv.err!r}")
        connect(recv.port).sendall(frame(b"one"))
