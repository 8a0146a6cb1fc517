"""`DELETE` and `tenfold delete`: a channel ends with everything that is kept of it, and everybody who has to do with it is told."""

import json
import signal
import socket

import pytest

from hub import KIB, MIB, numbered, ok, refused
from support import frame, wait_until


def delete(hub, channel: str) -> dict[str, str]:
    with hub.connect() as client:
        client.request(f"DELETE {channel}")
        return ok(client.only())


def names(hub) -> list[str]:
    with hub.connect() as client:
        client.request("CHANNELS")
        return [json.loads(line)["channel"] for line in client.rest()]


@pytest.fixture(params=["memory", "log"])
def any_hub(request, hub, tmp_path):
    """Starts a hub in memory, and one with a log."""
    data = ("--data", tmp_path / "data") if request.param == "log" else ()
    return lambda *arguments: hub(*data, *arguments)


def test_a_deleted_channel_is_gone_and_its_name_begins_another_one(any_hub):
    hub = any_hub()
    epoch = ok(hub.publish("old", numbered(3), " producer=meter"))["epoch"]
    hub.publish("other", numbered(2))
    before = hub.health()
    deleted = delete(hub, "old")
    assert deleted == {"epoch": epoch, "first": "0", "next": "3", "bytes": "33"}
    assert names(hub) == ["other"]
    health = hub.health()
    assert (before["messages"], health["messages"]) == ("5", "5"), "what was committed since the start does not become less"
    assert (health["channels"], health["bytes"]) == ("1", "22")
    answer = ok(hub.publish("old", [b"new"], " producer=meter"))
    assert answer["epoch"] != epoch and answer["next"] == "0"
    assert hub.messages("old", 1) == [b"new"]
    assert hub.messages("other", 2) == numbered(2)
    again = delete(hub, "old")
    assert again["epoch"] == answer["epoch"]
    third = ok(hub.publish("old", [b"x"]))["epoch"]
    assert third not in (epoch, answer["epoch"])
    assert hub.health()["messages"] == "7"


def test_publishers_and_subscribers_are_told_and_end(any_hub):
    hub = any_hub()
    publisher, answer = hub.ask("PUBLISH busy")
    publisher.send(frame(b"one"))
    assert publisher.frame() == b"ACK 1"
    waiting, _ = hub.ask("PUBLISH busy producer=waits")
    subscriber, keys = hub.subscribe("busy", " from=first")
    assert subscriber.frame() == b"one"
    delete(hub, "busy")
    refused(publisher.only(), "DELETED")
    refused(waiting.only(), "DELETED")
    assert subscriber.frame() is None, "its stream ends between two frames"
    epoch = keys["epoch"]
    refused(hub.refusal(f"SUBSCRIBE busy from=1 epoch={epoch}"), "DELETED")
    hub.publish("busy", [b"another"])
    refused(hub.refusal(f"SUBSCRIBE busy from=1 epoch={epoch}"), "DELETED")
    # Without the epoch nobody knows that it is another channel.
    assert hub.subscribe("busy", " from=1")[1]["next"] == "1"


def test_subscribers_get_what_was_committed_before(any_hub):
    hub = any_hub()
    messages = [b"%06d" % number + b"x" * (16 * KIB) for number in range(300)]
    hub.publish("far", messages)
    subscriber, _ = hub.subscribe("far", " from=first", receive_buffer=16 * KIB)
    assert subscriber.frame() == messages[0]
    deleting = hub.connect()
    deleting.request("DELETE far")
    refused_busy = []

    def is_being_deleted() -> bool:
        client, answer = hub.ask("PUBLISH far")
        client.close()
        refused_busy.append(answer)
        return answer.startswith(b"ERROR")

    wait_until(is_being_deleted, what="the beginning of the deletion")
    refused(refused_busy[-1], "BUSY")
    refused(hub.refusal("DELETE far"), "BUSY")
    refused(hub.refusal("SUBSCRIBE far"), "BUSY")
    assert subscriber.rest() == messages[1:]
    assert ok(deleting.only())["next"] == "300"


def test_a_subscriber_that_takes_nothing_does_not_hold_a_deletion_up_forever(any_hub):
    hub = any_hub("--drain", "1s")
    hub.publish("stuck", [b"x" * MIB] * 40)
    hub.subscribe("stuck", " from=first", receive_buffer=4 * KIB)
    assert delete(hub, "stuck")["next"] == "40"
    assert names(hub) == []
    assert hub.publish("stuck", [b"goes on"])


def test_the_memory_of_a_deleted_channel_is_free(hub):
    hub = hub("--memory", "64MiB", "--channel-memory", "64MiB")
    hub.publish("large", [b"x" * MIB] * 35)
    delete(hub, "large")
    hub.publish("next", [b"y" * MIB] * 35)
    assert hub.messages("next", 35) == [b"y" * MIB] * 35, "nothing had to give way"


def test_what_is_not_there_cannot_be_deleted_and_a_name_without_messages_can(any_hub):
    hub = any_hub()
    refused(hub.refusal("DELETE nothing"), "NO_CHANNEL")
    subscriber, _ = hub.subscribe("awaited")
    assert names(hub) == ["awaited"]
    assert delete(hub, "awaited")["next"] == "0"
    assert subscriber.frame() is None
    assert names(hub) == []


def test_a_publisher_that_waits_for_a_slow_subscriber_ends_with_the_channel(any_hub):
    hub = any_hub("--when-slow", "wait=60s", "--channel-memory", "1MiB", "--drain", "1s", "--max-message", "1MiB")
    hub.subscribe("slow", receive_buffer=4 * KIB)
    publisher, _ = hub.ask("PUBLISH slow acks=memory")
    publisher.sock.setblocking(False)
    block = frame(b"x" * (64 * KIB))
    sent = 0

    def is_held() -> bool:
        nonlocal sent
        try:
            sent += publisher.sock.send(block[sent % len(block) :])
        except BlockingIOError:
            return True
        return sent > 64 * MIB  # A log takes them all.

    wait_until(is_held, what="a publisher that is held")
    publisher.sock.settimeout(60)
    delete(hub, "slow")
    assert names(hub) == []


def test_a_deleted_channel_stays_deleted_and_the_others_are_whole_after_kills_and_restarts(hub, tmp_path):
    data = ("--data", tmp_path / "data")
    one = hub(*data)
    one.publish("old", numbered(1000))
    one.publish("other", numbered(500), " producer=meter")
    delete(one, "old")
    one.publish("old", [b"new"])
    one.may_die()
    one.process.signal(signal.SIGKILL)
    one.process.wait()
    two = hub(*data)
    assert "damage" not in two.process.err
    assert two.messages("old", 1) == [b"new"]
    assert two.subscribe("old", " from=first")[1]["next"] == "1"
    assert two.messages("other", 500) == numbered(500)
    assert ok(two.ask("PUBLISH other producer=meter")[1])["next"] == "500"
    delete(two, "old")
    two.process.signal(signal.SIGTERM)
    assert two.process.wait() == 0
    three = hub(*data)
    assert names(three) == ["other"]
    assert not (tmp_path / "data" / "deleted").exists()
    assert not (tmp_path / "data" / "channels" / "old").exists()


def test_plain_ports_of_a_deleted_channel_close_their_clients_and_begin_it_again(any_hub):
    plain = [argument for way in ("out", "in", "both") for argument in ("--plain", f"127.0.0.1:0=lesson:{way}")]
    hub = any_hub(*plain)
    out, into, both = [hub.connect(port) for port in hub.plain]
    wait_until(lambda: hub.health()["connections"] == "4", what="the three clients")
    into.send(frame(b"one"))
    assert [out.frame(), both.frame()] == [b"one", b"one"]
    delete(hub, "lesson")
    # Nothing is ever said there.
    assert [client.frame() for client in (out, into, both)] == [None, None, None]
    out, into = [hub.connect(port) for port in hub.plain[:2]]
    wait_until(lambda: hub.health()["connections"] == "3", what="the two clients")
    into.send(frame(b"two"))
    assert out.frame() == b"two"
    assert hub.messages("lesson", 1) == [b"two"]


def test_who_may_delete_can_be_said(hub):
    hub_of_nobody = hub("--allow-delete", "none")
    hub_of_nobody.publish("kept", [b"x"])
    refused(hub_of_nobody.refusal("DELETE kept"), "DENIED")
    assert hub_of_nobody.messages("kept", 1) == [b"x"]
    everybody = hub("--allow-delete", "all")
    everybody.publish("kept", [b"x"])
    delete(everybody, "kept")


def own_address() -> str:
    """An address of this machine that is not a loopback one; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback one")
        return probe.getsockname()[0]


def test_somebody_without_a_loopback_address_may_not_delete_by_default(hub):
    address = own_address()
    hub = hub("--insecure-listen", "--listen", f"{address}:0")
    hub.publish("kept", [b"x"])
    with socket.create_connection((address, hub.ports[1]), timeout=60) as client:
        client.sendall(frame(b"DELETE kept"))
        answer = client.makefile("rb").read()
    refused(answer[10:], "DENIED")
    assert hub.messages("kept", 1) == [b"x"]
    delete(hub, "kept")


def test_tenfold_delete_asks_deletes_and_says_what(any_hub, tenfold):
    hub = any_hub()
    server = f"127.0.0.1:{hub.port}"
    for channel in ("a", "b", "c"):
        hub.publish(channel, numbered(2))
    asking = tenfold("delete", "a", "--server", server)
    assert asking.wait() == 2
    assert "--yes" in asking.err and "channel a" in asking.err
    assert names(hub) == ["a", "b", "c"]
    one = tenfold("delete", "a", "--yes", "--server", server)
    assert one.wait() == 0, one.err
    assert one.out == b"" and "channel a is deleted (2 messages, " in one.err
    # One that is not there does not keep the others.
    several = tenfold("delete", "b", "nothing", "c", "--yes", "--json", "--server", server)
    assert several.wait() == 1
    lines = [json.loads(line) for line in several.out.splitlines()]
    assert [(line["channel"], line["first"], line["next"], line["bytes"]) for line in lines] == [("b", 0, 2, 22), ("c", 0, 2, 22)]
    assert "NO_CHANNEL" in several.err
    assert names(hub) == []


def test_clients_of_a_deleted_channel_end_with_words(any_hub, tenfold):
    hub = any_hub()
    server = f"127.0.0.1:{hub.port}"
    subscriber = tenfold("sub", "told", "--server", server)
    publisher = tenfold("pub", "told", "--server", server, "--follow", "/dev/null")
    wait_until(lambda: hub.health()["connections"] == "3", what="both clients")
    hub.publish("told", [b"one"])
    wait_until(lambda: subscriber.out == b"one\n", what="the message")
    delete(hub, "told")
    assert subscriber.wait() == 1
    assert publisher.wait() == 1
    for client in (subscriber, publisher):
        assert "the channel was deleted" in client.err, client.err


def heard_until(client, message: bytes) -> list[bytes]:
    heard = []
    while message not in heard:
        heard.append(client.frame())
        assert heard[-1] is not None, heard
    return heard


def test_who_follows_a_deleted_channel_is_told_and_goes_on_with_the_others(any_hub):
    hub = any_hub()
    hub.publish("old", [b"one"])
    hub.publish("other", [b"two"])
    follower = hub.connect()
    follower.request("FOLLOW o* from=first")
    follower.send(frame(b""))
    heard = [follower.frame() for _ in range(7)]
    assert heard[0] == b"OK channels=2" and {b"one", b"two"} < set(heard)
    delete(hub, "old")
    assert follower.frame() == b"@old deleted next=1"
    epoch = ok(hub.publish("old", [b"three"]))["epoch"]
    assert heard_until(follower, b"three")[-2] == f"@old epoch={epoch} from=0 count=1".encode()
    hub.publish("other", [b"four"])
    heard_until(follower, b"four")


def test_publishers_of_a_channel_that_cannot_be_deleted_are_not_told_that_it_was(hub, tmp_path):
    """They were told `DELETED` before it was tried, and stopped for good, while the channel went on."""
    data = tmp_path / "data"
    hub = hub("--data", data)
    publisher, answer = hub.ask("PUBLISH old producer=meter")
    publisher.send(frame(b"one"))
    assert publisher.frame() == b"ACK 1"
    waiting, _ = hub.ask("PUBLISH old")
    # Something else has the name of the directory for channels that are deleted.
    (data / "deleted").write_text("")
    refused(hub.refusal("DELETE old"), "STORAGE")
    for client in (publisher, waiting):
        refused(client.only(), "BUSY")
    again = ok(hub.ask("PUBLISH old producer=meter")[1])
    assert (again["epoch"], again["next"]) == (ok(answer)["epoch"], "1")


def test_who_follows_a_channel_that_cannot_be_deleted_goes_on_in_it_without_a_word(hub, tmp_path):
    """It was told that the channel was deleted, and then it got all messages again, under the same epoch."""
    data = tmp_path / "data"
    hub = hub("--data", data)
    hub.publish("old", [b"one"])
    follower = hub.connect()
    follower.request("FOLLOW o* from=first")
    follower.send(frame(b""))
    heard_until(follower, b"one")
    # Something else has the name of the directory for channels that are deleted.
    (data / "deleted").write_text("")
    for count in range(1, 4):
        refused(hub.refusal("DELETE old"), "STORAGE")
        epoch = ok(hub.publish("old", [b"more"]))["epoch"]
        assert follower.frame() == f"@old epoch={epoch} from={count} count=1".encode()
        assert follower.frame() == b"more"
    (data / "deleted").unlink()
    assert delete(hub, "old")["next"] == "4"
    assert follower.frame() == b"@old deleted next=4"
