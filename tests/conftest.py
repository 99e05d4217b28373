import pytest
from hypothesis import HealthCheck, settings

from .support import Driver, VirtualClock

pytest_plugins = ["maps_data_registry.emulator.pytest_plugin"]

# Machines differ in speed and are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture(params=[None, "asyncio", "trio"], ids=["sync", "asyncio", "trio"])
def drive(request: pytest.FixtureRequest) -> Driver:
    """The functions under test, once for each driver and async library."""
    return Driver(request.param)


@pytest.fixture
def time() -> VirtualClock:
    return VirtualClock()
