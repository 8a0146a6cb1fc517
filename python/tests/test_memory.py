"""Ten million messages leave nothing behind. Only the full tier sends so many."""

import os
import subprocess
import sys

import pytest

COUNT = 10_000_000
SOON = 600

# One process sends, another one receives, and says what it has needed after a tenth of the messages and after all.
SENDER = """
import sys, tenfold
with tenfold.connect(sys.argv[1]) as connection:
    connection.send_all(b"%15d" % n for n in range(int(sys.argv[2])))
"""
WAITING = """
import resource, sys, tenfold
count = int(sys.argv[1])
with tenfold.listen("127.0.0.1:0") as listener:
    print(listener.address, flush=True)
    with listener.accept() as connection:
        for n, message in enumerate(connection):
            if n == count // 10:
                print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        assert n == count - 1 and message == b"%15d" % n
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""
ASYNCIO = """
import asyncio, resource, sys, tenfold.asyncio
count = int(sys.argv[1])
async def main():
    async with tenfold.asyncio.listen("127.0.0.1:0") as listener:
        print(listener.address, flush=True)
        async with await listener.accept() as connection:
            n = -1
            async for message in connection:
                n += 1
                if n == count // 10:
                    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
            assert n == count - 1 and message == b"%15d" % n
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
asyncio.run(main())
"""


@pytest.mark.skipif(os.environ.get("TENFOLD_FULL") != "1", reason="it is done with ./test --full")
@pytest.mark.parametrize("receiver", [WAITING, ASYNCIO], ids=["waiting", "asyncio"])
def test_ten_million_messages_need_no_more_memory_than_one_million(receiver):
    with subprocess.Popen([sys.executable, "-c", receiver, str(COUNT)], stdout=subprocess.PIPE, text=True) as receiving:
        address = receiving.stdout.readline().strip()
        subprocess.run([sys.executable, "-c", SENDER, address, str(COUNT)], check=True, timeout=SOON)
        some, all_of_them = (int(receiving.stdout.readline()) for _ in range(2))
        assert receiving.wait(SOON) == 0
    # A message that is kept takes 48 bytes at least: nine million of them are 400 MiB. The numbers are KiB.
    assert all_of_them - some < 64 * 1024
