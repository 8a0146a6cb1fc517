"""Several addresses of hubs with the same channels: commands go to the next one after each failure, and go on where they were."""

import json
import signal
import socket

from hub import Hub
from support import BOUND, wait_until


def nobody() -> str:
    """An address at which nobody listens: its port is free, and stays taken until the process that runs the tests ends."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    _taken.append(sock)
    return f"127.0.0.1:{sock.getsockname()[1]}"


_taken: list[socket.socket] = []


def start(tenfold, directory, life: int) -> Hub:
    """A hub on the directory, at another port in each life."""
    ports = directory / f"life-{life}"
    return Hub(tenfold("serve", "--data", directory / "data", "--listen", "127.0.0.1:0", "--port-file", ports, port_file=ports))


def test_each_command_asks_the_first_hub_that_is_there(hub, tenfold):
    there = f"127.0.0.1:{hub().port}"
    servers = f"{nobody()},{there}"
    published = tenfold("pub", "ticks", "17.25", "-s", servers)
    assert published.wait() == 0, published.err
    assert f"connected to one of {servers}" in published.err
    read = tenfold("sub", "ticks", "--from", "first", "--until-end", "-s", servers)
    assert (read.wait(), read.out) == (0, b"17.25\n"), read.err
    times = tenfold("sub", "ticks", "--from", "first", "--until-end", "--out", "json", "-s", servers)
    assert times.wait() == 0 and "time" in json.loads(times.out), times.err
    for command in (["channels"], ["clients"], ["top", "--once", "--every", "100ms"]):
        listed = tenfold(*command, "-s", servers)
        assert listed.wait() == 0, (command, listed.err)
    deleted = tenfold("delete", "ticks", "--yes", "-s", servers)
    assert deleted.wait() == 0, deleted.err


def test_without_any_hub_a_command_has_tried_each_of_them_once(tenfold):
    first, last = nobody(), nobody()
    read = tenfold("sub", "ticks", "-s", f"{first},{last}")
    assert read.wait() == 3
    assert first in read.err and last in read.err
    listed = tenfold("channels", "-s", f"{first},{last}")
    assert listed.wait() == 3 and last in listed.err


def test_an_address_that_is_not_one_is_named(tenfold):
    read = tenfold("sub", "ticks", "-s", "127.0.0.1:1,elsewhere")
    assert read.wait() == 2
    assert '"elsewhere" is not an address' in read.err


def test_a_hub_that_moves_to_another_port_costs_nothing(tenfold, tmp_path):
    """Publisher and subscriber know both addresses. The hub is killed at one and starts again at the other."""
    first = start(tenfold, tmp_path, 1)
    first.may_die()
    second = socket.socket()
    second.bind(("127.0.0.1", 0))
    address = f"127.0.0.1:{second.getsockname()[1]}"
    servers = f"127.0.0.1:{first.port},{address}"
    reader = tenfold("sub", "ticks", "--from", "first", "--count", "2000", "-s", servers)
    writer = tenfold("pub", "ticks", "--producer", "meter7", "--rate", "1000", "-s", servers, stdin=b"".join(b"%d\n" % n for n in range(2000)))
    wait_until(lambda: len(reader.out.splitlines()) >= 100, BOUND, "the first messages")
    first.process.signal(signal.SIGKILL)
    first.process.process.wait(BOUND)
    second.close()
    ports = tmp_path / "life-2"
    again = Hub(tenfold("serve", "--data", tmp_path / "data", "--listen", address, "--port-file", ports, port_file=ports))
    assert writer.wait() == 0, writer.err
    assert reader.wait() == 0, reader.err
    assert reader.out == b"".join(b"%d\n" % n for n in range(2000))
    again.end()
    first.end()
