"""The emulator in pytest. Here and not in its package, as pytest imports it always, and the extra may be missing."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .emulator import Emulator, Namespace

MARKER = "data_registry_emulator(scenario=None, credentials=None, virtual_time=None): how the test's namespace is set"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


@pytest.fixture(scope="session")
def data_registry_emulator_server() -> "Iterator[Emulator]":
    """One running emulator for the session (under pytest-xdist: for each worker)."""
    from .emulator import Emulator

    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def data_registry_emulator(data_registry_emulator_server: "Emulator", request: pytest.FixtureRequest) -> "Namespace":
    """The test's own namespace of an emulator, with operations, journal and clock that no other test sees.

    `@pytest.mark.data_registry_emulator(scenario="fails", virtual_time=True)` sets it as `Emulator.namespace` takes it.
    """
    marker = request.node.get_closest_marker("data_registry_emulator")
    return data_registry_emulator_server.namespace(request.node.name, **(marker.kwargs if marker else {}))
