"""A hub for tests: program `tenfold` on a free port of this machine.

    with tenfold.testing.Hub() as hub, tenfold.Publisher(hub.address, "ticks") as publisher:
        publisher.send(b"17.25")
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ._connection import connect

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["Hub"]

# No hub needs so long to start or to end unless something is wrong.
BOUND = 60.0


class Hub:
    """A hub in a process of its own, from `start` to `close` or `kill`. As a context it is started and closed.

    `arguments` are those of `tenfold serve`. With `data` it keeps its log in that directory, and else in memory. The
    program is `binary`, or what `TENFOLD_BIN` names, or the `tenfold` that was installed beside Python or is in the
    path.
    """

    def __init__(self, *arguments: str, data: str | Path | None = None, binary: str | Path | None = None) -> None:
        self._binary = binary or find()
        self._arguments = arguments
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None
        # Port 0 the first time; after that it stays where it is.
        self.address = "127.0.0.1:0"
        # With those of `--listen` and others among the arguments.
        self.addresses: list[str] = []

    def start(self) -> None:
        """Starts it, at the address that it had before, and waits until it serves channels."""
        with tempfile.TemporaryDirectory() as directory:
            addresses, words = Path(directory, "addresses"), Path(directory, "words")
            command = [self._binary, "serve", "--listen", self.address, "--port-file", addresses, *self._arguments]
            if self._data is not None:
                command += ["--data", self._data]
            with words.open("wb") as stderr:
                self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
            try:
                self._wait(addresses, words)
            except BaseException:
                self.kill()
                raise

    def kill(self) -> None:
        """Ends it without a word, as a power cut does."""
        self._end(signal.SIGKILL)

    def close(self) -> None:
        """Ends it, and waits until it has ended."""
        self._end(signal.SIGTERM)

    def __enter__(self) -> "Self":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        # A hub that has clients waits for them.
        self.kill()

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(BOUND)

    def _wait(self, addresses: Path, words: Path) -> None:
        end = time.monotonic() + BOUND
        while not addresses.exists() or not self._serves(addresses):
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the hub has not started: {words.read_text(errors='replace')}")
            time.sleep(0.01)

    def _serves(self, addresses: Path) -> bool:
        """Whether it has read its log: before that it refuses what asks for a channel."""
        self.addresses = addresses.read_text().splitlines()
        self.address = self.addresses[0]
        with connect(self.address, timeout=BOUND) as connection:
            connection.send(b"HEALTH")
            return b"status=starting" not in (connection.recv(BOUND) or b"")


def find() -> str | Path:
    """Where the program is."""
    beside = Path(sys.executable).with_name("tenfold")
    found = os.environ.get("TENFOLD_BIN") or (beside if beside.exists() else shutil.which("tenfold"))
    if not found:
        raise FileNotFoundError("there is no program tenfold: install tenfold-cli, or say where it is with TENFOLD_BIN")
    return found
