"""Operations are read as they are needed, and no more are held than fit: laziness and memory."""

import asyncio
import gc
import itertools
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import pytest

from maps_data_registry import InvalidOperation, wait_for_operations, wait_for_operations_async
from maps_data_registry.polling import scheduler
from tests.support import client_of

from .conftest import Run
from .support import EAGER, STEADY, Many, Service, after, first_only, name_of, never, number_of, virtual_clock


class Endless:
    """Names for ever, and how many have been read."""

    def __init__(self) -> None:
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        for number in itertools.count():
            self.read += 1
            yield name_of(number)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many operations are held at most."""
    monkeypatch.setattr(scheduler, "MAX_PENDING", 50)
    return 50


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_next_is_read_when_the_one_before_it_is_polled(many: Many, concurrency: int) -> None:
    operations = Endless()
    service = Service(after(0), latency=1)
    outcomes = many.outcomes(service, operations, count=20, concurrency=concurrency)
    assert len(outcomes) == 20
    assert len(service.polled) <= operations.read <= 20 + 2 * concurrency


def test_nothing_is_read_or_sent_before_the_first_outcome_is_waited_for(run: Run) -> None:
    async def main() -> None:
        operations, service = Endless(), Service(after(0))
        outcomes = wait_for_operations_async(service.client, operations, clock=virtual_clock())
        assert operations.read == 0
        async with outcomes:
            assert operations.read == 0
            await anext(outcomes)
            assert operations.read > 0

    run(main)


def test_nothing_is_read_or_sent_before_the_first_next() -> None:
    operations, service = Endless(), Service(after(0))
    with wait_for_operations(service.client, operations) as outcomes:
        assert operations.read == len(service.polled) == 0
        next(outcomes)
        assert operations.read > 0
        read = operations.read
        gc.collect()  # whatever happens here, happens outside of next()
        assert operations.read == read


@pytest.mark.no_cover
def test_no_more_are_held_than_fit(run: Run, few: int) -> None:
    operations = Endless()
    service = Service(after(1, retry_after="1"), latency=0.1)

    async def main() -> None:
        async with wait_for_operations_async(
            service.client, operations, concurrency=4, clock=virtual_clock()
        ) as outcomes:
            for taken in range(1, 200):
                await anext(outcomes)
                assert operations.read <= few + taken + 1
            await anyio.sleep(100)  # a slow consumer: what is pending ends, and no more is read
            assert service.in_flight == 0
            assert operations.read <= few + 200
            seen = len(service.polled)
            await anyio.sleep(100)
            assert len(service.polled) == seen

    run(main)


@pytest.mark.no_cover
@pytest.mark.parametrize("answer", [never, first_only])
def test_what_never_ends_does_not_flood(run: Run, few: int, answer: Any) -> None:
    operations = Endless()

    async def main() -> None:
        async with wait_for_operations_async(
            Service(answer).client, operations, clock=virtual_clock(), timeout=None
        ) as outcomes:
            with anyio.move_on_after(4):
                async for _ in outcomes:
                    pass
        assert few <= operations.read <= few + 2

    run(main)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_is_no_operation_does_not_flood(many: Many, few: int, asynchronous: bool) -> None:
    read = 0

    def junk() -> Iterator[str]:
        nonlocal read
        for _ in itertools.count():
            read += 1
            yield "junk"

    async def junk_too() -> AsyncIterator[str]:
        for name in junk():
            yield name

    outcomes = many.outcomes(Service(never), junk_too() if asynchronous else junk(), count=200)
    assert len(outcomes) == 200
    assert all(isinstance(outcome.error, InvalidOperation) for outcome in outcomes)
    assert read <= few + 201


def test_outcomes_that_nobody_takes_are_kept_and_none_is_lost(run: Run, few: int) -> None:
    service = Service(after(0))

    async def main() -> None:
        async with wait_for_operations_async(
            service.client, map(name_of, range(3 * few)), clock=virtual_clock()
        ) as outcomes:
            await anyio.sleep(1000)
            assert len(service.polled) <= few + 1
            assert [number_of(outcome.operation_id) async for outcome in outcomes] == list(range(3 * few))

    run(main)


def test_no_outcome_is_lost_to_a_caller_that_waits_for_each_for_a_while_only(run: Run) -> None:
    """Also when its patience ends at the very moment."""
    service = Service(after(0), latency=1)

    async def main() -> None:
        ended: list[int] = []
        async with wait_for_operations_async(
            service.client, map(name_of, range(20)), concurrency=1, clock=virtual_clock(), policy=EAGER
        ) as outcomes:
            while len(ended) < 20:
                with anyio.move_on_after(1):
                    ended.append(number_of((await anext(outcomes)).operation_id))
                assert anyio.current_time() < 100
        assert ended == list(range(20))

    run(main)


def test_several_tasks_may_share_the_outcomes(run: Run) -> None:
    shares: list[list[int]] = []

    async def main() -> None:
        async with wait_for_operations_async(
            Service(after(0), latency=1).client, map(name_of, range(40)), concurrency=8, clock=virtual_clock()
        ) as outcomes:

            async def consume() -> None:
                share: list[int] = []
                shares.append(share)
                async for outcome in outcomes:
                    share.append(number_of(outcome.operation_id))
                    await anyio.sleep(0.5)

            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(consume)

    run(main)
    assert sorted(itertools.chain(*shares)) == list(range(40))
    assert all(shares)


@pytest.mark.slow
def test_a_hundred_thousand_are_held_and_no_more() -> None:
    read = 0

    def junk() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield "junk"

    async def main() -> None:
        async with wait_for_operations_async(Service(never).client, junk()) as outcomes:
            before = -1
            while read != before:
                before = read
                for _ in range(100):
                    await anyio.lowlevel.checkpoint()
            assert scheduler.MAX_PENDING <= read <= scheduler.MAX_PENDING + 1
            await anext(outcomes)
            await anyio.lowlevel.checkpoint()
            assert read > scheduler.MAX_PENDING

    asyncio.run(main())


@pytest.mark.slow
def test_memory_does_not_grow_with_what_has_ended() -> None:
    blocks: list[int] = []

    class Completed(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=b'{"status": "Completed"}')

    async def main() -> None:
        client, operations = client_of(Completed()), map(name_of, range(3_200))
        async with wait_for_operations_async(client, operations, concurrency=1, policy=STEADY) as outcomes:
            ended = 0
            async for outcome in outcomes:
                assert outcome.result is not None
                ended += 1
                if ended in (2_200, 3_200):  # what is kept for speed is full by then
                    gc.collect()
                    blocks.append(sys.getallocatedblocks())

    asyncio.run(main())
    assert blocks[1] - blocks[0] < 250  # a quarter of a block for each
