"""A hub that systemd starts: what it tells it, and the sockets that it gets from it. The peer is the protocol, as sd_notify(3) and
sd_listen_fds(3) have it: nobody needs systemd to run these."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from hub import Hub, ok
from support import BOUND, connect, wait_until

ACTIVATE = Path(__file__).with_name("activate.py")


class Manager:
    """Where a service manager listens."""

    def __init__(self, place: str):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + place[1:] if place.startswith("@") else place)
        self.sock.settimeout(BOUND)
        self.place = place

    def hears(self, *words: str) -> str:
        """The next datagram that has all these lines."""
        while True:
            said = self.sock.recv(65536).decode()
            if all(word in said.splitlines() for word in words):
                return said


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    manager = Manager(str(tmp_path / "notify") if request.param == "path" else f"@tenfold-test-{os.getpid()}")
    yield manager
    manager.sock.close()


def test_the_manager_is_told_of_the_start_of_the_end_and_how_the_hub_is(tenfold, manager):
    environment = {"NOTIFY_SOCKET": manager.place, "WATCHDOG_USEC": "300000"}
    hub = Hub(tenfold("serve", listen=True, env=environment))
    assert "STATUS=ok: 0 connections, 0 channels, 0 messages since the start" in manager.hears("READY=1")
    hub.publish("ticks", [b"one"])
    wait_until(lambda: "1 channel, 1 message since" in manager.hears("WATCHDOG=1"), what="the status with the message")
    hub.process.signal(signal.SIGTERM)
    manager.hears("STOPPING=1")
    assert hub.process.wait() == 0


def test_another_process_is_watched_and_not_the_hub(tenfold, tmp_path):
    manager = Manager(str(tmp_path / "notify"))
    environment = {"NOTIFY_SOCKET": manager.place, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}
    hub = Hub(tenfold("serve", listen=True, env=environment))
    manager.hears("READY=1")
    hub.publish("ticks", [b"one"])
    hub.process.signal(signal.SIGTERM)
    # With a third of a microsecond between them, there would have been many.
    assert "WATCHDOG=1" not in manager.sock.recv(65536).decode()
    assert hub.process.wait() == 0


def test_a_manager_that_reads_nothing_is_not_waited_for(tenfold, tmp_path):
    """More datagrams than its socket holds are sent to it, and the hub serves and ends as always."""
    manager = Manager(str(tmp_path / "notify"))
    environment = {"NOTIFY_SOCKET": manager.place, "WATCHDOG_USEC": "3000"}
    hub = Hub(tenfold("serve", listen=True, env=environment))
    with open("/proc/sys/net/unix/max_dgram_qlen") as file:
        queue = int(file.read())
    for round in range(queue + 20):
        hub.publish("ticks", [b"%d" % round])
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0


def test_a_manager_that_cannot_be_reached_is_said(tenfold, tmp_path):
    environment = {"NOTIFY_SOCKET": str(tmp_path / "nothing")}
    process = tenfold("serve", "--listen", "127.0.0.1:0", env=environment)
    assert process.wait() == 1
    assert "cannot tell the service manager anything at NOTIFY_SOCKET" in process.err


# Sockets

def activated(run, binary, tmp_path, sockets: list[str], *arguments) -> Hub:
    ports = tmp_path / "ports"
    return Hub(run(sys.executable, ACTIVATE, *sockets, "--", binary, "serve", "--port-file", ports, *arguments, port_file=ports))


def test_a_hub_serves_at_the_sockets_that_it_is_given(run, binary, tmp_path):
    hub = activated(run, binary, tmp_path, ["127.0.0.1:0", "127.0.0.1:0"], "--listen", "{0}", "--plain", "{1}=ticks:in")
    with connect(hub.plain[-1]) as plain:
        plain.sendall(b"3         one")
        assert hub.messages("ticks", 1) == [b"one"]
    hub.process.signal(signal.SIGTERM)
    assert hub.process.wait() == 0


def test_the_file_of_a_socket_that_was_given_is_left_when_the_hub_ends(run, binary, tmp_path):
    """The manager goes on listening there, and starts the next one."""
    place, ports = tmp_path / "socket", tmp_path / "ports"
    process = run(sys.executable, ACTIVATE, place, "--", binary, "serve", "--port-file", ports, "--listen", "{0}", port_file=ports)
    assert process.address == f"unix:{place}"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(BOUND)
        client.connect(str(place))
        client.sendall(b"6         HEALTH")
        assert b"status=ok" in client.recv(1000)
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert place.exists()


def test_all_addresses_of_one_port_are_one_socket(run, binary, tmp_path):
    hub = activated(run, binary, tmp_path, ["0.0.0.0:0"], "--insecure-listen", "--listen", "{0}")
    assert hub.health()["status"] == "ok"
    hub.end()


@pytest.mark.parametrize("socket, words", [
    ("127.0.0.1:0", "has handed over a socket at {0}, and the hub is not to listen there"),
    ("udp:", "descriptor 3 that the service manager has handed over is not a listening stream socket"),
])
def test_a_socket_that_the_hub_does_not_want_is_a_mistake(run, binary, socket, words):
    process = run(sys.executable, ACTIVATE, socket, "--", binary, "serve", "--listen", "127.0.0.1:0", "--welcome", "{0}", "--plain", "127.0.0.1:0=a")
    assert process.wait() == 2
    assert words.partition("{0}")[0] in process.err and words.partition("{0}")[2] in process.err


def test_sockets_of_another_process_are_left_alone(tenfold):
    """The variables are inherited by children that they are not for."""
    hub = Hub(tenfold("serve", listen=True, env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}))
    assert hub.health()["status"] == "ok"
    hub.end()
