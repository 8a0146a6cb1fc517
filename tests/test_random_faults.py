"""A chain of `pub --follow --state | hub | sub --state` on a bad day: each of the three is killed, ended, paused and started again at
any moment, while the file that is followed grows, is rotated and is truncated. Whatever happens, in any order:

- each line is in the channel once and in its order, except those that a truncation took, and that is said;
- the subscriber prints the channel without a gap. After an end it goes on exactly; after a kill it may print once more what came in
  the last moments before the kill, and nothing else.
"""

import os
import random
import re
import signal
from collections import Counter

import pytest

from support import FULL, wait_until

FAULTS = 600 if FULL else 40
SEEDS = range(10) if FULL else [1, 2]
# A publisher cannot finish while the hub is away, nor a hub while a client is paused.
UNFINISHED = re.compile("tenfold: error: (?:terminated, and .* did not acknowledge the rest|.* did not take the end within)")
# With their state this old, rotated files are still looked for.
KEPT = 12


class Log:
    """The file that is followed. Lines are numbered."""

    def __init__(self, path):
        self.path, self.next, self.made, self.rotations = path, 0, 0, 0
        self.rotated = []
        # The first line of the file as it is now, and lines that were in a file when it was truncated.
        self.first, self.at_risk = 0, set()
        self.truncations = 0
        self._make()

    def _make(self):
        """Makes the file, later than the one before: times of files have a grain."""
        new = self.path.with_name("new")
        while True:
            with open(new, "wb"):
                pass
            made = os.stat(new).st_ctime_ns
            if made > self.made:
                break
            os.remove(new)
        self.made = made
        os.rename(new, self.path)

    def append(self, count: int, path=None):
        lines = range(self.next, self.next + count)
        self.next += count
        with open(path or self.path, "ab") as file:
            file.write(b"".join(b"line %d\n" % line for line in lines))

    def rotate(self):
        """The file gets another name. Its writer goes on for a moment before it makes the new one."""
        self.rotations += 1
        old = self.path.with_name(f"{self.path.name}.{self.rotations}")
        os.rename(self.path, old)
        self.append(5, old)
        self._make()
        self.first = self.next
        self.rotated.append(old)
        while len(self.rotated) > KEPT:
            os.remove(self.rotated.pop(0))

    def truncate(self):
        self.at_risk.update(range(self.first, self.next))
        self.truncations += 1
        os.truncate(self.path, 0)
        self.first = self.next


class Part:
    """One of the three programs, with all its runs."""

    def __init__(self, start):
        self.start, self.runs, self.ends = start, [start()], []

    @property
    def run(self):
        return self.runs[-1]

    @property
    def is_up(self) -> bool:
        return len(self.ends) < len(self.runs)

    def end(self, how: int):
        self.run.signal(signal.SIGCONT)
        self.run.signal(how)
        code = self.run.wait()
        # One that has just been started may not have come so far that it hears signals.
        is_as_wanted = code in (0, -how) or UNFINISHED.search(self.run.err)
        assert is_as_wanted, f"{self.run.command} ended with {code}: {self.run.err}"
        self.ends.append(how)

    def go_on(self):
        if self.is_up:
            self.run.signal(signal.SIGCONT)
        else:
            self.runs.append(self.start())

    def said(self) -> str:
        return "".join(run.err for run in self.runs)


class Day:
    def __init__(self, tenfold, directory, seed: int):
        self.chance = random.Random(seed)
        self.counts = Counter()
        self.log = Log(directory / "app.log")
        server = f"unix:{directory}/hub.sock"
        self.hub = Part(lambda: tenfold("serve", "--listen", server, "--data", directory / "hub", "--drain", "1s", "-q"))
        patient = ("--server", server, "--retry")
        self.pub = Part(lambda: tenfold("pub", "log", "--follow", self.log.path, "--state", directory / "pub.state", *patient))
        self.log.append(10)
        self.reader = lambda: tenfold("sub", "log", "--from", "first", "--until-end", *patient)
        wait_until(self.is_there, what="the first line")
        self.sub = Part(lambda: tenfold("sub", "log", "--from", "first", "--state", directory / "sub.state", *patient))
        self.parts = {"pub": self.pub, "hub": self.hub, "sub": self.sub}

    def is_there(self) -> bool:
        reader = self.reader()
        reader.wait()
        return reader.out.startswith(b"line 0\n")

    def fault(self):
        chance = self.chance
        self.log.append(chance.choice([0, 1, 10, 300, 3000]))
        kind = chance.choices(["kill", "end", "pause", "rotate", "truncate", "go on"], [6, 3, 2, 4, 1, 4])[0]
        name = chance.choice(list(self.parts))
        part = self.parts[name]
        if kind in ("kill", "end") and part.is_up:
            part.end(signal.SIGKILL if kind == "kill" else signal.SIGTERM)
            self.counts[f"{kind} {name}"] += 1
        elif kind == "pause" and part.is_up:
            part.run.signal(signal.SIGSTOP)
            self.counts[f"pause {name}"] += 1
        elif kind == "rotate":
            for _ in range(chance.choice([1, 1, 2, 3])):
                self.log.rotate()
                self.log.append(chance.choice([1, 100, 2000]))
                self.counts["rotation"] += 1
        elif kind == "truncate":
            # Of a file that nobody has read yet, nobody can tell that it was truncated.
            self.catch_up()
            if chance.random() < 0.5:
                self.pub.end(signal.SIGKILL)
                self.counts["kill pub"] += 1
            self.log.append(chance.choice([0, 1, 1000]))
            self.log.truncate()
            self.log.append(chance.choice([1, 100, 5000]))
            self.counts["truncation"] += 1
        elif kind == "go on":
            part.go_on()
        if chance.random() < 0.4 or self.log.rotations % KEPT == KEPT - 3:
            self.catch_up()

    def catch_up(self):
        """Everything runs, until the newest line is printed."""
        for part in self.parts.values():
            part.go_on()
        self.log.append(1)
        newest = b"line %d\n" % (self.log.next - 1)
        try:
            wait_until(lambda: newest in self.sub.run.out, 60, "the newest line")
        except AssertionError:
            said = {name: (part.run.process.poll(), part.run.err) for name, part in self.parts.items()}
            raise AssertionError(f"{newest} does not come; {self.counts}; the last runs say: {said}") from None

    def stored(self) -> list[bytes]:
        reader = self.reader()
        assert reader.wait() == 0
        return reader.out.split(b"\n")[:-1]

    def check(self):
        stored = self.stored()
        self.check_stored(stored)
        self.check_printed(stored)
        for name, part in self.parts.items():
            said = part.said()
            assert "tenfold: error" not in UNFINISHED.sub("", said) and "panicked" not in said, (name, said)

    def check_stored(self, stored: list[bytes]):
        """Each line once, in order. Of a file that was truncated the last that was read may be cut."""
        expected, missing = 0, 0
        for line in stored:
            match = re.fullmatch(rb"line (\d+)", line)
            if match and int(match[1]) >= expected:
                number = int(match[1])
                lost = range(expected, number)
                assert self.log.at_risk.issuperset(lost), f"lost without a truncation: {lost}"
                missing += len(lost)
                expected = number + 1
            else:
                assert expected in self.log.at_risk and (b"line %d" % expected).startswith(line), f"{line} in place of line {expected}"
        assert expected == self.log.next, f"the last line is {expected - 1}, not {self.log.next - 1}"
        said = self.pub.said().count("is lost")
        assert said or not missing, f"{missing} lines are missing, and nobody says so"
        # A run that is killed before it has read on leaves it to the next one to say so, too.
        assert said <= self.log.truncations + self.counts["kill pub"], f"{said} of {self.log.truncations} truncations are said"
        self.counts["lines stored"] += len(stored)
        self.counts["lines that truncations took"] += missing

    def check_printed(self, stored: list[bytes]):
        place = {line: at for at, line in enumerate(stored)}
        at = 0
        for run, end in zip(self.sub.runs, [None, *self.sub.ends]):
            lines = run.out.split(b"\n")[:-1]
            if not lines:
                continue
            begin = place[lines[0]]
            assert begin == at or (end == signal.SIGKILL and begin < at), f"a run begins with {lines[0]}, {at - begin} lines too early"
            assert stored[begin : begin + len(lines)] == lines
            self.counts["lines that kills repeated"] += at - begin
            at = begin + len(lines)
        assert at == len(stored)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_and_nothing_comes_twice(tenfold, tmp_path, seed, record_property):
    day = Day(tenfold, tmp_path, seed)
    for _ in range(FAULTS):
        day.fault()
    day.catch_up()
    day.check()
    for name, count in sorted(day.counts.items()):
        record_property(name, count)
    print(f"seed {seed}:", dict(sorted(day.counts.items())))
