"""The Debian package and its units: installed, started, upgraded and removed in a clean Debian. Only the full tier makes packages."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
from pathlib import Path

import pytest
from support import FULL, ROOT, wait_until
from test_readme import ALONE, LOOPBACK
from test_service_manager import Manager

UNIT = ROOT / "packaging/tenfold.service"

pytestmark = pytest.mark.skipif(not FULL, reason="packages are made with ./test --full")


def call(*command, **options) -> str:
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, timeout=1200, **options)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_the_service_may_do_little():
    """systemd's own measure, from 0 to 10."""
    said = call("systemd-analyze", "security", "--offline=true", UNIT)
    exposure = float(re.search(r"Overall exposure level for tenfold.service: ([\d.]+)", said)[1])
    assert exposure < 2.0, said


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> tuple[Path, Path]:
    """The package, and a newer one."""
    call(ROOT / "packaging/deb.sh", cwd=ROOT)
    (package,) = (ROOT / "target/debian").glob("tenfold_*.deb")
    directory = tmp_path_factory.mktemp("packages")
    call("dpkg-deb", "--raw-extract", package, directory / "newer")
    control = directory / "newer/DEBIAN/control"
    control.write_text(re.sub(r"(?m)^Version: .*$", "Version: 99.0", control.read_text()))
    call("dpkg-deb", "--build", directory / "newer", directory / "newer.deb")
    return package, directory / "newer.deb"


@pytest.fixture
def debian(tmp_path):
    """A Debian with its essential packages and nothing else."""
    if os.geteuid():
        pytest.skip("only root can install a package in another root")
    root = tmp_path / "debian"
    suite = re.search(r"(?m)^VERSION_CODENAME=(\w+)$", Path("/etc/os-release").read_text())[1]
    sources = [*Path("/etc/apt/sources.list.d").glob("debian.sources"), *Path("/etc/apt").glob("sources.list")]
    call("mmdebstrap", "--quiet", "--variant=essential", suite, root, *sources)
    yield root
    shutil.rmtree(root)


def child(process) -> str:
    """The number of the one process that `unshare` has started."""
    found = []

    def is_there() -> bool:
        found[:] = subprocess.run(["pgrep", "--parent", str(process.process.pid)], capture_output=True, text=True).stdout.split()
        return len(found) == 1

    wait_until(is_there, what="the process")
    return found[0]


@contextlib.contextmanager
def started(run, root: Path, tmp_path: Path):
    """Does what the unit says, as far as that goes without systemd: its command, in the root, and until it says that it is ready."""
    command = re.search(r"(?m)^ExecStart=(.*)$", (root / "usr/lib/systemd/system/tenfold.service").read_text())[1]
    place = root / "run/notify"
    place.unlink(missing_ok=True)
    manager = Manager(str(place))
    script = f"{LOOPBACK}mkdir -p {root}/var/lib/tenfold; exec chroot {root} {command}"
    hub = run(*ALONE, shutil.which("bash"), "-ec", script, env={"NOTIFY_SOCKET": "/run/notify"})
    manager.hears("READY=1")
    process = child(hub)

    def inside(*words) -> str:
        return call("nsenter", "--target", process, "--user", "--net", "chroot", root, "tenfold", *words)

    try:
        yield inside
    finally:
        os.kill(int(process), signal.SIGTERM)
        assert hub.wait() == 0, hub.err
        manager.sock.close()


def test_the_package_is_installed_started_upgraded_and_removed(packages, debian, run, tmp_path):
    package, newer = packages
    installed = debian / "usr/bin/tenfold"
    settings = debian / "etc/tenfold/hub.toml"

    call("dpkg", "--root", debian, "--install", package)
    assert tomllib.loads(settings.read_text())["data"] == "/var/lib/tenfold"
    for there in ["usr/share/man/man1/tenfold.1.gz", "usr/share/man/man1/tenfold-serve.1.gz", "usr/share/bash-completion/completions/tenfold",
                  "usr/share/zsh/vendor-completions/_tenfold", "usr/share/fish/vendor_completions.d/tenfold.fish",
                  "usr/share/doc/tenfold/operating.md", "usr/lib/systemd/system/tenfold.socket"]:
        assert (debian / there).stat().st_size > 100, there
    call("chroot", debian, "tenfold", "serve", "--config", "/etc/tenfold/hub.toml", "--check")
    with started(run, debian, tmp_path) as inside:
        inside("pub", "ticks", "17.25")

    settings.write_text(settings.read_text() + 'max-message = "1MiB"\n')
    call("dpkg", "--root", debian, "--force-confold", "--install", newer)
    assert "1MiB" in settings.read_text()
    with started(run, debian, tmp_path) as inside:
        assert inside("sub", "ticks", "--from", "first", "--until-end") == "17.25\n"

    call("dpkg", "--root", debian, "--remove", "tenfold")
    assert not installed.exists() and settings.exists()
    call("dpkg", "--root", debian, "--purge", "tenfold")
    assert not settings.exists()
    # Whoever wants to be rid of them removes them.
    assert (debian / "var/lib/tenfold/channels/ticks").is_dir()


TARGET = "x86_64-unknown-linux-musl"


@pytest.fixture(scope="module")
def static() -> Path:
    """The program without a dynamic library."""
    call("cargo", "build", "--quiet", "--release", "--locked", "--package", "tenfold-cli", "--target", TARGET, cwd=ROOT)
    return ROOT / "target" / TARGET / "release" / "tenfold"


def container() -> tuple[dict[str, str], list[str], list[str]]:
    """The environment, the command and the health check of the image."""
    text = (ROOT / "packaging/Containerfile").read_text()
    entry, command, health = (json.loads(re.search(rf"(?m)^{line} (\[.*\])$", text)[1]) for line in ["ENTRYPOINT", "CMD", "HEALTHCHECK .* CMD"])
    environment = dict(one.split("=", 1) for one in re.search(r"(?m)^ENV (.*)$", text)[1].split())
    assert re.search(r"(?m)^FROM scratch\nCOPY tenfold /tenfold$", text)
    return environment, entry + command, health


def test_the_image_has_nothing_but_the_program_and_that_is_enough(static, run, tmp_path):
    """Done by hand, because not every machine has a daemon that makes images: an empty root with the program and a volume, and what the file
    says is run in it."""
    environment, command, health = container()
    root = tmp_path / "root"
    (root / "data").mkdir(parents=True)
    shutil.copy(static, root / "tenfold")
    alone = [*ALONE, shutil.which("bash"), "-ec"]
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    script = f"{LOOPBACK}exec env -i {variables} {shutil.which('chroot')} {root} {' '.join(command)}"
    hub = run(*alone, script)
    process = child(hub)

    def enter(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(["nsenter", "--target", process, "--user", "--net", "chroot", root, *words], capture_output=True, text=True, timeout=60)

    wait_until(lambda: enter(*health).returncode == 0, what="the health of the hub")
    assert enter("/tenfold", "pub", "ticks", "17.25").returncode == 0
    assert enter("/tenfold", "sub", "ticks", "--from", "first", "--until-end").stdout == "17.25\n"
    os.kill(int(process), signal.SIGTERM)
    assert hub.wait() == 0, hub.err
    assert (root / "data/channels/ticks").is_dir()
