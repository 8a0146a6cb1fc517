#!/usr/bin/env python3
"""The package for Python beside what its users would write otherwise, in the same run.

    pip install ./python && python3 benches/python/compare.py [--messages N] [--runs 5]

Each figure is messages for each second of this process's CPU, the median of some runs; what sends is a process of its own.
The rows are ratios to a peer: `makefile` is `read` twice on `socket.makefile`, the best that the standard library has;
`readexactly` is that of asyncio's streams; `recv(16)` is the loop of the lesson.
"""

import argparse
import asyncio
import io
import os
import resource
import socket
import statistics
import subprocess
import sys
import time

import tenfold
import tenfold.asyncio


def stream(size, count):
    """So many frames of `decimal:10`."""
    return b"%-10d%s" % (size, b"x" * size) * count


def rate(count, call):
    before = time.process_time()
    assert call() == count
    return count / (time.process_time() - before)


def served(data, call):
    """Calls with a socket that another process writes this to."""
    here, there = tcp_pair()
    child = os.fork()
    if child == 0:
        here.close()
        there.sendall(data)
        there.shutdown(socket.SHUT_WR)
        os._exit(0)
    there.close()
    try:
        return call(here)
    finally:
        here.close()
        os.waitpid(child, 0)


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        here = socket.create_connection(listening.getsockname())
        there, _ = listening.accept()
        return here, there


# Peers.


def by_makefile(file):
    seen = []
    while header := file.read(10):
        seen.append(file.read(int(header)))
    return len(seen)


def by_recv_16(sock):
    """The lesson's loop, with its counting put right."""
    count, buffer, length = 0, b"", None
    while data := sock.recv(16):
        buffer += data
        while True:
            if length is None:
                if len(buffer) < 10:
                    break
                length = int(buffer[:10])
            if len(buffer) < 10 + length:
                break
            buffer, length = buffer[10 + length :], None
            count += 1
    return count


async def by_readexactly(sock):
    reader, writer = await asyncio.open_connection(sock=sock)
    count = 0
    try:
        while True:
            await reader.readexactly(int(await reader.readexactly(10)))
            count += 1
    except asyncio.IncompleteReadError:
        writer.close()
        return count


# The package.


def by_feed(data):
    decoder, count = tenfold.Decoder(), 0
    for at in range(0, len(data), 65536):
        count += len(decoder.feed(data[at : at + 65536]))
    return count


def by_batches(sock):
    with tenfold.connect(sock) as connection:
        return sum(len(batch) for batch in connection.batches())


def by_loop(sock):
    count = 0
    with tenfold.connect(sock) as connection:
        for _ in connection:
            count += 1
    return count


async def by_async_batches(sock):
    async with tenfold.asyncio.connect(sock) as connection:
        return sum([len(batch) async for batch in connection.batches()])


async def by_async_for(sock):
    count = 0
    async with tenfold.asyncio.connect(sock) as connection:
        async for _ in connection:
            count += 1
    return count


def compared(count):
    """What is measured: words, a call and its peer; each gives how many messages it has seen, and how many there were."""

    def over(call, size, n):
        data = stream(size, n)
        return lambda: rate(n, lambda: served(data, call))

    def looped(call, size, n):
        return over(lambda sock: asyncio.run(call(sock)), size, n)

    def file(sock):
        return by_makefile(sock.makefile("rb"))

    def lists(call):
        """Encodes lists of a thousand: more than `send_all` makes, and not so many that memory is all that is measured."""
        messages = [b"x" * 128] * 1000
        return lambda: rate(count, lambda: sum(len(call(messages)) // 138 for _ in range(count // 1000)))

    def join(messages):
        return b"".join([b"%-10d%b" % (len(message), message) for message in messages])

    data = stream(128, count)
    yield "feed to lists, 128 B / makefile", lambda: rate(count, lambda: by_feed(data)), lambda: rate(count, lambda: by_makefile(io.BufferedReader(io.BytesIO(data)))), 9
    yield "lists over loopback, 128 B / makefile", over(by_batches, 128, count), over(file, 128, count), 3.3
    yield "lists over loopback, 16 B / makefile", over(by_batches, 16, count), over(file, 16, count), 6
    yield "for m in connection, 128 B / makefile", over(by_loop, 128, count), over(file, 128, count), 2.5
    yield "for m in connection, 128 B / recv(16)", over(by_loop, 128, count), over(by_recv_16, 128, count // 20), 100
    yield "asyncio lists, 128 B / readexactly", looped(by_async_batches, 128, count), looped(by_readexactly, 128, count // 4), 12
    yield "async for, 128 B / readexactly", looped(by_async_for, 128, count), looped(by_readexactly, 128, count // 4), 5
    yield "lists, 256 KiB / makefile", over(by_batches, 1 << 18, count // 500), over(file, 1 << 18, count // 500), 0.8
    yield "encode lists of 1,000, 128 B / join", lists(tenfold.Encoder().encode_all), lists(join), 7


def import_time():
    """What importing the package costs, in milliseconds of CPU."""

    def start(program):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with_it, without = (statistics.median(start(program) for _ in range(15)) for program in ("import tenfold", "pass"))
    return (with_it - without) * 1000


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--messages", type=int, default=400_000)
    arguments.add_argument("--runs", type=int, default=5)
    chosen = arguments.parse_args()
    print(f"{'':42}{'per CPU second':>16}{'peer':>14}{'ratio':>8}{'bar':>7}")
    for words, call, peer, bar in compared(chosen.messages):
        ours, theirs = [], []
        for _ in range(chosen.runs):
            ours.append(call())
            theirs.append(peer())
        one, other = statistics.median(ours), statistics.median(theirs)
        print(f"{words:42}{one:16,.0f}{other:14,.0f}{one / other:8.2f}{bar:7}", flush=True)
    print(f"import: {import_time():.1f} ms of CPU (bar: 20)")


if __name__ == "__main__":
    main()
