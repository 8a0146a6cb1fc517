"""stderr that is full, gone or not read: a command that serves others goes on, and says later what is missing."""

import fcntl
import os
import re
import signal

import pytest

from hub import Hub
from support import connect, read_message, wait_until

F_SETPIPE_SZ = 1031


@pytest.fixture
def serve(run, binary, tmp_path):
    """Starts a hub whose stderr is a file of this name."""

    def start(stderr) -> Hub:
        ports = tmp_path / "ports"
        command = ["sh", "-c", 'errors=$1; shift; exec "$@" 2>"$errors"', "sh", stderr, binary, "serve"]
        return Hub(run(*command, "--listen", "127.0.0.1:0", "--port-file", ports, port_file=ports))

    return start


@pytest.fixture
def pipe(tmp_path):
    """A pipe with a name that holds one page, and its end for reading."""
    path = tmp_path / "stderr"
    os.mkfifo(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(end, F_SETPIPE_SZ, 4096)
    yield path, end
    try:
        os.close(end)
    except OSError:
        pass


def publish_from_many(hub: Hub, count: int, name: str = "ticks"):
    """Each connection is two lines on stderr."""
    for _ in range(count):
        hub.publish(name, [b"message"])


def ends_well(hub: Hub):
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0


def test_a_hub_serves_everybody_while_stderr_is_full(serve):
    hub = serve("/dev/full")
    publish_from_many(hub, 20)
    assert hub.health()["messages"] == "20"
    ends_well(hub)


def test_a_hub_serves_everybody_after_the_reader_of_stderr_has_gone(serve, pipe):
    path, end = pipe
    hub = serve(path)
    publish_from_many(hub, 2)
    os.close(end)
    publish_from_many(hub, 20)
    assert hub.health()["messages"] == "22"
    ends_well(hub)


def test_a_hub_serves_everybody_while_nobody_reads_stderr_and_says_later_what_is_missing(serve, pipe):
    path, end = pipe
    hub = serve(path)
    # More than the pipe and what the hub keeps: a line has the channel's name in it.
    name = "n" * 128
    publish_from_many(hub, 4000, name)
    assert hub.health()["messages"] == "4000"
    said = bytearray()

    def missing():
        try:
            said.extend(os.read(end, 1 << 16))
        except BlockingIOError:
            pass
        return re.search(rb"tenfold: warning: ([0-9]+) lines are missing here: stderr could not be written\n", said)

    # The line that comes next says it.
    wait_until(lambda: not missing() and len(said) > 1 << 20 or missing(), what="what the hub has kept")
    publish_from_many(hub, 1)
    found = wait_until(missing, what="the number of lines that are missing")
    assert int(found[1]) > 0
    ends_well(hub)


def test_a_broadcast_reaches_its_clients_while_stderr_is_full(run, binary, tmp_path):
    ports = tmp_path / "ports"
    command = ["sh", "-c", 'exec "$@" 2>/dev/full', "sh", binary, "broadcast", "-v", "--wait-clients", "5"]
    broadcast = run(*command, "--listen", "127.0.0.1:0", "--port-file", ports, stdin="open", port_file=ports)
    clients = [connect(broadcast.port) for _ in range(5)]
    for number in range(3):
        broadcast.write(b"%d\n" % number)
        assert [read_message(client) for client in clients] == [b"%d" % number] * 5
    broadcast.stdin.close()
    assert broadcast.wait() == 0
    for client in clients:
        client.close()
