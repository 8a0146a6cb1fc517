"""Power cuts on real file systems: whatever the device has by then, nothing that was acknowledged is lost.

A hub works on a file system whose device records what is written and flushed. Then devices are made that have what a power cut leaves: all
that was written before a flush, and of what was written after it everything, nothing, or some. On each of them the hub is started.
"""

import os
import random
import shutil
import signal
import subprocess

import pytest

from block_device import BLOCK, Blocks, Devices, Recorder
from hub import MIB, Hub, ack, numbered, ok
from support import FULL, frame, frames, read_exactly, wait_until

STATES = 200 if FULL else 10
CHANNELS = ["a", "b", "c", "trimmed"]
PADDING = "x" * 300
JOURNAL = ["--journal", "128KiB", "--retain", "trimmed:max-bytes=256KiB"]
# What mkfs.xfs makes at least is larger; it takes no more memory, because nearly all of it is never written.
FILE_SYSTEMS = {
    "ext4": (64 * MIB, ["mkfs.ext4", "-q", "-F", "-b", "4096", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"]),
    "xfs": (320 * MIB, ["mkfs.xfs", "-q", "-K"]),
}


class Machine:
    """Devices, and a place where one file system at a time is mounted."""

    def __init__(self, directory):
        self.devices = Devices(directory / "devices")
        self.root = directory / "root"
        self.root.mkdir()
        self.data = self.root / "data"
        self.count = 0

    def mount(self, device, prepare=()):
        self.count += 1
        name = f"{self.count}"
        loop = self.devices.attach(name, device)
        if prepare:
            subprocess.run([*prepare, loop], check=True, capture_output=True)
        subprocess.run(["mount", loop, self.root], check=True, capture_output=True)
        assert self.root.is_mount()
        return name, loop

    def unmount(self, mounted):
        def is_unmounted() -> bool:
            return subprocess.run(["umount", self.root], capture_output=True).returncode == 0

        wait_until(is_unmounted, what="the end of those who use the file system")
        self.devices.detach(*mounted)

    def end(self):
        if self.root.is_mount():
            subprocess.run(["umount", "--lazy", self.root], capture_output=True)
        self.devices.end()


@pytest.fixture
def machine(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    try:
        machine = Machine(tmp_path)
    except OSError as error:
        pytest.skip(f"this machine has no FUSE: {error}")
    try:
        yield machine
    finally:
        machine.end()


def kill(hub: Hub):
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    hub.process.wait()


class History:
    """What a hub was given on a recorded device, and when it was acknowledged."""

    def __init__(self, device: Recorder):
        self.device = device
        self.sent = dict.fromkeys(CHANNELS, 0)
        self.most = dict.fromkeys(CHANNELS, 0)
        # How much the device had recorded when so many messages of a channel were acknowledged.
        self.acknowledged: list[tuple[int, str, int]] = []
        # How much it had recorded when the deletion of a channel was asked for, and when it was told.
        self.deletion = range(0)

    def delete(self, hub: Hub):
        hub.publish("gone", numbered(20))
        asked = len(self.device.log)
        ok(hub.refusal("DELETE gone"))
        self.deletion = range(asked, len(self.device.log))

    def work(self, hub: Hub, rounds: int):
        """Publishes to all channels in turn; ends early if the hub cannot store any more."""
        chance = random.Random(rounds)
        clients = {}
        for channel in CHANNELS:
            clients[channel], answer = hub.ask(f"PUBLISH {channel} producer=p")
            if answer.startswith(b"ERROR "):
                return
            # The hub has what it has acknowledged, and of the rest it may have some.
            next = int(ok(answer)["next"])
            assert self.last(channel) <= next <= self.most[channel], (channel, next)
            self.sent[channel] = next
            self.note(channel, next)
        for _ in range(rounds):
            counts = {channel: chance.randrange(1, 40) for channel in CHANNELS}
            for channel, client in clients.items():
                client.send(frames(numbered(counts[channel], self.sent[channel], PADDING)))
                self.sent[channel] += counts[channel]
                self.most[channel] = max(self.most[channel], self.sent[channel])
            for channel, client in clients.items():
                while self.last(channel) < self.sent[channel]:
                    answer = client.frame()
                    if answer is None or answer.startswith(b"ERROR "):
                        return
                    self.note(channel, ack(answer))

    def note(self, channel: str, count: int):
        self.acknowledged.append((len(self.device.log), channel, count))

    def last(self, channel: str) -> int:
        return self.by(len(self.device.log))[channel]

    def by(self, cut: int) -> dict[str, int]:
        """What was acknowledged when so much was recorded."""
        counts = dict.fromkeys(CHANNELS, 0)
        for at, channel, count in self.acknowledged:
            if at <= cut:
                counts[channel] = max(counts[channel], count)
        return counts


def states(device: Recorder, begin: int, count: int, also: range):
    """So many cuts in what was recorded, and some others, in their order: each with what the device has then."""
    chance = random.Random(count)
    cuts = sorted([*chance.sample(range(begin, len(device.log) + 1), count), *also])
    durable = Blocks(device.size)
    pending: list[tuple[int, bytes]] = []
    at = 0
    for cut in cuts:
        for entry in device.log[at:cut]:
            if entry is None:
                for write in pending:
                    durable.write(*write)
                pending.clear()
            else:
                pending.append(entry)
        at = cut
        left = Blocks(device.size, durable)
        how = chance.choice(["nothing", "everything", "some", "all but one", "torn"])
        lost = chance.randrange(len(pending)) if pending else 0
        for number, (offset, data) in enumerate(pending):
            if how == "nothing" or how == "some" and chance.random() < 0.5 or how == "all but one" and number == lost:
                continue
            if how == "torn" and number == lost:
                # A block is written whole or not at all.
                data = data[: chance.randrange(len(data) // 512 + 1) * 512]
            left.write(offset, data)
        yield cut, f"cut {cut} of {len(device.log)}, {len(pending)} writes after the flush, of which {how}", left


def check_deleted(hub: Hub, deletion: range, cut: int, words: str):
    """Of the channel that was deleted everything is there, or nothing; and nothing once it was told."""
    client, keys = hub.subscribe("gone", " from=first")
    next = int(keys["next"])
    with client:
        assert [client.frame() for _ in range(next)] == numbered(next), words
    if cut >= deletion.stop:
        assert next == 0, (words, keys)
    elif cut >= deletion.start:
        assert next in (0, 20), (words, keys)


def check(machine: Machine, hub, tenfold, history: History, cut: int, words: str):
    """A hub starts on what is there, and has what was acknowledged."""
    acknowledged, most = history.by(cut), history.most
    if any(acknowledged.values()):
        verify = tenfold("log", "verify", machine.data)
        assert verify.wait() == 0, (words, verify.out, verify.err)
    started = hub("--data", machine.data, *JOURNAL)
    for channel in CHANNELS:
        if not acknowledged[channel] and not (machine.data / "channels" / channel).exists():
            continue
        client, keys = started.subscribe(channel, " from=first")
        first, next = int(keys["first"]), int(keys["next"])
        assert acknowledged[channel] <= next <= most[channel], (words, channel, keys, acknowledged)
        assert first == 0 or channel == "trimmed", (words, channel, keys)
        expected = frames(numbered(next - first, first, PADDING))
        with client:
            assert read_exactly(client.sock, len(expected)) == expected, (words, channel)
        # The producer's count is that of its messages, and the hub goes on.
        writer, answer = started.ask(f"PUBLISH {channel} producer=p")
        assert int(ok(answer)["next"]) == next, (words, channel, answer)
        writer.send(frame(b"more"))
        assert writer.answer() == b"ACK %d" % (next + 1), (words, channel)
        writer.close()
    check_deleted(started, history.deletion, cut, words)
    kill(started)


@pytest.mark.parametrize("file_system", FILE_SYSTEMS)
@pytest.mark.parametrize("refusing", [False, True], ids=["cut", "refused"])
def test_nothing_acknowledged_is_lost_by_a_power_cut(machine, hub, tenfold, file_system, refusing):
    size, prepare = FILE_SYSTEMS[file_system]
    if not shutil.which(prepare[0], path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        pytest.skip(f"{prepare[0]} is missing")
    recorder = Recorder(size)
    history = History(recorder)
    try:
        mounted = machine.mount(recorder, prepare)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine cannot mount {file_system}: {error.stderr.decode().strip()}")
    os.sync()
    begin = len(recorder.log)
    first = hub("--data", machine.data, *JOURNAL)
    history.work(first, 40)
    history.delete(first)
    if refusing:
        # Blocks that were never written cannot be for a while, as on a thin pool that is full. What the file system itself needs is
        # where it belongs before that, or it would refuse everything until it is mounted again.
        for direction in ("--freeze", "--unfreeze"):
            subprocess.run(["fsfreeze", direction, machine.root], check=True, capture_output=True)
        recorder.is_refusing = True
        history.work(first, 40)
        subprocess.run(["sync", "-f", machine.root], capture_output=True)
        kill(first)
        recorder.is_refusing = False
        assert recorder.refused > 0, "the device has refused nothing"
    else:
        kill(first)
    # What a start writes is cut as well, and so is an end.
    second = hub("--data", machine.data, *JOURNAL)
    history.work(second, 20)
    second.process.signal(signal.SIGTERM)
    assert second.process.wait() == 0, second.process.err
    machine.unmount(mounted)
    print(f"{file_system}: {len(recorder.log) - begin} writes and flushes, {len(history.deletion)} of them of a deletion, {sum(history.by(len(recorder.log)).values())} messages")
    assert recorder.log.count(None) > 50
    for cut, words, left in states(recorder, begin, STATES, history.deletion[:: 1 if FULL else 8]):
        mounted = machine.mount(left)
        if machine.data.exists():
            check(machine, hub, tenfold, history, cut, words)
        else:
            assert not any(history.by(cut).values()), words
        machine.unmount(mounted)
