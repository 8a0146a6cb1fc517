"""The example clients of a hub: in which languages they are, how each is made and started, and what it cannot do."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from support import CLIENTS, FULL, NODE, ROOT

SHIM = ROOT / "tests" / "arduino"

#: A sketch gets by these what its first lines are for.
SKETCH = {
    "NETWORK": '"", ""',
    "HUB": "arguments[1], uint16_t(atoi(arguments[2]))",
    "SUBSCRIBE": 'String("SUBSCRIBE ") + arguments[3] + (arguments[4] ? String(" from=") + arguments[4] : "")',
    "PUBLISH": 'String("PUBLISH ") + arguments[3] + (arguments[4] ? String(" producer=") + arguments[4] : "")',
}
#: Its own command is a program of Python as well, which loses the exit code.
MICROPYTHON = "import sys, micropython_run; sys.exit(micropython_run.run_main(['micropython', *sys.argv[1:]]))"


def started_by(*command) -> Callable:
    """For a language whose programs are run from their source."""
    return lambda source, program: [*command, source]


def compiled(*command, run=()) -> Callable:
    """For one whose programs are made of their source first."""

    def make(source: Path, program: Path) -> list:
        words = [os.fspath(word).format(source=source, program=program) for word in command]
        subprocess.run(words, check=True, timeout=600)
        return [*run, program]

    return make


def classes(source: Path, program: Path) -> list:
    """For Java, which could compile a source at each start, too, and takes a second for it."""
    subprocess.run(["javac", "-d", program, source], check=True, timeout=600)
    (main,) = program.glob("*.class")
    return ["java", "-cp", program, main.stem]


@dataclass(frozen=True)
class Language:
    name: str
    #: Where the programs are, with `*` for what they do.
    files: str
    #: How one is made: its source, and where a program may be put, give a command.
    make: Callable
    #: Its tools are large, so that only `./test --full` installs them.
    large: bool = False
    #: It has a publisher that stores each message once, whatever happens to the hub.
    producer: bool = False
    #: A message can have a NUL byte.
    nul: bool = True
    #: What its publisher asks for after the channel.
    acks: bytes = b" acks=none"
    #: Its publisher learns whether all was stored.
    asks: bool = True

    def source(self, role: str) -> Path:
        return CLIENTS / self.files.replace("*", role)


LANGUAGES = [
    Language("Python", "hub_*.py", started_by(sys.executable), producer=True),
    Language("shell", "hub_*.sh", started_by(shutil.which("bash")), nul=False, acks=b""),
    Language("C", "hub_*.c", compiled("cc", "-Wall", "-Wextra", "-Werror", "-o", "{program}", "{source}")),
    Language("JavaScript", "hub_*.js", started_by(NODE)),
    Language("Go", "hub_*.go", compiled("go", "build", "-o", "{program}", "{source}"), large=True, producer=True),
    Language("Java", "hub_*.java", classes, large=True),
    Language("C#", "hub_*.cs", compiled("mcs", "-warnaserror", "-out:{program}", "{source}", run=["mono"])),
    Language("Ruby", "hub_*.rb", started_by("ruby", "-w")),
    Language("PHP", "hub_*.php", started_by("php")),
    Language("Perl", "hub_*.pl", started_by("perl")),
    Language("Lua", "hub_*.lua", started_by("lua5.4")),
    Language("MicroPython", "micropython/hub_*.py", started_by(sys.executable, "-c", MICROPYTHON), producer=True, acks=b""),
    Language(
        "Arduino",
        "arduino/hub_*/hub_*.ino",
        compiled("c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-I", SHIM, *(f"-D{name}={value}" for name, value in SKETCH.items()),
                 '-DSKETCH="{source}"', "-o", "{program}", SHIM / "main.cpp"),
        producer=True,
        asks=False,
    ),
]  # fmt: skip
#: Python's registry has MicroPython for this kind of machine only.
HAS_MICROPYTHON = platform.machine() == "x86_64"
TRIED = [language for language in LANGUAGES if (FULL or not language.large) and (HAS_MICROPYTHON or language.name != "MicroPython")]


class Programs:
    """The programs as commands. Each is made when it is wanted for the first time."""

    def __init__(self, directory: Path):
        self._directory = directory
        self._made: dict[Path, list] = {}

    def command(self, language: Language, role: str) -> list:
        source = language.source(role)
        if source not in self._made:
            self._made[source] = language.make(source, self._directory / f"{source.name}.program")
        return self._made[source]
