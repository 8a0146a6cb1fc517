"""One suite for the client that waits and the one with an event loop: here the first is given the calls of the second.

Each call of the client that waits is made in a thread, so that a test can be the peer meanwhile.
"""

import asyncio
import contextlib
import functools

import tenfold
import tenfold.asyncio

# No test waits so long unless it fails.
SOON = 120


class Waiting:
    """`tenfold` with the calls of `tenfold.asyncio`."""

    @staticmethod
    def connect(*args, **options):
        return Opening(lambda: Connection(tenfold.connect(*args, **options)))

    @staticmethod
    def listen(*args, **options):
        return Opening(lambda: Listener(tenfold.listen(*args, **options)))

    @staticmethod
    def Broadcast(*args, **options):
        return Threaded(tenfold.Broadcast(*args, **options))

    @staticmethod
    def Publisher(*args, **options):
        return Threaded(tenfold.Publisher(*args, **options))

    @staticmethod
    def Subscriber(*args, **options):
        return Receiver(tenfold.Subscriber(*args, **options))

    @staticmethod
    def Follower(*args, **options):
        return Receiver(tenfold.Follower(*args, **options))


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
        value = getattr(self.inner, name)
        return functools.partial(asyncio.to_thread, value) if callable(value) else value

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await asyncio.to_thread(self.inner.__exit__, *error)


class Listener(Threaded):
    async def accept(self, *args):
        return Connection(await asyncio.to_thread(self.inner.accept, *args))


class Connection(Threaded):
    def __aiter__(self):
        return each(iter(self.inner))

    def batches(self):
        return each(self.inner.batches())


class Receiver(Connection):
    def events(self):
        return each(self.inner.events())


async def each(iterator):
    end = object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield item


def run(test, loop_factory=None):
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(asyncio.wait_for(test, SOON))


CLIENTS = {"waiting": Waiting, "asyncio": tenfold.asyncio}


@contextlib.asynccontextmanager
async def pair(listening, connecting, **options):
    """Two connections with each other, of these two kinds of client."""
    async with listening.listen("127.0.0.1:0", **options) as listener:
        async with connecting.connect(listener.address, **options) as client:
            async with await listener.accept(30) as server:
                yield server, client
