"""Mirrors: a hub that has what another hub has, whatever happens to either."""

import json
import random

import pytest

from hub import Hub, Kept, ok
from support import BOUND, FULL, frames, wait_until

KILLS = 50 if FULL else 5


@pytest.fixture
def hubs(tenfold, tmp_path):
    """Starts hubs with a log, each in a directory of its own, and again at the same addresses."""
    kept, running = {}, []

    def start(name: str, *arguments, again: Hub | None = None) -> Hub:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        starter = kept.setdefault(name, Kept(tenfold, directory))
        addresses = [f"127.0.0.1:{port}" for port in again.ports] if again else ["127.0.0.1:0"] * 2
        hub = starter(*arguments, addresses=addresses)
        hub.directory = directory / "data"
        hub.may_die()
        running.append(hub)
        return hub

    yield start
    for hub in running:
        hub.end()


def address(hub: Hub) -> str:
    return f"127.0.0.1:{hub.port}"


def mirror(hubs, source: Hub, name: str = "mirror", *arguments, again: Hub | None = None) -> Hub:
    return hubs(name, "--mirror", address(source), *arguments, again=again)


def stop(hub: Hub):
    """Ends a hub well."""
    hub.process.process.terminate()
    assert hub.process.process.wait(BOUND) == 0


def kill(hub: Hub):
    hub.process.process.kill()
    hub.process.process.wait(BOUND)


def has_all(of: Hub, source: Hub):
    """Waits until a mirror has everything that its source has."""

    def is_so() -> bool:
        health = of.health()
        if (health["mirror"], health["behind"]) != ("current", "0"):
            return False
        return ends(of) == ends(source)

    wait_until(is_so, BOUND, "the mirror to have everything")


def channels(hub: Hub) -> dict[str, dict]:
    with hub.connect() as client:
        client.request("CHANNELS")
        return {found["channel"]: found for found in map(json.loads, client.rest()) if found["next"]}


def ends(hub: Hub) -> dict[str, tuple[str, int]]:
    return {name: (found["epoch"], found["next"]) for name, found in channels(hub).items()}


def times(hub: Hub, channel: str, to: int) -> list[tuple[int, int]]:
    """When each message was committed."""
    with hub.connect() as client:
        client.request(f"TIMES {channel} from=0 to={to}")
        answer, *lines = client.rest()
    ok(answer)
    told = []
    for line in lines:
        seq, count, at = map(int, line.split()[:3])
        told += [(seq + n, at) for n in range(count)]
    return told


def stored(hub: Hub, channel: str) -> bytes:
    """The frames of a channel, as they are in its files."""
    files = sorted((hub.directory / "channels" / channel).glob("*.frames"))
    return b"".join(file.read_bytes() for file in files)


def test_a_mirror_has_messages_times_and_epochs_of_its_source(hubs):
    source = hubs("source")
    source.publish("ticks", [b"%d" % n for n in range(100)])
    source.publish("other", [b"", b"x" * 300_000], " producer=meter7")
    copy = mirror(hubs, source)
    has_all(copy, source)
    # What comes later comes from the tail.
    source.publish("ticks", [b"more"] * 10)
    source.publish("new", [b"hello"])
    has_all(copy, source)
    for channel, count in [("ticks", 110), ("other", 2), ("new", 1)]:
        assert copy.messages(channel, count) == source.messages(channel, count)
        assert times(copy, channel, count) == times(source, channel, count)
    stop(copy)
    stop(source)
    for channel in ("ticks", "other", "new"):
        assert stored(copy, channel) == stored(source, channel)


def test_a_mirror_passes_publishers_on_and_their_answers_back(hubs):
    source = hubs("source")
    copy = mirror(hubs, source)
    wait_until(lambda: copy.health()["mirror"] == "current", BOUND, "the mirror")
    copy.publish("ticks", [b"one", b"two"], " producer=meter7")
    assert source.messages("ticks", 2) == [b"one", b"two"]
    client, answer = copy.ask("PUBLISH ticks producer=meter7")
    assert ok(answer)["next"] == "2"
    client.send(frames([b"three"]) + b"what is not a frame")
    *acks, error = client.rest()
    assert acks[-1] == b"ACK 3" and error.startswith(b"ERROR HEADER"), error
    has_all(copy, source)
    assert copy.messages("ticks", 3) == [b"one", b"two", b"three"]


def test_a_mirror_refuses_what_belongs_to_its_source(hubs):
    source = hubs("source")
    source.publish("ticks", [b"hello"])
    copy = mirror(hubs, source, "mirror", "--mirror-publish", "false")
    has_all(copy, source)
    assert copy.refusal("PUBLISH ticks").startswith(b"ERROR DENIED")
    assert copy.refusal("DELETE ticks").startswith(b"ERROR DENIED")
    assert source.messages("ticks", 1) == copy.messages("ticks", 1) == [b"hello"]


def test_a_mirror_goes_on_without_its_source_and_does_not_guess(hubs):
    source = hubs("source")
    source.publish("ticks", [b"hello"])
    copy = mirror(hubs, source)
    has_all(copy, source)
    kill(source)
    wait_until(lambda: copy.health()["mirror"] == "away", BOUND, "the mirror to notice")
    assert copy.messages("ticks", 1) == [b"hello"]
    assert copy.refusal("PUBLISH ticks").startswith(b"ERROR BUSY")
    assert copy.refusal("SUBSCRIBE ticks from=1 epoch=0123456789abcdef").startswith(b"ERROR BUSY")
    again = hubs("source", again=source)
    has_all(copy, again)
    assert copy.refusal("SUBSCRIBE ticks from=1 epoch=0123456789abcdef").startswith(b"ERROR EPOCH")


def test_subscribers_of_a_mirror_learn_the_epoch_of_another_start(hubs):
    source = hubs("source")
    source.publish("ticks", [b"one"])
    copy = mirror(hubs, source)
    has_all(copy, source)
    client, answer = copy.subscribe("ticks", " from=first")
    assert client.frame() == b"one"
    stop(source)
    source = hubs("source", again=source)
    assert client.frame() is None, "it is closed, so that it comes back"
    has_all(copy, source)
    source.publish("ticks", [b"two"])
    client, after = copy.subscribe("ticks", f" from=1 epoch={answer['epoch']}")
    assert client.frame() == b"two"
    assert after["epoch"] == channels(source)["ticks"]["epoch"] != answer["epoch"]


def test_what_the_source_does_not_keep_the_mirror_begins_after(hubs):
    source = hubs("source", "--retain", "max-bytes=64KiB")
    source.publish("ticks", [b"x" * 1000] * 1000)
    wait_until(lambda: channels(source)["ticks"]["first"] > 0, BOUND, "retention")
    copy = mirror(hubs, source)
    has_all(copy, source)
    found = channels(copy)["ticks"]
    assert 0 < found["first"] <= channels(source)["ticks"]["first"] and found["next"] == 1000
    assert copy.refusal("SUBSCRIBE ticks from=0").startswith(b"ERROR TRIMMED")
    kill(copy)
    copy = mirror(hubs, source, again=copy)
    has_all(copy, source)
    source.publish("ticks", [b"last"])
    client, _ = copy.subscribe("ticks", " from=1000")
    assert client.frame() == b"last"


def test_a_channel_that_is_deleted_and_begun_again_is_so_at_the_mirror(hubs):
    source = hubs("source")
    source.publish("ticks", [b"old"] * 3)
    source.publish("gone", [b"x"])
    copy = mirror(hubs, source)
    has_all(copy, source)
    with source.connect() as client:
        client.request("DELETE gone")
        ok(client.only())
    has_all(copy, source)
    # And while it is away.
    stop(copy)
    with source.connect() as client:
        client.request("DELETE ticks")
        ok(client.only())
    source.publish("ticks", [b"new"])
    copy = mirror(hubs, source, again=copy)
    has_all(copy, source)
    assert copy.messages("ticks", 1) == [b"new"]


def test_a_mirror_of_a_mirror_has_the_same(hubs):
    source = hubs("source")
    source.publish("ticks", [b"one"], " producer=meter7")
    middle = mirror(hubs, source, "middle")
    last = mirror(hubs, middle, "last")
    has_all(last, source)
    last.publish("ticks", [b"two"], " producer=meter7")
    has_all(last, source)
    stop(source)
    source = hubs("source", again=source)
    source.publish("ticks", [b"three"], " producer=meter7")
    has_all(last, source)
    assert last.messages("ticks", 3) == [b"one", b"two", b"three"]


def test_a_mirror_that_becomes_a_hub_of_its_own_has_places_and_producers_up_to_its_end(hubs):
    source = hubs("source")
    source.publish("ticks", [b"%d" % n for n in range(10)], " producer=meter7")
    epoch = channels(source)["ticks"]["epoch"]
    copy = mirror(hubs, source)
    has_all(copy, source)
    stop(copy)
    source.publish("ticks", [b"beyond"], " producer=meter7")
    kill(source)
    alone = hubs("mirror", again=copy)
    client, answer = alone.subscribe("ticks", f" from=10 epoch={epoch}")
    assert answer["epoch"] != epoch
    assert alone.refusal(f"SUBSCRIBE ticks from=11 epoch={epoch}").startswith(b"ERROR EPOCH")
    client, answer = alone.ask("PUBLISH ticks producer=meter7")
    assert ok(answer)["next"] == "10"


def test_options_of_mirrors_belong_together(tenfold, tmp_path):
    for arguments, words in [
        (["--mirror", "127.0.0.1:1"], "--data"),
        (["--mirror-publish", "false"], "--mirror"),
        (["--data", tmp_path / "data", "--mirror", "127.0.0.1:1", "--plain", "127.0.0.1:0=ticks:in"], "plain"),
        (["--data", tmp_path / "data", "--mirror", "127.0.0.1:1", "--mirror-tls-cert", "x"], "--mirror-tls-key"),
    ]:
        started = tenfold("serve", "--check", *arguments)
        assert started.wait() == 2, arguments
        assert words in started.err


def test_a_hub_without_a_log_has_no_mirrors(hub):
    assert hub().refusal("MIRROR *").startswith(b"ERROR DENIED")


def test_whichever_is_killed_source_and_mirror_have_the_same_in_the_end(hubs, tenfold):
    """Publisher and subscriber know both addresses, and one of the two hubs is killed again and again."""
    choice = random.Random(27)
    source = hubs("source")
    copy = mirror(hubs, source)
    servers = f"{address(source)},{address(copy)}"
    # More than is published before the last kill, whatever the machine does: what is left follows.
    count = 400 * (KILLS + 1)
    expected = [b"%d\n" % n for n in range(count)]
    reader = tenfold("sub", "ticks", "--from", "first", "-s", f"{address(copy)},{address(source)}", "--retry")
    writer = tenfold("pub", "ticks", "--producer", "meter7", "--rate", "1000", "-s", servers, "--retry", stdin=b"".join(expected))
    for killed in range(KILLS):
        came = len(b"".join(expected[: 100 + 300 * killed]))
        wait_until(lambda came=came: len(reader.out) >= came, BOUND, "messages")
        if choice.random() < 0.5:
            kill(source)
            source = hubs("source", again=source)
        else:
            kill(copy)
            copy = mirror(hubs, source, again=copy)
    assert writer.wait() == 0, writer.err
    expected = b"".join(expected)
    wait_until(lambda: len(reader.out) >= len(expected), BOUND, "all messages")
    has_all(copy, source)
    assert reader.out == expected
    assert times(copy, "ticks", count) == times(source, "ticks", count)
    stop(copy)
    stop(source)
    assert stored(copy, "ticks") == stored(source, "ticks") == frames(b"%d" % n for n in range(count))
