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


def test_a_line_that_is_not_json_is_named_and_what_is_before_it_is_sent(tenfold):
    server, address = listener()
    sender = tenfold("send", address, "--payload", "msgpack", stdin=b'{"fine":1}\n{"not":}\n')
    data = read_to_end(accept(server))
    assert sender.wait() == 4
    assert "line 2" in sender.err and "JSON" in sender.err, sender.err
    assert unframe(data) == [bytes.fromhex("81a466696e6501")]


def test_a_message_that_is_not_a_value_is_named_and_what_is_before_it_is_printed(tenfold):
    receiver = tenfold("recv", "-", "--payload", "cbor", stdin=frame(b"\x01") + frame(b"\xff\xff"))
    assert receiver.wait() == 4
    assert receiver.out == b"1\n"
    assert "message 1" in receiver.err and "CBOR" in receiver.err, receiver.err
    assert r'"\xff\xff"' in receiver.err and "--on-bad skip" in receiver.err, receiver.err


STREAM = [b'{"n": 0}', b"[1]", b"oops", b"3", b"\xff"]


def test_a_bad_message_is_left_out_or_shown_if_that_is_wanted(tenfold):
    stream = b"".join(map(frame, STREAM))
    skipped = tenfold("recv", "-", "--payload", "json", "--on-bad", "skip", stdin=stream)
    assert skipped.wait() == 0, skipped.err
    assert skipped.out == b'{"n":0}\n[1]\n3\n'
    assert "left out: message 2 is not JSON" in skipped.err and "left out: message 4" in skipped.err, skipped.err
    shown = tenfold("recv", "-", "--payload", "json", "--on-bad", "show", stdin=stream)
    assert shown.wait() == 0, shown.err
    lines = shown.out.splitlines()
    assert [lines[0], lines[1], lines[3]] == [b'{"n":0}', b"[1]", b"3"]
    bad = json.loads(lines[2])
    assert list(bad) == ["index", "error", "text"], bad
    assert (bad["index"], bad["text"]) == (2, "oops") and bad["error"].startswith("not JSON: "), bad
    assert json.loads(lines[4])["base64"] == "/w==", lines[4]
    assert shown.err == ""


def test_a_subscriber_prints_what_is_before_a_bad_message_and_goes_on_at_it(tenfold, hub, tmp_path):
    place = hub()
    place.publish("sensors", STREAM)
    state = tmp_path / "state"
    at = ("--server", f"127.0.0.1:{place.port}", "--from", "first", "--until-end", "--state", state, "--payload", "json")
    for printed in [b'{"n":0}\n[1]\n', b""]:
        stopped = tenfold("sub", "sensors", *at)
        assert stopped.wait() == 4
        assert stopped.out == printed
        assert "message 2 is not JSON" in stopped.err and '"oops"' in stopped.err and "--on-bad" in stopped.err, stopped.err
        assert json.loads(state.read_text())["next"] == 2
    with_command = tenfold("sub", "sensors", *at, "--exec", "cat")
    assert with_command.wait() == 4 and with_command.out == b"", with_command.err
    assert json.loads(state.read_text())["next"] == 2
    shown = tenfold("sub", "sensors", *at, "--on-bad", "show")
    assert shown.wait() == 0, shown.err
    first, second, third = shown.out.splitlines()
    bad = json.loads(first)
    assert first.startswith(b'{"seq":2,') and bad["error"].startswith("not JSON: "), first
    assert (bad["channel"], bad["text"]) == ("sensors", "oops"), first
    assert (second, json.loads(third)["seq"]) == (b"3", 4)


def test_a_bad_message_of_one_channel_leaves_the_places_of_the_others(tenfold, hub, tmp_path):
    place = hub()
    place.publish("a", [b"1", b"oops", b"2"])
    place.publish("b", [b"1"])
    state = tmp_path / "state"
    at = ("--server", f"127.0.0.1:{place.port}", "--from", "first", "--until-end", "--state", state, "--payload", "json")
    stopped = tenfold("sub", "a", "b", *at)
    assert stopped.wait() == 4 and "channel a: message 1 is not JSON" in stopped.err, stopped.err
    rest = tenfold("sub", "a", "b", *at, "--on-bad", "skip")
    assert rest.wait() == 0, rest.err
    assert sorted((stopped.out + rest.out).splitlines()) == [b"a\t1", b"a\t2", b"b\t1"]


def test_numbers_that_json_lacks_are_shown(tenfold):
    receiver = tenfold("recv", "-", "--payload", "json", stdin=frame(b'{"volt": NaN, "of": [-Infinity, "NaN"]}'))
    assert receiver.wait() == 0, receiver.err
    assert receiver.out == b'{"volt":{"$float":"nan"},"of":[{"$float":"-inf"},"NaN"]}\n'


def test_json_of_messages_can_have_the_values_in_them(tenfold, hub):
    place = hub()
    place.publish("sensors", [b'{"n": 0}', b"oops"])
    at = ("--server", f"127.0.0.1:{place.port}", "--from", "first", "--until-end")
    values = tenfold("sub", "sensors", *at, "--json", "--payload", "json", "--on-bad", "show")
    assert values.wait() == 0, values.err
    good, bad = map(json.loads, values.out.splitlines())
    assert (good["seq"], good["channel"], good["value"]) == (0, "sensors", {"n": 0}) and "text" not in good
    assert (bad["seq"], bad["channel"], bad["text"]) == (1, "sensors", "oops") and "value" not in bad


def test_a_command_may_refuse_a_message_and_the_others_go_on(tenfold):
    stream = b"".join(map(frame, [b"one", b"bad", b"two"]))
    command = 'read m; [ "$m" != bad ] && echo "$TENFOLD_INDEX $m"'
    skipped = tenfold("recv", "-", "--exec", command, "--on-bad", "skip", stdin=stream)
    assert skipped.wait() == 0 and skipped.out == b"0 one\n2 two\n", skipped.err
    assert "exited with 1 at message 1" in skipped.err, skipped.err
    shown = tenfold("recv", "-", "--exec", command, "--on-bad", "show", stdin=stream)
    assert shown.wait() == 0, shown.err
    line = json.loads(shown.out.splitlines()[1])
    assert (line["index"], line["text"]) == (1, "bad") and "exited with 1" in line["error"], line
    refused = tenfold("recv", "-", "--on-bad", "skip", stdin=stream)
    assert refused.wait() == 2 and "--payload" in refused.err, refused.err


def test_one_command_takes_all_messages_that_are_there(tenfold, hub, tmp_path):
    place = hub()
    messages = [b"%d" % number for number in range(30_000)]
    place.publish("orders", messages)
    state, out = tmp_path / "state", tmp_path / "out"
    at = ("--server", f"127.0.0.1:{place.port}", "--from", "first", "--until-end", "--state", state)
    # The third command fails before it has kept anything.
    command = f'echo run >> {tmp_path}/runs; [ $(wc -l < {tmp_path}/runs) != 3 ] && cat >> {out}'
    failed = tenfold("sub", "orders", *at, "--exec-batch", command)
    assert failed.wait() == 1, failed.err
    assert "exited with 1 at messages" in failed.err, failed.err
    rest = tenfold("sub", "orders", *at, "--exec-batch", command)
    assert rest.wait() == 0, rest.err
    assert out.read_bytes().splitlines() == messages
    assert (tmp_path / "runs").read_text().count("run") < 30


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


@pytest.mark.parametrize("kind", ["json", "cbor", "msgpack"])
def test_what_json_was_printed_of_values_is_read_back(tenfold, hub, kind):
    """Also of a double, of a number that JSON lacks, of bytes, and of a message that is not such a value."""
    place = hub()
    server = f"127.0.0.1:{place.port}"
    lines = [LINE, b'{"z":0.1,"a":7205759403792793.0}', b'{"$float":"nan"}', b'"caf\xc3\xa9"', b'{"$int":"18446744073709551615"}']
    lines += [] if kind == "json" else [b'{"$base64":"AP8="}']
    published = tenfold("pub", "values", "-s", server, "--payload", kind, stdin=b"\n".join(lines))
    assert published.wait() == 0, published.err
    place.publish("values", [b"\xc1 is neither text nor a value"])
    printing = ("--from", "first", "--until-end", "--payload", kind, "--on-bad", "show", "--out", "json")
    printed = tenfold("sub", "values", "-s", server, *printing)
    assert printed.wait() == 0, printed.err
    again = tenfold("pub", "again", "-s", server, "--in", "json", "--payload", kind, stdin=printed.out)
    assert again.wait() == 0, again.err
    count = len(lines) + 1
    assert place.messages("again", count) == place.messages("values", count)
    sender = tenfold("send", "--json", "--payload", kind, stdin=printed.out, listen=True)
    received = tenfold("recv", sender.address, "--out", "frames")
    assert (sender.wait(), received.wait()) == (0, 0), sender.err
    assert unframe(received.out) == place.messages("values", count)


def test_a_value_in_json_without_a_format_says_which_option_writes_it(tenfold):
    server, address = listener()
    sender = tenfold("send", address, "--in", "json", stdin=b'{"text":"good"}\n{"index":1,"value":[1]}\n')
    with server, accept(server) as peer:
        assert unframe(read_to_end(peer)) == [b"good"]
    assert sender.wait() == 4
    assert "line 2 of the input has a value" in sender.err and "--payload json, cbor or msgpack" in sender.err
    for format in ["hex", "whole"]:
        sender = tenfold("send", address, "--payload", "json", "--in", format)
        assert sender.wait() == 2 and "with --in json has one" in sender.err
