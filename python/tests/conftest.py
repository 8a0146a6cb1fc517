"""What the tests of the package share with the system tests."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test fails because a machine is busy.
settings.register_profile("tenfold", database=None, deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tenfold")

sys.path.append(str(Path(__file__).parents[2] / "tests"))

from authority import Authority  # noqa: E402


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_factory(request):
    return pytest.importorskip("uvloop").new_event_loop if request.param == "uvloop" else None


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def own(authority):
    """The certificate of whoever listens in a test."""
    return authority.make("own", "DNS:localhost,IP:127.0.0.1")
