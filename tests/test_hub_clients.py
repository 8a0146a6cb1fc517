"""The hub's example clients, one table for all languages: what is published is stored as it is, and what is stored is printed as it is."""

import hashlib
import re
import secrets
import threading

import pytest

from languages import LANGUAGES, TRIED, Programs
from support import CLIENTS, FULL, accept, frame, frames, listener, printed, read_exactly, wait_until

#: Whoever publishes lines can publish these.
LINES = [
    b"hello, world",
    b"",
    "grüß dich, 世界 €".encode(),
    b"  spaces stay  ",
    b"last\r",
    b"raw \xff\xfe\x80",
    b"\x01\x7f\x1b[0m",
    b"10        ",
    b"\\n %s",
    b"x" * 70_000,
    b"\xef\xbb\xbfafter a byte order mark",
]
# Only bash cannot hold it.
WITH_NUL = [b"\0", b"a\0b", bytes(range(10)) + bytes(range(11, 256))]
WITH_NEWLINES = [b"\n", b"two\nlines", b"\r\n\r\n", b"y\n" * 35_000]
OK = b"OK epoch=0123456789abcdef from=0 first=0 next=2"
#: None of these is a length, and most languages know how to make a number of some of them.
NOT_LENGTHS = [b"+5", b" 5", b"5\t", b"05", b"-5", b"5.", b"5 5", b"0x5", b"5\0", b"5       \n", b""]
KILLS = 20 if FULL else 3

each = pytest.mark.parametrize("language", TRIED, ids=lambda language: language.name)


def text(messages) -> bytes:
    return b"".join(message + b"\n" for message in messages)


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return Programs(tmp_path_factory.mktemp("languages"))


@pytest.fixture
def start(run, programs):
    """Starts the program of a language that does this, with a port and what comes after it."""

    def start(language, role: str, port: int, *arguments, **options):
        return run(*programs.command(language, role), "127.0.0.1", str(port), *arguments, **options)

    return start


@pytest.fixture
def play(start):
    """Starts a subscriber, and plays a hub that says this and ends. Gives back the program when it has ended, too."""

    def play(language, said: bytes):
        server, address = listener()
        with server:
            reader = start(language, "sub", address.rpartition(":")[2], "ticks")
            with accept(server) as peer:
                request = frame(b"SUBSCRIBE ticks")
                assert read_exactly(peer, len(request)) == request
                peer.sendall(said)
            reader.wait()
        return reader

    return play


def failed(program):
    """It must have ended with a failure, and words that say so."""
    assert program.wait() != 0, program.out
    assert program.err.strip() != ""


@each
def test_a_subscriber_prints_what_tenfold_prints_and_ends_well_with_its_hub(hub, tenfold, start, language):
    hub = hub()
    hub.publish("ticks", [*LINES, *WITH_NUL, *WITH_NEWLINES, b"end"])
    expected = tenfold("sub", "ticks", "--server", f"127.0.0.1:{hub.port}", "--from", "first", "--until-end")
    assert expected.wait() == 0, expected.err
    reader = start(language, "sub", hub.port, "ticks", "first")
    printed(reader, expected.out)
    hub.process.signal(15)
    assert reader.wait() == 0, reader.err
    assert reader.out == expected.out == text([*LINES, *WITH_NUL, *WITH_NEWLINES, b"end"])
    assert hub.process.wait() == 0


@each
def test_a_publisher_has_its_lines_stored_as_they_are(hub, start, language):
    hub = hub()
    for channel, lines, end in [("ticks", LINES + (WITH_NUL if language.nul else []), b"\n"), ("rest", [b"one", b"two"], b""), ("nothing", [], b"")]:
        writer = start(language, "pub", hub.port, channel, stdin=b"\n".join(lines) + end)
        assert (writer.wait(), writer.out) == (0, b""), writer.err
        if not language.asks:
            hub.messages(channel, len(lines))  # waits for them
        hub.publish(channel, [b"end"])  # so that it is seen where the last message ended
        assert hub.messages(channel, len(lines) + 1) == [*lines, b"end"]


@each
def test_a_subscriber_starts_where_it_is_told(hub, start, language):
    hub = hub()
    hub.publish("ticks", [b"one", b"two", b"three"])
    for position, expected in [("1", b"two\nthree\n"), ("-1", b"three\n")]:
        printed(start(language, "sub", hub.port, "ticks", position), expected)
    reader = start(language, "sub", hub.port, "later")
    wait_until(lambda: hub.health()["channels"] == "2", what="the subscription")
    hub.publish("later", [b"now"])
    printed(reader, b"now\n")


@each
def test_with_a_token_after_the_name_of_the_channel_a_client_is_somebody(hub, start, language, tmp_path):
    token = f"tf_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    policy = tmp_path / "hub.toml"
    policy.write_text(f'[[identity]]\nname = "a"\ntoken = ["{token[3:11]}:{hashlib.sha256(token.encode()).hexdigest()}"]\npublish = ["*"]\nsubscribe = ["*"]\n')
    policy.chmod(0o600)
    hub = hub("--auth", policy)
    for role in ("sub", "pub"):
        nobody = start(language, role, hub.port, "ticks", stdin=b"one\n")
        failed(nobody)
        assert "AUTH" in nobody.err
    writer = start(language, "pub", hub.port, f"ticks token={token}", stdin=b"one\n")
    assert writer.wait() == 0, writer.err
    printed(start(language, "sub", hub.port, f"ticks token={token}", "first"), b"one\n")


@each
def test_a_client_that_is_refused_says_why(hub, start, language):
    hub = hub("--max-channels", "1")
    hub.publish("other", [b"x"])
    for role, arguments, code in [("sub", ["other", "9"], "FUTURE"), ("pub", ["ticks"], "BUSY")]:
        refused = start(language, role, hub.port, *arguments, stdin=b"hello\n")
        failed(refused)
        assert refused.out == b"" and code in refused.err


@pytest.mark.parametrize("language", [language for language in TRIED if language.name != "Arduino"], ids=lambda language: language.name)
def test_where_nobody_listens_a_client_says_so(start, language):
    """A board tries again until there is a hub."""
    server, address = listener()
    server.close()
    for role in ("sub", "pub"):
        client = start(language, role, address.rpartition(":")[2], "ticks", stdin=b"hello\n")
        # MicroPython prints on stdout what no program has caught.
        assert client.wait() != 0 and client.err + client.out.decode() != ""


@each
@pytest.mark.parametrize("said", [b"", frame(OK)[:-1], frames([b"", b"hello"]), frames([b"OKAY epoch=0123456789abcdef", b"hello"])], ids=["nothing", "half", "empty", "OKAY"])
def test_another_answer_than_ok_is_a_failure(play, language, said):
    reader = play(language, said)
    failed(reader)
    assert reader.out == b""


@each
def test_messages_may_come_in_any_pieces(start, language):
    server, address = listener()
    with server:
        reader = start(language, "sub", address.rpartition(":")[2], "ticks")
        with accept(server) as peer:
            request = frame(b"SUBSCRIBE ticks")
            assert read_exactly(peer, len(request)) == request
            data = frames([OK, b"hello", b"", b"0         "])
            for byte in data[:-1]:
                peer.sendall(bytes([byte]))
            # What is whole is printed before the rest has come.
            wait_until(lambda: reader.out.startswith(b"hello\n\n"), what="the whole messages")
            peer.sendall(data[-1:])
        assert reader.wait() == 0, reader.err
    assert reader.out == b"hello\n\n0         \n"


@each
@pytest.mark.parametrize("cut", [3, 10, 12])
def test_a_stream_that_ends_inside_a_frame_is_a_failure(play, language, cut):
    reader = play(language, frames([OK, b"hello"]) + frame(b"world")[:cut])
    failed(reader)
    assert reader.out.startswith(b"hello\n")


@each
def test_what_is_not_a_length_is_a_failure(play, language):
    for header in NOT_LENGTHS:
        reader = play(language, frames([OK, b"hello"]) + header.ljust(10) + b"world")
        failed(reader)
        assert reader.out == b"hello\n", header


@pytest.mark.parametrize("language", [language for language in TRIED if language.asks], ids=lambda language: language.name)
@pytest.mark.parametrize("answers", [[], [b"ACK 1"], [b"ACK 1", b"ERROR SHUTDOWN the hub ends"], [b"ACK 3"]], ids=["nothing", "less", "an error", "more"])
def test_a_publisher_that_is_not_told_that_all_is_stored_fails(start, language, answers):
    server, address = listener()
    with server:
        writer = start(language, "pub", address.rpartition(":")[2], "ticks", stdin=b"one\ntwo\n")
        with accept(server) as peer:
            peer.sendall(frame(b"OK epoch=0123456789abcdef next=0 acks=none"))
            sent = frame(b"PUBLISH ticks" + language.acks) + frames([b"one", b"two"])
            assert read_exactly(peer, len(sent)) == sent
            peer.sendall(frames(answers))
        failed(writer)


PRODUCERS = [language for language in TRIED if language.producer]


def test_producers_lose_nothing_and_store_nothing_twice_when_the_hub_is_killed_again_and_again(kept, start):
    hub = kept()
    writers = {language.name.lower(): start(language, "producer", hub.port, language.name.lower(), "meter7", stdin="open") for language in PRODUCERS}
    expected = []

    def published(channel: str) -> int:
        client, answer = hub.subscribe(channel, " from=next")
        with client:
            return int(answer["next"])

    for life in range(KILLS + 1):
        lines = [b"%d of life %d" % (number, life) for number in range(100)]
        before, expected = len(expected), expected + lines
        feeding = [threading.Thread(target=writer.write, args=(text(lines),)) for writer in writers.values()]
        for thread in feeding:
            thread.start()
        # It is killed when each has had something stored in this life, wherever they are then.
        for channel in writers:
            wait_until(lambda: published(channel) > before, what=f"a message of {channel}")
        if life < KILLS:
            kept.kill(hub)
            hub = kept.again(hub)
        for thread in feeding:
            thread.join()
        for channel, writer in writers.items():
            wait_until(lambda: published(channel) >= len(expected) or writer.process.poll() is not None, 60, f"the rest of {channel}")
    for channel, writer in writers.items():
        writer.stdin.close()
        assert writer.wait() == 0, writer.err
        hub.publish(channel, [b"end"])
        assert hub.messages(channel, len(expected) + 1) == [*expected, b"end"], channel


@pytest.mark.parametrize("language", [language for language in PRODUCERS if language.name in ("Python", "Go")], ids=lambda language: language.name)
def test_a_producer_that_is_run_again_with_the_same_input_stores_the_rest(hub, start, language):
    hub = hub()
    for lines in (LINES[:3], LINES, LINES):
        writer = start(language, "producer", hub.port, "ticks", "meter7", stdin=text(lines))
        assert writer.wait() == 0, writer.err
    hub.publish("ticks", [b"end"])
    assert hub.messages("ticks", len(LINES) + 1) == [*LINES, b"end"]


@pytest.mark.parametrize("language", PRODUCERS, ids=lambda language: language.name)
def test_a_producer_ends_when_another_has_its_name(hub, start, language):
    hub = hub()
    writer = start(language, "producer", hub.port, "ticks", "meter7", stdin="open")
    writer.write(b"one\n")
    wait_until(lambda: b"one" in hub.messages("ticks", 1), what="the first message")
    hub.ask("PUBLISH ticks producer=meter7")
    writer.write(b"two\n")
    failed(writer)
    assert "FENCED" in writer.err


def test_the_page_tells_how_many_lines_each_program_has():
    page = (CLIENTS / "README.md").read_text()
    told = {path: int(lines) for lines, path in re.findall(r"\[([0-9]+)\]\(([^)]+)\)", page)}
    there = {str(path.relative_to(CLIENTS)): len(path.read_text().splitlines()) for path in CLIENTS.rglob("hub_*") if path.is_file()}
    assert told == there
    for language in LANGUAGES:
        roles = ["sub", "pub", *(["producer"] if language.producer else [])]
        assert all(str(language.source(role).relative_to(CLIENTS)) in told for role in roles), language.name
