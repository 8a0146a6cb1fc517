"""One to many: what is sent goes to everybody, and a slow one is nobody else's matter."""

import asyncio
import contextlib
import os
import socket
import ssl

import pytest

import tenfold
import tenfold.asyncio
from both import CLIENTS, SOON, run


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


def test_everybody_gets_the_welcome_and_then_every_message(client):
    async def test():
        messages = [b"%d" % n for n in range(1000)]
        async with client.Broadcast("127.0.0.1:0", welcome="Grüße".encode()) as broadcast, contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(tenfold.asyncio.connect(broadcast.address)) for _ in range(5)]
            await broadcast.wait_for(5, SOON)
            assert broadcast.clients == 5
            await broadcast.send(b"one")
            await broadcast.send_all(messages)
            for connection in clients:
                for message in ["Grüße".encode(), b"one", *messages]:
                    assert await connection.recv(SOON) == message
            closing = asyncio.create_task(broadcast.close())
            for connection in clients:
                assert await connection.recv(SOON) is None
                await connection.close()
            await closing

    run(test())


def test_nobody_waits_for_one_that_reads_nothing(client):
    async def test():
        async with client.Broadcast("127.0.0.1:0", waiting=100_000) as broadcast:
            host, _, port = broadcast.address.rpartition(":")
            with socket.create_connection((host, int(port))):
                async with tenfold.asyncio.connect(broadcast.address) as reader:
                    await broadcast.wait_for(2, SOON)
                    # More than the system and the broadcast hold together, and never more for the reader than that.
                    for n in range(1000):
                        await broadcast.send(b"%d" % n * 10_000)
                        assert await reader.recv(SOON) == b"%d" % n * 10_000
                    assert (broadcast.clients, broadcast.let_go) == (1, 1)

    run(test())


def test_who_has_said_its_end_still_gets_messages_and_who_has_gone_is_forgotten(client):
    async def test():
        async with client.Broadcast("127.0.0.1:0", "line") as broadcast:
            async with tenfold.asyncio.connect(broadcast.address, "line") as connection:
                await connection.send(b"is anybody there?")
                await connection.finish()
                await broadcast.wait_for(1, SOON)
                await broadcast.send(b"yes")
                assert await connection.recv(SOON) == b"yes"
            while broadcast.clients:
                await broadcast.send(b"still?")
                await asyncio.sleep(0.001)

    run(test())


def test_what_is_wrong_is_told(client):
    async def test():
        async with client.Broadcast("127.0.0.1:0") as broadcast:
            with pytest.raises(TypeError):
                await broadcast.send("text")
            with pytest.raises(TypeError):
                await broadcast.send_all(b"one")
            with pytest.raises(TimeoutError):
                await broadcast.wait_for(1, 0.01)
            with pytest.raises(OSError):
                client.Broadcast(broadcast.address)
        with pytest.raises(tenfold.FramingError):
            client.Broadcast("127.0.0.1:0", "nonsense")
        with pytest.raises(ValueError, match="certificate"):
            client.Broadcast("tls://127.0.0.1:0")

    run(test())


def test_over_tls(client, own, authority):
    async def test():
        listens = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        listens.load_cert_chain(own, own.with_suffix(".key"))
        async with client.Broadcast("tls://127.0.0.1:0", welcome=b"hello", waiting=100_000, tls=listens) as broadcast:
            # One that never agrees.
            with socket.create_connection(("127.0.0.1", int(broadcast.address.rpartition(":")[2]))):
                async with tenfold.asyncio.connect(broadcast.address, tls=authority.client()) as connection:
                    await broadcast.wait_for(2, SOON)
                    await broadcast.send(b"one")
                    assert [await connection.recv(SOON) for _ in range(2)] == [b"hello", b"one"]
                    for _ in range(3):
                        await broadcast.send(b"x" * 50_000)
                        assert await connection.recv(SOON) == b"x" * 50_000
                    assert (broadcast.clients, broadcast.let_go) == (1, 1)

    run(test())


def test_a_child_of_a_fork_makes_its_own():
    with tenfold.Broadcast("127.0.0.1:0") as broadcast:
        child = os.fork()
        if child == 0:
            try:
                broadcast.send(b"from the child")
            except RuntimeError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
