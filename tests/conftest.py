import signal

import pytest
from hypothesis import HealthCheck, settings

from .support import Driver, VirtualClock

pytest_plugins = ["maps_data_registry.emulator.pytest_plugin"]

# A shell starts background jobs with SIGINT ignored, and so would be all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Machines differ in speed and are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", settings.get_profile("shared"), max_examples=5000)
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coverage doubles the time of a test. What is slow goes without it, and so do the tests of scripts/."""
    for item in items:
        if item.get_closest_marker("slow") or {"contract", "test_bench.py"} & {*item.path.parts}:
            item.add_marker("no_cover")


# The inner loop runs a case in the first two; the others, which should agree with them, are for scripts/test.
LIBRARIES = ["sync", "asyncio", pytest.param("trio", marks=pytest.mark.slow)]
MANY = [pytest.param(f"many-{library}", marks=pytest.mark.slow) for library in ("sync", "asyncio", "trio")]


@pytest.fixture(params=LIBRARIES)
def drive_one(request: pytest.FixtureRequest) -> Driver:
    """The functions for one operation, sync and under each async library."""
    return Driver(request.param)


@pytest.fixture(params=[*LIBRARIES, *MANY])
def drive(request: pytest.FixtureRequest) -> Driver:
    """The functions for one operation and for many, sync and under each async library."""
    return Driver(request.param.removeprefix("many-"), is_many=request.param.startswith("many-"))


@pytest.fixture
def time() -> VirtualClock:
    return VirtualClock()
