"""One client through every kind of life that a process leads: nothing is left over."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maps_data_registry import (
    DataRegistryError,
    get_operation_async,
    wait_for_operation_async,
    wait_for_operations_async,
    watch_operation_async,
)
from tests.support import ID

from .drivers import client_at
from .server import GOOD, sends, serve

ROOT = Path(__file__).parents[2]

BEGINNING = """
import asyncio, gc, os, sys, threading, warnings
warnings.simplefilter("error")
unraisable = []
sys.unraisablehook = unraisable.append
from maps_data_registry import *
from tests.loops import run
from tests.support import ID
from tests.wire.drivers import client_at

def held():
    "What a life must not leave more of."
    gc.collect()
    objects = gc.get_objects()
    loops = sum(isinstance(held, asyncio.AbstractEventLoop) for held in objects)
    tasks = sum(isinstance(held, asyncio.Task) for held in objects)
    return len(os.listdir("/dev/fd")), threading.active_count(), loops, tasks

client = client_at(sys.argv[1])()

async def poll():
    assert (await wait_for_operation_async(client, ID)).status == "Completed"

async def poll_many():
    async with wait_for_operations_async(client, [ID] * 8) as outcomes:
        assert [outcome.error async for outcome in outcomes] == [None] * 8

def ask(other):
    try:
        while True:
            assert get_operation(other, ID).status == "Completed"
    except RuntimeError:  # closed
        pass

def many():
    with wait_for_operations(client, [ID]) as outcomes:
        yield from outcomes

"""

BODY = """
def live():
{}
"""

END = """
live()  # what is loaded and started for good
before = held()
live()
after = held()
assert after == before, (before, after)
assert not unraisable, unraisable
"""

LIVES = {
    "asyncio.run": "for _ in range(200): asyncio.run(poll())",
    "asyncio.run, many": "for _ in range(30): asyncio.run(poll_many())",
    "trio": "for _ in range(200): run('trio', poll)",
    "uvloop": "for _ in range(200): run('uvloop', poll)",
    "uvloop, many": "for _ in range(30): run('uvloop', poll_many)",
    "eager tasks, debug mode": "for _ in range(30): run('eager-debug', poll_many)",
    "sync, many": """
        for _ in range(30):
            with wait_for_operations(client, [ID] * 8) as outcomes:
                assert [outcome.error for outcome in outcomes] == [None] * 8""",
    "eight threads with a loop each": """
        threads = [threading.Thread(target=lambda: [asyncio.run(poll()) for _ in range(5)]) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()""",
    "left unclosed, async": """
        async def leave():
            other = client_at(sys.argv[1])()
            assert (await wait_for_operation_async(other, ID)).status == "Completed"
        asyncio.run(leave())""",
    "uvloop.install() after the client was made": """
        import uvloop
        policy = asyncio.get_event_loop_policy()
        asyncio.run(poll())
        uvloop.install()
        asyncio.run(poll())
        assert [outcome.error for outcome in many()] == [None]
        asyncio.set_event_loop_policy(policy)""",
    "nest_asyncio": """
        import nest_asyncio
        async def main():
            loop = asyncio.get_running_loop()
            nest_asyncio.apply(loop)  # asyncio.run, too, has one loop from now on, which is never closed
            loop.run_until_complete(poll())
            await poll_many()
        for _ in range(2): asyncio.run(main())""",
    "closed in another thread while in use": """
        for _ in range(50):
            with client_at(sys.argv[1])() as other:
                threads = [threading.Thread(target=ask, args=[other]) for _ in range(4)]
                for thread in threads: thread.start()
            for thread in threads: thread.join()""",
}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="it has no /dev/fd")
@pytest.mark.parametrize("life", LIVES)
def test_a_life_leaves_nothing_behind(life: str) -> None:
    body = textwrap.indent(textwrap.dedent(LIVES[life]), "    ")
    with serve(sends(GOOD)) as wire:
        command = [sys.executable, "-c", BEGINNING + BODY.format(body) + END, wire.url]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


NOWHERE: dict[str, Callable[[Any], Any]] = {
    "get": lambda client: get_operation_async(client, ID),
    "wait": lambda client: wait_for_operation_async(client, ID),
    "watch": lambda client: anext(watch_operation_async(client, ID)),
    "many": lambda client: wait_for_operations_async(client, [ID]).__aenter__(),
}


@pytest.mark.parametrize("name", NOWHERE)
def test_an_event_loop_that_is_none_of_the_known_ones(name: str) -> None:
    """Such as one that steps coroutines by hand."""
    with pytest.raises((RuntimeError, DataRegistryError), match="event loop") as caught:
        NOWHERE[name](client_at("http://127.0.0.1:9")()).send(None)
    assert "\n" not in str(caught.value)
