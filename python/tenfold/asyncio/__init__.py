"""Whole messages for programs with an event loop: the names of `tenfold`, with `await`.

    async with tenfold.asyncio.connect("127.0.0.1:5000") as connection:
        await connection.send(b"hi")
        async for message in connection:
            print(message)

Cancelling a call loses nothing: messages are in the connection, and not in the call.
"""

from ._broadcast import Broadcast
from ._connection import Connection, Listener, connect, listen
from ._publisher import Publisher
from ._receiver import Follower, Subscriber

__all__ = ["Broadcast", "Connection", "Follower", "Listener", "Publisher", "Subscriber", "connect", "listen"]
