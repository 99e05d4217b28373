from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from .support import Many, run_virtually

Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["sync", "asyncio", "trio"])
def many(request: pytest.FixtureRequest) -> Many:
    """The functions under test: the sync one, and the async one under either library."""
    return Many(request.param)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run async code under either library, on virtual time that begins at 0."""
    return partial(run_virtually, request.param)
