"""What mypy must make of a program that uses the package. It is checked with `--strict`, and not run."""

from typing import assert_type

import tenfold
import tenfold.asyncio
from tenfold import ChannelMessage, Connected, Deleted, Disconnected, Gap, Message, Place, Unreadable, payload


def connections(listener: tenfold.Listener) -> None:
    for accepted in listener:
        assert_type(accepted, tenfold.Connection)
    with tenfold.connect(listener.address, tenfold.Framing("u32be"), timeout=1) as connection:
        connection.send(bytearray(b"one"))
        connection.send_all([b"two", memoryview(b"three")])
        assert_type(connection.recv(), bytes | None)
        assert_type(list(connection), list[bytes])
        for batch in connection.batches():
            assert_type(batch, list[bytes])
    connection.send("text")  # type: ignore[arg-type]


def receiving(subscriber: tenfold.Subscriber, follower: tenfold.Follower) -> None:
    assert_type(subscriber.recv(timeout=1), bytes | None)
    assert_type(list(subscriber), list[bytes])
    assert_type(subscriber.next_seq, int | None)
    for event in subscriber.events():
        assert_type(event, Message | Connected | Gap | Disconnected | Deleted | Unreadable)
        if isinstance(event, Message):
            assert_type(event.data, bytes)
    for message in follower:
        assert_type(message, ChannelMessage)
    assert_type(follower.places, list[Place] | None)
    tenfold.Subscriber("127.0.0.1:1", "ticks", start=7, on_gap="continue", token=None, connect_timeout=1)
    tenfold.Subscriber("127.0.0.1:1", "ticks", on_gap="ignore")  # type: ignore[arg-type]
    tenfold.Subscriber("127.0.0.1:1", "ticks", colour="red")  # type: ignore[call-arg]


def publishing(address: str) -> None:
    def observe(event: Connected | Disconnected) -> None:
        print(event)

    with tenfold.Publisher(address, "ticks", producer="meter7", observer=observe) as publisher:
        publisher.send(payload.write({"volt": 3}, "cbor"))
        assert_type(publisher.committed(), int)
    with tenfold.Broadcast(address, welcome=b"hello") as broadcast:
        assert_type(broadcast.clients, int)


async def awaited(address: str) -> None:
    async with tenfold.asyncio.connect(address) as connection:
        assert_type(connection, tenfold.asyncio.Connection)
        assert_type(await connection.recv(), bytes | None)
    connection = await tenfold.asyncio.connect(address)
    async with tenfold.asyncio.Subscriber(address, "ticks") as subscriber:
        async for message in subscriber:
            assert_type(message, bytes)
        assert_type(await subscriber.recv(1), bytes | None)
    async with tenfold.asyncio.Publisher(address, "ticks") as publisher:
        await publisher.send(b"one", timeout=1)
