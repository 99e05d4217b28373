"""Ctrl+C at any moment ends what runs, at once, with nothing open and nothing printed."""

import subprocess
import sys
from pathlib import Path

import pytest

from .server import HEAD, Peer, Stop, read_request, serve_connections

ROOT = Path(__file__).parents[2]

SCRIPT = """
import asyncio, contextlib, gc, os, queue, random, signal, sys, threading, time, warnings
warnings.simplefilter("error")
unraisable = []
sys.unraisablehook = unraisable.append
from maps_data_registry import *
from tests.loops import eager_loop, uvloop_loop
from tests.wire.drivers import SWIFT, client_at

_, url, way, seed, count = sys.argv
library, _, kind = way.partition("-")
chance = random.Random(int(seed))
names = [f"00000000-0000-4000-8000-{number:012x}" for number in range(16)]  # the first one never ends
client = client_at(url)()
sent = 0.0
delays = queue.SimpleQueue()

def interrupt():
    global sent
    while (delay := delays.get()) is not None:
        time.sleep(delay)
        sent = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

async def one():
    await wait_for_operation_async(client, names[0], policy=SWIFT)

async def many():
    async with wait_for_operations_async(client, names, policy=SWIFT) as outcomes:
        async for _ in outcomes:
            pass

def wait(runner):
    if way == "sync":
        wait_for_operation(client, names[0], policy=SWIFT)
    elif way == "many":
        with wait_for_operations(client, names[1:], policy=SWIFT) as outcomes:  # begins, goes on and ends
            for _ in outcomes:
                sum(range(1000))
    else:
        runner.run({"one": one, "many": many}[kind]())

def runner():
    factory = {"uvloop": uvloop_loop, "eager": eager_loop}.get(library)
    return asyncio.Runner(loop_factory=factory) if kind else contextlib.nullcontext()

def once():
    with runner() as run:
        wait_once(run)
        try:
            delays.put(chance.random() * 0.05)
            while True:
                wait(run)
        except KeyboardInterrupt:
            return time.monotonic() - sent

def wait_once(run):
    "Connect, and import what is imported on first use."
    if kind:
        run.run(get_operation_async(client, names[0]))
    else:
        get_operation(client, names[0])

sender = threading.Thread(target=interrupt)
sender.start()
longest = max(once() for _ in range(int(count)))
delays.put(None)
sender.join()
client.get_httpx_client().close()
gc.collect()
assert longest < 1, longest
assert threading.active_count() == 1, threading.enumerate()
assert not unraisable, [(item.exc_value, item.object) for item in unraisable]
"""

WAYS = ["sync", "many", "asyncio-one", "asyncio-many", "uvloop-one", "uvloop-many", "eager-many"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself Ctrl+C there")
@pytest.mark.parametrize("way", WAYS)
def test_an_interrupt_at_any_moment(way: str) -> None:
    with serve_connections(every_third_ends) as wire:
        command = [sys.executable, "-c", SCRIPT, wire.url, way, "1", "75"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def every_third_ends(peer: Peer, _: Stop) -> None:
    """Every third poll of a connection says that its operation has ended, unless it is the first operation."""
    polls = 0
    while request := read_request(peer):
        polls += 1
        name = request.split(b"?")[0].rpartition(b"/")[2]
        has_ended = polls % 3 == 0 and not name.endswith(b"0" * 12)
        body = b'{"id": "%b", "status": "%b"}' % (name, b"Completed" if has_ended else b"Running")
        peer.sendall(HEAD + b"Retry-After: 0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
