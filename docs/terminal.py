#!/usr/bin/env python3
"""Makes docs/terminal.svg, the README's picture of a terminal, from a real run.

    python3 docs/terminal.py PATH_OF_TENFOLD > docs/terminal.svg

The commands below are given to bash, one after the other, in an empty directory, beside a hub at a free port.
What each prints is drawn with the colours that it has chosen. So the picture says what the program says; a test makes it again and compares.
"""

import html
import os
import re
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

COMMANDS = [
    r"printf '12        hello, world0         3         abc' | tenfold recv -",
    r"printf '5         hello10        naïve café5         fifth' > broken.bin",
    r"tenfold inspect broken.bin",
    r"seq 3 | tenfold pub ticks",
    r"tenfold sub ticks --from -2 --until-end",
]
COLUMNS, CHARACTER, LINE, MARGIN, BAR = 100, 8.4, 19, 16, 34
COLOURS = {"31": "#ff7b72", "32": "#7ee787", "33": "#e3b341", "34": "#79c0ff", "35": "#d2a8ff", "36": "#76e3ea"}
SGR = re.compile(r"\x1b\[([0-9;]*)m")


def run(binary: Path) -> list[tuple[str, str]]:
    """Each command, and what it prints."""
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        (room / "bin").mkdir()
        (room / "bin" / "tenfold").symlink_to(binary.resolve())
        env = {key: value for key, value in os.environ.items() if not key.startswith("TENFOLD_") and key != "NO_COLOR"}
        env["PATH"] = f"{room / 'bin'}:{env['PATH']}"
        serve = ["tenfold", "serve", "--quiet", "--listen", "127.0.0.1:0", "--port-file", "port"]
        hub = subprocess.Popen(serve, cwd=room, env=env)
        try:
            while not (room / "port").exists():
                if hub.poll() is not None:
                    sys.exit("the hub has ended")
                time.sleep(0.01)
            env["TENFOLD_SERVER"] = (room / "port").read_text().strip()
            return [(command, printed(command, room, env)) for command in COMMANDS]
        finally:
            hub.terminate()
            hub.wait()


def printed(command: str, room: Path, env: dict[str, str]) -> str:
    colours = f'tenfold() {{ command tenfold --color always "$@"; }}; exec 2>&1; {command}'
    return subprocess.run(["bash", "-c", colours], cwd=room, env=env, stdout=subprocess.PIPE).stdout.decode()


def runs(line: str):
    """The pieces of a line that have one look each: text, colour, and whether it is bold or faint."""
    colour, bold, faint, start = None, False, False, 0
    for code in [*SGR.finditer(line), None]:
        text = line[start : code.start() if code else None]
        if text:
            yield text, colour, bold, faint
        if code:
            start = code.end()
            for number in code[1].split(";"):
                if number in ("", "0"):
                    colour, bold, faint = None, False, False
                bold, faint = bold or number == "1", faint or number == "2"
                colour = COLOURS.get(number, colour)


def drawn(line: str, y: float) -> str:
    column, spans = 0, []
    for text, colour, bold, faint in runs(line):
        width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
        look = f' fill="{colour}"' if colour else ""
        look += ' font-weight="bold"' if bold else ""
        look += ' opacity="0.6"' if faint else ""
        if text.strip():
            place = f'x="{MARGIN + column * CHARACTER:.1f}" textLength="{width * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs"'
            spans.append(f"<tspan {place}{look}>{html.escape(text)}</tspan>")
        column += width
    return f'<text y="{y:.0f}">{"".join(spans)}</text>'


def picture(session: list[tuple[str, str]]) -> str:
    lines = []
    for command, output in session:
        lines.append(f"\x1b[32m$\x1b[0m \x1b[1m{command}\x1b[0m")
        if output:
            lines += [*output.splitlines(), ""]
    lines.pop()
    width, height = 2 * MARGIN + COLUMNS * CHARACTER, BAR + len(lines) * LINE + MARGIN
    dots = "".join(f'<circle cx="{18 + 20 * i}" cy="17" r="6" fill="{c}"/>' for i, c in enumerate(["#ff5f57", "#febc2e", "#28c840"]))
    text = "\n".join(drawn(line, BAR + (i + 0.75) * LINE) for i, line in enumerate(lines))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img" aria-label="A terminal with tenfold recv, inspect, pub and sub">
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
{dots}
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14" fill="#e6edf3" xml:space="preserve">
{text}
</g>
</svg>
"""


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.stdout.write(picture(run(Path(sys.argv[1]))))
