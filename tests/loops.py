"""Where async code runs: the two libraries, and asyncio again on uvloop and as strict as it can be."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Any, TypeVar

import anyio

T = TypeVar("T")

LIBRARIES = ("asyncio", "trio")


def uvloop_loop() -> asyncio.AbstractEventLoop:
    import uvloop

    return uvloop.new_event_loop()


def eager_loop() -> asyncio.AbstractEventLoop:
    """asyncio's own, whose tasks begin where they are created, in Python 3.12 and newer."""
    loop = asyncio.new_event_loop()
    loop.slow_callback_duration = 60.0  # or it prints how busy the machine is
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    return loop


_OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {},
    "trio": {},
    "uvloop": {"loop_factory": uvloop_loop},
    "eager-debug": {"loop_factory": eager_loop, "debug": True},
}

LOOPS = [name for name in _OPTIONS if name != "uvloop" or find_spec("uvloop")]


def run(loop: str, function: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Run an async function, as `anyio.run` does, on one of `LOOPS`."""
    backend = "trio" if loop == "trio" else "asyncio"
    return anyio.run(function, *args, backend=backend, backend_options=_OPTIONS[loop])
