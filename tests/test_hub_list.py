"""CLIENTS: what a hub tells of its connections, and `tenfold clients`, which shows it."""

import json

import pytest

from hub import KIB, numbered
from support import frame, wait_until


def clients(hub) -> list[dict]:
    """All connections but the one that asks."""
    with hub.connect() as client:
        client.request("CLIENTS")
        rows = [json.loads(line) for line in client.rest()]
        own = "127.0.0.1:%d" % client.sock.getsockname()[1]
    (asking,) = [row for row in rows if row["peer"] == own]
    assert asking["kind"] == "request" and "seq" not in asking
    return [row for row in rows if row is not asking]


def told(hub, **members) -> dict:
    """The only connection, once it is told with these members."""
    seen = []

    def is_told() -> bool:
        seen[:] = clients(hub)
        return len(seen) == 1 and members.items() <= seen[0].items()

    wait_until(is_told, what=f"{members}")
    return seen[0]


def test_a_subscriber_has_a_place_a_lag_and_a_rate(hub):
    hub = hub()
    hub.publish("ticks", numbered(10))
    client, _ = hub.subscribe("ticks", " from=4")
    assert [client.frame() for _ in range(6)] == numbered(6, 4)
    row = told(hub, kind="subscriber", channel="ticks", seq=10, lag=0, lag_bytes=0, messages=6, bytes=6 * 11)
    host, _, port = row["peer"].rpartition(":")
    assert (host, int(port)) == ("127.0.0.1", client.sock.getsockname()[1])
    assert row["age"] >= 0 and "producer" not in row
    for rate, total in [("rate", "messages"), ("rate_bytes", "bytes")]:
        # The age is told in milliseconds, and the first second counts as a whole one.
        least, most = row[total] / max(row["age"] + 0.001, 1), row[total] / max(row["age"] - 0.001, 1)
        assert least - 0.1 <= row[rate] <= most + 0.1


@pytest.mark.parametrize("log", [False, True], ids=["in memory", "with a log"])
def test_a_subscriber_that_takes_nothing_falls_behind_by_what_it_does_not_take(hub, tmp_path, log):
    hub = hub(*(["--data", tmp_path / "data"] if log else []))
    client, _ = hub.subscribe("ticks", receive_buffer=4 * KIB)
    messages = [bytes(64 * KIB)] * 100
    for start in range(0, 100, 10):
        hub.publish("ticks", messages[start : start + 10])
    # It is given to the system as far as that takes it, and the rest is its lag.
    (row,) = [row for row in clients(hub) if row["kind"] == "subscriber"]
    assert 0 < row["lag"] < 100 and row["seq"] + row["lag"] == 100 == row["messages"] + row["lag"]
    frames = len(frame(messages[0]))
    assert row["bytes"] + row["lag_bytes"] == 100 * frames
    assert [client.frame() for _ in range(100)] == messages
    told(hub, kind="subscriber", seq=100, lag=0, lag_bytes=0, messages=100, bytes=100 * frames)


def test_a_producer_is_named_and_its_place_counts_over_all_its_connections(hub):
    hub = hub()
    hub.publish("ticks", numbered(3), " producer=meter7")
    client, _ = hub.ask("PUBLISH ticks producer=meter7")
    client.send(frame(b"3") + frame(b"4") + b"5 ")
    row = told(hub, kind="publisher", producer="meter7", seq=5, lag=0, messages=2, bytes=24)
    # The part of a frame is received and not committed.
    assert row["lag_bytes"] == 2


@pytest.mark.parametrize("direction", ["in", "out", "both"])
def test_connections_of_plain_ports_are_told_with_their_direction(hub, direction):
    hub = hub("--plain", f"127.0.0.1:0=ticks:{direction}")
    with hub.connect(hub.plain[0]) as client:
        told(hub, kind=f"plain-{direction}", channel="ticks", seq=0, messages=0)
        if direction == "both":
            client.send(frame(b"17.5"))
            assert client.frame() == b"17.5"
            told(hub, seq=1, lag=0, messages=2, bytes=28)


def test_a_connection_that_says_nothing_is_told(hub):
    hub = hub()
    with hub.connect() as silent:
        row = told(hub, kind="request")
        assert int(row["peer"].rpartition(":")[2]) == silent.sock.getsockname()[1]
        assert "channel" not in row


def test_a_list_of_many_is_whole_and_who_has_gone_is_not_in_it(hub):
    hub = hub()
    open_ones = [hub.ask(f"SUBSCRIBE channel{number % 7}")[0] for number in range(300)]
    rows = clients(hub)
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    ports = [int(row["peer"].rpartition(":")[2]) for row in rows]
    assert ports == [client.sock.getsockname()[1] for client in open_ones]
    for client in open_ones:
        client.reset()
    wait_until(lambda: clients(hub) == [], what="the end of all")


def test_tenfold_clients_shows_the_list_as_a_table_and_as_json(tenfold, hub):
    hub = hub()
    hub.publish("ticks", [b"one"])
    wait_until(lambda: clients(hub) == [], what="the end of the publisher")
    client, _ = hub.subscribe("ticks", " from=first")
    assert client.frame() == b"one"
    told(hub, seq=1)
    address = f"127.0.0.1:{hub.port}"
    table = tenfold("clients", "--server", address)
    assert table.wait() == 0
    titles, subscriber, asking = table.out.decode().splitlines()
    assert titles.split()[:4] == ["PEER", "KIND", "CHANNEL", "PRODUCER"] and titles.endswith("LAST MISTAKE")
    port = client.sock.getsockname()[1]
    assert subscriber.split()[:6] == [f"127.0.0.1:{port}", "subscriber", "ticks", "-", "1", "0"]
    assert asking.split()[1:6] == ["request", "-", "-", "-", "-"]
    lines = tenfold("clients", "--json", "--server", address)
    assert lines.wait() == 0
    assert json.loads(lines.out.splitlines()[0])["kind"] == "subscriber"


def test_a_watch_of_clients_outlives_the_hub(tenfold, hub):
    first = hub()
    address = f"127.0.0.1:{first.port}"
    watch = tenfold("clients", "--watch=50ms", "--json", "--server", address)
    wait_until(lambda: b'"request"' in watch.out, what="the first look")
    first.may_die()
    first.end()
    wait_until(lambda: "looking again every 50ms" in watch.err, what="the warning")
    again = tenfold("serve", "--listen", address)
    wait_until(lambda: "listening" in again.err, what="the next hub")
    wait_until(lambda: "is there again" in watch.err, what="the good news")
    assert watch.process.poll() is None


def test_the_last_mistake_of_a_peer_is_told_of_its_connections(hub):
    hub = hub("--plain", "127.0.0.1:0=ticks:in")
    with hub.connect(source="127.0.0.2") as device, hub.connect(source="127.0.0.3") as other:
        assert not any("mistake" in row for row in clients(hub))
        with hub.connect(hub.plain[0], source="127.0.0.2") as again:
            again.send(b"POST /measure HTTP/1.1\r\n")
            assert again.frame() is None
        rows = {row["peer"]: row for row in clients(hub)}
        mistaken, fine = (rows["%s:%d" % one.sock.getsockname()] for one in (device, other))
        assert mistaken["mistake"].startswith("HEADER offset=0 message=0 ") and "HTTP" in mistaken["mistake"]
        assert mistaken["mistake_age"] >= 0
        assert "mistake" not in fine
