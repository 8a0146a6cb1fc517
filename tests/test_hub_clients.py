"""The hub's example clients, in four languages: whoever publishes, whoever subscribes, every line arrives as it is."""

import pytest

from support import accept, frame, frames, listener, printed, read_exactly, wait_until

LANGUAGES = ["py", "sh", "c", "js"]
PAYLOADS = {
    "nothing": [],
    "one empty line": [b""],
    "text": [b"hello, world", b"", "grüß dich, 世界 €".encode(), b"  spaces stay  ", b"last\r"],
    "a long line": [b"before", b"x" * 100_000, b"after"],
    "bytes": [b"raw \xff\xfe\x80", b"\x01\x7f\x1b[0m", b"10        ", b"\\n %s"],
}
# Only bash cannot hold it.
WITH_NUL = [b"\0", b"a\0b", bytes(range(10)) + bytes(range(11, 256))]


def text(messages) -> bytes:
    return b"".join(message + b"\n" for message in messages)


def subscribe(run, lesson, hub, language: str, channel: str, *position):
    return run(*lesson[f"hub_sub.{language}"], "127.0.0.1", str(hub.port), channel, *position)


def publish(run, lesson, hub, language: str, channel: str, stdin: bytes):
    return run(*lesson[f"hub_pub.{language}"], "127.0.0.1", str(hub.port), channel, stdin=stdin)


@pytest.mark.parametrize("reading", LANGUAGES)
@pytest.mark.parametrize("writing", LANGUAGES)
def test_what_one_publishes_the_other_prints(hub, run, lesson, writing, reading):
    hub = hub()
    for index, messages in enumerate([*PAYLOADS.values(), *([WITH_NUL] if writing != "sh" else [])]):
        channel = f"channel-{index}"
        reader = subscribe(run, lesson, hub, reading, channel, "first")
        writer = publish(run, lesson, hub, writing, channel, text(messages))
        assert writer.wait() == 0, writer.err
        assert writer.out == b""
        hub.publish(channel, [b"end"])  # so that it is seen where the last message ended
        printed(reader, text([*messages, b"end"]))
        assert hub.messages(channel, len(messages) + 1) == [*messages, b"end"]
        assert reader.process.poll() is None
        reader.end()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_last_line_without_its_end_is_a_message(hub, run, lesson, language):
    hub = hub()
    writer = publish(run, lesson, hub, language, "ticks", b"one\ntwo")
    assert writer.wait() == 0, writer.err
    assert hub.messages("ticks", 2) == [b"one", b"two"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_subscriber_starts_where_it_is_told(hub, run, lesson, language):
    hub = hub()
    hub.publish("ticks", [b"one", b"two", b"three"])
    for position, expected in [("first", b"one\ntwo\nthree\n"), ("1", b"two\nthree\n"), ("-1", b"three\n")]:
        reader = subscribe(run, lesson, hub, language, "ticks", position)
        printed(reader, expected)
    reader = subscribe(run, lesson, hub, language, "later")
    wait_until(lambda: hub.health()["channels"] == "2", what="the subscription")
    hub.publish("later", [b"now"])
    printed(reader, b"now\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_subscriber_that_is_refused_says_so(hub, run, lesson, language):
    reader = subscribe(run, lesson, hub(), language, "ticks", "9")
    assert reader.wait() == 1
    assert reader.out == b"" and reader.err != ""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_publisher_that_is_refused_says_so(hub, run, lesson, language):
    hub = hub("--max-channels", "1")
    hub.publish("other", [b"x"])
    writer = publish(run, lesson, hub, language, "ticks", b"hello\n")
    assert writer.wait() not in (0, 2)
    assert "BUSY" in writer.err


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_subscriber_ends_well_with_its_hub(hub, run, lesson, language):
    hub = hub()
    hub.publish("ticks", [b"one"])
    reader = subscribe(run, lesson, hub, language, "ticks", "first")
    printed(reader, b"one\n")
    hub.process.signal(15)
    assert reader.wait() == 0, reader.err
    assert hub.process.wait() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_messages_may_come_in_any_pieces(run, lesson, language):
    server, address = listener()
    with server:
        reader = run(*lesson[f"hub_sub.{language}"], "127.0.0.1", address.rpartition(":")[2], "ticks")
        with accept(server) as peer:
            request = frame(b"SUBSCRIBE ticks")
            assert read_exactly(peer, len(request)) == request
            data = frames([b"OK epoch=0123456789abcdef from=0 first=0 next=2", b"hello", b"", b"0         "])
            for byte in data[:-1]:
                peer.sendall(bytes([byte]))
            # What is whole is printed before the rest has come.
            wait_until(lambda: reader.out.startswith(b"hello\n\n"), what="the whole messages")
            peer.sendall(data[-1:])
        assert reader.wait() == 0, reader.err
    assert reader.out == b"hello\n\n0         \n"


@pytest.mark.parametrize("language", ["py", "c", "js"])
@pytest.mark.parametrize("cut", [3, 12])
def test_a_stream_that_ends_inside_a_frame_is_a_failure(run, lesson, language, cut):
    server, address = listener()
    with server:
        reader = run(*lesson[f"hub_sub.{language}"], "127.0.0.1", address.rpartition(":")[2], "ticks")
        with accept(server) as peer:
            request = frame(b"SUBSCRIBE ticks")
            assert read_exactly(peer, len(request)) == request
            peer.sendall(frames([b"OK epoch=0123456789abcdef from=0 first=0 next=2", b"hello"]) + frame(b"world")[:cut])
        assert reader.wait() not in (0, 2), reader.out
    assert reader.out.startswith(b"hello\n")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("answers", [[], [b"ACK 1"], [b"ACK 1", b"ERROR SHUTDOWN the hub ends"], [b"ACK 3"]])
def test_a_publisher_that_is_not_told_that_all_is_stored_fails(run, lesson, language, answers):
    server, address = listener()
    with server:
        writer = run(*lesson[f"hub_pub.{language}"], "127.0.0.1", address.rpartition(":")[2], "ticks", stdin=b"one\ntwo\n")
        with accept(server) as peer:
            peer.sendall(frame(b"OK epoch=0123456789abcdef next=0 acks=none"))
            sent = frame(b"PUBLISH ticks" + (b"" if language == "sh" else b" acks=none")) + frames([b"one", b"two"])
            assert read_exactly(peer, len(sent)) == sent
            peer.sendall(frames(answers))
        assert writer.wait() not in (0, 2)
    assert writer.err != ""
