"""The hub's clients of both kinds, against the program."""

import asyncio
import contextlib
import hashlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading

import pytest

import tenfold
from both import CLIENTS, SOON, run
from tenfold import Connected, Disconnected, Gap, GapError, GaveUp, HistoryError, Message, Refused
from tenfold.testing import Hub

# How often a hub is killed.
KILLS = 20 if os.environ.get("TENFOLD_FULL") == "1" else 3


@pytest.fixture(params=CLIENTS)
def client(request):
    return CLIENTS[request.param]


@pytest.fixture
def hub():
    with Hub() as hub:
        yield hub


def numbered(first, end):
    return [b"%d" % n for n in range(first, end)]


async def all_of(subscriber):
    return [message async for message in subscriber]


def test_what_is_published_is_received_with_its_numbers(hub, client, loop_factory):
    async def test():
        async with client.Subscriber(hub.address, "ticks", start="first") as subscriber:
            await subscriber.connect(SOON)
            assert subscriber.next_seq == 0
            assert len(subscriber.epoch) == 16
            async with client.Publisher(hub.address, "ticks") as publisher:
                await publisher.send(b"one")
                await publisher.send_all(numbered(0, 100))
                await publisher.flush(SOON)
                assert (publisher.sent, publisher.acknowledged) == (101, 101)
            assert await subscriber.recv(SOON) == b"one"
            assert subscriber.next_seq == 1
            seen = []
            async for message in subscriber:
                seen.append(message)
                assert subscriber.next_seq == 1 + len(seen)
                if len(seen) == 100:
                    break
            assert seen == numbered(0, 100)

    run(test(), loop_factory)


def test_leaving_a_loop_loses_nothing(hub, client):
    async def test():
        async with client.Publisher(hub.address, "ticks") as publisher:
            await publisher.send_all(numbered(0, 100))
        async with client.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
            seen = []
            async for message in subscriber:
                seen.append(message)
                if len(seen) == 10:
                    break
            seen.append(await subscriber.recv())
            async for batch in subscriber.batches():
                seen += batch
                break
            async for event in subscriber.events():
                assert event == Message(len(seen), b"%d" % len(seen)) or isinstance(event, Connected)
                seen.append(event.data)
                break
            seen += await all_of(subscriber)
            assert seen == numbered(0, 100)
            assert await subscriber.recv() is None
        # Another one goes on there.
        async with client.Subscriber(hub.address, "ticks", start=90, epoch=subscriber.epoch, until_end=True) as rest:
            assert await all_of(rest) == numbered(90, 100)
            assert (rest.next_seq, rest.end) == (100, 100)

    run(test())


def test_a_time_out_loses_nothing(hub, client):
    async def test():
        async with client.Subscriber(hub.address, "ticks") as subscriber:
            await subscriber.connect(SOON)
            for timeout in (0.05, 0):
                with pytest.raises(TimeoutError):
                    await subscriber.recv(timeout)
            async with client.Publisher(hub.address, "ticks") as publisher:
                await publisher.send(b"17.25")
            assert await subscriber.recv(SOON) == b"17.25"

    run(test())


def test_the_events_tell_messages_breaks_and_answers(tmp_path, client):
    async def test(hub):
        async with client.Publisher(hub.address, "ticks", producer="meter7") as publisher:
            await publisher.send(b"before")
        async with client.Subscriber(hub.address, "ticks", start="first") as subscriber:
            events = subscriber.events()
            connected = await anext(events)
            answer = connected.answer
            assert (answer.seq, answer.first, answer.next, answer.is_new) == (0, 0, 1, False)
            assert await anext(events) == Message(0, b"before")
            hub.kill()
            assert isinstance(await anext(events), Disconnected)
            hub.start()
            async with client.Publisher(hub.address, "ticks", producer="meter7") as publisher:
                assert await publisher.committed(SOON) == 1
                await publisher.send(b"after")
            seen = [event async for event in until_message(events)]
            assert {type(event) for event in seen[:-1]} <= {Connected, Disconnected}
            assert seen[-1] == Message(1, b"after")

    with Hub(data=tmp_path) as hub:
        run(test(hub))


async def until_message(events):
    async for event in events:
        yield event
        if isinstance(event, Message):
            return


def test_a_producer_begins_after_what_the_hub_has_or_with_its_history(hub, client):
    async def test():
        for start, given in (("append", (0, 3)), ("append", (3, 5)), ("history", (0, 8))):
            async with client.Publisher(hub.address, "ticks", producer="meter7", start=start) as publisher:
                await publisher.send_all(numbered(*given))
        async with client.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
            assert await all_of(subscriber) == numbered(0, 8)
        with pytest.raises(HistoryError) as raised:
            async with client.Publisher(hub.address, "ticks", producer="meter7", start="fresh") as publisher:
                await publisher.committed(SOON)
        assert (raised.value.producer, raised.value.committed, raised.value.sent) == ("meter7", 8, 0)

    run(test())


@pytest.mark.parametrize("acks", ["durable", "memory", "none"])
def test_the_end_of_a_publisher_waits_until_everything_has_arrived(tmp_path, client, acks):
    async def test(hub):
        # The window is smaller than what is sent.
        async with client.Publisher(hub.address, "ticks", acks=acks, window=(1000, 10)) as publisher:
            await publisher.send_all(numbered(0, 500))
        async with client.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
            assert await all_of(subscriber) == numbered(0, 500)

    with Hub(data=tmp_path) as hub:
        run(test(hub))


def test_what_the_hub_refuses_is_an_error_that_stays(hub, client):
    async def test():
        async with client.Publisher(hub.address, "ticks") as publisher:
            await publisher.send(b"one")
        subscriber = client.Subscriber(hub.address, "ticks", start=7)
        for _ in range(2):
            with pytest.raises(Refused, match="the hub says") as raised:
                await subscriber.recv(SOON)
        assert raised.value.code == "FUTURE"
        assert raised.value.fields["next"] == "1"
        with pytest.raises(Refused):
            await subscriber.connect(SOON)

    run(test())


def test_messages_that_are_gone_are_an_error_or_an_event(hub, client):
    async def test():
        async with client.Publisher(hub.address, "ticks") as publisher:
            await publisher.send_all(numbered(0, 3))
        other = "0123456789abcdef"
        async with client.Subscriber(hub.address, "ticks", start=1, epoch=other) as subscriber:
            with pytest.raises(GapError, match="another history") as raised:
                await subscriber.recv(SOON)
            gap = raised.value.gap
            assert (gap.reason, gap.expected, gap.available, gap.known) == ("epoch", 1, 0, other)
        async with client.Subscriber(
            hub.address, "ticks", start=1, epoch=other, on_gap="continue", until_end=True
        ) as subscriber:
            events = [event async for event in subscriber.events()]
            assert [event for event in events if isinstance(event, Gap)] == [gap]
            assert [event.data for event in events if isinstance(event, Message)] == numbered(0, 3)

    run(test())


def test_a_hub_that_is_not_there_is_an_error_at_once_or_after_some_time(client):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = "127.0.0.1:%d" % listening.getsockname()[1]

    async def test():
        with pytest.raises(ConnectionRefusedError):
            await client.Subscriber(address, "ticks").recv(SOON)
        with pytest.raises(ConnectionRefusedError):
            async with client.Publisher(address, "ticks") as publisher:
                await publisher.flush(SOON)
        with pytest.raises(GaveUp) as raised:
            await client.Subscriber(address, "ticks", until_connected=0.2).recv(SOON)
        assert raised.value.after >= 0.2
        assert isinstance(raised.value.last, ConnectionRefusedError)
        # One that tries forever still lets go when it is told to.
        with pytest.raises(TimeoutError):
            await client.Subscriber(address, "ticks", until_connected=float("inf")).recv(0.2)

    run(test())


def test_of_several_hubs_the_next_is_tried(hub, client):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        nobody = "127.0.0.1:%d" % listening.getsockname()[1]

    async def test():
        hubs = f"{nobody},{hub.address}"
        async with client.Publisher(hubs, "ticks") as publisher:
            await publisher.send(b"one")
        async with client.Subscriber(hubs, "ticks", start="first") as subscriber:
            assert await subscriber.recv(SOON) == b"one"
        with pytest.raises(ValueError):
            client.Subscriber(f"{hub.address},", "ticks")

    run(test())


def test_options_that_are_wrong_are_told_at_once(hub, client):
    async def test():
        for options, error in (
            ({"start": "yesterday"}, ValueError),
            ({"epoch": "7"}, ValueError),
            ({"on_gap": "ignore"}, ValueError),
            ({"token": "secret"}, ValueError),
            ({"until_connected": -1.0}, ValueError),
            ({"colour": "red"}, TypeError),
        ):
            with pytest.raises(error):
                client.Subscriber(hub.address, "ticks", **options)
        with pytest.raises(ValueError):
            client.Subscriber(hub.address, "Not a channel")
        for options in ({"producer": "not one"}, {"acks": "perhaps"}, {"start": "first"}):
            with pytest.raises(ValueError):
                client.Publisher(hub.address, "ticks", **options)

    run(test())


def test_what_is_not_bytes_is_refused_and_what_was_sent_goes(hub, client):
    async def test():
        async with client.Publisher(hub.address, "ticks") as publisher:
            await publisher.send(b"one")
            for call in (publisher.send, publisher.send_all):
                with pytest.raises(TypeError):
                    await call("text")
            await publisher.send(memoryview(b"two"))
        with pytest.raises(tenfold.HubError, match="ended"):
            await publisher.send(b"three")
        async with client.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
            assert await all_of(subscriber) == [b"one", b"two"]

    run(test())


def test_an_exception_in_the_block_lets_go_of_a_publisher_at_once(client):
    async def test(hub):
        with pytest.raises(ZeroDivisionError):
            async with client.Publisher(hub.address, "ticks", until_connected=float("inf")) as publisher:
                # Nobody is there to take it.
                hub.kill()
                await publisher.send(b"one")
                1 / 0

    with Hub() as hub:
        run(test(hub))


def test_a_hub_that_asks_who_the_client_is_is_shown_a_token(tmp_path, client):
    token = f"tf_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"
    digest = hashlib.sha256(token.encode()).hexdigest()
    policy = tmp_path / "hub.toml"
    policy.write_text(f'[[identity]]\nname = "meter7"\ntoken = ["{token.split("_")[1]}:{digest}"]\npublish = ["a.*"]\nsubscribe = ["a.*"]\n')
    policy.chmod(0o600)

    async def test(hub):
        async with client.Publisher(hub.address, "a.ticks", token=token) as publisher:
            await publisher.send(b"one")
        async with client.Subscriber(hub.address, "a.ticks", start="first", token=token) as subscriber:
            assert await subscriber.recv(SOON) == b"one"
        with pytest.raises(Refused) as raised:
            await client.Subscriber(hub.address, "a.ticks").recv(SOON)
        assert raised.value.code == "AUTH"
        with pytest.raises(Refused) as raised:
            async with client.Publisher(hub.address, "b.ticks", token=token) as publisher:
                await publisher.flush(SOON)
        assert raised.value.code == "DENIED"

    with Hub("--auth", str(policy)) as hub:
        run(test(hub))


def test_many_channels_are_followed_and_gone_on_with(hub, client):
    async def publish(channel, *given):
        async with client.Publisher(hub.address, channel) as publisher:
            await publisher.send_all(numbered(*given))

    async def test():
        await publish("quotes.a", 0, 3)
        await publish("quotes.b", 0, 3)
        await publish("other", 0, 3)
        async with client.Follower(hub.address, "quotes.*", start="first") as follower:
            await follower.connect(SOON)
            seen = []
            async for message in follower:
                seen.append(message)
                if len(seen) == 4:
                    break
            places = follower.places
        assert {place.channel for place in places} == {"quotes.a", "quotes.b"}
        await publish("quotes.new", 0, 2)
        async with client.Follower(hub.address, ["quotes.*"], resume=places, until_end=True) as follower:
            seen += await all_of(follower)
        for channel, count in (("quotes.a", 3), ("quotes.b", 3), ("quotes.new", 2)):
            of = [(message.seq, message.data) for message in seen if message.channel == channel]
            assert of == list(enumerate(numbered(0, count)))
        assert len(seen) == 8
        with pytest.raises(Refused):
            await client.Follower(hub.address, "quotes.*", start="7").recv(SOON)

    run(test())


def test_an_observer_is_told_of_connections(hub, client):
    async def test():
        told = []
        async with client.Publisher(hub.address, "ticks", producer="meter7", observer=told.append) as publisher:
            await publisher.flush(SOON)
            await publisher.send(b"one")
        assert [type(event) for event in told] == [Connected]
        assert (told[0].answer.committed, told[0].answer.acks) == (0, "memory")

    run(test())


def test_nothing_is_lost_or_doubled_when_the_hub_is_killed(tmp_path, client):
    """The publisher goes on while the hub is away; each kill is somewhere in the middle of what is sent and received."""
    count = 3000 * KILLS

    async def publish(hub):
        async with client.Publisher(hub.address, "ticks", producer="meter7", acks="durable", window=(64 * 1024, 2000)) as publisher:
            await publisher.send_all(numbered(0, count))

    async def kill(hub, subscriber):
        for n in range(KILLS):
            while (subscriber.next_seq or 0) < 2000 * (n + 1):
                await asyncio.sleep(0.001)
            await asyncio.to_thread(hub.kill)
            await asyncio.to_thread(hub.start)

    async def test(hub):
        async with client.Subscriber(hub.address, "ticks", start="first") as subscriber:
            await subscriber.connect(SOON)
            tasks = [asyncio.create_task(publish(hub)), asyncio.create_task(kill(hub, subscriber))]
            seen = []
            async for batch in subscriber.batches():
                seen += batch
                if len(seen) >= count:
                    break
            await asyncio.gather(*tasks)
            assert seen == numbered(0, count)
            assert subscriber.next_seq == count

    with Hub(data=tmp_path) as hub:
        run(test(hub))


def test_a_subscriber_whose_messages_nobody_takes_stops_reading(hub):
    messages = [b"%d" % n * 8192 for n in range(100, 612)]

    async def test():
        async with tenfold.asyncio.Publisher(hub.address, "ticks") as publisher:
            await publisher.send_all(messages)
        async with tenfold.asyncio.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
            seen = [await subscriber.recv(SOON)]
            while subscriber._link._transport.is_reading():
                await asyncio.sleep(0.001)
            # As much as it may hold, and what one read brings.
            assert subscriber._held <= (1 << 20) + (1 << 18)
            seen += await all_of(subscriber)
            assert seen == messages

    run(test())


def test_cancelling_a_call_loses_nothing(hub):
    async def test():
        async with tenfold.asyncio.Subscriber(hub.address, "ticks", start="first") as subscriber:
            # Wherever it is: connecting, waiting for the answer, waiting for a message.
            for turns in range(20):
                receiving = asyncio.create_task(subscriber.recv())
                for _ in range(turns):
                    await asyncio.sleep(0)
                receiving.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await receiving
            async with tenfold.asyncio.Publisher(hub.address, "ticks") as publisher:
                await publisher.send(b"one")
            assert await subscriber.recv(SOON) == b"one"

    run(test())


def test_two_that_receive_at_the_same_time_are_an_error(hub, client):
    async def test():
        async with client.Subscriber(hub.address, "ticks") as subscriber:
            await subscriber.connect(SOON)
            receiving = [asyncio.create_task(subscriber.recv(SOON)) for _ in range(2)]
            (refused,), (going_on,) = await asyncio.wait(receiving, return_when=asyncio.FIRST_COMPLETED)
            with pytest.raises(RuntimeError, match="at the same time"):
                await refused
            async with client.Publisher(hub.address, "ticks") as publisher:
                await publisher.send(b"one")
            assert await going_on == b"one"

    run(test())


INTERRUPTED = """
import sys, tenfold
with tenfold.Subscriber(sys.argv[1], "ticks", start="first") as subscriber:
    subscriber.connect()
    try:
        print("connected", flush=True)
        subscriber.recv()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(subscriber.recv().decode(), flush=True)
with tenfold.Publisher(sys.argv[1], "ticks", window=(1, 1)) as publisher:
    publisher.flush()
    try:
        print("published", flush=True)
        while True:
            publisher.send(b"more")
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def test_ctrl_c_ends_a_call_and_loses_nothing(hub):
    command = [sys.executable, "-c", INTERRUPTED, hub.address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "connected\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        with tenfold.Publisher(hub.address, "ticks") as publisher:
            publisher.send(b"one")
        assert process.stdout.readline() == "one\n"
        assert process.stdout.readline() == "published\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.wait(SOON) == 0


def test_threads_send_with_one_publisher(hub):
    with tenfold.Publisher(hub.address, "ticks", window=(1000, 10)) as publisher:
        threads = [threading.Thread(target=publisher.send_all, args=([b"%d" % n] * 200,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with tenfold.Subscriber(hub.address, "ticks", start="first", until_end=True) as subscriber:
        assert sorted(subscriber) == sorted(b"%d" % n for n in range(4) for _ in range(200))


def test_a_publisher_is_of_no_use_after_a_fork_and_says_so(hub):
    with tenfold.Publisher(hub.address, "ticks") as publisher:
        child = os.fork()
        if child == 0:
            try:
                publisher.send(b"from the child")
            except RuntimeError:
                os._exit(7)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        publisher.send(b"from the parent")


def test_a_hub_that_does_not_start_says_why(tmp_path):
    with pytest.raises(RuntimeError, match="--no-such-option"):
        Hub("--no-such-option").start()
