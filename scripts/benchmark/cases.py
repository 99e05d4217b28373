"""One case of the benchmark in a process of its own, whose CPU and memory are measured.

`python -m benchmark.cases CASE URL COUNT PEER...` prints a line of JSON for each peer.
"""

import asyncio
import gc
import json
import os
import resource
import statistics
import sys
import time
import timeit
import tracemalloc
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import maps_data_registry as package
from benchmark.peers import (
    ASYNC,
    HEADERS,
    OURS_ASYNC,
    PATH,
    SYNC,
    Poll,
    azure_policies,
    operation,
    ours,
    prompt,
    target,
)
from benchmark.report import ON_HTTPX2

if TYPE_CHECKING:
    import httpx

Figures = dict[str, float]

IN_FLIGHT = 64
"""Requests in flight of the peers; this package's default."""


@contextmanager
def measured(polls: int) -> Iterator[Figures]:
    """Measure what is done inside: microseconds per poll, and the peak memory of the process in MiB."""
    figures: Figures = {}
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    yield figures
    figures["cpu"] = (time.process_time() - cpu) / polls * 1e6
    figures["wall"] = (time.perf_counter() - wall) / polls * 1e6
    figures["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def warm_up(count: int) -> int:
    """How much is done before it is measured, so that connections are open and modules loaded."""
    return min(count, 50)


def sync_polls(peer: str, url: str, count: int) -> Figures:
    """One operation, polled as fast as it goes."""
    with SYNC[peer](url) as wait:
        wait(operation(warm_up(count)))
        with measured(count) as figures:
            wait(operation(count))
    return figures


async def async_polls(peer: str, url: str, count: int) -> Figures:
    """One operation, polled as fast as it goes."""
    if peer in OURS_ASYNC:
        async with OURS_ASYNC[peer](url) as client:
            await package.wait_for_operation_async(client, operation(warm_up(count)), policy=prompt())
            with measured(count) as figures:
                await package.wait_for_operation_async(client, operation(count), policy=prompt())
        return figures
    async with ASYNC[peer](url) as poll:
        await until_completed(poll, operation(warm_up(count)))
        with measured(count) as figures:
            await until_completed(poll, operation(count))
    return figures


async def until_completed(poll: Poll, name: str) -> None:
    while (await poll(name))[0] != "Completed":
        pass


async def wait_for_all(peer: str, url: str, names: list[str]) -> None:
    """Wait for many operations. A peer has a task for each, as asyncio suggests, and a semaphore around the polls."""
    if peer in OURS_ASYNC:
        async with OURS_ASYNC[peer](url) as client:
            await all_completed(client, names)
        return
    slots = asyncio.Semaphore(IN_FLIGHT)
    async with ASYNC[peer](url) as poll, asyncio.TaskGroup() as tasks:

        async def wait(name: str) -> None:
            while True:
                async with slots:
                    status, seconds = await poll(name)
                if status == "Completed":
                    return
                await asyncio.sleep(seconds)

        for name in names:
            tasks.create_task(wait(name))


async def all_completed(client: Any, names: list[str], **options: Any) -> None:
    async with package.wait_for_operations_async(client, names, policy=prompt(), **options) as outcomes:
        errors = [outcome.error async for outcome in outcomes]
    assert errors == [None] * len(names)  # noqa: S101  # else the figures would be of failures


async def many(peer: str, url: str, count: int) -> Figures:
    """*count* operations of 5 polls each, without pauses."""
    await wait_for_all(peer, url, [operation(1) for _ in range(warm_up(count))])
    names = [operation(5) for _ in range(count)]
    with measured(5 * count) as figures:
        await wait_for_all(peer, url, names)
    return figures


async def pending(peer: str, url: str, count: int) -> Figures:
    """How late the stub saw the polls, in milliseconds: 3 of each operation, 1 to 10 s apart if there are 10,000."""
    await wait_for_all(peer, url, [operation(1) for _ in range(warm_up(count))])
    reset(url)
    names = [operation(3, retry_after=(1 + number % 10) * count / 10_000) for number in range(count)]
    with measured(3 * count) as figures:
        await wait_for_all(peer, url, names)
    late = reset(url)["late"]
    cuts = statistics.quantiles(late, n=100)
    return figures | {"p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3, "early": sum(seconds < 0 for seconds in late)}


def reset(url: str) -> Any:
    """What the stub saw since the last time."""
    with urllib.request.urlopen(f"{url}/reset") as reply:  # noqa: S310  # http, and the stub's
        return json.load(reply)


def without_network(count: int) -> tuple["httpx.AsyncBaseTransport", "package.Clock", asyncio.Event]:
    """A transport that answers at once, a clock that only sleeping moves, and an event: all operations are pending.

    The first reply about an operation is Running with a Retry-After of 1 to 10 s, the second Completed. Time stands
    still until all *count* operations are pending.
    """
    import httpx

    first = dict.fromkeys(range(count))
    all_pending, now = asyncio.Event(), 0.0

    class Fake(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            number = int(request.url.path[-12:], 16) - start
            if number not in first:
                return httpx.Response(200, json={"status": "Completed"})
            del first[number]
            if not first:
                all_pending.set()
            return httpx.Response(200, json={"status": "Running"}, headers={"Retry-After": str(1 + number % 10)})

    async def sleep(seconds: float) -> None:
        nonlocal now
        await all_pending.wait()
        now += seconds
        await asyncio.sleep(0)

    start = int(operation(1)[-12:], 16) + 1
    return Fake(), package.Clock(monotonic=lambda: now, sleep_async=sleep), all_pending


# How many times as many operations as the case says, and how many times over to measure CPU.
SIZES = {"1,000 operations": (1, 10), "100,000 operations": (100, 1)}


async def growth(peer: str, _url: str, count: int) -> Figures:
    """The scheduler and the guard without a network, all operations pending at once."""
    await without_pauses(20)
    factor, times = SIZES[peer]
    with measured(2 * count * factor * times) as figures:
        for _ in range(times):
            await without_pauses(count * factor)
    return figures


async def without_pauses(size: int) -> None:
    transport, clock, _ = without_network(size)
    await all_completed(ours("https://stub.test", transport), [operation(2) for _ in range(size)], clock=clock)


async def memory(peer: str, _url: str, count: int) -> Figures:
    """Bytes per operation, with all of them pending."""
    size = count * SIZES[peer][0]
    transport, clock, all_pending = without_network(size)
    client = ours("https://stub.test", transport)
    names = [operation(2) for _ in range(size)]
    await package.get_operation_async(ours("https://stub.test", without_network(1)[0]), operation(1))
    tracemalloc.start()
    async with package.wait_for_operations_async(client, names, policy=prompt(), clock=clock):
        before = tracemalloc.get_traced_memory()[0]
        await all_pending.wait()
        return {"bytes": (tracemalloc.get_traced_memory()[0] - before) / size}


def checks(_: str, url: str, count: int) -> Figures:
    """The checks of one poll, timed by themselves on a request and a reply of the stub's, in microseconds."""
    import httpx

    from maps_data_registry.polling.decision import Polling
    from maps_data_registry.wire.secrecy import Mask, secrets_of

    name = operation(2)
    response = httpx.get(url + target(name), headers=HEADERS)
    head = b"\n".join(b"%b: %b" % item for item in response.headers.raw)
    mask, about, polling = (
        Mask().with_secrets(secrets_of(response.request)),
        response.json()["id"],
        Polling(name, policy=prompt()),
    )

    def masking() -> None:
        mask.with_secrets(secrets_of(response.request))
        mask(head)
        mask(response.content)

    def identity() -> bool:
        return bool(about.strip().lower() != name.lower())

    def pace() -> float:
        return max(polling.pause(), polling.policy.min_interval)

    return {
        check.__name__: min(timeit.repeat(check, number=count, repeat=5)) / count * 1e6
        for check in (masking, identity, pace)
    }


def never_ending(_: str, url: str, count: int) -> Figures:
    """azure-core's own poller, on an operation that is Completed at its first poll, for the time of *count* polls."""
    from azure.core import PipelineClient
    from azure.core.polling import LROPoller
    from azure.core.polling.base_polling import LROBasePolling
    from azure.core.rest import HttpRequest

    reset(url)
    with PipelineClient[Any, Any](url, policies=azure_policies(asynchronous=False)) as client:
        started = client.send_request(HttpRequest("PUT", url + PATH.format(operation(1))), stream=False)
        initial = type("Initial", (), {"http_response": started, "http_request": started.request, "context": {}})()
        poller = LROPoller[Any](client, initial, lambda _: None, LROBasePolling(timeout=0.1))
        begin = time.monotonic()
        poller.wait(count / 10)
        return {"ended": poller.done(), "polls": reset(url)["polls"], "seconds": time.monotonic() - begin}


CASES: dict[str, Callable[[str, str, int], Any]] = {
    "sync": sync_polls,
    "async": async_polls,
    "many": many,
    "pending": pending,
    "growth": growth,
    "memory": memory,
    "checks": checks,
    "never": never_ending,
}


def main() -> None:
    case, url, count, *peers = sys.argv[1:]
    if ON_HTTPX2 in peers:  # for the whole process, as in an application: a quick run measures all peers so
        import httpx2

        httpx2.alias_httpx()
    for peer in peers:
        figures = CASES[case](peer, url, int(count))
        print(json.dumps(asyncio.run(figures) if asyncio.iscoroutine(figures) else figures), flush=True)
    os._exit(0)  # azure-core's poller has a thread that never ends


if __name__ == "__main__":
    main()
