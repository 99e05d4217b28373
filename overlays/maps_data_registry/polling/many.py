"""Thousands of operations at once: one outcome for each, as it ends. `scheduler` has the rules."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Self, Unpack

import anyio
import httpx
from attrs import evolve

from maps_data_registry_client import AuthenticatedClient

from .location import Operation, as_response
from .options import ManyOptions, shows
from .policy import DEFAULT, OperationUpdate, timeout_seconds
from .scheduler import Outcome, Scheduler


@shows(ManyOptions)
def wait_for_operations_async(
    client: AuthenticatedClient,
    operations: Iterable[Operation] | AsyncIterable[Operation],
    *,
    concurrency: int = 64,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[ManyOptions],
) -> "AsyncOutcomes":
    """Poll until every operation has ended: one outcome for each, in the order in which they end.

        async with wait_for_operations_async(client, operations) as outcomes:
            async for outcome in outcomes:
                ...

    The polls go on while the caller handles an outcome. Leaving the `async with`, in whatever way, ends everything at
    once, requests in flight included.

    Args:
        client: from `connect`.
        operations: operation ids, Operation-Location URLs and responses, read as they are needed. One that is none
            of these, or a response of refusal, is an outcome with an error. A plain iterable must not block.
        concurrency: requests in flight at most.
        on_update: called with the `OperationUpdate` of each poll; what it returns is awaited if it can be.
        timeout: limit per operation, counted from when it is read, as seconds or a timedelta; None for no limit.
            Default: the policy's, an hour. For a limit on the whole, put one around the loop.
        policy: how to wait.
        clock: time and chance, for tests.

    Raises:
        ValueError: at once, for a concurrency or timeout that is not more than 0.
        TypeError: at once, for one operation in the place of many, or an option of the wrong type; from the iteration,
            for a client with a transport that is sync only.
        Exception: from the iteration, what *operations*, *on_update* or a closed client raise; it ends everything.
    """
    return AsyncOutcomes(_scheduler(client, operations, concurrency, on_update, options))


@shows(ManyOptions)
def wait_for_operations(
    client: AuthenticatedClient,
    operations: Iterable[Operation] | AsyncIterable[Operation],
    *,
    concurrency: int = 64,
    on_update: Callable[[OperationUpdate], object] | None = None,
    **options: Unpack[ManyOptions],
) -> "Outcomes":
    """Poll until every operation has ended: one outcome for each, in the order in which they end.

        with wait_for_operations(client, operations) as outcomes:
            for outcome in outcomes:
                ...

    Requests go out on a private event loop that runs only inside `next()`: what the caller does between two outcomes
    delays the polls. No thread is started, and the connections are not the client's own: they are opened and closed
    here. A transport passed to `connect` must be async, or both.

    Args:
        client: from `connect`.
        operations: operation ids, Operation-Location URLs and responses, read as they are needed. One that is none
            of these, or a response of refusal, is an outcome with an error.
        concurrency: requests in flight at most.
        on_update: called with the `OperationUpdate` of each poll; what it returns is awaited if it can be.
        timeout: limit per operation, counted from when it is read, as seconds or a timedelta; None for no limit.
            Default: the policy's, an hour.
        policy: how to wait.
        clock: time and chance, for tests.

    Raises:
        ValueError: at once, for a concurrency or timeout that is not more than 0.
        TypeError: at once, for one operation in the place of many, or an option of the wrong type; from the iteration,
            for a client with a transport that is sync only.
        RuntimeError: from `with`, inside a running event loop.
        Exception: from the iteration, what *operations*, *on_update* or a closed client raise; it ends everything.
    """
    twin = evolve(client)  # with the same credential and transport, and httpx clients of its own
    return Outcomes(twin, _scheduler(twin, operations, concurrency, on_update, options))


class AsyncOutcomes(AsyncIterator[Outcome]):
    """The outcomes of `wait_for_operations_async`, inside `async with`."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._work = _working(scheduler)
        self._entered = False

    async def __aenter__(self) -> Self:
        self._entered = True
        await self._work.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._work.__aexit__(kind, error, traceback)

    async def __anext__(self) -> Outcome:
        if not self._entered:
            raise RuntimeError("use it with: async with wait_for_operations_async(…) as outcomes")
        return await self._scheduler.next_outcome()


class Outcomes(Iterator[Outcome]):
    """The outcomes of `wait_for_operations`, inside `with`."""

    def __init__(self, client: AuthenticatedClient, scheduler: Scheduler) -> None:
        self._client = client
        self._scheduler = scheduler
        self._runner: asyncio.Runner | None = None
        self._work: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        if _in_event_loop():
            raise RuntimeError("inside an event loop use wait_for_operations_async")
        self._runner = asyncio.Runner()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._runner is not None:
            with self._runner as runner:
                runner.run(self._end())

    def __next__(self) -> Outcome:
        if self._runner is None:
            raise RuntimeError("use it with: with wait_for_operations(…) as outcomes")
        outcome = self._runner.run(self._next())
        if outcome is None:
            raise StopIteration
        return outcome

    async def _next(self) -> Outcome | None:
        if self._work is None:
            self._work = asyncio.create_task(self._scheduler.run())
        try:
            return await self._scheduler.next_outcome()
        except StopAsyncIteration:
            return None

    async def _end(self) -> None:
        self._scheduler.close()
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        await self._client.get_async_httpx_client().aclose()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.asynccontextmanager
async def _working(scheduler: Scheduler) -> AsyncIterator[None]:
    """Let the scheduler run inside. What the body raises comes out as itself, not in a group."""
    failure: BaseException | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(scheduler.run)
        try:
            yield
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            failure = error
        finally:
            scheduler.close()
            tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _scheduler(
    client: AuthenticatedClient,
    operations: Iterable[Operation] | AsyncIterable[Operation],
    concurrency: int,
    on_update: Callable[[OperationUpdate], object] | None,
    options: ManyOptions,
) -> Scheduler:
    if isinstance(concurrency, bool) or not isinstance(concurrency, int):
        raise TypeError(f"concurrency must be a whole number, not {type(concurrency).__name__}")
    if concurrency < 1:
        raise ValueError("concurrency must be at least 1")
    if (timeout := options.get("timeout", DEFAULT)) is not DEFAULT:
        timeout_seconds(timeout)
    if isinstance(operations, str | httpx.URL) or as_response(operations) is not None:
        raise TypeError("operations must be an iterable of operations; for a single one there is wait_for_operation")
    return Scheduler(client.get_async_httpx_client(), operations, concurrency, on_update, **options)
