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
