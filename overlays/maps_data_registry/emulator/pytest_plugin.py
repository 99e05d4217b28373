"""The pytest fixture. pytest always imports this module, so it imports nothing of the extra before a test needs it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .namespace import Namespace
    from .server import Emulator

MARKER = "data_registry_emulator(*, scenario=None, credentials=None, virtual_time=None): the test's namespace"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def data_registry_emulator_server() -> "Iterator[Emulator]":
    """One running emulator for the session (under pytest-xdist: for each worker)."""
    from . import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def data_registry_emulator(data_registry_emulator_server: "Emulator", request: pytest.FixtureRequest) -> "Namespace":
    """The test's own namespace of an emulator, with operations, journal and clock that no other test sees.

    `@pytest.mark.data_registry_emulator(scenario="fails", virtual_time=True)` passes these settings to
    `Emulator.namespace`.
    """
    marker = request.node.get_closest_marker("data_registry_emulator")
    args, kwargs = (marker.args, marker.kwargs) if marker else ((), {})
    return data_registry_emulator_server.namespace(request.node.name, *args, **kwargs)  # which refuses the former
