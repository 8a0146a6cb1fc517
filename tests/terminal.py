"""A pseudo-terminal with a screen: what a person sees of a program, and the keys that they press."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading

from support import BOUND, wait_until

CTRL_C, CTRL_D, UP, ENTER = "\x03", "\x04", "\x1b[A", "\r"


class Screen:
    """As much of a terminal as these programs use. Lines that leave it at the top are kept."""

    CONTROL = re.compile(r"\x1b\[([?>=]?)([\d;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78]")

    def __init__(self, columns: int, rows: int):
        self.columns, self.rows = columns, rows
        self.lines = [[]]
        self.row = self.column = self.top = 0
        self.rest = ""

    def feed(self, text: str):
        text, self.rest = self.rest + text, ""
        at = 0
        while at < len(text):
            char = text[at]
            if char == "\x1b":
                control = self.CONTROL.match(text, at)
                if not control:
                    # It is cut in two. What is longer than any control would be one that is not known here.
                    assert len(text) - at < 16, repr(text[at : at + 20])
                    self.rest = text[at:]
                    return
                if control[3] and not control[1]:
                    self.control(control[3], [int(n or 0) for n in control[2].split(";")])
                at = control.end()
                continue
            self.char(char)
            at += 1

    def char(self, char: str):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.move(self.row + 1)
        elif char == "\b":
            self.column = max(0, self.column - 1)
        elif char >= " ":
            if self.column == self.columns:
                self.column = 0
                self.move(self.row + 1)
            line = self.lines[self.row]
            line.extend(" " * (self.column + 1 - len(line)))
            line[self.column] = char
            self.column += 1

    def move(self, row: int):
        self.row = max(self.top, row)
        self.lines.extend([] for _ in range(self.row + 1 - len(self.lines)))
        self.top = max(self.top, self.row + 1 - self.rows)

    def control(self, kind: str, numbers: list[int]):
        n = max(1, numbers[0])
        match kind:
            case "A":
                self.move(self.row - n)
            case "B":
                self.move(min(self.row + n, self.top + self.rows - 1))
            case "C":
                self.column = min(self.columns - 1, self.column + n)
            case "D":
                self.column = max(0, self.column - n)
            case "G":
                self.column = n - 1
            case "H":
                self.move(self.top + n - 1)
                self.column = max(1, numbers[1] if len(numbers) > 1 else 1) - 1
            case "K":
                assert numbers[0] == 0
                del self.lines[self.row][self.column :]
            case "J":
                if numbers[0] == 2:
                    self.lines[self.top :] = [[] for _ in self.lines[self.top :]]
                else:
                    del self.lines[self.row][self.column :]
                    self.lines[self.row + 1 :] = []
            case "m" | "h" | "l" | "r" | "t" | "q":
                pass
            case other:
                raise AssertionError(f"the screen of the tests does not know {other!r}")

    def text(self) -> list[str]:
        """The lines, without empty ones at the end."""
        lines = ["".join(line).rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines


class Terminal:
    """A program in a terminal of its own. It is ended by its own pid."""

    def __init__(self, command, columns=80, rows=24, term="xterm-256color", env=None):
        self.command = [os.fspath(part) for part in command]
        self.master, slave = pty.openpty()
        self._lock = threading.Lock()
        self._screen, self.raw = Screen(columns, rows), bytearray()
        self._slave = slave
        self.resize(columns, rows)
        self.before = termios.tcgetattr(slave)
        self.process = subprocess.Popen(
            self.command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": term, "NO_COLOR": "1", **(env or {})},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while True:
            try:
                data = os.read(self.master, 1 << 16)
            except OSError:
                return
            if not data:
                return
            with self._lock:
                self.raw += data
                self._screen.feed(data.decode(errors="replace"))

    def resize(self, columns: int, rows: int):
        with self._lock:
            self._screen.columns, self._screen.rows = columns, rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @property
    def screen(self) -> list[str]:
        with self._lock:
            return self._screen.text()

    def shows(self, text: str, bound: float = 30.0):
        """Waits until a line of the screen has this text."""
        try:
            wait_until(lambda: any(text in line for line in self.screen), bound)
        except AssertionError:
            raise AssertionError(f"{text!r} is not in {self.screen}") from None

    def shows_line(self, line: str, bound: float = 30.0):
        """Waits until this is a line of the screen."""
        try:
            wait_until(lambda: line in self.screen, bound)
        except AssertionError:
            raise AssertionError(f"{line!r} is not a line of {self.screen}") from None

    def prompts(self, prompt: str):
        """Waits for an empty line to be edited."""
        wait_until(lambda: self.screen and self.screen[-1] == prompt.rstrip(), what=f"the prompt after {self.screen}")

    def type(self, keys: str):
        os.write(self.master, keys.encode())

    def signal(self, number: int):
        self.process.send_signal(number)

    def wait(self, bound: float = BOUND) -> int:
        try:
            return self.process.wait(bound)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} still runs: {self.screen}") from None

    def is_as_before(self) -> bool:
        """Whether the terminal has the settings that it had before the program."""
        return termios.tcgetattr(self._slave) == self.before

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(BOUND)
        os.close(self._slave)
        self._thread.join(BOUND)
        os.close(self.master)
