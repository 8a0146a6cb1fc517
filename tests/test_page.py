"""The page of the HTTP door, without a browser: its modules run in Node."""

import collections
import json
import pickle
import subprocess

import pytest

from support import NODE, ROOT

PAGE = ROOT / "crates" / "tenfold-http" / "page"

VALUES = [
    None, True, False, 0, 1, -1, 255, 256, 65_536, -(2**31), 2**31, 2**63, -(2**200), 1.5, -0.25, 1e300, "", "hello", "ü\u2028\U0001f600",
    "x" * 300, b"", b"\x00\xff", b"y" * 300, [], [1, [2, [3]]], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {}, {"a": 1, "b": [True, None]},
    {1: "one", 2.5: "two and a half"}, [["same"] * 3] * 3, bytearray(b"abc"),
]


def written(value) -> str:
    """What the page writes for it, in one line."""
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {written(of)}' for key, of in value.items())}}}"
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)


def in_node(script: str, given=None):
    """What a module prints as JSON that can import those of the page."""
    done = subprocess.run([NODE, "--input-type=module", "--eval", script], input=json.dumps(given), capture_output=True, text=True, cwd=PAGE, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_modules_of_the_page_do_what_they_say():
    done = subprocess.run([NODE, "--test", *(ROOT / "tests" / "page").glob("*.test.mjs")], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_what_python_pickles_is_read(protocol):
    # Older protocols write bytes as calls of a codec, which the page names and does not do.
    values = [value for value in VALUES if protocol >= 5 or not isinstance(value, bytearray) and (protocol >= 3 or not isinstance(value, bytes))]
    script = """
        import { readFileSync } from "node:fs";
        const { pickle } = await import("./pickle.js");
        const { written } = await import("./payload.js");
        const given = JSON.parse(readFileSync(0, "utf8"));
        console.log(JSON.stringify(given.map((text) => written(pickle(Uint8Array.from(Buffer.from(text, "hex"))), 10_000))));
    """
    found = in_node(script, [pickle.dumps(value, protocol).hex() for value in values])
    assert found == [written(value) for value in values]


def test_objects_of_a_pickle_are_named():
    script = """
        import { readFileSync } from "node:fs";
        const { preview } = await import("./payload.js");
        console.log(JSON.stringify(preview(Uint8Array.from(Buffer.from(JSON.parse(readFileSync(0, "utf8")), "hex")), 200)));
    """
    line = in_node(script, pickle.dumps(collections.OrderedDict(a=1)).hex())
    assert line == "pickle {collections.OrderedDict(): [], a: 1}"
