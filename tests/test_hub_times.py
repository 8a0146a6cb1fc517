"""`TIMES`: when messages were committed, at the wire and through `tenfold sub`."""

import json
import re
import subprocess
import time
from datetime import datetime

import pytest

from hub import ok
from support import wait_until


def times(client, count: int) -> list[int]:
    """The times of so many messages, one for each: frames must follow each other without a gap."""
    seq, told = None, []
    while len(told) < count:
        frame = client.frame()
        assert frame is not None, f"the times end after {told}"
        first, number, stamp = map(int, frame.split(b" "))
        assert number > 0 and (seq is None or first == seq), (first, seq)
        seq = first + number
        told += [stamp] * number
    assert len(told) == count, told
    return told


def at(text: str) -> float:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), text
    return datetime.fromisoformat(text).timestamp()


KINDS = pytest.mark.parametrize("kind", ["memory", "log"])


def start(hub, kind: str, tmp_path, *options):
    return hub(*options, *(("--data", tmp_path / "data") if kind == "log" else ()))


@KINDS
def test_each_message_has_the_time_of_its_commit(hub, kind, tmp_path):
    place = start(hub, kind, tmp_path)
    expected = []
    for batch in [[b"a"], [b"b", b"c"], [b"d"] * 100]:
        before = time.time() * 1000
        place.publish("ticks", batch)
        expected += [(before, time.time() * 1000)] * len(batch)
        # The clock of the times goes on by a millisecond.
        wait_until(lambda: time.time() * 1000 > expected[-1][1] + 2, what="the next millisecond")
    for first in [0, 1, 2, 50, 102]:
        client, answer = place.ask(f"TIMES ticks from={first} to=103")
        assert (ok(answer)["from"], ok(answer)["next"]) == (str(first), "103")
        told = times(client, 103 - first)
        assert client.frame() is None
        assert told == sorted(told)
        for stamp, (before, after) in zip(told, expected[first:], strict=True):
            assert before - 1 <= stamp <= after, (stamp, before, after)


@KINDS
def test_times_go_on_as_messages_are_committed(hub, kind, tmp_path):
    place = start(hub, kind, tmp_path)
    place.publish("ticks", [b"a"])
    client, answer = place.ask("TIMES ticks from=1")
    assert ok(answer)["next"] == "1"
    last = 0
    for _ in range(5):
        place.publish("ticks", [b"b", b"c"])
        (stamp, other) = times(client, 2)
        assert last <= stamp <= other <= time.time() * 1000
        last = other
    # Up to a seq that is not reached yet.
    bounded, _ = place.ask("TIMES ticks from=10 to=12")
    place.publish("ticks", [b"d"])
    assert times(bounded, 2) and bounded.frame() is None
    client.half_close()
    assert client.rest() == [] or client.frame() is None


def test_times_on_disk_outlive_the_hub(hub, tmp_path):
    place = hub("--data", tmp_path / "data")
    place.publish("ticks", [b"a", b"b"])
    with place.ask("TIMES ticks from=0 to=2")[0] as client:
        told = times(client, 2)
    place.may_die()
    place.end()
    again = hub("--data", tmp_path / "data")
    again.publish("ticks", [b"c"])
    with again.ask("TIMES ticks from=0 to=3")[0] as client:
        assert times(client, 3)[:2] == told


def test_what_cannot_be_told_is_refused_as_a_subscription_is(hub):
    place = hub("--channel-memory", "64KiB")
    assert place.refusal("TIMES ticks from=0").startswith(b"ERROR NO_CHANNEL ")
    waiting, _ = place.subscribe("ticks")
    assert place.refusal("TIMES ticks from=0").startswith(b"ERROR NO_CHANNEL "), "a name alone has no times"
    for _ in range(200):
        place.publish("ticks", [b"x" * 1000])
    assert place.refusal("TIMES ticks from=0").startswith(b"ERROR TRIMMED first=")
    assert place.refusal("TIMES ticks from=201").startswith(b"ERROR FUTURE next=200 ")
    assert place.refusal("TIMES ticks from=199 epoch=0123456789abcdef").startswith(b"ERROR EPOCH ")
    assert place.refusal("TIMES ticks").startswith(b"ERROR PROTO field=3 key=from ")
    assert place.refusal("TIMES ticks from=first").startswith(b"ERROR PROTO field=3 key=from ")
    waiting.close()


def test_a_client_that_asks_for_times_holds_up_no_publisher_and_no_deletion(hub):
    place = hub("--when-slow", "wait=60s", "--channel-memory", "64KiB")
    place.publish("ticks", [b"a"])
    # It takes nothing, and is passed.
    client, _ = place.ask("TIMES ticks from=0", receive_buffer=4096)
    begun = time.monotonic()
    place.publish("ticks", [b"x" * 1000] * 500)
    assert time.monotonic() - begun < 30
    listed, one = place.ask("CLIENTS")
    kinds = [json.loads(line)["kind"] for line in [one, *listed.rest()]]
    assert "times" in kinds, kinds
    answer = place.ask("DELETE ticks")[1]
    assert answer.startswith(b"OK "), answer
    client.rest()


def test_a_connection_for_times_takes_a_place_and_gives_it_back(hub):
    place = hub("--max-connections", "2")
    place.publish("ticks", [b"a"])
    taken = [place.ask("TIMES ticks from=0")[0] for _ in range(2)]
    assert place.refusal("TIMES ticks from=0").startswith(b"ERROR BUSY ")
    assert place.refusal("SUBSCRIBE ticks").startswith(b"ERROR BUSY ")
    for client in taken:
        client.half_close()
        client.rest()
    wait_until(lambda: place.ask("TIMES ticks from=0 to=1")[1].startswith(b"OK "), what="a free place")


@KINDS
def test_sub_tells_seq_time_and_channel_of_old_and_of_new_messages(tenfold, hub, kind, tmp_path):
    place = start(hub, kind, tmp_path)
    address = f"127.0.0.1:{place.port}"
    place.publish("sensors", [b"1", b"2"])
    published = time.time()
    wait_until(lambda: time.time() > published + 0.05, what="a moment")
    sub = tenfold("sub", "sensors", "--from", "first", "--count", "4", "--json", "--server", address)
    wait_until(lambda: sub.out.count(b"\n") == 2, what="the old messages")
    place.publish("sensors", [b"3", b"\xff"])
    assert sub.wait() == 0, sub.err
    lines = [json.loads(line) for line in sub.out.splitlines()]
    assert [list(line) for line in lines] == [["seq", "time", "channel", "text"]] * 3 + [["seq", "time", "channel", "base64"]]
    assert [(line["seq"], line["channel"]) for line in lines] == [(seq, "sensors") for seq in range(4)]
    stamps = [at(line["time"]) for line in lines]
    assert stamps[:2] <= [published, published] and stamps[2] > published
    assert stamps == sorted(stamps)
    # The time of a message does not depend on when it is asked for.
    again = tenfold("sub", "sensors", "--from", "first", "--until-end", "--json", "--server", address)
    assert again.wait() == 0 and again.out == sub.out, again.err
    assert sub.err == ""


def test_a_template_and_a_command_get_the_same(tenfold, hub):
    place = hub()
    options = ("--from", "first", "--until-end", "--server", f"127.0.0.1:{place.port}")
    place.publish("sensors", [b"17.25", b"17.5"])
    printed = tenfold("sub", "sensors", "--format", "%T %c %s %m", *options)
    assert printed.wait() == 0, printed.err
    command = tenfold("sub", "sensors", "--exec", "echo $TENFOLD_TIME $TENFOLD_CHANNEL $TENFOLD_SEQ $(cat)", *options)
    assert command.wait() == 0, command.err
    assert printed.out == command.out
    first, second = printed.out.decode().splitlines()
    assert at(first.split()[0]) and first.split()[1:] == ["sensors", "0", "17.25"], first
    assert second.split()[1:] == ["sensors", "1", "17.5"]
    many = tenfold("sub", "sensors", "others", "--speed=1", *options)
    assert many.wait() == 2 and "--speed is for one channel" in many.err, many.err


def test_each_of_many_channels_has_its_own_times(tenfold, hub):
    """More channels than connections for times, so some of these are made again."""
    place = hub()
    server = ("--server", f"127.0.0.1:{place.port}")
    names = [f"sensors.{number:03}" for number in range(100)]
    for name in names:
        place.publish(name, [b"1", b"2"])
    wait_until(lambda: time.time() > committed(place, names[-1], 2)[-1] / 1000 + 0.002, what="a later millisecond")
    for name in names:
        place.publish(name, [b"3"])
    sub = tenfold("sub", "sensors.*", "--from", "first", "--until-end", "--json", *server)
    assert sub.wait() == 0, sub.err
    assert sub.err == ""
    lines = [json.loads(line) for line in sub.out.splitlines()]
    assert len(lines) == 300
    for name in names:
        stamps = [round(at(line["time"]) * 1000) for line in lines if line["channel"] == name]
        assert stamps == committed(place, name, 3)
    printed = tenfold("sub", names[0], names[1], "--from", "first", "--until-end", "--format", "%T %c %s %m", *server)
    assert printed.wait() == 0, printed.err
    expected = [f"{line['time']} {line['channel']} {line['seq']} {line['text']}" for line in lines if line["channel"] in names[:2]]
    assert sorted(printed.out.decode().splitlines()) == sorted(expected)


def committed(place, name: str, count: int) -> list[int]:
    client, answer = place.ask(f"TIMES {name} from=0")
    with client:
        assert ok(answer)
        return times(client, count)


def test_a_subscriber_learns_times_again_after_a_restart_of_the_hub(tenfold, hub, tmp_path):
    place = hub("--data", tmp_path / "data")
    place.publish("sensors", [b"1"])
    sub = tenfold("sub", "sensors", "--from", "first", "--count", "3", "--json", "--server", f"127.0.0.1:{place.port}")
    wait_until(lambda: sub.out.count(b"\n") == 1, what="the first message")
    port = place.port
    place.may_die()
    place.end()
    tenfold("serve", "--data", tmp_path / "data", "--listen", f"127.0.0.1:{port}")
    publisher = tenfold("pub", "sensors", "2", "3", "--retry=30s", "--server", f"127.0.0.1:{port}")
    assert publisher.wait() == 0, publisher.err
    assert sub.wait() == 0, sub.err
    lines = [json.loads(line) for line in sub.out.splitlines()]
    assert [line["text"] for line in lines] == ["1", "2", "3"]
    assert all("time" in line for line in lines), lines


def test_messages_are_replayed_at_the_pace_at_which_they_were_committed(tenfold, hub):
    place = hub()
    options = ("--from", "first", "--until-end", "--server", f"127.0.0.1:{place.port}")
    commits = []
    for number in range(4):
        place.publish("sensors", [b"%d" % number])
        commits.append(time.monotonic())
        wait_until(lambda: time.monotonic() > commits[-1] + 0.4, what="the next message")
    took = {}
    for speed in ["1", "4"]:
        begun = time.monotonic()
        sub = tenfold("sub", "sensors", "--speed", speed, *options)
        assert sub.wait() == 0 and sub.out == b"0\n1\n2\n3\n", sub.err
        took[speed] = time.monotonic() - begun
    span = commits[-1] - commits[0]
    assert took["1"] >= span - 0.05, took
    assert took["4"] >= span / 4 - 0.05, took


def test_a_replay_that_is_stopped_goes_on_where_it_was(tenfold, hub, tmp_path):
    place = hub()
    state = tmp_path / "state"
    place.publish("sensors", [b"0"])
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() > begun + 0.2, what="the next message")
    place.publish("sensors", [b"1"])
    options = ("--from", "first", "--until-end", "--state", state, "--server", f"127.0.0.1:{place.port}")
    slow = tenfold("sub", "sensors", "--speed", "0.001", *options)
    wait_until(lambda: slow.out == b"0\n", what="the first message")
    slow.process.terminate()
    assert slow.wait() == 0, slow.err
    assert json.loads(state.read_text())["next"] == 1
    rest = tenfold("sub", "sensors", *options)
    assert rest.wait() == 0 and rest.out == b"1\n", rest.err


def test_a_place_can_be_said_as_a_time(tenfold, hub):
    place = hub()
    options = ("--until-end", "--server", f"127.0.0.1:{place.port}")
    place.publish("sensors", [b"1"])
    today = datetime.now().strftime("%Y-%m-%d")
    yesterday = subprocess.run(["date", "-d", "yesterday", "+%Y-%m-%dT%H:%M"], capture_output=True, text=True, check=True).stdout.strip()
    for said in ["1h", "2d", yesterday, f"@{yesterday}", f"@{int(time.time()) - 60}", f"{today}T00:00"]:
        sub = tenfold("sub", "sensors", "--from", said, *options)
        assert sub.wait() == 0 and sub.out == b"1\n", (said, sub.err)
    for said, hint in [("earliest", "first"), ("latest", "last"), ("tomorrow", "how long ago")]:
        sub = tenfold("sub", "sensors", "--from", said, *options)
        assert sub.wait() == 2 and hint in sub.err, sub.err


def test_a_publisher_sends_no_more_than_its_rate(tenfold, hub):
    place = hub()
    begun = time.monotonic()
    publisher = tenfold("pub", "ticks", "--rate", "20", "--server", f"127.0.0.1:{place.port}", stdin=b"x\n" * 11)
    assert publisher.wait() == 0, publisher.err
    assert time.monotonic() - begun >= 0.5
    assert place.messages("ticks", 11) == [b"x"] * 11
