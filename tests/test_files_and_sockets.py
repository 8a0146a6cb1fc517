"""What the tools do with files that change, FIFOs, and the files of unix sockets."""

import os
import signal

from support import connect, frame, read_message, read_to_end, wait_until


def test_a_followed_file_goes_on_when_it_is_truncated_and_when_it_is_replaced(tenfold, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"aaaa\nbbbb\n")
    server = tenfold("broadcast", "--follow", "--wait-clients", "1", "--listen", "127.0.0.1:0", log, listen=True)
    with connect(server.port) as client:
        assert [read_message(client), read_message(client)] == [b"aaaa", b"bbbb"]
        log.write_bytes(b"cut\n")
        assert read_message(client) == b"cut"
        log.rename(tmp_path / "log.1")
        log.write_bytes(b"new\n")
        assert read_message(client) == b"new"
        server.signal(signal.SIGTERM)
        assert read_to_end(client) == b""
    assert server.wait() == 0, server.err
    assert "truncated" in server.err and "replaced" in server.err


def test_a_broadcast_of_a_fifo_listens_before_anybody_writes(tenfold, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = tenfold("broadcast", "--wait-clients", "1", "--listen", "127.0.0.1:0", fifo, listen=True)
    client = connect(server.port)
    with open(fifo, "wb") as writer:
        writer.write(b"one\ntwo\n")
    assert read_to_end(client) == frame(b"one") + frame(b"two")
    assert server.wait() == 0, server.err


def test_a_conversion_that_waits_for_a_fifo_can_be_ended(tenfold, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = tenfold("convert", "line", "json", fifo)
    wait_until(lambda: has_open(process, fifo), what="the FIFO to be opened, without a writer")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.err


def has_open(running, path) -> bool:
    fds = f"/proc/{running.process.pid}/fd"
    return str(path) in [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)]


def test_a_receiver_that_is_terminated_removes_its_socket_file(tenfold, tmp_path):
    path = tmp_path / "with space"
    receiver = tenfold("recv", "--keep", "--listen", f"unix:{path}")
    sender = tenfold("send", "--retry=30s", f"unix:{path}", "x")
    assert sender.wait() == 0, sender.err
    wait_until(lambda: receiver.out == b"x\n", what="the message")
    receiver.signal(signal.SIGTERM)
    assert receiver.wait() == 0, receiver.err
    assert not path.exists()


def test_marks_are_never_dropped_by_a_conversion(tenfold):
    process = tenfold("convert", "json", "hex", stdin=b'{"mark":0}\n{"text":"x"}\n')
    assert process.wait() == 4
    assert "mark" in process.err and process.out == b""


def test_what_is_meant_as_an_address_is_not_a_file(tenfold):
    process = tenfold("recv", "tcp://127.0.0.1")
    assert process.wait() == 2
    assert "port" in process.err
    process = tenfold("recv", "localhost")
    assert process.wait() == 1
    assert "localhost" in process.err and "address" in process.err
