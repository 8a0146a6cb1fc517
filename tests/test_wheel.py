"""The program as a wheel: installed where there is nothing else, it runs. Only the full tier builds it."""

import os
import subprocess
import sys
import venv
import zipfile

import pytest
from support import BOUND, FULL, ROOT

# What a build from the beginning needs.
BUILD = 3600

pytestmark = pytest.mark.skipif(not FULL, reason="wheels are made with ./test --full")


def call(*command, bound=BOUND, **options):
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, timeout=bound, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_the_wheel_of_the_program_is_installed_and_runs(tmp_path):
    maturin = os.path.join(os.path.dirname(sys.executable), "maturin")
    # The release build is there already, and is taken as it is.
    call(maturin, "build", "--release", "--target-dir", ROOT / "target", "--out", tmp_path, cwd=ROOT / "packaging/wheel", bound=BUILD)
    (wheel,) = tmp_path.glob("tenfold_cli-*.whl")
    with zipfile.ZipFile(wheel) as inside:
        programs = [name for name in inside.namelist() if ".data/scripts/" in name]
    assert [name.rpartition("/")[2] for name in programs] == ["tenfold"]
    venv.create(tmp_path / "empty", with_pip=True)
    call(tmp_path / "empty/bin/pip", "install", "--no-index", "--no-deps", wheel, bound=600)
    tenfold = tmp_path / "empty/bin/tenfold"
    version = call(tenfold, "--version")
    assert version.startswith("tenfold "), version
    assert wheel.name.split("-")[1] == version.split()[1]
    shown = call(tenfold, "demo", "--count", "2", "--every", "0.1s")
    assert "both receivers see a clean end" in shown, shown
