from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import pytest

from tests.conftest import LIBRARIES

from .support import Many, run_virtually

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=LIBRARIES)
def many(request: pytest.FixtureRequest) -> Many:
    """The functions under test: the sync one, and the async one under either library."""
    return Many(request.param)


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run async code under either library, on virtual time that begins at 0."""
    return partial(run_virtually, request.param)
