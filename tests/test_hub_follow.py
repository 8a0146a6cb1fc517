"""FOLLOW: many channels on one connection, byte by byte."""

import json
import re
import signal
import time

import pytest

from hub import KIB, MIB, ok, refused
from support import FULL, frame, frames, wait_until

RUN = re.compile(rb"@(\S+) epoch=([0-9a-f]{16}) from=(\d+) count=(\d+)(?: next=(\d+))?")
UNKNOWN = "00000000000000aa"


class Follower:
    """A client that counts: what came of each channel, and what was said of it."""

    def __init__(self, hub, patterns: str, places=(), **options):
        self.client = hub.connect(**options)
        self.client.request(f"FOLLOW {patterns}")
        lines = [f"{name} epoch={epoch} from={seq}".encode() for name, epoch, seq in places]
        self.client.send(frames([*lines, b""]))
        self.count = int(ok(self.client.answer())["channels"])
        self.messages: dict[str, list[bytes]] = {}
        self.places: dict[str, tuple[str, int]] = {}
        self.said: list[str] = []
        self.runs: list[tuple[str, int]] = []
        places = 0
        while places < self.count:
            places += self.heading() == "place"

    def heading(self) -> str | None:
        """The next heading, with its messages; None at the end."""
        line = self.client.frame()
        if line is None:
            return None
        assert line.startswith(b"@"), line[:100]
        run = RUN.fullmatch(line)
        if not run:
            self.said.append(line.decode())
            return "said"
        name, epoch, seq, count = run[1].decode(), run[2].decode(), int(run[3]), int(run[4])
        if run[5]:
            assert count == 0 and int(run[5]) >= seq
            self.places[name] = epoch, seq
            return "place"
        known = self.places.get(name)
        assert known is None or known == (epoch, seq) or any(said.startswith(f"@{name} ") for said in self.said)
        into = self.messages.setdefault(name, [])
        for _ in range(count):
            into.append(self.client.frame())
        self.places[name] = epoch, seq + count
        self.runs.append((name, count))
        return "run"

    def until(self, done):
        while not done():
            assert self.heading() is not None, "the stream has ended"

    def has(self, name: str, messages: list[bytes]):
        self.until(lambda: len(self.messages.get(name, [])) >= len(messages))
        assert self.messages[name] == messages


def listed(hub, request: str) -> list[dict]:
    with hub.connect() as client:
        client.request(request)
        return [json.loads(line) for line in client.rest()]


def stop(hub):
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0, hub.process.err


def numbered(name: str, first: int, last: int, pad: int = 0) -> list[bytes]:
    return [b"%s %d " % (name.encode(), n) + b"." * pad for n in range(first, last)]


def test_channels_that_fit_come_each_in_its_order_and_others_do_not(hub):
    hub = hub()
    for name in ("quotes.a", "quotes.b", "ticks", "tocks"):
        hub.publish(name, numbered(name, 0, 100))
    follower = Follower(hub, "quotes.* ticks from=first")
    assert follower.count == 3
    for name in ("quotes.a", "quotes.b", "ticks"):
        follower.has(name, numbered(name, 0, 100))
    hub.publish("tocks", [b"not followed"])
    hub.publish("quotes.a", numbered("quotes.a", 100, 200))
    follower.has("quotes.a", numbered("quotes.a", 0, 200))
    assert set(follower.messages) == {"quotes.a", "quotes.b", "ticks"} and follower.said == []


@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize(("place", "first"), [("next", 9), ("last", 8), ("first", 0), ("-3", 6), ("@0", 0), ("@99999999999", 9)])
def test_a_place_is_that_of_a_subscription(hub, tmp_path, data, place, first):
    hub = hub(*(["--data", str(tmp_path / "data")] if data else []))
    for name in ("a", "b"):
        hub.publish(name, numbered(name, 0, 9))
    follower = Follower(hub, f"a b from={place}")
    assert {name: seq for name, (_, seq) in follower.places.items()} == {"a": first, "b": first}
    hub.publish("b", numbered("b", 9, 10))
    follower.has("b", numbered("b", first, 10))


def test_a_name_that_appears_later_comes_from_its_first_message(hub):
    hub = hub()
    follower = Follower(hub, "quotes.* b")
    assert follower.count == 0
    # A subscriber that waits for a name makes no channel, nor does a publisher that says nothing.
    hub.subscribe("quotes.z")
    hub.publish("b", [])
    hub.publish("quotes.a", numbered("quotes.a", 0, 3))
    follower.has("quotes.a", numbered("quotes.a", 0, 3))
    hub.publish("b", [b"one"])
    hub.publish("quotes.z", [b"two"])
    follower.has("b", [b"one"])
    follower.has("quotes.z", [b"two"])
    assert follower.said == []


def test_a_follower_goes_on_where_it_was_and_gets_what_has_appeared_since(hub):
    hub = hub()
    hub.publish("a", numbered("a", 0, 5))
    hub.publish("quiet", numbered("quiet", 0, 5))
    follower = Follower(hub, "* from=next")
    hub.publish("a", numbered("a", 5, 8))
    follower.has("a", numbered("a", 5, 8))
    follower.client.close()
    hub.publish("a", numbered("a", 8, 12))
    hub.publish("quiet", [b"at last"])
    hub.publish("new", numbered("new", 0, 2))
    places = [(name, epoch, seq) for name, (epoch, seq) in follower.places.items()]
    again = Follower(hub, "* from=first", places)
    again.has("a", numbered("a", 8, 12))
    again.has("quiet", [b"at last"])
    again.has("new", numbered("new", 0, 2))
    assert again.said == []


def test_each_kind_of_gap_is_told_and_the_others_go_on(hub):
    hub = hub("--channel-memory", "256KiB")
    epoch = ok(hub.publish("trimmed", numbered("trimmed", 0, 1000, pad=KIB)))["epoch"]
    hub.publish("good", numbered("good", 0, 5))
    hub.publish("other", numbered("other", 0, 5))
    places = [("trimmed", epoch, 7), ("good", epoch, 2), ("other", UNKNOWN, 2), ("gone", epoch, 9), ("never", epoch, 0)]
    follower = Follower(hub, "*", places)
    first = follower.places["trimmed"][1]
    follower.has("good", numbered("good", 2, 5))
    follower.has("other", numbered("other", 0, 5))
    follower.has("trimmed", numbered("trimmed", first, 1000, pad=KIB))
    follower.until(lambda: len(follower.said) == 3)
    assert first > 7
    assert sorted(follower.said) == ["@gone deleted", f"@other epoch={epoch} first=0", f"@trimmed trimmed first={first}"]


def test_a_follower_that_takes_nothing_is_told_what_it_has_missed_and_the_others_are_not_held(hub):
    hub = hub("--channel-memory", "4MiB")
    hub.publish("busy", [b"first"])
    follower = Follower(hub, "* from=first", receive_buffer=8 * KIB)
    hub.publish("calm", numbered("calm", 0, 3))
    subscriber, _ = hub.subscribe("busy")
    for n in range(0, 32_000, 1000):
        hub.publish("busy", numbered("busy", n, n + 1000, pad=KIB))
        assert [subscriber.frame() for _ in range(1000)] == numbered("busy", n, n + 1000, pad=KIB)
    hub.publish("calm", numbered("calm", 3, 6))
    follower.has("calm", numbered("calm", 0, 6))
    follower.until(lambda: follower.messages["busy"][-1] == numbered("busy", 31_999, 32_000, pad=KIB)[0])
    (said,) = {line.split("=")[0] for line in follower.said}
    assert said == "@busy trimmed first"
    # Between the gaps nothing is missing.
    got = [int(message.split()[1]) for message in follower.messages["busy"][1:]]
    jumps = sum(b != a + 1 for a, b in zip(got, got[1:], strict=False))
    assert got == sorted(set(got)) and jumps == len(follower.said)


def test_publishers_wait_for_a_slow_follower_where_the_channel_does(hub):
    hub = hub("--channel-memory", "1MiB", "--when-slow", "patient:wait")
    hub.publish("patient", [b"first"])
    follower = Follower(hub, "* from=next", receive_buffer=8 * KIB)
    publisher = hub.connect()
    publisher.request("PUBLISH patient acks=none")
    publisher.sock.settimeout(0.5)
    sent = numbered("patient", 0, 64_000, pad=KIB)
    data, at = frames(sent), 0
    with pytest.raises(TimeoutError):
        while at < len(data):
            at += publisher.sock.send(data[at : at + 256 * KIB])
    publisher.sock.settimeout(60)
    publisher.close()
    whole = at // len(frame(sent[0]))
    follower.until(lambda: len(follower.messages.get("patient", [])) >= whole // 2)
    got = follower.messages["patient"]
    assert got == sent[: len(got)] and follower.said == []


def test_a_busy_channel_holds_no_other_one_up(hub):
    hub = hub("--channel-memory", "64MiB")
    for name in ("busy1", "busy2"):
        hub.publish(name, numbered(name, 0, 8000, pad=4 * KIB))
    hub.publish("calm", numbered("calm", 0, 1))
    follower = Follower(hub, "* from=first", receive_buffer=16 * KIB)
    # The calm one has its turn with the others at the beginning, and again when it has something new.
    follower.until(lambda: "calm" in follower.messages)
    assert len(follower.runs) <= 3
    hub.publish("calm", numbered("calm", 1, 2))
    begun = len(follower.runs)
    follower.until(lambda: len(follower.messages["calm"]) == 2)
    # What was on its way, 256 KiB a run and 512 KiB of a socket's buffer, and a run of each of the others.
    assert len(follower.runs) - begun <= 12
    names = [name for name, _ in follower.runs]
    assert abs(names.count("busy1") - names.count("busy2")) <= 1


def test_a_channel_that_is_larger_than_a_run_comes_whole(hub):
    hub = hub()
    large = [bytes([n]) * (3 * MIB) for n in range(4)]
    hub.publish("large", large)
    hub.publish("small", numbered("small", 0, 10))
    follower = Follower(hub, "* from=first")
    follower.has("large", large)
    follower.has("small", numbered("small", 0, 10))
    assert ("large", 1) in follower.runs


def test_the_end_of_the_hub_is_the_end_after_everything(hub):
    hub = hub()
    for name in ("a", "b"):
        hub.publish(name, numbered(name, 0, 5000))
    follower = Follower(hub, "* from=first")
    hub.process.signal(signal.SIGTERM)
    while follower.heading():
        pass
    assert follower.messages == {name: numbered(name, 0, 5000) for name in ("a", "b")}


def test_a_follower_is_listed_and_counted(hub):
    hub = hub()
    for name in ("a", "b"):
        hub.publish(name, numbered(name, 0, 5))
    follower = Follower(hub, "a b zz* from=first")
    follower.has("a", numbered("a", 0, 5))
    follower.has("b", numbered("b", 0, 5))
    (one,) = [one for one in listed(hub, "CLIENTS") if one["kind"] == "follower"]
    assert (one["patterns"], one["channels"], one["messages"], one["lag"]) == ("a b zz*", 2, 10, 0)
    assert {one["channel"]: one["subscribers"] for one in listed(hub, "CHANNELS")} == {"a": 1, "b": 1}
    # A close could be a half-close.
    follower.client.reset()
    wait_until(lambda: not [one for one in listed(hub, "CLIENTS") if one["kind"] == "follower"], what="the follower's end")
    assert {one["channel"]: one["subscribers"] for one in listed(hub, "CHANNELS")} == {"a": 0, "b": 0}


# With a log.


def test_the_files_are_replayed_byte_for_byte_and_go_on_in_memory(hub, tmp_path):
    hub = hub("--data", str(tmp_path / "data"), "--channel-memory", "256KiB")
    names = [f"c{n}" for n in range(20)]
    for name in names:
        hub.publish(name, numbered(name, 0, 3000, pad=300))
    follower = Follower(hub, "* from=first", receive_buffer=16 * KIB)
    for name in names[:5]:
        hub.publish(name, numbered(name, 3000, 3100, pad=300))
    for index, name in enumerate(names):
        follower.has(name, numbered(name, 0, 3100 if index < 5 else 3000, pad=300))
    assert follower.said == []


def test_a_stalled_replay_goes_on_with_what_was_let_go(hub, tmp_path):
    hub = hub("--data", str(tmp_path / "data"), "--channel-memory", "256KiB")
    for name in ("a", "b"):
        hub.publish(name, numbered(name, 0, 8000, pad=500))
    follower = Follower(hub, "* from=first", receive_buffer=8 * KIB)
    for _ in range(4):
        # What was read and not sent is kept for 0.2 s, and then read again.
        time.sleep(0.5)
        before = len(follower.runs)
        follower.until(lambda before=before: len(follower.runs) >= before + 3)
    for name in ("a", "b"):
        follower.has(name, numbered(name, 0, 8000, pad=500))


def test_after_a_restart_each_channel_goes_on_in_the_new_epoch(hub, tmp_path):
    first = hub("--data", str(tmp_path / "data"))
    for name in ("a", "b"):
        first.publish(name, numbered(name, 0, 9))
    follower = Follower(first, "* from=first")
    follower.has("a", numbered("a", 0, 9))
    follower.has("b", numbered("b", 0, 9))
    places = [(name, epoch, seq - 4) for name, (epoch, seq) in follower.places.items()]
    stop(first)
    second = hub("--data", str(tmp_path / "data"))
    again = Follower(second, "* from=first", places)
    again.has("a", numbered("a", 5, 9))
    again.has("b", numbered("b", 5, 9))
    assert again.said == [] and again.places["a"][0] != follower.places["a"][0]


def test_damage_in_one_channel_is_told_and_the_others_go_on(hub, tmp_path):
    first = hub("--data", str(tmp_path / "data"))
    for name in ("bad", "good"):
        first.publish(name, numbered(name, 0, 4000, pad=200))
    stop(first)
    (file,) = (tmp_path / "data" / "channels" / "bad").glob("*.frames")
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    second = hub("--data", str(tmp_path / "data"))
    follower = Follower(second, "* from=first")
    follower.has("good", numbered("good", 0, 4000, pad=200))
    follower.until(lambda: follower.messages.get("bad", [b""])[-1] == numbered("bad", 3999, 4000, pad=200)[0])
    (said,) = follower.said
    next_seq = int(re.fullmatch(r"@bad corrupt next=(\d+)", said)[1])
    assert 0 < next_seq < 4000 and follower.messages["bad"] == numbered("bad", next_seq, 4000, pad=200)


# Limits and mistakes.


def ask(hub, request: str, *lines: bytes, end: bool = False) -> bytes:
    """What the hub says to a request with this list before it closes."""
    client = hub.connect()
    client.request(request)
    client.send(frames(lines))
    if end:
        client.half_close()
    return client.only()


def test_a_list_that_is_not_one_is_refused(hub):
    hub = hub()
    epoch = ok(hub.publish("a", [b"x"]))["epoch"]
    line = f"a epoch={epoch} from=1".encode()
    refused(ask(hub, "FOLLOW a", line, line), "PROTO", place="1", field="1")
    refused(ask(hub, "FOLLOW a", b"b epoch=00000000000000aa from=0"), "PROTO", place="0", field="1")
    refused(ask(hub, "FOLLOW a", b"a from=1"), "PROTO", place="0", field="3")
    refused(ask(hub, "FOLLOW a", line, end=True), "PROTO", place="1")
    refused(ask(hub, "FOLLOW a", f"a epoch={epoch} from=2".encode(), b""), "FUTURE", next="1", place="0")
    client = hub.connect()
    client.request("FOLLOW a")
    client.send(b"GET /")
    refused(client.only(), "HEADER", offset="18", message="0")
    # What follows the empty frame is not looked at.
    follower = Follower(hub, "a from=first")
    follower.client.send(b"GET / HTTP/1.1\r\n")
    follower.has("a", [b"x"])


def test_requests_that_are_none_name_the_field(hub):
    hub = hub()
    refused(hub.refusal("FOLLOW from=next"), "PROTO", field="2")
    refused(hub.refusal("FOLLOW a*b"), "PROTO", field="2")
    refused(hub.refusal("FOLLOW a* from=7"), "PROTO", field="3", key="from")
    refused(hub.refusal("FOLLOW " + " ".join(["x*"] * 65)), "PROTO", field="66")
    assert Follower(hub, " ".join(["x*"] * 64)).count == 0


def test_a_list_must_come_in_time(hub):
    hub = hub("--request-timeout", "200ms")
    client = hub.connect()
    client.request("FOLLOW a")
    client.send(frame(f"a epoch={UNKNOWN} from=1".encode()))
    refused(client.only(), "TIMEOUT")
    # Half of a frame is not one.
    client = hub.connect()
    client.request("FOLLOW a")
    client.send(b"0    ")
    refused(client.only(), "TIMEOUT")


def test_a_connection_follows_no_more_channels_than_it_may(hub):
    hub = hub("--max-followed", "3")
    for name in ("a", "b", "c"):
        hub.publish(name, [b"x"])
    follower = Follower(hub, "* from=first")
    assert follower.count == 3
    hub.publish("d", [b"x"])
    while follower.heading():
        pass
    refused(ask(hub, "FOLLOW *", b""), "BUSY")
    lines = [f"{name} epoch={UNKNOWN} from=0".encode() for name in "abcd"]
    refused(ask(hub, "FOLLOW *", *lines, b""), "PROTO", place="3")
    assert Follower(hub, "a b c").count == 3


def test_all_connections_together_follow_no_more_than_the_hub_allows_and_places_come_back(hub):
    hub = hub("--max-followed-in-all", "5")
    for name in ("a", "b"):
        hub.publish(name, [b"x"])
    followers = [Follower(hub, "*") for _ in range(2)]
    refused(ask(hub, "FOLLOW *", b""), "BUSY")
    lines = [f"x{n} epoch={UNKNOWN} from=0".encode() for n in range(2)]
    refused(ask(hub, "FOLLOW x*", *lines, b""), "BUSY")
    assert Follower(hub, "x* a", [("x0", UNKNOWN, 0)]).count == 1
    for follower in followers:
        follower.client.reset()

    def is_free() -> bool:
        client = hub.connect()
        client.request("FOLLOW *")
        client.send(frame(b""))
        answer = client.answer()
        client.close()
        return answer.startswith(b"OK")

    wait_until(is_free, what="places of followers that have gone")


def test_a_half_closed_follower_gives_its_place_to_another_client(hub):
    hub = hub("--max-connections", "1")
    follower = Follower(hub, "*")
    follower.client.half_close()
    other, _ = hub.subscribe("a")
    assert follower.heading() is None
    other.close()


def test_ten_thousand_channels_on_one_connection_take_little_memory(hub):
    hub = hub()
    count = 10_000 if FULL else 2000
    names = [f"c{n:05}" for n in range(count)]
    for name in names:
        with hub.connect() as client:
            client.request(f"PUBLISH {name}")
            client.send(frame(b"x"))
            client.half_close()
            client.rest()
    before = hub.resident()
    follower = Follower(hub, "c*")
    assert follower.count == count
    wait_until(lambda: [one["lag"] for one in listed(hub, "CLIENTS") if one["kind"] == "follower"] == [0], what="an idle follower")
    taken = hub.resident() - before
    print(f"{taken / count:.0f} bytes for each followed channel")
    # A place, its mark, and what stands on the list of the channel.
    assert taken / count < 2 * KIB
    for name in names[:: count // 50]:
        hub.publish(name, [b"y"])
    follower.until(lambda: len(follower.messages) == 50)


def test_a_client_that_resets_in_its_list_leaves_nothing(hub):
    hub = hub()
    for _ in range(20):
        client = hub.connect()
        client.request("FOLLOW a")
        client.send(frame(b"a epoch=00000000000000aa from=0")[:20])
        client.reset()
    wait_until(lambda: hub.health()["connections"] == "1", what="their ends")


@pytest.mark.parametrize("data", [False, True])
def test_a_deleted_channel_ends_with_its_last_message_and_one_of_its_name_is_another_channel(hub, tmp_path, data):
    hub = hub(*(["--data", str(tmp_path / "data")] if data else []))
    hub.publish("a", numbered("a", 0, 5))
    hub.publish("b", numbered("b", 0, 5))
    follower = Follower(hub, "* from=first")
    follower.has("a", numbered("a", 0, 5))
    epoch = follower.places["a"][0]
    # What is published just before is not lost to a follower that takes what comes.
    hub.publish("a", numbered("a", 5, 9))
    ok(hub.refusal("DELETE a"))
    follower.until(lambda: follower.said)
    assert follower.said == ["@a deleted next=9"] and follower.messages["a"] == numbered("a", 0, 9)
    del follower.messages["a"], follower.places["a"]
    hub.publish("a", [b"again"])
    follower.has("a", [b"again"])
    assert follower.places["a"][0] != epoch and follower.places["a"][1] == 1
    follower.has("b", numbered("b", 0, 5))
    # A client that was away hears of it when it comes back.
    again = Follower(hub, "a* from=first", [("a", epoch, 9), ("a.gone", epoch, 2)])
    again.has("a", [b"again"])
    again.until(lambda: len(again.said) == 2)
    assert sorted(again.said) == ["@a epoch=%s first=0" % again.places["a"][0], "@a.gone deleted"]
