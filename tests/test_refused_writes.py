"""A real file system whose device refuses writes for a while, or is full: nothing acknowledged is lost, and one start is enough.

The device is an image on a file system in memory. Its unused blocks take no space there, so that a file which takes the rest of that space
makes the device refuse what is written to blocks that were not in use. Everything is within 160 MiB of memory.
"""

import os
import shutil
import signal
import subprocess

import pytest

from hub import numbered, refused
from support import FULL, wait_until

ROUNDS = 10 if FULL else 1
CHANNELS = ["a", "b", "c", "d"]
TOOLS = ["mkfs.ext4", "mount", "umount", "fallocate", "fstrim"]


def call(*command):
    subprocess.run(command, check=True, capture_output=True)


class Device:
    """An image in memory, and an ext4 in it at `root`."""

    def __init__(self, path):
        self.memory, self.root, self.copied = path / "memory", path / "root", path / "copied"
        self.image = self.memory / "image"
        self.ballast = self.memory / "ballast"
        self.mounted = []
        for directory in (self.memory, self.root, self.copied):
            directory.mkdir()

    def mount(self, directory, *arguments):
        try:
            call("mount", *arguments, directory)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"this machine cannot mount: {error.stderr.decode().strip()}")
        # Otherwise the directory of the tests would be filled.
        assert directory.is_mount(), f"{directory} is not mounted"
        self.mounted.append(directory)

    def make(self, size: int):
        self.mount(self.memory, "-t", "tmpfs", "-o", "size=160M", "none")
        call("fallocate", "-l", str(size), self.image)
        call("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0", self.image)
        # What was to be zeros was made holes; the file system's own blocks must be there.
        call("fallocate", "-l", str(size), self.image)
        self.mount(self.root, "-o", "loop", self.image)

    def refuse_writes(self):
        os.sync()
        call("fstrim", self.root)
        fill(self.ballast)

    def take_writes(self):
        self.ballast.unlink()

    def after_a_power_cut(self):
        """What the device has, as another one."""
        copy = self.memory / "copy"
        call("cp", "--sparse=always", self.image, copy)
        self.mount(self.copied, "-o", "loop", copy)
        return self.copied

    def end(self):
        for directory in reversed(self.mounted):
            # The system lets go of an image a little after the file system in it was unmounted.
            wait_until(lambda: not directory.is_mount() or unmount(directory), what=f"unmounting {directory}")


def unmount(directory) -> bool:
    return subprocess.run(["umount", directory], capture_output=True).returncode == 0


def fill(path):
    """Writes a file until there is no space."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 10):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                pass


@pytest.fixture
def device(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can mount a file system")
    for tool in TOOLS:
        if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            pytest.skip(f"{tool} is missing")
    device = Device(tmp_path)
    try:
        yield device
    finally:
        device.end()


def kill(hub):
    hub.may_die()
    hub.process.signal(signal.SIGKILL)
    hub.process.wait()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_after_refused_writes_one_start_loses_nothing(device, hub, tenfold, number):
    device.make(64 << 20)
    data = device.root / "data"
    first = hub("--data", data, "--journal", "4MiB")
    for channel in CHANNELS:
        first.publish(channel, numbered(100))
    first.process.signal(signal.SIGTERM)
    assert first.process.wait() == 0
    second = hub("--data", data, "--journal", "4MiB")
    device.refuse_writes()
    # More than there is space reserved for, and less than a journal file.
    count = 25_000 + number * 1000
    for channel in CHANNELS:
        second.publish(channel, numbered(count, 100))
    synced = subprocess.run(["sync", "-f", device.root], capture_output=True)
    assert synced.returncode != 0, "the device has refused nothing"
    kill(second)
    device.take_writes()
    third = hub("--data", data, "--journal", "4MiB")
    kill(third)
    copied = device.after_a_power_cut() / "data"
    verify = tenfold("log", "verify", copied)
    assert verify.wait() == 0, verify.out
    fourth = hub("--data", copied, "--journal", "4MiB")
    for channel in CHANNELS:
        assert fourth.messages(channel, count + 100) == numbered(count + 100)
    kill(fourth)


def test_a_hub_starts_on_a_full_disk_after_a_power_cut(device, hub, tmp_path):
    first = hub("--data", tmp_path / "data", "--journal", "64KiB")
    for channel in CHANNELS:
        first.publish(channel, numbered(5), " producer=p")
    kill(first)
    device.make(8 << 20)
    # A copy has no space reserved, as after a power cut.
    data = device.root / "data"
    shutil.copytree(tmp_path / "data", data)
    fill(device.root / "ballast")
    second = hub("--data", data, "--journal", "64KiB")
    assert second.health()["status"] == "full"
    for channel in CHANNELS:
        assert second.messages(channel, 5) == numbered(5)
    refused(second.refusal("PUBLISH a"), "FULL")
    (device.root / "ballast").unlink()
    second.publish("a", numbered(5, 5), " producer=p")
    assert second.health()["status"] == "ok"
    kill(second)
    third = hub("--data", data, "--journal", "64KiB")
    assert third.messages("a", 10) == numbered(10)
    for channel in CHANNELS[1:]:
        assert third.messages(channel, 5) == numbered(5)
    kill(third)
