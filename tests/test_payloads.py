"""`--payload`: what is in a message, as JSON, from one program to another. Python's own modules are the other side."""

import json
import logging
import logging.handlers
import pickle
import random
import struct

import pytest

from support import accept, frame, listener, read_to_end, unframe

VALUE = {"name": "meter 7", "volt": [3.25, -1, None, True], "of": {"é": "ü"}}
LINE = json.dumps(VALUE, ensure_ascii=False, separators=(",", ":")).encode()


@pytest.mark.parametrize("kind", ["json", "cbor", "msgpack"])
def test_what_is_sent_from_json_is_received_as_json(tenfold, kind):
    sender = tenfold("send", "--payload", kind, stdin=LINE + b"\n" + b"[1,\t2]\n", listen=True)
    receiver = tenfold("recv", sender.address, "--payload", kind)
    assert (sender.wait(), receiver.wait()) == (0, 0), sender.err + receiver.err
    assert receiver.out == LINE + b"\n[1,2]\n"


def test_cbor_and_msgpack_are_the_bytes_of_their_specifications(tenfold):
    def sent(kind, line):
        server, address = listener()
        sender = tenfold("send", address, "--payload", kind, stdin=line + b"\n")
        messages = unframe(read_to_end(accept(server)))
        assert sender.wait() == 0, sender.err
        return messages

    # RFC 8949, appendix A, and the specification of MessagePack.
    assert sent("cbor", b'{"a":1,"b":[2,3]}') == [bytes.fromhex("a26161016162820203")]
    assert sent("cbor", b'{"$tag":[1,1363896240]}') == [bytes.fromhex("c11a514b67b0")]
    assert sent("cbor", b'{"$base64":"AQIDBA=="}') == [bytes.fromhex("4401020304")]
    assert sent("msgpack", b'{"compact":true,"schema":0}') == [bytes.fromhex("82a7636f6d70616374c3a6736368656d6100")]
    assert sent("json", b'{ "a" : 1.0 }') == [b'{"a":1.0}']


@pytest.mark.parametrize("kind, head", [("cbor", b"\xfb"), ("msgpack", b"\xcb")])
def test_a_double_keeps_all_its_bits(tenfold, kind, head):
    chance = random.Random(15)
    values = [chance.uniform(-1000, 1000) for _ in range(1000)] + [7.2057594037927933e16, 5e-324, 1.7976931348623157e308]
    server, address = listener()
    sender = tenfold("send", address, "--payload", kind, stdin=b"".join(repr(value).encode() + b"\n" for value in values))
    messages = unframe(read_to_end(accept(server)))
    assert sender.wait() == 0, sender.err
    # CBOR writes a double that fits into fewer bytes as that.
    wide = [(message, value) for message, value in zip(messages, values, strict=True) if len(message) == 9]
    assert len(wide) > 990
    assert [message for message, _ in wide] == [head + struct.pack(">d", value) for _, value in wide]


def test_a_channel_carries_payloads(tenfold, hub):
    place = hub()
    at = ("--server", f"127.0.0.1:{place.port}")
    publisher = tenfold("pub", "metrics", "--payload", "cbor", *at, stdin=LINE + b"\n")
    assert publisher.wait() == 0, publisher.err
    subscriber = tenfold("sub", "metrics", "--from", "first", "--until-end", "--payload", "cbor", *at)
    assert subscriber.wait() == 0, subscriber.err
    assert subscriber.out == LINE + b"\n"


def test_a_line_that_is_no_json_is_named_and_what_is_before_it_is_sent(tenfold):
    server, address = listener()
    sender = tenfold("send", address, "--payload", "msgpack", stdin=b'{"fine":1}\n{"not":}\n')
    data = read_to_end(accept(server))
    assert sender.wait() == 4
    assert "line 2" in sender.err and "JSON" in sender.err, sender.err
    assert unframe(data) == [bytes.fromhex("81a466696e6501")]


def test_a_message_that_is_none_is_named_and_what_is_before_it_is_printed(tenfold):
    receiver = tenfold("recv", "-", "--payload", "cbor", stdin=frame(b"\x01") + frame(b"\xff\xff"))
    assert receiver.wait() == 4
    assert receiver.out == b"1\n"
    assert "message 1" in receiver.err and "CBOR" in receiver.err, receiver.err


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_is_shown_and_nothing_in_it_is_executed(tenfold, tmp_path):
    bomb = Bomb(str(tmp_path / "bomb"))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        stream = frame(pickle.dumps(bomb, protocol)) + frame(pickle.dumps(VALUE, protocol))
        receiver = tenfold("recv", "-", "--payload", "pickle", stdin=stream)
        assert receiver.wait() == 0, receiver.err
        call, value = map(json.loads, receiver.out.splitlines())
        assert call["$call"].endswith("open") and call["args"] == [bomb.path, "w"], call
        assert value == VALUE
    assert not (tmp_path / "bomb").exists()


def test_a_socket_handler_of_python_logs_to_recv(tenfold):
    """`logging.handlers.SocketHandler`: a length of four bytes, and a pickle."""
    receiver = tenfold("recv", "--framing", "u32be", "--payload", "pickle", listen=True)
    logger = logging.Logger("meter", logging.INFO)
    handler = logging.handlers.SocketHandler("127.0.0.1", receiver.port)
    logger.addHandler(handler)
    logger.info("%d volts at %s", 230, "é")
    try:
        raise ValueError("no volts")
    except ValueError:
        logger.exception("it failed")
    handler.close()
    assert receiver.wait() == 0, receiver.err
    records = [json.loads(line) for line in receiver.out.splitlines()]
    assert [record["msg"] for record in records] == ["230 volts at é", "it failed"]
    assert [record["levelname"] for record in records] == ["INFO", "ERROR"]
    assert "ValueError: no volts" in records[1]["exc_text"]


def test_each_message_goes_to_a_command_of_its_own(tenfold, tmp_path):
    out = tmp_path / "out"
    messages = [b"", b"one\ntwo", b"\x00\xff" * 100_000]
    receiver = tenfold("recv", "-", "--exec", f"wc -c >> {out}; echo done", stdin=b"".join(map(frame, messages)))
    assert receiver.wait() == 0, receiver.err
    assert [int(line) for line in out.read_text().split()] == [0, 7, 200_000]
    assert receiver.out == b"done\n" * 3


def test_a_command_that_does_not_want_its_message_may_say_so_and_one_that_fails_ends_it(tenfold, tmp_path):
    stream = b"".join(map(frame, [b"x" * 1_000_000, b"bad", b"never"]))
    receiver = tenfold("recv", "-", "--exec", f"head -c 3 | tee -a {tmp_path}/seen | grep -q x", stdin=stream)
    assert receiver.wait() == 1
    assert "exited with 1 at message 1" in receiver.err, receiver.err
    assert (tmp_path / "seen").read_bytes() == b"xxxbad"


def test_a_subscriber_goes_on_at_the_message_that_a_command_has_failed_at(tenfold, hub, tmp_path):
    place = hub()
    place.publish("orders", [b"1", b"2", b"3"])
    state, out = tmp_path / "state", tmp_path / "out"
    at = ("--server", f"127.0.0.1:{place.port}", "--from", "first", "--until-end", "--state", state)
    first = tenfold("sub", "orders", *at, "--exec", f"read m; [ $m != 2 ] && echo $m >> {out}", stdin=b"")
    assert first.wait() == 1, first.err
    assert "at message 1" in first.err
    second = tenfold("sub", "orders", *at, "--exec", f"cat >> {out}")
    assert second.wait() == 0, second.err
    assert out.read_bytes() == b"1\n23"


def test_commands_get_the_line_if_there_is_a_payload(tenfold):
    receiver = tenfold("recv", "-", "--payload", "msgpack", "--exec", "cat", stdin=frame(bytes.fromhex("81a466696e6501")))
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b'{"fine":1}\n'
