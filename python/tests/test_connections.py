"""Connections of both kinds of client, with each other and with a peer of bytes."""

import asyncio
import contextlib
import io
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import tenfold
import tenfold.asyncio
from both import CLIENTS, SOON, Waiting, pair, run
from tenfold import FrameError, TruncatedError

SIZES = [0, 1, 127, 4096, 65536, 300_000, 2_000_000]


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


class Peer:
    """A peer that sends and gets bytes."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listening.getsockname()[1]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.listening.close()
        self.socket.close()

    async def accept(self):
        self.socket, _ = await asyncio.to_thread(self.listening.accept)

    async def send(self, data):
        await asyncio.to_thread(self.socket.sendall, data)

    async def rest(self):
        return await asyncio.to_thread(self.socket.makefile("rb").read)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()


@pytest.mark.parametrize("listening", CLIENTS.values(), ids=CLIENTS)
def test_messages_of_all_sizes_go_both_ways(listening, client, loop_factory):
    async def test():
        async with pair(listening, client) as (server, client_):
            messages = [bytes([size % 251]) * size for size in SIZES]

            async def echo():
                async for message in server:
                    await server.send(message)
                await server.finish()

            async def talk():
                await client_.send_all(iter(messages))
                await client_.finish()

            echoing, talking = asyncio.create_task(echo()), asyncio.create_task(talk())
            assert [message async for message in client_] == messages
            assert await client_.recv() is None
            await asyncio.gather(echoing, talking)

    run(test(), loop_factory)


def test_leaving_a_loop_loses_nothing(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            await peer.send(tenfold.Encoder().encode_all(b"%d" % n for n in range(100)))
            peer.socket.shutdown(socket.SHUT_WR)
            async for message in connection:
                if message == b"9":
                    break
            assert await connection.recv() == b"10"
            async for batch in connection.batches():
                assert batch[0] == b"11"
                break
            seen = [*batch, *[message async for message in connection]]
            assert seen == [b"%d" % n for n in range(11, 100)]

    run(test())


def test_a_time_out_in_the_middle_of_a_frame_loses_nothing(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            await peer.send(b"5         hel")
            for timeout in (0.05, 0):
                with pytest.raises(TimeoutError):
                    await connection.recv(timeout)
            await peer.send(b"lo")
            assert await connection.recv(SOON) == b"hello"

    run(test())


def test_messages_before_an_error_come_first_and_the_error_does_not_wait_for_more(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            await peer.send(b"2         hiGET / HTTP/1.1\r\n")
            assert await connection.recv() == b"hi"
            for _ in range(2):
                with pytest.raises(FrameError, match="looks like HTTP"):
                    await connection.recv()

    run(test())


def test_an_end_inside_a_frame_is_told_after_the_messages_before_it(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            await peer.send(b"2         hi2         h")
            peer.socket.shutdown(socket.SHUT_WR)
            seen = []
            with pytest.raises(TruncatedError):
                async for message in connection:
                    seen.append(message)
            assert seen == [b"hi"]

    run(test())


def test_a_peer_that_breaks_off_is_an_error_that_is_told_again(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            peer.reset()
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await connection.recv()

    run(test())


def test_what_was_sent_before_a_close_arrives_though_the_client_has_read_nothing(client):
    async def test():
        async with Peer() as peer:
            async with client.connect(peer.address) as connection:
                await peer.accept()
                await peer.send(b"6         unread")
                await connection.send(b"last words")
                reading = asyncio.create_task(peer.rest())
                closing = asyncio.create_task(connection.close())
                assert await reading == b"10        last words"
                peer.socket.close()
                await closing

    run(test())


def test_two_receivers_are_told_apart(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            calls = [asyncio.create_task(connection.recv()) for _ in range(2)]
            done, waiting = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            (refused,) = done
            with pytest.raises(RuntimeError, match="receive from one connection at the same time"):
                refused.result()
            await peer.send(b"2         hi")
            assert [await call for call in waiting] == [b"hi"]

    run(test())


def test_a_message_that_timed_out_was_not_accepted_and_one_that_was_goes_whole(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            accepted = 0
            with pytest.raises(TimeoutError):
                while True:
                    await connection.send(b"%-100000d" % accepted, 0.05)
                    accepted += 1
            assert accepted > 0
            # It takes as long as it takes, and whether the system has room for the rest meanwhile is its own affair.
            with contextlib.suppress(TimeoutError):
                await connection.flush(0)
            reading = asyncio.create_task(peer.rest())
            await connection.finish()
            messages = tenfold.Decoder().feed(await reading)
            assert [int(message) for message in messages] == list(range(accepted))

    run(test())


def test_a_fast_sender_waits_for_a_slow_receiver(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            frames = tenfold.Encoder().encode_all([bytes(1000)] * 1000)
            assert await receive_one(connection, peer, frames)
            peer.socket.settimeout(1)
            sent = await asyncio.to_thread(send_until_full, peer.socket, frames)
            # The buffers of both sockets, and 1 MiB; it could have been 256 MB.
            assert sent < 64e6

    async def receive_one(connection, peer, frames):
        receiving = asyncio.create_task(connection.recv())
        await peer.send(frames)
        return await receiving

    run(test())


def send_until_full(sock, frames):
    for count in range(256):
        try:
            sock.sendall(frames)
        except TimeoutError:
            break
    return count * len(frames)


def test_texts_and_values_are_sent_as_utf_8(client):
    async def test():
        async with Peer() as peer, client.connect(peer.address) as connection:
            await peer.accept()
            with pytest.raises(TypeError, match="send_text"):
                await connection.send("grüße")
            with pytest.raises(TypeError, match="single"):
                await connection.send_all(b"bytes")
            with pytest.raises(ValueError):
                await connection.send_json(float("nan"))
            await connection.send_text("grüße")
            await connection.send_json({"ä": [1, None]})
            await connection.finish()
            assert tenfold.Decoder().feed(await peer.rest()) == ["grüße".encode(), '{"ä":[1,null]}'.encode()]

    run(test())


def test_each_side_reads_what_the_other_writes(client):
    async def test():
        async with pair(Waiting, client, framing="u8 // u16be") as (server, connecting):
            await connecting.send(b"hi")
            assert await server.recv() == b"hi"
            await server.send(bytes(300))
            assert await connecting.recv() == bytes(300)

    run(test())


def test_unix_sockets_have_addresses_and_leave_no_file(client, tmp_path):
    async def test():
        path = tmp_path / "socket"
        async with client.listen(f"unix:{path}") as listener:
            assert listener.address == f"unix:{path}"
            async with client.connect(listener.address) as connection, await listener.accept() as server:
                await connection.send(b"hi")
                assert await server.recv() == b"hi"
        assert not path.exists()

    run(test())


@pytest.mark.parametrize("address", ["localhost", "http://localhost", "127.0.0.1:", ":70000", "::1:80", "unix:"])
def test_what_is_not_an_address_is_refused(client, address):
    async def test():
        with pytest.raises(ValueError):
            await client.connect(address)

    run(test())


def test_a_connection_that_cannot_be_made_is_one_of_pythons_errors(client):
    async def test():
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            await client.connect(f"127.0.0.1:{port}")

    run(test())


def test_cancelling_a_call_loses_nothing():
    async def test():
        async with Peer() as peer, tenfold.asyncio.connect(peer.address) as connection:
            await peer.accept()
            await peer.send(b"2         hi5         hel")
            assert await connection.recv() == b"hi"
            receiving = asyncio.create_task(connection.recv())
            await asyncio.sleep(0)
            receiving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await receiving
            await peer.send(b"lo")
            assert await connection.recv() == b"hello"

    run(test())


def test_one_thread_receives_while_others_send():
    with tenfold.listen("127.0.0.1:0") as listener, tenfold.connect(listener.address) as client, listener.accept() as server:
        threads = [threading.Thread(target=client.send_all, args=([b"%d" % n] * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        seen = [server.recv(SOON) for _ in range(4000)]
        for thread in threads:
            thread.join()
        assert sorted(seen) == sorted(b"%d" % n for n in range(4) for _ in range(1000))


INTERRUPTS = 300


def interrupted_again_and_again(process: "subprocess.Popen[str]") -> threading.Thread:
    """Sends Ctrl-C at any moments, each when the process says that it can take the next one."""

    def interrupt() -> None:
        assert process.stderr is not None
        for _ in range(INTERRUPTS):
            if process.stderr.readline() != "ready\n":
                return
            time.sleep(random.random() / 500)
            process.send_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def test_ctrl_c_at_any_moment_tears_nothing_that_is_received():
    """What the system had given was lost when the signal came before it was decoded. (A message that a call was about to return goes with it.)"""
    program = """
import sys, tenfold
def received(connection):
    seen, is_ready = [], False
    while True:
        try:
            if not is_ready:
                print("ready", file=sys.stderr, flush=True)
                is_ready = True
            while (message := connection.recv()) is not None:
                seen.append(int(message))
            return seen
        except KeyboardInterrupt:
            is_ready = False
connection = tenfold.connect(sys.argv[1])
print("connected", flush=True)
seen = received(connection)
assert seen == sorted(set(seen)), "twice, or out of order"
print(seen[-1], len(seen))
"""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:%d" % listening.getsockname()[1]
        with subprocess.Popen([sys.executable, "-c", program, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            peer, _ = listening.accept()
            with peer:
                assert process.stdout.readline() == "connected\n"
                interrupting, count = interrupted_again_and_again(process), 0
                while interrupting.is_alive():
                    for _ in range(100):
                        peer.sendall(b"%-10d%-20d" % (20, count))
                        count += 1
                peer.shutdown(socket.SHUT_WR)
                last, seen = process.stdout.readline().split()
                assert int(last) == count - 1
                assert count - INTERRUPTS <= int(seen) <= count


def test_ctrl_c_at_any_moment_tears_nothing_that_is_sent():
    """What the system had taken was sent again when the signal came before it was counted."""
    program = """
import sys, tenfold
connection = tenfold.connect(sys.argv[1])
print("connected", flush=True)
number, interrupts, is_ready = 0, 0, False
while interrupts < int(sys.argv[2]):
    try:
        if not is_ready:
            print("ready", file=sys.stderr, flush=True)
            is_ready = True
        while interrupts < int(sys.argv[2]):
            number += 1
            connection.send(b"%d" % number + b"." * 3000)
    except KeyboardInterrupt:
        interrupts += 1
        is_ready = False
connection.close()
print(number)
"""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:%d" % listening.getsockname()[1]
        command = [sys.executable, "-c", program, address, str(INTERRUPTS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            peer, _ = listening.accept()
            with tenfold.connect(peer, side="server") as connection:
                assert process.stdout.readline() == "connected\n"
                interrupting = interrupted_again_and_again(process)
                numbers = [int(message.rstrip(b".")) for message in connection]
                interrupting.join()
                number = int(process.stdout.readline())
                assert numbers == sorted(set(numbers))
                assert number - INTERRUPTS <= len(numbers) <= number


def test_ctrl_c_ends_a_call_that_waits_and_loses_nothing():
    program = """
import sys, tenfold
with tenfold.connect(sys.argv[1]) as connection:
    try:
        print("connected", flush=True)
        connection.recv()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(connection.recv().decode())
"""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:%d" % listening.getsockname()[1]
        command = [sys.executable, "-c", program, address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            peer, _ = listening.accept()
            with peer:
                assert process.stdout.readline() == "connected\n"
                peer.sendall(b"5         hel")
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "interrupted\n"
                peer.sendall(b"lo")
                assert process.stdout.readline() == "hello\n"


def test_a_pair_of_files_is_a_connection():
    reader, writer = io.BytesIO(b"2         hi0         "), io.BytesIO()
    connection = tenfold.connect((reader, writer))
    assert list(connection) == [b"hi", b""]
    connection.send(b"back")
    assert writer.getvalue() == b"4         back"
    with pytest.raises(ValueError, match="time-out"):
        connection.recv(timeout=1) or connection.send(b"", timeout=1)
    connection.close()
    assert writer.closed


def test_a_file_that_does_not_wait_is_not_taken_for_one_that_has_ended():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(reading, "rb", buffering=0) as reader, open(writing, "wb", buffering=0) as writer:
        with pytest.raises(ValueError, match="set_blocking"):
            tenfold.connect((reader, writer))


def test_the_pipes_of_a_program_are_a_connection():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as cat:
        with tenfold.connect((cat.stdout, cat.stdin), "netstring") as connection:
            connection.send(b"there and back")
            connection.finish()
            assert list(connection) == [b"there and back"]


def test_a_child_of_a_fork_can_have_the_connection():
    with tenfold.listen("127.0.0.1:0") as listener, tenfold.connect(listener.address) as client:
        server = listener.accept()
        child = os.fork()
        if child == 0:
            server.send(b"from the child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert client.recv(SOON) == b"from the child"
        server.close()
