"""Block devices in this process's memory: what is written and flushed is recorded, and a device can be made of what a power cut leaves.

A device is a file of a file system of this process (FUSE, spoken to the kernel without a library), and a loop device on it. What a file
system in it writes and flushes comes here one call after the other.
"""

import ctypes
import enum
import errno
import os
import stat
import struct
import subprocess
import threading
from pathlib import Path

BLOCK = 4096


class Op(enum.IntEnum):
    """What the kernel asks for (linux/fuse.h)."""

    LOOKUP, FORGET, GETATTR, SETATTR = 1, 2, 3, 4
    OPEN, READ, WRITE, STATFS, RELEASE = 14, 15, 16, 17, 18
    FSYNC, FLUSH, INIT, OPENDIR, RELEASEDIR = 20, 25, 26, 27, 29
    INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42


UNANSWERED = {Op.FORGET, Op.INTERRUPT, Op.BATCH_FORGET}
MAX_WRITE = 1 << 20
BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
DIRECT_IO = 1
FOREVER = 1 << 30


class Blocks:
    """The bytes of a device: those of `below` where it has none of its own."""

    def __init__(self, size: int, below: "Blocks | None" = None):
        self.size, self.below = size, below
        self.own: dict[int, bytes] = {}

    def block(self, number: int) -> bytes:
        own = self.own.get(number)
        if own is None:
            return self.below.block(number) if self.below else bytes(BLOCK)
        return own

    def read(self, offset: int, count: int) -> bytes:
        first, last = offset // BLOCK, (offset + count + BLOCK - 1) // BLOCK
        data = b"".join(map(self.block, range(first, last)))
        return data[offset - first * BLOCK :][:count]

    def write(self, offset: int, data: bytes):
        at = 0
        while at < len(data):
            number, inside = divmod(offset + at, BLOCK)
            piece = data[at : at + BLOCK - inside]
            if len(piece) < BLOCK:
                before = self.block(number)
                self.own[number] = before[:inside] + piece + before[inside + len(piece) :]
            else:
                self.own[number] = bytes(piece)
            at += len(piece)

    def flush(self):
        pass


class Recorder(Blocks):
    """A device that keeps what was written, in the order in which it was: pairs of offset and bytes, and `None` for a flush."""

    def __init__(self, size: int):
        super().__init__(size)
        self.log: list[tuple[int, bytes] | None] = []
        self.is_refusing = False
        self.refused = 0

    def write(self, offset: int, data: bytes):
        blocks = range(offset // BLOCK, (offset + len(data) + BLOCK - 1) // BLOCK)
        # As a thin pool that is full: what was written before can be overwritten.
        if self.is_refusing and not all(number in self.own for number in blocks):
            self.refused += 1
            raise OSError(errno.EIO, "refused")
        super().write(offset, data)
        self.log.append((offset, data))

    def flush(self):
        self.log.append(None)


class Devices:
    """Serves devices as files at `root`, each by its name."""

    def __init__(self, root: Path):
        self.root = root
        self.devices: dict[bytes, Blocks] = {}
        self._by_node: dict[int, Blocks] = {}
        self._loops: list[str] = []
        self._fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        root.mkdir()
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self._fuse},rootmode=40000,user_id=0,group_id=0".encode()
        if libc.mount(b"tenfold", os.fsencode(root), b"fuse", 6, options):  # neither devices nor set-user-id
            code = ctypes.get_errno()
            os.close(self._fuse)
            raise OSError(code, os.strerror(code))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def attach(self, name: str, device: Blocks) -> str:
        """A loop device for a device."""
        self.devices[name.encode()] = device
        found = subprocess.run(["losetup", "--find", "--show", self.root / name], check=True, capture_output=True)
        self._loops.append(found.stdout.decode().strip())
        return self._loops[-1]

    def detach(self, name: str, loop: str):
        subprocess.run(["losetup", "--detach", loop], check=True, capture_output=True)
        self._loops.remove(loop)
        self.devices.pop(name.encode())

    def end(self):
        for loop in self._loops:
            subprocess.run(["losetup", "--detach", loop], capture_output=True)
        subprocess.run(["umount", "--lazy", self.root], check=True, capture_output=True)
        self._thread.join(10)
        os.close(self._fuse)

    def _serve(self):
        while True:
            try:
                request = os.read(self._fuse, MAX_WRITE + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # it was unmounted
            _, code, unique, node = struct.unpack_from("<IIQQ", request)
            if code in UNANSWERED:
                continue
            failed, answer = 0, b""
            try:
                answer = self._answer(code, node, request[40:])
            except OSError as error:
                failed = -error.errno
            try:
                os.write(self._fuse, struct.pack("<IiQ", 16 + len(answer), failed, unique) + answer)
            except OSError as error:
                if error.errno != errno.ENOENT:  # nobody waits for it any more
                    return

    def _answer(self, code: int, node: int, body: bytes) -> bytes:
        match code:
            case Op.INIT:
                _, _, readahead, offered = struct.unpack_from("<IIII", body)
                flags = offered & (BIG_WRITES | MAX_PAGES)
                return struct.pack("<IIIIHHIIHHI7I", 7, 31, readahead, flags, 16, 12, MAX_WRITE, 1, MAX_WRITE // 4096, 0, 0, *[0] * 7)
            case Op.LOOKUP:
                device = self.devices.get(body.rstrip(b"\0"))
                if device is None:
                    raise OSError(errno.ENOENT, "no device")
                node = id(device)
                self._by_node[node] = device
                return struct.pack("<QQQQII", node, 0, FOREVER, FOREVER, 0, 0) + self._attributes(node)
            case Op.GETATTR | Op.SETATTR:
                return struct.pack("<QII", FOREVER, 0, 0) + self._attributes(node)
            case Op.OPEN:
                return struct.pack("<QII", 0, DIRECT_IO, 0)
            case Op.OPENDIR:
                return struct.pack("<QII", 0, 0, 0)
            case Op.READ:
                _, offset, count = struct.unpack_from("<QQI", body)
                return self._by_node[node].read(offset, count)
            case Op.WRITE:
                _, offset, count = struct.unpack_from("<QQI", body)
                self._by_node[node].write(offset, body[40 : 40 + count])
                return struct.pack("<II", count, 0)
            case Op.FSYNC:
                self._by_node[node].flush()
                return b""
            case Op.STATFS:
                return struct.pack("<QQQQQIIII6I", 0, 0, 0, 0, 0, BLOCK, 255, BLOCK, 0, *[0] * 6)
            case Op.RELEASE | Op.FLUSH | Op.RELEASEDIR | Op.DESTROY:
                return b""
        raise OSError(errno.ENOSYS, "not implemented")

    def _attributes(self, node: int) -> bytes:
        device = self._by_node.get(node)
        mode = stat.S_IFREG | 0o600 if device else stat.S_IFDIR | 0o700
        size = device.size if device else 0
        return struct.pack("<6Q10I", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, BLOCK, 0)
