"""TLS: between both kinds of client, with a peer that is rude, and with a hub."""

import asyncio
import socket
import ssl
import threading

import pytest

import tenfold
from both import CLIENTS, SOON, run
from tenfold.testing import Hub

SIZES = [0, 1, 127, 4096, 65536, 300_000, 2_000_000]


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


@pytest.fixture
def listens(own):
    """What a side listens with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own, own.with_suffix(".key"))
    return context


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda version: version.name)
def trusts(request, authority):
    """What the other side connects with."""
    context = authority.client()
    context.maximum_version = request.param
    return context


@pytest.mark.parametrize("listening", CLIENTS.values(), ids=CLIENTS)
def test_messages_go_both_ways_and_each_direction_ends_alone(listening, client, listens, trusts, loop_factory):
    messages = [bytes([size % 251]) * size for size in SIZES]

    async def serve(listener):
        # Over TLS the two sides agree when this one is first asked for something.
        async with await listener.accept() as server:
            assert [await server.recv(SOON) for _ in messages] == messages
            # The end has come, and what is sent after it still goes.
            assert await server.recv(SOON) is None
            await server.send_all(messages)
            await server.finish()

    async def test():
        async with listening.listen("tls://127.0.0.1:0", tls=listens) as listener:
            assert listener.address.startswith("tls://127.0.0.1:")
            serving = asyncio.create_task(serve(listener))
            async with client.connect(listener.address, tls=trusts) as connection:
                await connection.send_all(messages)
                await connection.finish()
                assert [await connection.recv(SOON) for _ in messages] == messages
                assert await connection.recv(SOON) is None
            await serving

    run(test(), loop_factory)


def test_what_is_sent_and_ended_before_both_sides_have_agreed_arrives(client, listens, trusts):
    async def test():
        async with tenfold.asyncio.listen("tls://127.0.0.1:0", tls=listens) as listener:

            async def serve():
                async with await listener.accept() as server:
                    server._write(tenfold.Encoder().encode(b"early"))
                    server._transport.write_eof()
                    assert await server.recv(SOON) is None

            serving = asyncio.create_task(serve())
            async with client.connect(listener.address, tls=trusts) as connection:
                assert await connection.recv(SOON) == b"early"
                assert await connection.recv(SOON) is None
                await connection.finish()
                await serving

    run(test())


def test_a_connection_that_is_cut_is_an_error_after_its_messages(client, listens, trusts):
    def cut():
        with listening:
            sock, _ = listening.accept()
            secure = listens.wrap_socket(sock, server_side=True)
            secure.sendall(b"2         hi")
            secure.recv(1)
            # Without a word of TLS.
            socket.socket(fileno=secure.detach()).close()

    listening = socket.create_server(("127.0.0.1", 0))
    address = "tls://127.0.0.1:%d" % listening.getsockname()[1]
    thread = threading.Thread(target=cut)
    thread.start()

    async def test():
        async with client.connect(address, tls=trusts) as connection:
            assert await connection.recv(SOON) == b"hi"
            await connection.send(b"cut")
            for _ in range(2):
                with pytest.raises(OSError):
                    await connection.recv(SOON)

    run(test())
    thread.join()


def test_who_is_not_trusted_is_told_at_once(client, listens):
    async def test():
        async with tenfold.asyncio.listen("tls://127.0.0.1:0", tls=listens) as listener:

            async def refused():
                async for connection in listener:
                    async with connection:
                        with pytest.raises(OSError):
                            await connection.recv(SOON)
                    return

            refusing = asyncio.create_task(refused())
            # The CAs of the system do not know it.
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.connect(listener.address, timeout=SOON)
            await refusing

    run(test())


def test_tls_and_address_must_fit(client, listens, authority):
    async def test():
        with pytest.raises(ValueError, match="without TLS"):
            await client.connect("127.0.0.1:1", tls=authority.client())
        with pytest.raises(ValueError, match="certificate"):
            await client.listen("tls://127.0.0.1:0")
        with pytest.raises(ValueError, match="without TLS"):
            client.Subscriber("127.0.0.1:1", "ticks", tls=authority.client())

    run(test())


def test_one_thread_receives_while_others_send(listens, authority):
    with tenfold.listen("tls://127.0.0.1:0", tls=listens) as listener:
        echoing = threading.Thread(target=echo, args=[listener])
        echoing.start()
        with tenfold.connect(listener.address, tls=authority.client()) as connection:
            threads = [threading.Thread(target=connection.send_all, args=([b"%d" % n * 1000] * 200,)) for n in range(4)]
            for thread in threads:
                thread.start()
            seen = [connection.recv(SOON) for _ in range(800)]
            for thread in threads:
                thread.join()
        echoing.join()
        assert sorted(seen) == sorted(b"%d" % n * 1000 for n in range(4) for _ in range(200))


def echo(listener):
    with listener.accept() as connection:
        for message in connection:
            connection.send(message)


def test_a_socket_that_ssl_has_wrapped_is_a_connection(listens, authority):
    with tenfold.listen("tls://127.0.0.1:0", tls=listens) as listener:
        echoing = threading.Thread(target=echo, args=[listener])
        echoing.start()
        address = listener.address.removeprefix("tls://").rpartition(":")
        plain = socket.create_connection((address[0], int(address[2])))
        with tenfold.connect(authority.client().wrap_socket(plain, server_hostname="localhost")) as connection:
            connection.send(b"there and back")
            assert connection.recv(SOON) == b"there and back"
            with pytest.raises(ValueError, match="tls://"):
                connection.finish()
        echoing.join()


def test_a_hub_over_tls(client, own, authority):
    trusts = authority.client()
    arguments = ["--listen", "tls://127.0.0.1:0", "--tls-cert", str(own), "--tls-key", str(own.with_suffix(".key"))]

    async def test(address):
        # The end of a publisher is said, and its last acknowledgements come after it.
        async with client.Publisher(address, "ticks", tls=trusts) as publisher:
            await publisher.send_all([b"%d" % n * 100 for n in range(1000)])
        async with client.Subscriber(address, "ticks", start="first", until_end=True, tls=trusts) as subscriber:
            seen = []
            async for batch in subscriber.batches():
                seen += batch
            assert seen == [b"%d" % n * 100 for n in range(1000)]

    with Hub(*arguments) as hub:
        run(test(next(address for address in hub.addresses if address.startswith("tls://"))))
