"""Leaving in any way ends everything at once: no task, request, socket or warning is left."""

import asyncio
import gc
import signal
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing

import anyio
import anyio.lowlevel
import httpx
import pytest

from maps_data_registry import (
    OperationUpdate,
    Outcome,
    SubscriptionKey,
    connect,
    wait_for_operations,
    wait_for_operations_async,
)
from maps_data_registry.polling.many import AsyncOutcomes
from maps_data_registry_client import AuthenticatedClient
from tests.support import ID, KEY, client_of
from tests.wire.server import GOOD, Answer, Peer, Stop, sends, serve, silent

from .conftest import Run
from .support import Service, first_only, names, tasks_alive, virtual_clock


def outcomes_of(service: Service) -> AsyncOutcomes:
    """One that has ended, and many that never will."""
    return wait_for_operations_async(service.client, names(50), concurrency=8, clock=virtual_clock())


async def leave_by_break(service: Service) -> None:
    async with outcomes_of(service) as outcomes:
        async for _ in outcomes:
            break


async def leave_at_once(service: Service) -> None:
    async with outcomes_of(service):
        pass


async def leave_by_exception(service: Service) -> None:
    await raises(service, LookupError())


async def leave_by_a_group(service: Service) -> None:
    await raises(service, ExceptionGroup("of the caller's own", [LookupError(), ValueError()]))


async def raises(service: Service, error: Exception) -> None:
    try:
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                raise error
    except Exception as caught:
        assert caught is error
        assert caught.__cause__ is caught.__context__ is None
    else:
        raise AssertionError


async def leave_by_a_task_groups_error(service: Service) -> None:
    """Whose other tasks are cancelled then, this one among them."""

    async def wait() -> None:
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                pass

    async def fail() -> None:
        await anyio.sleep(5)
        raise LookupError

    async def both() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            tasks.start_soon(fail)

    with pytest.raises(ExceptionGroup) as caught:
        await both()
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


async def leave_by_cancelling(service: Service) -> None:
    with anyio.move_on_after(5) as scope:
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                pass
    assert scope.cancelled_caught
    assert anyio.current_time() == 5


async def leave_by_cancelling_before_the_start(service: Service) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                pass
    assert not service.polled


async def leave_while_handling(service: Service) -> None:
    with anyio.move_on_after(5):
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                await anyio.sleep_forever()


async def each(service: Service) -> AsyncGenerator[Outcome, None]:
    async with outcomes_of(service) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def leave_a_generator_by_aclose(service: Service) -> None:
    async with aclosing(each(service)) as outcomes:
        await anext(outcomes)


async def leave_a_generator_to_the_collector(service: Service) -> None:
    outcomes = each(service)
    await anext(outcomes)
    cycle: list[object] = [outcomes]
    cycle.append(cycle)
    del outcomes, cycle
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Async generator", ResourceWarning)  # trio's own, of any such generator
        gc.collect()
        await anyio.sleep(0.01)


async def in_another_task(outcomes: AsyncGenerator[Outcome, None]) -> None:
    async def close() -> None:
        await outcomes.aclose()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(close)


async def leave_a_generator_in_another_task(service: Service) -> None:
    outcomes = each(service)

    async def begin() -> None:
        await anext(outcomes)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin)
    await in_another_task(outcomes)


async def leave_while_another_task_waits(service: Service) -> None:
    rest: list[Outcome] = []

    async with anyio.create_task_group() as tasks, outcomes_of(service) as outcomes:

        async def consume() -> None:
            rest.extend([outcome async for outcome in outcomes])

        tasks.start_soon(consume)
        await anyio.sleep(5)
    assert len(rest) == 1


async def leave_under_a_shield(service: Service) -> None:
    with anyio.CancelScope() as scope:
        async with outcomes_of(service) as outcomes:
            await anext(outcomes)
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "leave",
    [
        leave_by_break,
        leave_at_once,
        leave_by_exception,
        leave_by_a_group,
        leave_by_a_task_groups_error,
        leave_by_cancelling,
        leave_by_cancelling_before_the_start,
        leave_while_handling,
        leave_a_generator_by_aclose,
        leave_a_generator_to_the_collector,
        leave_a_generator_in_another_task,
        leave_while_another_task_waits,
        leave_under_a_shield,
    ],
)
def test_leaving_leaves_nothing_behind(run: Run, leave: Callable[[Service], Awaitable[None]]) -> None:
    service = Service(first_only, latency=0.4)

    async def main() -> None:
        before = tasks_alive()
        await leave(service)
        assert service.in_flight == 0
        await anyio.lowlevel.checkpoint()
        assert tasks_alive() == before
        polled = len(service.polled)
        await anyio.sleep(100)
        assert len(service.polled) == polled

    run(main)


def test_the_end_of_the_loop_ends_a_generator_that_is_still_held(run: Run) -> None:
    service = Service(first_only, latency=9)
    kept: list[AsyncGenerator[Outcome, None]] = []

    async def main() -> None:
        kept.append(each(service))
        await anext(kept[0])
        await anyio.sleep(1)
        assert service.in_flight == 8

    run(main)
    assert service.in_flight == 0
    kept.clear()  # the loop is gone


def test_it_ends_before_the_with_is_left_also_where_requests_take_their_time_to_end(run: Run) -> None:
    begun: list[float] = []
    ended: list[float] = []

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            begun.append(anyio.current_time())
            try:
                await anyio.sleep_forever()
                raise AssertionError
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(50):
                        await anyio.lowlevel.checkpoint()
                ended.append(anyio.current_time())

    async def main() -> None:
        with anyio.move_on_after(5):
            async with wait_for_operations_async(client_of(Slow()), names(4), clock=virtual_clock()) as outcomes:
                await anext(outcomes)
        assert begun == [0] * 4
        assert ended == [5] * 4

    run(main)


def test_the_callers_task_is_never_cancelled_by_what_it_has_left(run: Run) -> None:
    async def main() -> None:
        await leave_a_generator_to_the_collector(Service(first_only, latency=0.4))
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)

    run(main)


def test_a_task_that_is_cancelled_over_and_over_leaves_all_the_same() -> None:
    service = Service(first_only, latency=0.01)

    async def main() -> None:
        async def wait() -> None:
            async with outcomes_of(service) as outcomes:
                async for _ in outcomes:
                    pass

        task = asyncio.create_task(wait())
        await asyncio.sleep(0.005)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0)
        assert task.cancelled()
        await asyncio.sleep(0.01)
        assert service.in_flight == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def interrupting(number: int, poll: int) -> httpx.Response:
    if number == 3 and poll == 0:
        signal.raise_signal(signal.SIGINT)
    return first_only(number, poll)


def test_ctrl_c_comes_out_as_itself(run: Run) -> None:
    service = Service(interrupting, latency=0.1)

    async def main() -> None:
        async with outcomes_of(service) as outcomes:
            async for _ in outcomes:
                pass

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert service.in_flight == 0
    assert service.polled[-1][0] < 1


# Over real sockets: the other side sees every connection closed.


class Hanging:
    """A service that completes the first operation, and lets the others hang until the connection ends."""

    def __init__(self) -> None:
        self._begun = threading.Semaphore(0)
        self._ended = threading.Semaphore(0)

    @property
    def answers(self) -> list[Answer]:
        def hang(peer: Peer, stop: Stop) -> None:
            self._begun.release()
            silent(peer, stop)
            if not stop.is_set():
                self._ended.release()

        return [sends(GOOD), hang]

    async def operations(self) -> AsyncIterator[str]:
        """One that completes, and then three that hang."""
        self._answered = anyio.Event()
        yield ID
        await self._answered.wait()
        for name in names(3):
            yield name

    async def on_update(self, _: OperationUpdate) -> None:
        """Wait, after the first, for those that hang."""
        self._answered.set()
        assert await anyio.to_thread.run_sync(lambda: [self._begun.acquire(timeout=60) for _ in range(3)]) == [True] * 3

    def ended(self) -> bool:
        """Wait for the ends of their connections."""
        return all(self._ended.acquire(timeout=60) for _ in range(3))


@pytest.fixture
def hanging() -> Hanging:
    return Hanging()


@pytest.fixture
def client(hanging: Hanging) -> Iterator[AuthenticatedClient]:
    with serve(*hanging.answers) as wire:
        yield connect(base_url=wire.url, credential=SubscriptionKey(KEY))


@pytest.mark.parametrize("library", ["asyncio", "trio"])
@pytest.mark.parametrize("way", ["break", "error", "cancellation", "in another task"])
def test_no_socket_is_left(client: AuthenticatedClient, hanging: Hanging, library: str, way: str) -> None:
    async def each() -> AsyncGenerator[Outcome, None]:
        async with wait_for_operations_async(client, hanging.operations(), on_update=hanging.on_update) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def main() -> None:
        outcomes = each()
        async with client:
            await anext(outcomes)
            match way:
                case "break":
                    await outcomes.aclose()
                case "error":
                    with pytest.raises(LookupError):
                        await outcomes.athrow(LookupError())
                case "cancellation":
                    with anyio.move_on_after(0):
                        await anext(outcomes)
                case _:
                    await in_another_task(outcomes)
            assert await anyio.to_thread.run_sync(hanging.ended)

    anyio.run(main, backend=library)


@pytest.mark.parametrize("way", ["break", "error", "abandoned", "Ctrl+C"])
def test_no_socket_is_left_without_async(client: AuthenticatedClient, hanging: Hanging, way: str) -> None:
    async def on_update(update: OperationUpdate) -> None:
        await hanging.on_update(update)
        if way == "Ctrl+C":
            signal.raise_signal(signal.SIGINT)

    def each() -> Generator[Outcome, None, None]:
        with wait_for_operations(client, hanging.operations(), on_update=on_update) as outcomes:
            yield from outcomes

    outcomes = each()
    if way == "Ctrl+C":
        with pytest.raises(KeyboardInterrupt):
            next(outcomes)
    else:
        next(outcomes)
    if way == "break":
        outcomes.close()
    if way == "error":
        with pytest.raises(LookupError):
            outcomes.throw(LookupError())
    del outcomes
    gc.collect()
    assert hanging.ended()
