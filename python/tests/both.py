"""One suite for the client that waits and the one with an event loop: here the first is given the calls of the second.

Each call of the client that waits is made in a thread, so that a test can be the peer meanwhile.
"""

import asyncio
import contextlib

import tenfold
import tenfold.asyncio


class Waiting:
    """`tenfold` with the calls of `tenfold.asyncio`."""

    @staticmethod
    def connect(*args, **options):
        return Opening(lambda: Connection(tenfold.connect(*args, **options)))

    @staticmethod
    def listen(*args, **options):
        return Opening(lambda: Listener(tenfold.listen(*args, **options)))


class Opening:
    def __init__(self, call):
        self.call = call

    def __await__(self):
        return asyncio.to_thread(self.call).__await__()

    async def __aenter__(self):
        self.opened = await self
        return self.opened

    async def __aexit__(self, *error):
        await self.opened.__aexit__(*error)


class Threaded:
    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return lambda *args, **options: asyncio.to_thread(getattr(self.inner, name), *args, **options)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await asyncio.to_thread(self.inner.__exit__, *error)


class Listener(Threaded):
    @property
    def address(self):
        return self.inner.address

    async def accept(self, *args):
        return Connection(await asyncio.to_thread(self.inner.accept, *args))


class Connection(Threaded):
    async def __aiter__(self):
        async for message in each(iter(self.inner)):
            yield message

    async def batches(self):
        async for batch in each(self.inner.batches()):
            yield batch


async def each(iterator):
    end = object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield item


CLIENTS = {"waiting": Waiting, "asyncio": tenfold.asyncio}


@contextlib.asynccontextmanager
async def pair(listening, connecting, **options):
    """Two connections with each other, of these two kinds of client."""
    async with listening.listen("127.0.0.1:0", **options) as listener:
        async with connecting.connect(listener.address, **options) as client:
            async with await listener.accept(30) as server:
                yield server, client
