"""Ports that look alike: whoever is at the wrong one is told which command is for it, and nothing is lost in silence."""

import signal

import pytest

from support import accept, frame, listener, wait_until


@pytest.fixture
def ports(hub):
    """A hub's address, and those of its plain ports `out` and `in`."""
    place = hub("--plain", "127.0.0.1:0=ticks", "--plain", "127.0.0.1:0=ticks:in")
    place.publish("ticks", [b"one"])
    return place, *("127.0.0.1:%d" % port for port in place.ports)


def failed(process, *words):
    assert process.wait() == 1, process.err
    for part in words:
        assert part in process.err, process.err


@pytest.mark.parametrize("framing", ["decimal:10", "line"])
def test_send_at_a_hubs_port_says_that_it_is_one(tenfold, ports, framing):
    _, hub, _, _ = ports
    sender = tenfold("send", hub, "--framing", framing, "hello", "world")
    failed(sender, f"{hub} is a hub", f"tenfold pub CHANNEL -s {hub}")
    sender = tenfold("send", hub, "--framing", framing, "--report", "json", stdin=b"a line\n" * 200_000)
    failed(sender, f"tenfold pub CHANNEL -s {hub}")
    assert '"error":null' not in sender.err


@pytest.mark.parametrize("framing", ["decimal:10", "line"])
def test_recv_at_a_hubs_port_says_that_it_is_one_and_prints_nothing(tenfold, ports, framing):
    _, hub, _, _ = ports
    receiver = tenfold("recv", hub, "--framing", framing)
    failed(receiver, f"{hub} is a hub", f"tenfold sub CHANNEL -s {hub}")
    assert receiver.out == b""


REFUSALS = [
    b"ERROR TIMEOUT the request did not come in time",
    b"ERROR BUSY the hub has as many connections as it may",
    b"ERROR PROTO field=1 expected a verb",
    b"ERROR AUTH a token is needed",
    b"ERROR DENIED this address may not connect",
    b"ERROR SHUTDOWN the hub ends",
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.split()[1].decode())
@pytest.mark.parametrize("framing", ["decimal:10", "line", "u32be"])
def test_recv_knows_each_answer_of_a_hub_that_it_did_not_ask(tenfold, refusal, framing):
    server, address = listener()
    receiver = tenfold("recv", address, "--framing", framing, "--out", "json")
    with server, accept(server) as hub:
        hub.sendall(frame(refusal))
    failed(receiver, f"{address} is a hub", f"tenfold sub CHANNEL -s {address}", f"it said: {refusal.decode()}")
    assert receiver.out == b""


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.split()[1].decode())
def test_send_knows_each_answer_of_a_hub_that_did_not_understand_it(tenfold, refusal):
    server, address = listener()
    sender = tenfold("send", address, "hello", "--report", "json")
    with server, accept(server) as hub:
        hub.sendall(frame(refusal))
        hub.recv(1 << 16)
    failed(sender, f"{address} is a hub", f"tenfold pub CHANNEL -s {address}", f"it said: {refusal.decode()}")
    assert '"error":null' not in sender.err


def test_a_stream_of_messages_that_read_like_a_refusal_is_printed_like_any_other(tenfold):
    server, address = listener()
    receiver = tenfold("recv", address)
    lines = [b"ERROR BUSY door 3 is open", b"ERROR FULL tank 7"]
    with server, accept(server) as peer:
        for line in lines:
            peer.sendall(frame(line))
            wait_until(lambda line=line: line in receiver.out, what="the message")
    assert receiver.wait() == 0, receiver.err
    assert receiver.out.splitlines() == lines


def test_a_hub_that_ends_while_nobody_has_asked_is_known_by_what_it_says_then(tenfold, hub):
    place = hub()
    address = f"127.0.0.1:{place.port}"
    receiver = tenfold("recv", address, "--verbose")
    wait_until(lambda: "connected" in receiver.err, what="the connection")
    place.process.signal(signal.SIGTERM)
    failed(receiver, f"{address} is a hub")
    assert receiver.out == b""


COMMANDS = [["sub", "ticks"], ["pub", "ticks", "x"], ["channels"], ["channels", "--health"], ["clients"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_client_of_the_hub_at_a_broadcast_says_that_this_is_not_a_hub(tenfold, command):
    broadcast = tenfold("broadcast", "--every", "20ms", "--message", '{"volt": 3}', listen=True)
    client = tenfold(*command, "-s", broadcast.address)
    failed(client, f"{broadcast.address} is not a hub", f"tenfold recv {broadcast.address}")
    assert client.out == b""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_client_of_the_hub_at_a_plain_port_says_that_this_is_not_a_hub(tenfold, hub, command):
    place = hub("--plain", "127.0.0.1:0=ticks", "--replay", "1")
    place.publish("ticks", [b"one"])
    address = "127.0.0.1:%d" % place.plain[0]
    client = tenfold(*command, "-s", address)
    failed(client, f"{address} is not a hub", f"tenfold recv {address}")
    assert client.out == b""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_client_of_the_hub_at_a_port_that_says_nothing_ends_with_a_hint(tenfold, command):
    server, address = listener()
    client = tenfold(*command, "-s", address)
    with server, accept(server):
        assert client.wait() == 5, client.err
    assert f"tenfold recv {address}" in client.err
    assert client.out == b""


def test_the_hub_warns_when_a_plain_ports_first_message_is_a_request(ports):
    place, _, _, _ = ports
    with place.connect(place.plain[1]) as client:
        client.send(frame(b"SUBSCRIBE ticks from=next"))
        wait_until(lambda: "the first message at a plain port is a request" in place.process.err, what="the warning")
    # It is a message all the same: a plain port has no requests.
    assert place.messages("ticks", 2) == [b"one", b"SUBSCRIBE ticks from=next"]


def test_the_hub_warns_when_a_plain_port_throws_bytes_away(ports):
    place, _, _, _ = ports
    for _ in range(3):
        with place.connect(place.plain[0]) as client:
            client.send(frame(b"17.25"))
    said = wait_until(lambda: [line for line in place.process.err.splitlines() if "thrown away" in line], what="the warning")
    assert len(said) == 1 and "ticks" in said[0] and "ADDR=CHANNEL:in" in said[0]
    # The other kind is told, too.
    with place.connect(place.plain[1]) as client:
        client.send(frame(b"HEALTH"))
        wait_until(lambda: "is a request" in place.process.err, what="the other warning")


def test_a_subscriber_that_listens_only_is_not_warned_of(hub):
    place = hub("--plain", "127.0.0.1:0=ticks", "--replay", "1")
    place.publish("ticks", [b"one"])
    with place.connect(place.plain[0]) as client:
        client.half_close()
        assert client.frame() == b"one"
    assert "mistake" not in place.process.err
