"""What a hub needs runs out under load, one thing or several at once: clients are told, nothing acknowledged is lost, and the hub
recovers by itself when there is enough again."""

import fcntl
import os
import resource
import select
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hub import MIB, Hub, ok, refused
from load import Load
from support import BOUND, FULL, frame, frames, wait_until
from test_hub_log import stop, under

CHANNELS = [f"channel-{number}" for number in range(6)]
ROUNDS = 5 if FULL else 1
DISK = 24 * MIB


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def bounded(run, binary, tmp_path, data):
    """A hub whose directory is on a disk of its own, of 24 MiB, and where this process finds the disk."""
    data.mkdir()
    script = f'mount -t tmpfs -o size={DISK} tmpfs "$1" && shift && exec "$@"'
    prefix = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", data]

    def start(*arguments, before=()) -> tuple[Hub, Path]:
        hub = under(run, tmp_path, [*before, *prefix, binary], "--data", data / "log", "--journal", "256KiB", *arguments)
        disk = Path(f"/proc/{hub.process.process.pid}/root{data}")
        size = os.statvfs(disk)
        # Otherwise the directory of the tests would be filled.
        assert size.f_blocks * size.f_frsize == DISK, "the disk is not mounted"
        return hub, disk

    return start


def descriptors(hub: Hub) -> int:
    return len(os.listdir(f"/proc/{hub.process.process.pid}/fd"))


@contextmanager
def few_descriptors(hub: Hub, spare: int = 0):
    """The hub may open no more files than it has open now, and so many."""
    pid = hub.process.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    # The limit is for the number of a descriptor: those that are free below it count.
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(hub) + spare, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def full_disk(disk: Path):
    ballast = disk / "ballast"
    stopped = threading.Event()

    def fill():
        # What is freed meanwhile is taken as well.
        with open(ballast, "ab", buffering=0) as file:
            while not stopped.is_set():
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    time.sleep(0.01)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        ballast.unlink()


@contextmanager
def held_checkpoint(directory: Path):
    """Another program holds the lock that a checkpoint needs, as a backup does."""
    with open(directory / "CHECKPOINT", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_well(hub: Hub):
    wait_until(lambda: hub.health()["status"] == "ok", BOUND, "a hub that is well")


def publishes(hub: Hub, channel: str) -> bytes:
    """What a publisher of this channel is answered. It goes without a message."""
    with hub.connect() as client:
        client.request(f"PUBLISH {channel}")
        return client.answer()


def told(hub: Hub, *words: str) -> list[str]:
    """The lines of the hub's log that have all these words."""
    return [line for line in hub.process.err.splitlines() if all(word in line for word in words)]


def test_many_channels_work_with_few_descriptors(run, binary, tmp_path, data):
    # Each channel has two files, and there are fewer descriptors than channels.
    channels = [f"channel-{number}" for number in range(2000 if FULL else 400)]
    few = ["sh", "-c", 'ulimit -n 128 && exec "$@"', "sh", binary]

    def check(hub: Hub):
        for name in channels:
            assert hub.messages(name, 2) == [f"{name} {round}".encode() for round in range(2)]
        assert descriptors(hub) <= 128
        is_well(hub)

    first = under(run, tmp_path, few, "--data", data)
    for round in range(2):
        for name in channels:
            first.publish(name, [f"{name} {round}".encode()])
    check(first)
    stop(first)
    # The default limit of connections does not fit. This one does.
    assert told(first, "WARN", "--max-connections")
    second = under(run, tmp_path, few, "--data", data, "--max-connections", "30")
    is_well(second)
    check(second)
    stop(second)
    assert told(second, "WARN") == told(second, "ERROR") == []


@pytest.mark.parametrize("number", range(ROUNDS))
def test_descriptors_run_out_and_come_back(hub, data, number):
    # Journal files are full, and segments end, while there are no descriptors.
    hub = hub("--data", data, "--journal", "64KiB", "--retain", "max-bytes=100MiB")
    load = Load(hub, CHANNELS, size=1000)
    load.goes_on()
    late = [hub.ask(f"PUBLISH late-{count}")[0] for count in range(8)]
    waiting = []
    with few_descriptors(hub, spare=number):
        # Files of new channels cannot be opened; who needs them is told, or served after all.
        for client in late:
            client.send(frame(b"x"))
        answers = [client.answer() for client in late]
        for answer in answers:
            if answer != b"ACK 1":
                assert answer.startswith((b"ERROR BUSY ", b"ERROR STORAGE ")), answer
        # Who connects now is not answered before there are descriptors, and asks the hub for nothing meanwhile.
        for count in range(50):
            client = hub.connect()
            client.request(f"PUBLISH new-{count}")
            waiting.append(client)
        # The channels that have their files go on, through checkpoints, or are told as well.
        for _ in range(10):
            load.goes_on_or_is_told()
        answered, _, _ = select.select([client.sock for client in waiting], [], [], 0)
        assert len(answered) < len(waiting), "the descriptors have not run out"
    load.goes_on()
    for client in waiting:
        ok(client.answer())
        client.send(frame(b"x"))
        assert client.answer() == b"ACK 1"
        client.close()
    for client in late:
        client.close()
    for count, answer in enumerate(answers):
        hub.publish(f"late-{count}", [b"x"])
        assert hub.messages(f"late-{count}", 1 + (answer == b"ACK 1"))[-1] == b"x"
    is_well(hub)
    assert all(b" FULL " not in answer for publisher in load.publishers for answer in publisher.told)
    load.end()
    stop(hub)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_the_disk_is_full_again_and_again(bounded, number):
    hub, disk = bounded("--retain", "max-bytes=4MiB")
    load = Load(hub, CHANNELS)
    load.goes_on()
    for _ in range(3):
        before = len(load.told("FULL"))
        with full_disk(disk):
            wait_until(lambda: hub.health()["status"] == "full", BOUND, "the end of the space")
            # Everybody with a message is told, and so is who comes.
            wait_until(lambda: len(load.told("FULL")) >= before + len(CHANNELS), BOUND, "FULL for all")
            # Retention deletes meanwhile, so for moments there is space.
            wait_until(lambda: publishes(hub, "another").startswith(b"ERROR FULL "), BOUND, "FULL for who comes")
        load.goes_on()
        is_well(hub)
        # The space can come and go more often while retention deletes; what is said last is that it is there.
        wait_until(lambda: "again" in told(hub, "WARN", "space")[-1].split("until")[0], what="the end in the log")
    load.end()
    stop(hub)


def test_a_lock_that_a_backup_holds_is_waited_for_and_said(hub, data):
    hub = hub("--data", data, "--journal", "64KiB", "--retain", "max-bytes=100MiB")
    load = Load(hub, CHANNELS, size=1000)
    load.goes_on()
    with held_checkpoint(data):
        wait_until(lambda: told(hub, "WARN", "CHECKPOINT"), BOUND, "a line about the lock")
        assert hub.health()["status"] == "slow"
        assert hub.messages("channel-0", 1)
    load.goes_on()
    is_well(hub)
    wait_until(lambda: told(hub, "has got its lock"), what="the end in the log")
    assert len(told(hub, "WARN", "CHECKPOINT")) == 1
    load.end()
    stop(hub)


@pytest.mark.parametrize("log", [False, True], ids=["memory", "log"])
def test_connections_run_out_under_load_and_come_back(hub, tmp_path, log):
    started = hub("--max-connections", "40", *(["--data", tmp_path / "data"] if log else []))
    load = Load(started, CHANNELS)
    load.goes_on()
    held = []
    answer = b""
    while not answer.startswith(b"ERROR BUSY "):
        client, answer = started.ask("SUBSCRIBE channel-0")
        held.append(client)
        assert len(held) <= 40
    refused(answer, "BUSY")
    # Who has a place goes on, and who looks after the hub is answered.
    load.goes_on()
    assert int(started.health()["connections"]) >= 40
    for number, client in enumerate(held):
        client.reset() if number % 2 else client.close()
    for _ in range(30):
        wait_until(lambda: started.ask("SUBSCRIBE channel-1")[1].startswith(b"OK "), what="a place")
    load.goes_on()
    load.end()
    stop(started)


def test_channels_run_out_and_come_back(hub, data):
    hub = hub("--data", data, "--max-channels", str(len(CHANNELS) + 1), "--max-empty-channels", "20")
    load = Load(hub, CHANNELS)
    hub.publish("old", [b"x"])
    load.goes_on()
    refused(hub.refusal("PUBLISH another"), "BUSY")
    # Only a deletion makes a place among those that have messages.
    ok(hub.refusal("DELETE old"))
    hub.publish("another", [b"x"])
    refused(hub.refusal("PUBLISH old"), "BUSY")
    # Publishers that are refused take nothing from those who wait for a channel.
    held = [hub.subscribe(f"empty-{number}")[0] for number in range(20)]
    refused(hub.refusal("SUBSCRIBE empty-20"), "BUSY")
    load.goes_on()
    for client in held:
        client.reset()
    for number in range(20, 40):
        wait_until(lambda: hub.ask(f"SUBSCRIBE empty-{number}")[1].startswith(b"OK "), what="a channel's place")
    load.end()
    stop(hub)


def test_producers_run_out_and_temporary_ones_come_back(hub, data):
    hub = hub("--data", data, "--max-producers", "4", "--max-producers-in-all", str(len(CHANNELS) + 3))
    load = Load(hub, CHANNELS)
    load.goes_on()
    named = [hub.ask(f"PUBLISH extra producer=named-{number}")[0] for number in range(3)]
    for client in named:
        client.send(frame(b"x"))
        assert client.answer().startswith(b"ACK ")
    refused(hub.refusal("PUBLISH extra producer=one-more"), "BUSY")
    load.goes_on()
    # Short runs of a program without a name go on, whatever there are of others.
    for number in range(50):
        hub.publish("extra", [b"y"], f" producer=_{number:016x}")
    for client in named:
        client.close()
    load.goes_on()
    load.end()
    stop(hub)


def own_memory_group() -> Path | None:
    """Where a group of processes with a limit of memory can be made, below the group of the tests."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return Path("/sys/fs/cgroup/memory") / path.lstrip("/")
    return None


@pytest.fixture
def little_memory():
    """A group of processes that may have 256 MiB together, and what the system keeps of their files in memory counts, too."""
    parent = own_memory_group()
    if parent is None:
        pytest.skip("there is no memory controller of the first version of cgroups")
    group = parent / f"tenfold-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no group of processes can be made: {error}")
    try:
        (group / "memory.limit_in_bytes").write_text(str(256 * MIB))
        yield group
    finally:
        # The processes of the test have ended before, or end now.
        wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the end of the hub")
        group.rmdir()


def test_a_flood_of_everything_stays_within_the_memory_that_there_is(little_memory, run, binary, tmp_path, data):
    script = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
    limits = ["--memory", "32MiB", "--channel-memory", "16MiB", "--max-uncommitted", "32MiB", "--max-message", "4MiB"]
    hub = under(run, tmp_path, ["sh", "-c", script, "sh", little_memory, binary], "--data", data, "--journal", "1MiB", *limits)
    assert str(hub.process.process.pid) in (little_memory / "cgroup.procs").read_text().split()
    load = Load(hub, CHANNELS)
    load.goes_on()
    stalled = [hub.subscribe(name, receive_buffer=4096)[0] for name in CHANNELS for _ in range(20)]
    # Messages that have begun and do not go on, as many as there may be.
    begun = [hub.ask(f"PUBLISH {CHANNELS[number % 6]}")[0] for number in range(40)]
    for client in begun:
        client.send(b"%-10d" % (4 * MIB) + b"x" * 50_000)
    big = frames([b"y" * MIB] * 40)

    def flood(channel: str):
        with hub.connect() as client:
            client.request(f"PUBLISH {channel} acks=none")
            client.send(big)
            client.half_close()
            client.rest()

    threads = [threading.Thread(target=flood, args=[f"flood-{number}"], daemon=True) for number in range(6)]
    for thread in threads:
        thread.start()
    load.goes_on()
    for thread in threads:
        thread.join(BOUND)
        assert not thread.is_alive(), "a flood has not ended"
    for client in stalled + begun:
        client.reset()
    load.goes_on()
    killed = (little_memory / "memory.oom_control").read_text().split("oom_kill ")[1].strip()
    assert killed == "0" and hub.process.process.poll() is None
    load.end()
    is_well(hub)
    print(f"{hub.resident() / MIB:.0f} MiB of memory after the flood")
    stop(hub)


@pytest.mark.parametrize("log", [False, True], ids=["memory", "log"])
def test_a_hub_whose_stderr_is_closed_works_under_load(run, binary, tmp_path, log):
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", binary]
    hub = under(run, tmp_path, command, *(["--data", tmp_path / "data", "--journal", "64KiB"] if log else []))
    load = Load(hub, CHANNELS)
    for _ in range(3):
        load.goes_on()
    is_well(hub)
    load.end()
    stop(hub)


def test_several_things_run_out_at_once(bounded, tmp_path, run, binary):
    """A full disk, no descriptors, a log that nobody reads, a lock that is held, and no place for connections."""
    stderr = tmp_path / "stderr"
    os.mkfifo(stderr)
    unread = os.open(stderr, os.O_RDONLY | os.O_NONBLOCK)
    before = ["sh", "-c", 'errors=$1; shift; exec "$@" 2>"$errors"', "sh", stderr]
    hub, disk = bounded("--retain", "max-bytes=2MiB", "--max-connections", "60", before=before)
    load = Load(hub, CHANNELS)
    load.goes_on()
    for _ in range(ROUNDS + 1):
        crowd = []
        told = len(load.told("FULL", "BUSY", "STORAGE"))
        with full_disk(disk), held_checkpoint(disk / "log"), few_descriptors(hub, spare=3):
            for _ in range(100):
                client = hub.connect()
                client.request(f"SUBSCRIBE {'n' * 100}")
                crowd.append(client)
            wait_until(lambda: len(load.told("FULL", "BUSY", "STORAGE")) > told, BOUND, "a word to those who publish")
            time.sleep(1)
        # Nothing is done for it here: that everything is there again is enough.
        for client in crowd:
            client.reset()
        load.goes_on()
        is_well(hub)
    load.end()
    stop(hub)
    os.close(unread)


def test_refused_clients_that_do_not_go_are_no_more_than_those_that_have_not_asked(hub):
    """Each was waited for, with its descriptor: 1,100 of them at once took all that the log needed."""
    hub = hub("--max-connections", "2", "--max-pending", "4")
    before, most, clients = descriptors(hub), 0, []
    for _ in range(200):
        client = hub.connect()
        with suppress(ConnectionError):
            client.request("SUBSCRIBE ticks")
        clients.append(client)
        most = max(most, descriptors(hub) - before)
    # The places of subscribers, of those that wait for such a place, and of those that were refused or have not asked, with some on their way.
    assert most < 50, most
    sockets = [client.sock for client in clients]
    wait_until(lambda: len(select.select(sockets, [], [], 0)[0]) >= 200 - 4, BOUND, "the answers, or the ends")
