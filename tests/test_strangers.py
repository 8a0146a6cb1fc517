"""Who connects to a command that listens is a stranger: what he sends is not believed, and what he holds is bounded."""

import socket

import pytest

from support import frame, wait_until

REQUEST = b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20\r\n\r\ntransfer all money\r\n"


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def ends(client):
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("framing", ["line", "delim:\\r\\n"])
def test_lines_of_an_http_request_are_not_messages(tenfold, framing):
    receiver = tenfold("recv", "--keep", "--framing", framing, listen=True)
    with connect(receiver.port) as browser:
        browser.sendall(REQUEST)
        assert ends(browser)
    wait_until(lambda: "HTTP request" in receiver.err, what="the warning")
    with connect(receiver.port) as sender:
        sender.sendall(b"hello\r\n")
        wait_until(lambda: b"hello" in receiver.out, what="the message")
    assert b"money" not in receiver.out and b"POST" not in receiver.out


def test_a_request_in_pieces_is_one_as_well(tenfold):
    receiver = tenfold("recv", "--framing", "line", listen=True)
    with connect(receiver.port) as browser:
        for byte in REQUEST:
            try:
                browser.sendall(bytes([byte]))
            except OSError:
                break
    assert receiver.wait() == 4
    assert receiver.out == b"" and "HTTP request" in receiver.err


def test_a_bridge_refuses_a_browser_and_goes_on(tenfold):
    receiver = tenfold("recv", "--keep", listen=True)
    bridge = tenfold("bridge", "listen:127.0.0.1:0", f"127.0.0.1:{receiver.port}", "--framing", "line", "--to", "decimal:10")
    wait_until(lambda: "listening" in bridge.err, what="the bridge")
    port = int(bridge.err.split("listening 127.0.0.1:")[1].split()[0])
    with connect(port) as browser:
        browser.sendall(REQUEST)
        assert ends(browser)
    with connect(port) as sender:
        sender.sendall(b"hello\n")
        wait_until(lambda: receiver.out == b"hello\n", what="the message")
    assert "HTTP request" in bridge.err


MEBIBYTE = 1 << 20


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def start_large_messages(port, count):
    """Connections that have each sent most of a message of 16 MiB, as far as they can."""
    clients = []
    for _ in range(count):
        client = connect(port)
        client.settimeout(3)
        clients.append(client)
        try:
            client.sendall(b"%-10d" % (16 * MEBIBYTE) + bytes(16 * MEBIBYTE - 100))
        except OSError:
            # What it may hold is taken by the others, or it was ended for them.
            pass
    return clients


@pytest.mark.parametrize("command", ["recv", "bridge"])
def test_all_senders_together_hold_a_bounded_amount_and_the_next_one_is_served(tenfold, command):
    receiver = tenfold("recv", "--keep", "--max-message", "16MiB", "--out", "lines", listen=True)
    port, listens = receiver.port, receiver
    if command == "bridge":
        listens = tenfold("bridge", "listen:127.0.0.1:0", f"127.0.0.1:{receiver.port}", "--max-message", "16MiB")
        wait_until(lambda: "listening" in listens.err, what="the bridge")
        port = int(listens.err.split("listening 127.0.0.1:")[1].split()[0])
    clients = start_large_messages(port, 20)
    with connect(port) as honest:
        honest.sendall(frame(b"y" * MEBIBYTE))
        # Those that hold memory and send nothing are ended for it.
        wait_until(lambda: b"y" * MEBIBYTE in receiver.out, bound=60, what="the message of the last one")
    assert resident(listens.process.pid) < 256 + 150
    wait_until(lambda: "other senders wait" in listens.err, bound=60, what="the end of one that sends nothing")
    for client in clients:
        client.close()
