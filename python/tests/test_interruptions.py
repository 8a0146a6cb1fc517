"""Ctrl-C comes between any two steps of Python: hundreds of interruptions, at whatever moment, lose nothing and send nothing twice."""

import signal
import socket
import threading

import pytest

import tenfold
from tenfold._connection import Unwritten
from tenfold._transport import Deadline

INTERRUPTIONS = 300


class Interrupted(BaseException):
    pass


@pytest.fixture
def interrupted():
    """Makes a call, and interrupts it at some moment if it takes until then; counts the interruptions."""
    armed, count = False, 0

    def ring(*_):
        nonlocal armed
        if armed:
            armed = False
            raise Interrupted

    def call(function, *arguments):
        nonlocal armed, count
        try:
            armed = True
            function(*arguments)
        except Interrupted:
            count += 1
        finally:
            armed = False
        return count

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    yield call
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_what_was_received_is_kept(interrupted):
    here, there = socket.socketpair()
    wire = tenfold.Encoder().encode_all(b"%d" % n for n in range(1000))
    rounds, enough = 0, threading.Event()

    def send():
        nonlocal rounds
        with there:
            while not enough.is_set():
                there.sendall(wire)
                rounds += 1

    sending = threading.Thread(target=send)
    sending.start()
    connection = tenfold.connect(here, side="server")
    seen = 0
    while not connection._ended:
        if interrupted(connection._read, Deadline(None)) >= INTERRUPTIONS:
            enough.set()
        # Taken out while nothing interrupts.
        while connection._messages:
            assert connection._messages.popleft() == b"%d" % (seen % 1000)
            seen += 1
    sending.join()
    assert seen == 1000 * rounds
    connection.close()


def test_what_was_sent_is_not_sent_again(interrupted):
    here, there = socket.socketpair()
    wire = bytes(range(251)) * 400
    received, rounds = bytearray(), 0

    def receive():
        with there:
            while data := there.recv(1000):
                received.extend(data)

    receiving = threading.Thread(target=receive)
    receiving.start()
    connection = tenfold.connect(here)
    count = 0
    while count < INTERRUPTIONS:
        connection._unwritten = Unwritten(wire)
        rounds += 1
        while connection._unwritten.rest():
            count = interrupted(connection._flush, Deadline(None))
    here.shutdown(socket.SHUT_WR)
    receiving.join()
    assert received == wire * rounds
    connection.close()
